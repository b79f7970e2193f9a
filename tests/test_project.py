"""What the repository promises about itself: pins, layers, and the conventions of its notebooks."""

import ast
import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from helpers import parameters
from helpers.files import ROOT

sys.path.insert(0, str(ROOT / "workflow"))
import chapters

NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
PUBLISHED = sorted((ROOT / "docs").rglob("*.ipynb"))
HELPERS = ROOT / "src" / "helpers"
# From the bottom up: a module imports modules of its own layer or of one below.
LAYERS = ("", "corpus", "model", "measure", "persllm", "report")


def name_of(path):
    return str(path.relative_to(ROOT).with_suffix(""))


def cells(path, kind):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def imported(tree):
    """The modules that a syntax tree imports, with the names taken from each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def pins(lines):
    return dict(line.split("==") for line in lines)


def test_every_pin_stands_in_all_three_places_alike():
    direct = pins(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    option, *listed = pip["pip"]
    assert pins(listed) == direct and conda == ["python=3.11", "pip"]
    assert option == "--constraint constraints.txt"
    locked = pins((ROOT / "constraints.txt").read_text().lower().split())
    assert {name: locked.get(name) for name in direct} == direct


def test_imports_point_down():
    packages = {path.name for path in HELPERS.iterdir() if (path / "__init__.py").exists()}
    assert packages == set(LAYERS) - {""}
    for path in HELPERS.rglob("*.py"):
        own = path.relative_to(HELPERS).parts[0] if path.parent != HELPERS else ""
        for module, name in imported(ast.parse(path.read_text())):
            parts = f"{module}.{name}".split(".")
            if parts[0] == "helpers":
                other = parts[1] if parts[1] in packages else ""
                assert LAYERS.index(other) <= LAYERS.index(own), f"{path.name} imports {module}"


def test_each_heavy_library_is_imported_where_it_belongs():
    allowed = {
        "trl": {"dpo.py"},
        "peft": {"adapters.py", "base.py", "chat.py", "dpo.py"},
        "bitsandbytes": {"base.py"},
        "matplotlib": {"drawing.py", "figures.py", "progress.py", "persllm_figures.py"},
    }
    for path in HELPERS.rglob("*.py"):
        roots = {module.split(".")[0] for module, _ in imported(ast.parse(path.read_text()))}
        for library, homes in allowed.items():
            assert library not in roots or path.name in homes, (path.name, library)
        if path.parent.name in ("measure", "report", "persllm"):
            assert "torch" not in roots, path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_chapter_obeys_its_conventions(path):
    code, prose = cells(path, "code"), cells(path, "markdown")
    assert not any(c["outputs"] or c["execution_count"] for c in code), "committed with outputs"
    parameters.declared(path)  # one cell of plain literals
    assert "parameters" in code[0]["metadata"].get("tags", []), "the parameters come first"
    chapter = name_of(path).removeprefix("notebooks/")
    assert f'parameters.resolve("{chapter}", globals())' in source(code[1])
    tree = ast.parse("\n".join(map(source, code)))
    defined = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert not defined, "defines a function or class"
    first = source(prose[0])
    assert first.startswith("# ") and first.splitlines()[0].endswith("?"), "opens with a question"
    assert all(word in first for word in ("**Reads**", "**Writes**", "**Costs**"))
    text = " ".join(map(source, prose[1:]))
    # The level of an interval is a convention, not a result.
    quoted = re.search(r"\d+(\.\d+)? ?%|\d\.\d", re.sub(r"published[^.]*\.|95 %", "", text))
    assert not quoted, f"prose quotes a number that a cell computes: {quoted}"
    assert all(len(line) <= 100 for c in code + prose for line in source(c).splitlines()), "wide"


def test_every_chapter_is_one_that_the_chain_runs():
    assert {name_of(path).removeprefix("notebooks/") for path in NOTEBOOKS} == {*chapters.CHAPTERS}


@pytest.mark.parametrize("path", PUBLISHED, ids=name_of)
def test_a_published_chapter_ran_whole_and_shows_no_empty_table(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            assert output["output_type"] != "error", source(cell)
            html = "".join(output.get("data", {}).get("text/html", ""))
            if "<table" in html:
                assert "<td" in html and "0 rows" not in html, f"an empty table: {source(cell)}"
    executed = [c for c in cells(path, "code") if c["execution_count"]]
    assert len(executed) == len(cells(path, "code"))


def test_bare_make_lists_the_targets_and_sets_nothing_up():
    out = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    for target in ("study", "quick", "test", "check", "figures", "bench", "lab", "lock"):
        assert f"make {target}" in out


def test_nothing_unsafe_is_loaded():
    """No pickle, in torch's clothes either, no YAML that builds objects, no code from the hub."""
    scripts = [
        p.read_text() for folder in ("src", "workflow") for p in (ROOT / folder).rglob("*.py")
    ]
    scripts += ["\n".join(map(source, cells(path, "code"))) for path in NOTEBOOKS]
    assert len(scripts) > 50
    for node in (node for script in scripts for node in ast.walk(ast.parse(script))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None)]
            assert "pickle" not in names
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            unsafe = {("torch", "load"), ("torch", "save"), ("yaml", "load")}
            assert (node.value.id, node.attr) not in unsafe
        elif isinstance(node, ast.keyword):
            assert node.arg != "trust_remote_code"
