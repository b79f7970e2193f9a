"""The parameters of notebooks and studies: what each may be, in one table; declared in one cell,
checked, and printed when a notebook runs."""

import argparse
import ast
import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from helpers import arms, embedded
from helpers.files import ROOT, StudyError, located, read_json, shown
from helpers.rows import Text, adapter, first_error, has_words, named

# The kinds of prompts that are answered freely: items, a triplet as `say` and `do`, and what
# PersLLM's measures add (see `persllm.asking`).
FREE = ("everyday", "neutral", "should_not_show", "identity", "say", "do")
FREE += ("question", "outside", "elsewhen")
# What is scored by likelihood (data/items/README.md).
MEASURES = ("know", "know_first", "know_you", "say_pair", "do_pair", "told_pair")
MEASURES += ("identity", "capability", "heldout")
CONDITIONS = ("own", "named", "stranger", "control", "nameless", "mismatched")


# Checks


def is_name(text: str) -> str:
    """A check: the text can name a folder, and is no number or truth value where it is read from a
    command line."""
    if not re.fullmatch(r"[^\W\d_][\w.-]*", text) or re.fullmatch(
        "(?i)true|false|none|null|nan|inf|infinity", text
    ):
        raise ValueError(
            f"{text!r} is no name: a letter, then letters, digits, '-', '_' and '.' are needed"
        )
    return text


def is_name_or_empty(text: str) -> str:
    return text and is_name(text)


def is_below_root(text: str) -> str:
    """A check: a path within the repository, or an absolute one."""
    if text.startswith("~") or ".." in Path(text).parts:
        raise ValueError(f"{text!r} must be a path from the repository's root, or an absolute one")
    return text


def is_by_reader(text: str) -> str:
    """A check: a path can be the folder of what one reader found, `by_<reader>`."""
    if not Path(text).name.removeprefix("by_") or not Path(text).name.startswith("by_"):
        raise ValueError(f"{text!r} must be a folder of readings, which ends in by_<reader>")
    return text


def is_model(text: str) -> str:
    """A check: an id of the hub can be one, a folder holds a model, and the name of an embedded
    model is spelt right."""
    folder, own = located(text), ("embedded", *embedded.models())
    if folder.is_file() or re.search(r"(?i)\.(gguf|safetensors|bin|pth?)$", text):
        raise ValueError(
            f"{text!r} is a file; a folder is needed, with config.json, weights and tokenizer as "
            "transformers saves them"
        )
    near = get_close_matches(text.lower(), own, n=1, cutoff=0.8)
    if near and text not in own and "/" not in text and not folder.is_dir():
        raise ValueError(
            f"there is no model {text!r}. Did you mean '{near[0]}'? There are {', '.join(own)}"
        )
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ValueError(f"the folder {text!r} holds no model: it has no config.json")
    if not folder.is_dir() and not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", text):
        raise ValueError(
            f"there is no folder {text!r}, and it is no id of a model on the hub (user/name)"
        )
    return text


def is_text_or_empty(text: str) -> str:
    """A check: there is nothing, or more than blanks."""
    return text and has_words(text)


def all_different(entries: list) -> list:
    """A check: no entry of a list stands twice."""
    for place, entry in enumerate(entries):
        if entry in entries[:place]:
            raise ValueError(f"{entry!r} is listed twice")
    return entries


def is_span(bounds: list[int]) -> list[int]:
    """A check: two numbers, the smaller first."""
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        raise ValueError(f"the least and the most are needed, found {bounds}")
    return bounds


Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, le=1)]  # a learning rate
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[Text, AfterValidator(is_name)]
NameOrEmpty = Annotated[str, AfterValidator(is_name_or_empty)]
PathBelow = Annotated[Text, AfterValidator(is_below_root)]
PathOrEmpty = Annotated[str, AfterValidator(is_below_root)]
ReadBy = Annotated[PathBelow, AfterValidator(is_by_reader)]
TextOrEmpty = Annotated[str, AfterValidator(is_text_or_empty)]
ArmName = Literal[*arms.ARMS]
Adapted = Literal[*(name for name in arms.ARMS if name not in arms.untrained())]
ArmNames = Annotated[list[ArmName], Field(min_length=1), AfterValidator(all_different)]
Sets = Annotated[list[Literal["a", "b"]], Field(min_length=1), AfterValidator(all_different)]

