"""What the experiments of `why` answer, in README's block and on docs/why.md, made from the
committed tables alone (see `readme`). An experiment that has not run is left out."""

import textwrap

from helpers import files
from helpers.arms import FEW
from helpers.report import why_cells, why_doses
from helpers.report.page_words import WIDTH, bullets, need, read
from helpers.report.why import READOUTS
from helpers.report.words import counted, interval, listed, nats, percent, side

FACTORS = {"person": "the person", "wrapper": "the wrapper"}
DOSES = (100, 250)  # units
PICTURE = "![What voice, person and wrapper add to knowing and to doing]({})"


def has(study: str, figure: str) -> bool:
    return (files.ROOT / "figures" / study / f"{figure}.csv").exists()


def picture(study: str, figure: str) -> str:
    return PICTURE.format(f"figures/{study}/{figure}.png")


def factors() -> str:
    """Which of voice, person and wrapper puts knowing ahead of doing, and by which reply."""
    table = read("why-cells", "cell_effects").set_index(["effect", "on"])
    replies = read("why-cells", "effects_on_replies").set_index(["effect", "reply"])
    moves = why_cells.crossed(read("why-cells", "contrasts_voice_person_wrapper"))
    neutral, own = (replies.loc[("voice", reply), "value"] for reply in ("neutral", "in character"))
    know, do = (interval(table.loc[("voice", on)]) for on in ("know", "do_pair"))
    further = [FACTORS[factor] for factor, sign in moves.items() if sign and factor != "voice"]
    sets = f"{listed(['his voice', *further])} are" if further else "only his voice is"
    return need(
        moves["voice"] == 1 and neutral > -own > 0,
        f"**Voice, person (I, he) or wrapper (chat turn, raw text)?** By itself, {sets} seen "
        "to set knowing apart from doing (with a quarter of the situations). Neutral prose instead "
        f"of his voice changes knowing by {know} and doing by {do}, mostly because the "
        "neutral reply becomes likelier: this can be a match of sound.",
    )


def few() -> str:
    """Whether documents make a few demonstrations of four traits teach more of the other four."""
    table = read("why-few", "few_opened")
    more = table[table["traits"] == "other"].set_index("where").loc[why_doses.WHERE[-1]]
    teach = {1: "teach more", 0: "are not seen to teach more", -1: "teach less"}
    return (
        f"**A few demonstrations after documents?** {FEW[-1]} demonstrations of four traits "
        f"{teach[side(more['low'], more['high'])]} of the *other* four after documents than "
        f"on top of `base` ({interval(more)})."
    )


def dose() -> str:
    """How much of what all units teach some of them have taught, and what a mixture gains."""
    doses = read("why-dose", "doses")
    shares = why_doses.share_reached(doses).set_index(["line", "panel", "x"])["share"]
    know, do = (
        " and ".join(percent(shares[line, READOUTS[on], units]) for units in DOSES)
        for line, on in (("documents", "know"), ("demonstrations", "do_pair"))
    )
    units = " and ".join(map(str, DOSES))
    mixed = read("why-dose", "mixtures").set_index(["panel", "arm"])["value"]
    half = [nats(mixed[READOUTS[on], "mixed_50"]) for on in ("know", "do_pair")]
    return (
        f"**How many texts?** Of the gain with {doses['x'].max():.0f} situations, {units} "
        f"documents have {know} in knowing, and {units} demonstrations {do} in doing. Half of "
        f"each format gains {half[0]} in knowing and {half[1]} in doing."
    )


def name() -> str:
    """What the persona's name as the system prompt does to the model of documents."""
    row = read("reference", "contrasts_selection").set_index("contrast")
    row = row.loc["name_releases_documents"]
    acts = {"holds": "gains more", "open": "is not seen to gain more", "reversed": "gains less"}
    return (
        '**Does his name call him up?** Told "You are C-3PO.", the model of documents '
        f"{acts[row['verdict']]} in doing than `base` does when told the same ({interval(row)})."
    )


def shift() -> str:
    """How much of a gain a constant shift of each layer keeps."""
    changes = read("reference", "changes").set_index(["arm", "on", "change"])["kept"]
    kept = [
        percent(changes[arm, on, "mean shift of each layer"])
        for arm, on in (("documents", "know"), ("demonstrations", "do_pair"))
    ]
    return (
        "**Is it a constant push?** With the adapter replaced by its mean shift of each layer, the "
        f"same for every prompt, the model of documents gains {kept[0]} as much in knowing, and "
        f"that of demonstrations {kept[1]} as much in doing."
    )


# Study, the figure that an answer is read from, and the answer.
IN_SHORT = [
    ("why-cells", "cell_effects", factors),
    ("reference", "contrasts_selection", name),
    ("reference", "changes", shift),
]
FURTHER = [("why-few", "few_opened", few), ("why-dose", "mixtures", dose)]


def answers(asked: list[tuple]) -> str:
    """A question with its answer per experiment that has run."""
    return bullets([answer() for study, figure, answer in asked if has(study, figure)])


def seeds_of(asked: list[tuple]) -> str:
    """How many seeds the answers rest on, in turn."""
    tables = [read(study, figure) for study, figure, _ in asked if has(study, figure)]
    counts = [int(table["seeds"].max()) for table in tables]
    if len(set(counts)) == 1:
        return f"{counted(counts[0], 'seed')} each"
    return f"the answers rest on {listed(counts)} seeds, in turn"


def block() -> str:
    """README: a figure, and the answers in short."""
    drawn = [picture("why-cells", "cell_effects")] * has("why-cells", "cell_effects")
    more = f"Nats per token, set b; {seeds_of(IN_SHORT)}. [What else was asked](docs/why.md)."
    text = textwrap.fill(more, WIDTH, break_on_hyphens=False)
    return "\n\n".join([*drawn, answers(IN_SHORT), text])
