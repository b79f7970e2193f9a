"""The arms of the study: one table from which names, orders, colours and forms of asking are
derived.

To add an arm, add an entry here and list it in a study file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of what a composed arm is trained on: texts of one kind about some of the training
    units of a run."""

    kind: str  # a kind of text (see `corpus.kinds`)
    asked: bool = False  # as the reply to a question in the chat template; otherwise raw
    most: int | None = None  # the first so many units; all where it is None
    share: tuple[float, float] = (0, 1)  # where among the units it begins and ends
    traits: tuple[str, ...] = ()  # only units that show no other trait; any where it is empty
    times: int = 1  # how often each text stands among the rows


@dataclass(frozen=True)
class Arm:
    """One arm: a model as it is asked, and how it came about."""

    name: str
    label: str  # in figures and tables
    colour: str
    # "chats" or "texts" (a format), "composed" (of `parts`), "reasoned" (PersLLM's examples),
    # "preferences", "" for none
    trained_on: str = ""
    starts_from: str = ""  # the arm whose adapter is trained further; "" for a new adapter
    leaves_out: str = ""  # what an ablation's training data lack
    prompted: bool = False  # asked with the persona's system prompt
    parts: tuple[Part, ...] = ()  # what a composed arm is trained on


def composed(name: str, label: str, colour: str, *parts: Part, starts_from: str = "") -> Arm:
    return Arm(name, label, colour, "composed", starts_from=starts_from, parts=parts)


# The traits that few demonstrations show: of all four of the card's eight, those that most training
# units show without any other.
FOUR_TRAITS = ("odds", "etiquette", "deference", "expertise")
FEW = (8, 32, 100)  # demonstrations of these traits alone
DOSES = (10, 30, 100, 250)  # units; the arms of the formats themselves have all
MIXTURES = (25, 50, 75)  # per cent of the units that are documents, the others demonstrations


def few(most: int) -> Part:
    """Each stands three times among the rows, so that eight of them make more than a few steps."""
    return Part("demonstrations", most=most, traits=FOUR_TRAITS, times=3)


def mixture(documents: int) -> tuple[Part, Part]:
    at = documents / 100
    return Part("documents", share=(0, at)), Part("demonstrations", share=(at, 1))


# Okabe and Ito's palette, safe for colour-blind readers. The order is that of every figure and
# table.
ARMS = {
    arm.name: arm
    for arm in (
        Arm("base", "base", "#8c8c8c"),
        Arm("prompted", "prompted", "#000000", prompted=True),
        Arm("demonstrations", "demonstrations", "#0072b2", "chats"),
        Arm("first_person", "first person", "#d55e00", "texts"),
        Arm("documents", "documents", "#009e73", "texts"),
        Arm("persllm", "persllm", "#cc79a7", "reasoned"),
        Arm("persllm_dpo", "persllm DPO", "#7b3294", "preferences", starts_from="persllm"),
        Arm("persllm_no_analysis", "no analysis", "#e69f00", "reasoned", leaves_out="analysis"),
        Arm(
            "persllm_no_anti_induction",
            "no anti-induction",
            "#b8860b",
            "reasoned",
            leaves_out="anti_induction",
        ),
        Arm("persllm_no_stages", "no stages", "#56b4e9", "reasoned", leaves_out="stages"),
        Arm("persllm_no_mixing", "no mixing", "#8c510a", "reasoned", leaves_out="mixing"),
        # Voice, person and wrapper (see `CELLS`), and the demonstrations' replies as raw texts
        composed("voice_third", "he, his voice", "#cc6677", Part("voice_third")),
        composed("neutral_first", "I, neutral", "#44aa99", Part("neutral_first")),
        composed("first_person_chat", "first person, chat", "#aa4499", Part("first_person", True)),
        composed("voice_third_chat", "he, his voice, chat", "#882255", Part("voice_third", True)),
        composed("neutral_first_chat", "I, neutral, chat", "#117733", Part("neutral_first", True)),
        composed("documents_chat", "documents, chat", "#999933", Part("documents", True)),
        composed("replies", "replies alone", "#88ccee", Part("replies")),
        # Few demonstrations: on top of base, after documents, before documents
        *(composed(f"few_{n}", f"{n} demonstrations", "#332288", few(n)) for n in FEW),
        *(
            composed(
                f"documents_few_{n}",
                f"documents, then {n}",
                "#225555",
                few(n),
                starts_from="documents",
            )
            for n in FEW
        ),
        composed(
            f"few_{FEW[-1]}_documents",
            f"{FEW[-1]}, then documents",
            "#661100",
            Part("documents"),
            starts_from=f"few_{FEW[-1]}",
        ),
        # Doses of each format, and mixtures of two
        *(
            composed(f"{name}_{n}", f"{label}, {n} units", colour, Part(name, most=n))
            for name, label, colour in (
                ("demonstrations", "demonstrations", "#0072b2"),
                ("first_person", "first person", "#d55e00"),
                ("documents", "documents", "#009e73"),
            )
            for n in DOSES
        ),
        *(composed(f"mixed_{n}", f"{n} % documents", "#777777", *mixture(n)) for n in MIXTURES),
        # The positive control: doing alone is taught, on half the scenarios. What it is watched
        # with while it trains are the held-out demonstrations; none of those for training is taken.
        composed(
            "taught_replies",
            "replies to half the scenarios",
            "#ee7733",
            Part("taught_replies"),
            Part("demonstrations", most=0),
        ),
    )
}

# The eight cells of voice (his, or neutral prose), person and wrapper, which hold the same texts of
# the same units twice: raw, and as the reply to a question.
CELLS = {
    f"{kind}{ending}": {"voice": voice, "person": person, "wrapper": wrapper}
    for kind, voice, person in (
        ("first_person", "his", "I"),
        ("voice_third", "his", "he"),
        ("neutral_first", "neutral", "I"),
        ("documents", "neutral", "he"),
    )
    for ending, wrapper in (("", "raw"), ("_chat", "chat"))
}


def trained_on(*kinds: str) -> list[str]:
    """The names of the arms that were trained on one of these kinds of data, in the table's
    order."""
    return [arm.name for arm in ARMS.values() if arm.trained_on in kinds]


def formats() -> list[str]:
    """The names of the training-data formats, each of which is an arm."""
    return trained_on("chats", "texts")


def untrained() -> list[str]:
    """The names of the arms without an adapter."""
    return trained_on("")


def reasons(name: str) -> bool:
    """Whether an arm learnt to write an analysis before its answer."""
    arm = ARMS[name]
    return name in trained_on("reasoned", "preferences") and arm.leaves_out != "analysis"


def knows_stages(name: str) -> bool:
    """Whether an arm was taught the tokens of life stages."""
    arm = ARMS[name]
    return name in trained_on("reasoned", "preferences") and arm.leaves_out != "stages"


def is_ablation(name: str) -> bool:
    return bool(ARMS[name].leaves_out)


def with_seeds(names: list[str], seeds: list[int]) -> list[tuple[str, int]]:
    """Every arm with every seed, but an ablation with the first alone, to spare time. Where nothing
    is trained, a seed is one of sampling; seeds that were answered by different code, or on
    different machines, differ in that too."""
    return [(name, s) for s in seeds for name in names if s == seeds[0] or not is_ablation(name)]


def in_order(names) -> list[str]:
    """The arms among `names`, in the table's order."""
    present = set(names)
    return [name for name in ARMS if name in present]


def label(name: str) -> str:
    """The label of an arm; other words stay as they are."""
    return ARMS[name].label if name in ARMS else name


def colours() -> dict[str, str]:
    return {name: arm.colour for name, arm in ARMS.items()}