# What every parameter of every notebook may be.
ALLOWED = {
    # which study, and whose
    "run": Name,
    "persona": Name,
    "control": NameOrEmpty,
    "model": Annotated[Text, AfterValidator(is_model)],
    "arm": ArmName,
    "arms": ArmNames,
    "ablations": ArmNames,
    "seed": Seed,
    "results": PathBelow,
    "figures": PathBelow,
    # data
    "train_units": Count,
    "heldout_units": Count,
    "sources": dict[str, Any],  # `ingest.check_sources` looks into it
    "repeat": Count,
    "general_source": TextOrEmpty,
    "general_prompts": Count,
    "general_tokens": Count,
    # training
    "rank": Annotated[int, Field(ge=1, le=1024)],
    "alpha": Count,
    "dropout": Annotated[float, Field(ge=0, lt=1)],
    "epochs": Count,
    "batch": Count,
    "learning_rate": Rate,
    "warmup": Annotated[float, Field(ge=0, lt=1)],
    "max_length": Annotated[int, Field(ge=16)],
    "checkpoint_every": Count,
    "pairs": Count,
    "beta": Annotated[float, Field(gt=0, allow_inf_nan=False)],
    "dpo_learning_rate": Rate,
    "dpo_batch": Count,
    "dpo_checkpoint_every": Count,
    # answering
    "n_items": Count,
    "sets": Sets,
    "changed_sets": Sets,
    "score_options": bool,
    "measures": Annotated[list[Literal[*MEASURES]], AfterValidator(all_different)],
    "conditions": Annotated[list[Literal[*CONDITIONS]], AfterValidator(all_different)],
    "samples": Annotated[dict[Literal[*FREE], Count], Field(min_length=1)],
    "temperature": Annotated[float, Field(ge=0, le=10)],
    "top_p": Annotated[float, Field(gt=0, le=1)],
    "max_new_tokens": Count,
    "answer_batch": Count,
    "analysis": Literal["hidden", "skipped"],
    "analysis_tokens": Count,
    "turns": CountOrNone,
    "turn_tokens": Count,
    # changed adapters
    "changed_arms": Annotated[
        list[Adapted], Field(min_length=2, max_length=2), AfterValidator(all_different)
    ],
    "strengths": Annotated[
        list[Annotated[float, Field(ge=-2, le=2)]], AfterValidator(all_different)
    ],
    "other_seed": Seed,
    # judging
    "judge_model": TextOrEmpty,
    "reader": NameOrEmpty,
    "draw_labels": CountOrNone,
    "draw_premises": CountOrNone,
    "other_results": PathOrEmpty,
    "smaller_results": Annotated[list[PathBelow], AfterValidator(all_different)],
    "readings": Annotated[list[ReadBy], AfterValidator(all_different)],
    "readings_again": Annotated[list[ReadBy], AfterValidator(all_different)],
    # a conversation
    "first_arm": Adapted,
    "other_arm": Adapted,
    "other_run": NameOrEmpty,
    "other_persona": Name,
    "topic": Text,
    "dialogue_turns": Count,
    "dialogue_tokens": Count,
    "chat_arm": ArmName,
    "rated_arms": Annotated[ArmNames, Field(min_length=2, max_length=2)],
}


# What the options of the writers' command lines may be (see `writing.DEFAULTS`).
WRITERS = {
    "persona": Text,
    "model": Text,
    "count": Count,
    "words": Annotated[list[Count], AfterValidator(is_span)],
    "max_tokens": Count,
    "temperature": ALLOWED["temperature"],
    "asks": Count,
    "tries": Count,
    "timeout": Annotated[float, Field(gt=0, allow_inf_nan=False)],
    "concurrency": Annotated[int, Field(ge=1, le=1000)],
    "price_in": Annotated[float, Field(ge=0, allow_inf_nan=False)],
    "price_out": Annotated[float, Field(ge=0, allow_inf_nan=False)],
}


def first_wrong(
    known: list[str], given: dict, allowed: dict = ALLOWED
) -> tuple[list[str | int], str]:
    """The keys and places that lead to the first thing wrong with given parameters, and what it is;
    "" where nothing is. `known` are the names that there are."""
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            return [name], f"there is no such parameter.{hint} There are {', '.join(known)}"
        validate = partial(adapter(allowed[name]).validate_python, strict=True)
        place, wrong = first_error(validate, value)
        if wrong:
            return [name, *place], wrong
    if given.get("control") and given["control"] == given.get("persona"):
        return ["control"], "it is the persona itself; name another, or none (an empty text)"
    return [], ""


def check(known: Iterable[str], given: dict, where: str, allowed: dict = ALLOWED) -> None:
    """Raise StudyError for the first given parameter that is not known, or whose value is not
    allowed."""
    place, wrong = first_wrong(list(known), given, allowed)
    if wrong:
        raise StudyError(f"{where}, {named(place)}: {wrong}. Change it, then run again.")


# Notebooks


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


def resolve(notebook: str, variables: dict) -> dict:
    """The resolved parameters of a running notebook, printed with their origin.

    `variables` is the notebook's `globals()`. papermill only warns of a parameter that the notebook
    does not have; here it is an error, since a mistyped name would silently run the default. Call
    it before any other variable is set.
    """
    defaults = declared(ROOT / "notebooks" / f"{notebook}.ipynb")
    literals = (bool, int, float, str, list, dict, type(None))
    given = {
        n: v
        for n, v in variables.items()
        if n in defaults or (isinstance(v, literals) and not n.startswith("_"))
    }
    for name in ("In", "Out"):  # IPython's own history
        given.pop(name, None)
    if (
        "settings" in variables
    ):  # the cell is run again by hand, after the notebook's own variables were set
        given = {n: v for n, v in given.items() if n in defaults}
    check(list(defaults), given, f"notebooks/{notebook}.ipynb")
    resolved = {name: given.get(name, default) for name, default in defaults.items()}
    for name, value in resolved.items():
        print(
            f"{name:>18} = {value!r}"
            + ("" if value == defaults[name] else f"   (default {defaults[name]!r})")
        )
    return resolved


def at_least_one(text: str) -> int:
    """The type of a command line's option: a whole number of at least one."""
    if not re.fullmatch("[0-9]+", text) or not int(text):
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is needed, found {text!r}")
    return int(text)


def check_choice(name: str, value: str, choices) -> None:
    """Raise StudyError unless `value` is one of `choices`."""
    if value not in choices:
        raise StudyError(f"{name} = {value!r} is unknown. Choose one of: {', '.join(choices)}.")
