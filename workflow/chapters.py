"""The chapters that the chain runs: the code that each rests on and the tables that it writes."""

import ast
from functools import cache

from helpers import parameters, records
from helpers.files import ROOT, read_json

# The chapters that draw from tables alone.
READS_TABLES = (
    "formats/05_expression",
    "formats/06_knowing_and_doing",
    "formats/07_persona_or_format",
    "persllm/05_stages",
    "persllm/06_premises",
    "persllm/07_likeness",
    "persllm/08_wearing_off",
    "persllm/09_parts",
)
JUDGING = (records.JUDGED, records.MEASURED)  # from the gathered tables; no language model
CHAPTERS = (
    "formats/01_corpus",
    "formats/02_train",
    "formats/03_answer",
    "persllm/01_examples",
    "persllm/02_prefer",
    "persllm/03_ask",
    *JUDGING,
    *READS_TABLES,
    "persllm/10_dialogue",
)

HELPERS = ROOT / "src" / "helpers"
# What a chapter does not rest on though it imports it: the table of arms, whose entries are
# parameters of a rule; drawing, where the chapter does more than draw; and the statistics that sum
# up there what was answered. So a changed figure trains nothing again.
LEFT_OUT = ("arms.py", "report/")
LEFT_OUT_TOO = {"formats/03_answer": ("measure/",)}


@cache
def defaults(chapter: str) -> dict:
    """The parameters that a chapter declares, with their defaults."""
    return parameters.declared(ROOT / "notebooks" / f"{chapter}.ipynb")


def tables(step: str) -> list[str]:
    """The files of results that a step (of `records.TABLES`) always writes."""
    return [*map(records.table_file, records.TABLES[step]), records.RECORDS[step]]


# Code


def code(chapter: str) -> list[str]:
    """The notebook of a chapter and the helper modules that it rests on, by their paths: those that
    it imports, and those that they import. A change to one of them runs the chapter again."""
    left_out = () if chapter in READS_TABLES else LEFT_OUT + LEFT_OUT_TOO.get(chapter, ())
    notebook, found = f"notebooks/{chapter}.ipynb", set()
    cells = read_json(ROOT / notebook)["cells"]
    script = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    waiting = imports(script)
    while waiting:
        name = waiting.pop()
        if name not in found and not name.startswith(left_out):
            found.add(name)
            waiting |= imports_of(name)
    captions = {"report/captions.yaml"} if "report/drawing.py" in found else set()
    return [notebook, *(f"src/helpers/{name}" for name in sorted(found | captions))]


def imports(script: str) -> set[str]:
    """The modules of helpers that a script imports, by their paths in src/helpers."""
    names = set()
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            package = "/".join(node.module.split(".")[1:])
            names |= {package, *(f"{package}/{alias.name}".lstrip("/") for alias in node.names)}
    return {f"{name}.py" for name in names if (HELPERS / f"{name}.py").is_file()}


@cache
def imports_of(name: str) -> set[str]:
    return imports((HELPERS / name).read_text(encoding="utf-8"))
