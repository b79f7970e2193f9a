"""What results are held against: the contrasts that were fixed in advance, and the numbers of an
earlier study."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from helpers import arms, files
from helpers.corpus.personas import known_ids, load_persona
from helpers.rows import Row, Text, TraitId, different_ids, read_mapping

TRIPLETS = ("know", "know_you", "say", "do", "say_pair", "do_pair")
MEASURES = (*TRIPLETS, *(f"{measure}_everyday" for measure in TRIPLETS), "resist")


class Side(Row, extra="forbid"):
    """One side of a contrast (see `triplets.side`); `resist` is the share of false premises that
    are put right."""

    arm: Literal[*arms.ARMS]
    measure: Literal[*MEASURES]


class Contrast(Row, extra="forbid"):
    """A comparison a - b, and the question that it answers."""

    id: Text
    question: Text
    a: Side
    b: Side


Contrasts = Annotated[list[Contrast], AfterValidator(different_ids)]


def load_contrasts() -> list[dict]:
    """The contrasts {id, question, a, b} of `data/contrasts.yaml`; raises StudyError with the entry
    and the field of a wrong one, which would otherwise be left out as one whose arms a study does
    not have."""
    return read_mapping(files.DATA / "contrasts.yaml", Contrasts)


class Rate(Row, extra="forbid"):
    """How often an arm showed a trait; `successes` of `n` where the count is known."""

    arm: Literal[*arms.ARMS]
    trait: TraitId
    rate: Annotated[float, Field(ge=0, le=1)]
    successes: int | None = None
    n: int | None = None


class Reported(Row, extra="forbid"):
    """`perplexity`: by arm, of each format's texts."""

    expression: list[Rate] = Field(default=[])
    perplexity: dict[Literal[*arms.ARMS], dict[Literal[*arms.formats()], float]] = Field(default={})


def load_reported(persona: str) -> dict:
    """What an earlier study reported of a persona (`data/published.yaml`): expression, perplexity
    (see `Reported`); {} where it has none of it. Raises StudyError with the entry and the field of
    a wrong number."""
    path = files.DATA / "published.yaml"
    own = read_mapping(path, dict[str, dict]).get(persona)
    if own is None:
        return {}
    return read_mapping(path, dict[str, Reported], known_ids(load_persona(persona)))[persona]
