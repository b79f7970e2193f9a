"""The code that a chapter rests on: the helper modules that it imports, directly or not, and a hash
of those that decide its numbers."""

import ast
from functools import cache

from helpers.files import ROOT, fingerprint, read_json

HELPERS = ROOT / "src" / "helpers"
# What no chapter that trains or answers rests on though it imports it: the table of arms, whose
# entries are parameters of a rule; drawing, where the chapter does more than draw; what fetches
# weights and keeps records; and statistics that sum up what was answered. So a changed figure
# trains nothing again.
BESIDE = ("arms.py", "report/", "embedded.py", "records.py", "repository.py", "sources.py")
BESIDE_TOO = {"formats/03_answer": ("measure/",)}
# What reads, writes and checks, and decides no number: what was read is hashed as data.
CARRIES = ("files.py", "parameters.py", "rows.py", "server.py", "writing.py", "yaml_files.py")


def modules(chapter: str, left_out: tuple[str, ...] = ()) -> list[str]:
    """The helper modules that a chapter imports, and those that they import, by their paths in
    src/helpers; not those whose path begins with one of `left_out`, nor what they import."""
    found, waiting = set(), imports("\n".join(cells(chapter)))
    while waiting:
        name = waiting.pop()
        if name not in found and not name.startswith(left_out):
            found.add(name)
            waiting |= imports_of(name)
    return sorted(found)


def cells(chapter: str, but_parameters: bool = False) -> list[str]:
    """The code of a chapter, cell by cell, on request without the parameters."""
    every = read_json(ROOT / "notebooks" / f"{chapter}.ipynb")["cells"]
    return [
        "".join(cell["source"])
        for cell in every
        if cell["cell_type"] == "code"
        and not (but_parameters and "parameters" in cell["metadata"].get("tags", []))
    ]


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


# The hash


@cache
def code_hash(chapter: str) -> str:
    """16 hex digits that change when the code changes that decides the numbers of a chapter: its
    cells, and the modules that it rests on, without those that only carry.

    Comments, docstrings and layout count for nothing, parameters neither: a record has them as
    settings. Read once in a process, so that it is the code that was imported.
    """
    left_out = BESIDE + BESIDE_TOO.get(chapter, ()) + CARRIES
    code = {name: (HELPERS / name).read_text("utf-8") for name in modules(chapter, left_out)}
    code["cells"] = "\n".join(cells(chapter, but_parameters=True))
    return fingerprint({name: meaning(script) for name, script in code.items()})


@cache
def modules_hash(*names: str) -> str:
    """The same of some modules alone, by their paths in src/helpers."""
    return fingerprint({name: meaning((HELPERS / name).read_text("utf-8")) for name in names})


def meaning(script: str) -> list:
    """A script as nested lists that do not depend on its comments, docstrings and layout, nor on
    the version of Python that reads it."""
    return plain(ast.parse(script))


def plain(node: object) -> object:
    if isinstance(node, list):
        return [plain(part) for part in node]
    if isinstance(node, ast.Constant):
        return ["Constant", repr(node.value)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        [name, plain(without_docstring(node) if name == "body" else value)]
        for name, value in ast.iter_fields(node)
        if value is not None and value != []
    ]
    return [type(node).__name__, *fields]


def without_docstring(node: ast.AST) -> object:
    """The body of a node, without the text that it may begin with."""
    match node:
        case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if (
            ast.get_docstring(node, clean=False) is not None
        ):
            return node.body[1:]
    return node.body
