"""What the repository promises about itself: pins, the architecture, the notebooks' conventions."""

import ast
import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from helpers.arms import ARMS
from helpers.files import ROOT, StudyError
from helpers.parameters import declared
from helpers.report.figures import ARM_COLOURS

sys.path.insert(0, str(ROOT / "workflow"))
import study

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted(p.stem for p in (ROOT / "src" / "helpers").glob("*.py") if p.stem != "__init__")


def cells(path, kind):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]


def test_environment_and_pyproject_carry_the_same_pins_once():
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert pip["pip"] == pins and conda == ["python=3.11", "pip"]
    assert all("==" in pin for pin in pins) and len({pin.split("==")[0] for pin in pins}) == len(
        pins
    )


def test_imports_follow_the_table_of_contributing():
    table = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    allowed = {module: set(re.findall(r"\w+", may)) - {"–"} for module, may in table}
    assert sorted(allowed) == MODULES
    for module in MODULES:
        code = (ROOT / "src" / "helpers" / f"{module}.py").read_text()
        assert study.imported(code) <= allowed[module], module
        tree = ast.parse(code)
        roots = {
            n.module.split(".")[0]
            for n in ast.walk(tree)
            if isinstance(n, ast.ImportFrom) and n.module
        }
        roots |= {
            a.name.split(".")[0]
            for n in ast.walk(tree)
            if isinstance(n, ast.Import)
            for a in n.names
        }
        assert module in ("models", "packed", "train", "answer") or "torch" not in roots, module
        assert "trl" not in roots or module == "train"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_obeys_its_conventions(path):
    code = cells(path, "code")
    assert not any(c["outputs"] or c["execution_count"] for c in code), "committed with outputs"
    assert all(len("".join(c["source"]).splitlines()) <= 25 for c in code), (
        "a cell of more than 25 lines"
    )
    declared_parameters(path)  # one cell of plain literals
    assert "parameters" in code[0]["metadata"].get("tags", []), "the parameters come first"
    assert f'store.settings("{path.stem}", globals())' in "".join(code[1]["source"])
    tree = ast.parse("\n".join("".join(c["source"]) for c in code))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)], (
        "defines a function or class"
    )
    first = "".join(cells(path, "markdown")[0]["source"])
    assert all(word in first for word in ("**Reads**", "**Writes**", "**Costs**"))
    prose = " ".join("".join(c["source"]) for c in cells(path, "markdown")[1:])
    assert not re.search(r"\d+(\.\d+)? ?%|\d\.\d", re.sub(r"published[^.]*\.", "", prose)), (
        "prose quotes a number"
    )


def test_every_parameter_that_the_chain_sets_is_declared_and_checked():
    for name in ("smoke", "quick", "standard", "reference", "persllm", "persllm-nell", "qwen3-4b"):
        loaded = study.load_study(name)
        taken = {
            key
            for step in study.STEPS
            for key in study.arm_parameters(loaded, step, "documents", 0)
        }
        assert set(loaded["parameters"]) | study.OWN <= taken
        assert set(loaded["arms"]) <= set(ARMS) == set(ARM_COLOURS)


def test_long_conversations_are_held_with_the_first_seed_alone():
    loaded = study.load_study("persllm")
    turns = {
        seed: study.arm_parameters(loaded, "04_answer", "persllm", seed)["turns"]
        for seed in loaded["seeds"]
    }
    assert turns == {0: 20, 1: 0, 2: 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": ["bass"]}, "'bass' is unknown"),
        ({"parameters": {"epoch": 1}}, "unknown parameter 'epoch'"),
        ({"arms": ["base", "persllm"], "parameters": {}}, "need `use_reasoned: true`"),
        ({"arms": ["base", "persllm_dpo"]}, "'persllm_dpo' goes on from 'persllm'"),
        ({"parameters": {"epochs": "many"}}, "'epochs' is 'many', but must be of type int"),
    ],
)
def test_a_wrong_study_is_refused(tmp_path, monkeypatch, change, message):
    wrong = yaml.safe_load((study.STUDIES / "quick.yaml").read_text()) | change
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    with pytest.raises(StudyError, match=message):
        study.load_study("wrong")
    with pytest.raises(StudyError, match=r"study 'other' is unknown. Choose one of: wrong"):
        study.load_study("other")


def test_sources_of_a_step_hold_what_it_imports_and_not_the_plots_of_others():
    assert "src/helpers/plots.py" in study.sources("06_findings")
    assert "src/helpers/train.py" in study.sources("02_train")
    assert "src/helpers/plots.py" not in study.sources("04_answer")
    assert "src/helpers/judge.py" not in study.sources("02_train")


def test_bare_make_lists_the_targets_and_sets_nothing_up():
    out = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    for target in ("study", "quick", "test", "figures", "bench", "lab"):
        assert f"make {target}" in out


def test_nothing_unsafe_is_loaded():
    """No pickle, in torch's clothes either, no YAML that builds objects, no code from the hub."""
    scripts = [
        p.read_text() for folder in ("src", "workflow") for p in (ROOT / folder).rglob("*.py")
    ]
    scripts += ["\n".join("".join(c["source"]) for c in cells(path, "code")) for path in NOTEBOOKS]
    assert len(scripts) > 20
    for node in (node for script in scripts for node in ast.walk(ast.parse(script))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "pickle" not in [alias.name for alias in node.names] + [
                getattr(node, "module", None)
            ]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {
                ("torch", "load"),
                ("torch", "save"),
                ("yaml", "load"),
            }
        elif isinstance(node, ast.keyword):
            assert node.arg != "trust_remote_code"


def test_the_tables_of_the_readme_are_those_of_the_results():
    import redraw

    readme = (ROOT / "README.md").read_text()
    assert redraw.with_tables(readme) == readme
    assert readme.count("<!-- end -->") == 4 and len(readme.splitlines()) < 200
