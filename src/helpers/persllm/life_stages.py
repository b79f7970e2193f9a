"""Life stages of a persona (PersLLM, arXiv 2407.12393, section 3.1)."""

import re
from pathlib import Path

import yaml

from helpers import files
from helpers.files import StudyError, shown


def persllm_folder(persona: str) -> Path:
    return files.DATA / "persllm" / persona


# Reading


def load_stages(persona: str) -> dict:
    """`data/persllm/<persona>/stages.yaml`: {default, stages: [{id, knows, description,
    first_known, cannot}]}, in order of life.

    `knows` are the stages remembered there, `first_known` regular expressions for what nobody could
    mention before that stage, `cannot` questions about other stages; `default` is the stage in
    which questions that belong to none are answered. Raises StudyError.
    """
    path = persllm_folder(persona) / "stages.yaml"
    if not path.is_file():
        raise StudyError(
            f"{shown(path)} is missing: PersLLM arms need a persona's life stages (README, 'PersLLM')."
        )
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        ids = [stage["id"] for stage in table["stages"]]
        for stage in table["stages"]:
            if not {stage["id"]} <= set(stage["knows"]) <= set(ids) or not stage["description"]:
                raise ValueError(
                    f"stage '{stage['id']}' must know itself, and only stages that are listed"
                )
            if not all(
                isinstance(text, str) for name in ("first_known", "cannot") for text in stage[name]
            ):
                raise ValueError(
                    f"stage '{stage['id']}': first_known and cannot are lists of texts"
                )
            [re.compile(text) for text in stage["first_known"]]
        if len(ids) != len(set(ids)) or table["default"] not in ids:
            raise ValueError("the ids must differ, and default be one of them")
    except (yaml.YAMLError, KeyError, TypeError, ValueError, re.error) as error:
        raise StudyError(
            f"{shown(path)}: not a list of stages with id, knows, description, first_known and cannot, and a default stage ({error})."
        ) from error
    return table


def stage_token(stage: str) -> str:
    """The special token that stands before a user's message and names the stage of life that is
    spoken to."""
    return f"<|{stage}|>"
