"""What the repository promises about itself: pins, layers, and the conventions of its notebooks."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import chain
import chapters
import pytest
import redraw
import yaml

from helpers import parameters
from helpers.files import ROOT

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
        "peft": {"adapters.py", "base.py", "chat.py", "dpo.py", "weights.py"},
        "bitsandbytes": {"base.py", "weights.py"},
        "matplotlib": {path.name for path in (HELPERS / "report").glob("*.py")},
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


def test_the_table_chapters_of_every_published_study_are_published():
    for loaded in redraw.published_studies():
        for chapter, _, _ in chain.jobs(loaded):
            page = ROOT / "docs" / loaded.name / f"{chapter}.ipynb"
            assert page in PUBLISHED or chapter not in chapters.READS_TABLES, page


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
        assert not unsafe(node), ast.unparse(node)


UNSAFE = {f"torch.{name}" for name in ("load", "save")}
UNSAFE |= {
    f"yaml.{name}" for name in ("load", "unsafe_load", "full_load", "Loader", "UnsafeLoader")
}


def unsafe(node):
    """Whether a node of a syntax tree takes up something that can run what it reads."""
    match node:
        case ast.Import() | ast.ImportFrom():
            taken = {f"{module}.{name}" for module, name in imported(ast.Module([node], []))}
            roots = {name.split(".")[0] for name in taken}
            return bool(taken & UNSAFE or roots & {"pickle", "joblib", "dill", "cloudpickle"})
        case ast.Attribute(value=ast.Name(id=module), attr=attr):
            return f"{module}.{attr}" in UNSAFE or attr in ("read_pickle", "to_pickle")
        case ast.keyword(arg="trust_remote_code"):
            return True
        case ast.keyword(arg="allow_pickle", value=value):
            return not (isinstance(value, ast.Constant) and value.value is False)
    return False


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "from torch import load",
        "torch.load(path)",
        "yaml.unsafe_load(text)",
        "from yaml import full_load",
        "pd.read_pickle(path)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=False)",
    ],
)
def test_unsafe_code_is_seen(code):
    assert any(map(unsafe, ast.walk(ast.parse(code))))


def test_chapters_that_read_tables_import_no_model_library():
    code = ""
    for chapter in chapters.READS_TABLES:
        first = source(cells(ROOT / "notebooks" / f"{chapter}.ipynb", "code")[1])
        code += first.partition("settings =")[0]
    heavy = ("torch", "transformers", "datasets", "sacrebleu")
    code += f"\nimport sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_the_benchmark_takes_for_work_is_what_chapters_do():
    tree = ast.parse((ROOT / "workflow" / "bench.py").read_text())
    named = {
        n.targets[0].id: n.value
        for n in tree.body
        if isinstance(n, ast.Assign) and hasattr(n.targets[0], "id")
    }
    calls = ast.literal_eval(named["BUSY"])
    code = "\n".join(source(cell) for path in NOTEBOOKS for cell in cells(path, "code"))
    assert len(calls) > 5 and not [call for call in calls if call not in code]


@pytest.mark.parametrize("words", [["-m", "helpers.report.readme"], ["workflow/bench.py"]])
def test_a_command_refuses_what_it_does_not_know(copy, words):
    shutil.copy(ROOT / "README.md", copy)
    done = subprocess.run(
        [sys.executable, *words, "--fast"],
        capture_output=True,
        text=True,
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy / "src")},
        timeout=300,
    )
    assert done.returncode == 2 and "unrecognized arguments: --fast" in done.stderr
    assert (copy / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    assert not (copy / "data" / "results").exists()
