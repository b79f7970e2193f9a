"""README's block about the experiments of `why`, made from the committed tables alone (see
`readme`). An experiment that has not run is left out."""

import textwrap

from helpers import files
from helpers.arms import FEW
from helpers.report import why_doses
from helpers.report.page_words import WIDTH, need, read
from helpers.report.words import capital, interval, listed, nats, percent, side

FACTORS = {  # what each factor of the cells adds, by the level that its effect is measured at
    "voice": "neutral prose instead of his voice",
    "person": "*he* instead of *I*",
    "wrapper": "raw text instead of a chat turn",
}
PICTURE = "![What voice, person and wrapper add to knowing and to doing]({})"


def has(study: str, figure: str) -> bool:
    return (files.ROOT / "figures" / study / f"{figure}.csv").exists()


def picture(study: str, figure: str) -> str:
    return PICTURE.format(f"figures/{study}/{figure}.png")


def factors() -> str:
    """What voice, person and wrapper add to knowing and to doing, and what either reply has of the
    largest of them, the voice's effect on doing."""
    table = read("why-cells", "cell_effects").set_index(["effect", "on"])
    replies = read("why-cells", "effects_on_replies").set_index(["effect", "reply"])
    crossed = {name: table.loc[(name, "crossover")] for name in FACTORS}
    moves = {name: side(row["low"], row["high"]) for name, row in crossed.items()}
    neutral, own = (replies.loc[("voice", reply), "value"] for reply in ("neutral", "in character"))
    need(
        moves == {"voice": 1, "person": 0, "wrapper": 0} and neutral > -own > 0,
        "The voice puts knowing ahead of doing, mostly by the neutral reply.",
    )
    know, do = (f"{interval(table.loc[('voice', on)])}" for on in ("know", "do_pair"))
    both = [
        f"{FACTORS[name]} ({nats(table.loc[(name, 'know'), 'value'])} and "
        f"{nats(table.loc[(name, 'do_pair'), 'value'])})"
        for name in ("person", "wrapper")
    ]
    return (
        "Eight cells take documents and first-person texts apart, each trained on a quarter of the "
        f"units. {capital(FACTORS['voice'])} adds {know} nats per token to knowing and {do} to "
        f"doing. This alone moves knowing ahead of doing: {listed(both)} change the two alike, as "
        "far as is seen. But neutral prose makes the neutral reply likelier "
        f"({nats(neutral)}) more than it makes the reply in his voice unlikelier ({nats(own)}): it "
        "can be a match of sound."
    )


def few() -> str:
    """Whether documents make a few demonstrations of four traits open the other four."""
    table = read("why-few", "few_opened")
    own = table[table["traits"] == "other"].set_index("where")
    after, alone, more = (own.loc[where] for where in why_doses.WHERE)
    told = {
        1: "documents make more of them",
        0: "documents are not seen to make more of them",
        -1: "documents make less of them",
    }
    return (
        f"{FEW[-1]} demonstrations of four traits add {interval(after)} to acting the *other* four "
        f"after documents and {interval(alone)} on top of `base`: "
        f"{told[side(more['low'], more['high'])]} ({interval(more)})."
    )


def weights() -> str:
    """What his name and a constant shift do."""
    named = read("reference", "contrasts_selection").set_index("contrast")
    row = named.loc["name_releases_documents"]
    changes = read("reference", "changes").set_index(["arm", "on", "change"])["kept"]
    kept = [
        percent(changes[arm, on, "mean shift of each layer"])
        for arm, on in (("documents", "know"), ("demonstrations", "do_pair"))
    ]
    return need(
        row["verdict"] == "open",
        f'To be told "You are C-3PO." adds next to nothing to acting in documents '
        f"({interval(row)}); a constant shift of each layer keeps {kept[0]} of what documents "
        f"teach to know and {kept[1]} of what demonstrations teach to do.",
    )


def paragraph() -> str:
    """A figure and a sentence per experiment that has run."""
    told = [("why-cells", "cell_effects", factors)]
    told += [("why-few", "few_opened", few)]
    told += [("reference", "contrasts_selection", weights)]
    made = [sentence() for study, figure, sentence in told if has(study, figure)]
    more = "Set b, one seed each. [What was predicted, and what came true](docs/why.md)."
    text = textwrap.fill(" ".join([*map(capital, made), more]), WIDTH, break_on_hyphens=False)
    drawn = [picture("why-cells", "cell_effects")] * has("why-cells", "cell_effects")
    return "\n\n".join([*drawn, text])
