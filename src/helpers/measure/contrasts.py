"""What results are held against: the contrasts that were fixed in advance, and the numbers of an
earlier study."""

from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from helpers import arms, files
from helpers.corpus.personas import known_ids, load_persona, trait_ids
from helpers.files import StudyError
from helpers.parameters import all_different
from helpers.rows import (
    Row,
    Text,
    TraitId,
    different_ids,
    first_error,
    known,
    read_mapping,
    spoilt,
)

TRIPLETS = ("know", "know_you", "say", "do", "say_pair", "do_pair")
MEASURES = (*TRIPLETS, *(f"{measure}_everyday" for measure in TRIPLETS), "resist")
EXPERIMENTS = ("voice_person_wrapper", "few_demonstrations", "dose", "selection", "weights")


class Side(Row, extra="forbid"):
    """One side of a contrast (see `triplets.side`); `resist` is the share of false premises that
    are put right."""

    arm: Literal[*arms.ARMS]
    measure: Literal[*MEASURES]


class Fixed(Row, extra="forbid"):
    """What every contrast has: the question that it answers, whether it was fixed before its
    results existed (`role`), and the set of triplets that it is about ("" for none of them)."""

    id: Text
    question: Text
    role: Literal["primary", "earlier", "exploratory", "experiment"]
    set: Literal["a", "b", ""]


class Difference(Fixed):
    """A comparison a - b, of measures that are tabled for set a alone."""

    set: Literal["a", ""]
    kind: Literal["difference"]
    a: Side
    b: Side

    @model_validator(mode="after")
    def are_two_sides(self) -> "Difference":
        if self.a == self.b:
            raise ValueError("`a` and `b` are the same, and differ by nothing")
        return self


class Crossover(Fixed):
    """By how much more the first arm leads the second in knowing than in doing."""

    kind: Literal["crossover"]
    arms: Annotated[
        list[Literal[*arms.ARMS]], Field(min_length=2, max_length=2), AfterValidator(all_different)
    ]


class OfOneArm(Fixed):
    """The gap between knowing and doing beyond that of `base`, or own minus other traits."""

    kind: Literal["gap_beyond_base", "sensitivity"]
    arms: Annotated[list[Literal[*arms.ARMS]], Field(min_length=1, max_length=1)]


def named_arm(name: str) -> str:
    """A check: what stands before a slash is an arm; after it may stand what its adapter became."""
    if name.split("/")[0] not in arms.ARMS:
        raise ValueError(f"{name!r} begins with none of {', '.join(arms.ARMS)}")
    return name


def of_one_card(traits: list[str], info: ValidationInfo) -> list[str]:
    """A check: one persona has all these traits, so that no scenario is left out unseen."""
    if not any(set(traits) <= set(card) for card in info.context["cards"]):
        raise ValueError(f"{', '.join(traits)} are not traits of one persona card")
    return traits


AnyTrait = known("traits", "is a trait of no persona card")
ArmNames = list[Annotated[str, AfterValidator(named_arm)]]


class Means(Fixed):
    """The mean gain of some arms minus that of others, in an experiment of `why`."""

    role: Literal["experiment"]
    set: Literal["b"]
    kind: Literal["means"]
    experiment: Literal[*EXPERIMENTS]
    plus: Annotated[ArmNames, Field(min_length=1)]
    minus: ArmNames
    on: Literal["know", "do_pair", "crossover"]
    under: Literal["own", "named"] = "own"
    traits: Annotated[
        list[AnyTrait], AfterValidator(all_different), AfterValidator(of_one_card)
    ] = Field(default=[])

    @model_validator(mode="after")
    def names_an_arm_once(self) -> "Means":
        all_different([*self.plus, *self.minus])
        return self


AnyContrast = Annotated[Difference | Crossover | OfOneArm | Means, Field(discriminator="kind")]


def tested_on_b(contrasts: list[Fixed]) -> list[Fixed]:
    """A check: what is primary is about set b, which none of the first results were about."""
    for contrast in contrasts:
        if contrast.role == "primary" and contrast.set != "b":
            raise ValueError(f"{contrast.id!r} is primary, but not about set b")
    return contrasts


Contrasts = Annotated[list[AnyContrast], AfterValidator(different_ids), AfterValidator(tested_on_b)]


def load_contrasts(kinds: tuple[str, ...] = ("difference",)) -> list[dict]:
    """The contrasts of these kinds in `data/contrasts.yaml`: {id, question, role, set, kind} with
    {a, b} or {arms}. Raises StudyError with the entry and the field of a wrong one, which would
    otherwise be left out as one whose arms a study does not have."""
    cards = traits_of_cards()
    context = {"cards": cards, "traits": {trait for card in cards for trait in card}}
    every = read_mapping(files.DATA / "contrasts.yaml", Contrasts, context)
    return [contrast for contrast in every if contrast["kind"] in kinds]


def traits_of_cards() -> list[list[str]]:
    """The traits of every persona card that can be read; a study says what is wrong with its
    own."""
    found = []
    for path in sorted((files.DATA / "personas").glob("*.yaml")):
        with suppress(StudyError):
            found.append(trait_ids(load_persona(path.stem)))
    return found


class Rate(Row, extra="forbid"):
    """How often an arm showed a trait; `successes` of `n` where the count is known."""

    arm: Literal[*arms.ARMS]
    trait: TraitId
    rate: Annotated[float, Field(ge=0, le=1)]
    successes: Annotated[int, Field(ge=0)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def is_a_share(self) -> "Rate":
        if self.successes is not None and self.n is not None and self.successes > self.n:
            raise ValueError(f"{self.successes} successes of {self.n} are no share")
        return self


class Reported(Row, extra="forbid"):
    """`perplexity`: by arm, of each format's texts."""

    expression: list[Rate] = Field(default=[])
    perplexity: dict[
        Literal[*arms.ARMS], dict[Literal[*arms.formats()], Annotated[float, Field(ge=1)]]
    ] = Field(default={})


def load_reported(persona: str) -> dict:
    """What an earlier study reported of a persona (`data/published.yaml`): expression, perplexity
    (see `Reported`); {} where it has none of it. Raises StudyError with the entry and the field of
    a wrong number. Other personas' entries are about their own cards, and not looked at."""
    path = files.DATA / "published.yaml"
    own = read_mapping(path, dict[str, dict]).get(persona)
    if own is None:
        return {}
    place, wrong = first_error(Reported.model_validate, own, known_ids(load_persona(persona)))
    if wrong:
        raise spoilt(path, [persona, *place], wrong)
    return own
