"""The parameters of a notebook: declared in one cell, checked, and printed when it runs."""

import ast
from pathlib import Path

from helpers.files import ROOT, StudyError, read_json, shown


def declared(notebook: Path) -> dict:
    """Name -> default of the cell tagged `parameters`, which holds plain literals only (raises
    StudyError otherwise)."""
    cells = read_json(notebook)["cells"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise StudyError(
            f"{shown(notebook)}: {len(tagged)} cells are tagged 'parameters'; there must be one."
        )
    found = {}
    for statement in ast.parse("".join(tagged[0]["source"])).body:
        try:
            found[statement.targets[0].id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise StudyError(
                f"{shown(notebook)}: the parameters cell may hold only `name = literal`."
            ) from error
    return found


def check(declared: dict, given: dict, where: str) -> None:
    """Raise StudyError for a given parameter that is not declared, or whose type differs from the
    default's."""
    for name, value in given.items():
        if name not in declared:
            raise StudyError(
                f"{where}: unknown parameter '{name}'. It takes: {', '.join(declared)}."
            )
        wanted = type(declared[name])
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise StudyError(
                f"{where}: parameter '{name}' is {value!r}, but must be of type {wanted.__name__}."
            )


def resolve(notebook: str, variables: dict) -> dict:
    """The resolved parameters of a running notebook, printed with their origin.

    `variables` is the notebook's `globals()`. papermill only warns of a parameter that the notebook
    does not have; here it is an error, since a mistyped name would silently run the default. Call
    it before any other variable is set.
    """
    defaults = declared(ROOT / "notebooks" / f"{notebook}.ipynb")
    literals = (bool, int, float, str, list, dict, type(None))
    given = {
        n: v for n, v in variables.items() if isinstance(v, literals) and not n.startswith("_")
    }
    for name in ("In", "Out"):  # IPython's own history
        given.pop(name, None)
    if (
        "settings" in variables
    ):  # the cell is run again by hand, after the notebook's own variables were set
        given = {n: v for n, v in given.items() if n in defaults}
    check(defaults, given, f"notebooks/{notebook}.ipynb")
    resolved = {name: given.get(name, default) for name, default in defaults.items()}
    for name, value in resolved.items():
        print(
            f"{name:>18} = {value!r}"
            + ("" if value == defaults[name] else f"   (default {defaults[name]!r})")
        )
    return resolved


def check_choice(name: str, value: str, choices) -> None:
    """Raise StudyError unless `value` is one of `choices`."""
    if value not in choices:
        raise StudyError(f"{name} = {value!r} is unknown. Choose one of: {', '.join(choices)}.")
