"""Life stages of a persona (PersLLM, arXiv 2407.12393, section 3.1)."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from helpers import files
from helpers.corpus.personas import Expression
from helpers.files import StudyError, shown
from helpers.rows import Row, Text, different_ids, read_mapping


class Stage(Row):
    """`knows` are the stages remembered there, `first_known` regular expressions for what nobody
    could mention before that stage, `cannot` questions about other stages."""

    id: Text
    knows: list[Text]
    description: Text
    first_known: list[Expression]
    cannot: list[Text]


def know_each_other(stages: list[Stage]) -> list[Stage]:
    """A check for the list: every stage knows itself, and none that is not there."""
    ids = {stage.id for stage in stages}
    for stage in stages:
        if not {stage.id} <= set(stage.knows) <= ids:
            raise ValueError(
                f"stage '{stage.id}' must know itself, and only stages that are listed"
            )
    return stages


class Stages(Row):
    """The stages in order of life; `default` is the one in which questions that belong to none are
    answered."""

    stages: Annotated[
        list[Stage],
        Field(min_length=1),
        AfterValidator(different_ids),
        AfterValidator(know_each_other),
    ]
    default: Text

    @field_validator("default")
    @classmethod
    def is_a_stage(cls, default: str, info) -> str:
        ids = [stage.id for stage in info.data.get("stages", [])]
        if ids and default not in ids:
            raise ValueError(f"{default!r} is none of {', '.join(ids)}")
        return default


def persllm_folder(persona: str) -> Path:
    return files.DATA / "persllm" / persona


def load_stages(persona: str) -> dict:
    """`data/persllm/<persona>/stages.yaml` as {default, stages: [{id, knows, description,
    first_known, cannot}]} (see `Stages`). Raises StudyError with the field."""
    path = persllm_folder(persona) / "stages.yaml"
    if not path.is_file():
        raise StudyError(
            f"{shown(path)} is missing: PersLLM arms need a persona's life stages "
            "(docs/own_persona.md)."
        )
    return read_mapping(path, Stages)


def stage_ids(persona: str) -> list[str]:
    return [stage["id"] for stage in load_stages(persona)["stages"]]


def stage_token(stage: str) -> str:
    """The special token before a user's message that names the stage of life spoken to."""
    return f"<|{stage}|>"
