"""The arms of the study: one table from which names, orders, colours and forms of asking are
derived.

To add an arm, add an entry here and list it in a study file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """One arm: a model as it is asked, and how it came about."""

    name: str
    label: str  # in figures and tables
    colour: str
    # "chats" or "texts" (a format), "reasoned" (PersLLM's examples), "preferences", "" for none
    trained_on: str = ""
    starts_from: str = ""  # the arm whose adapter is trained further; "" for a new adapter
    leaves_out: str = ""  # what an ablation's training data lack
    prompted: bool = False  # asked with the persona's system prompt


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
    )
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
