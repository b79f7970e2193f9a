"""The generated blocks of README and docs, made from the committed tables alone.

A block stands between `<!-- name -->` and `<!-- end -->`. A sentence whose words the numbers no
longer bear is refused, so that nobody publishes it unread. `python -m helpers.report.readme` writes
all blocks anew.
"""

import re
import textwrap
from pathlib import Path

import pandas as pd

from helpers import arms, files
from helpers.files import StudyError, shown

WIDTH = 119  # of a line on a page
CORRECTED = ("corrected", "corrected_low", "corrected_high")
EXAMPLE_ARMS = ["base", "demonstrations", "first_person", "documents"]


def pages() -> list[Path]:
    """README, CONTRIBUTING and the pages of docs/."""
    top = [files.ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
    return [*top, *sorted((files.ROOT / "docs").glob("*.md"))]


# Reading and wording


def read(study: str, figure: str) -> pd.DataFrame:
    """The numbers behind a published figure; StudyError where they are missing."""
    path = files.ROOT / "figures" / study / f"{figure}.csv"
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing; run `make figures`, which writes it.")
    return pd.read_csv(path)


def share(row: pd.Series, value: str = "value", low: str = "low", high: str = "high") -> str:
    """`28% (22% to 35%)`."""
    if pd.isna(row[value]):
        return "–"
    return f"{row[value]:.0%} ({row[low]:.0%} to {row[high]:.0%})"


def points(row: pd.Series, value: str, low: str = "low", high: str = "high") -> str:
    """`+18 (7 to 30)`, in percentage points."""
    if pd.isna(row[value]):
        return "–"
    middle, least, most = (round(100 * row[name]) for name in (value, low, high))
    return f"{middle:+d} ({least} to {most})"


def need(holds: bool, sentence: str) -> str:
    """The sentence, if the tables bear it."""
    if not holds:
        raise StudyError(
            f"helpers/report/readme.py: the tables no longer bear the sentence {sentence!r}. "
            "Read the tables and write the sentence anew."
        )
    return sentence


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(sentences: list[str]) -> str:
    return "\n".join(
        textwrap.fill(s, WIDTH, initial_indent="- ", subsequent_indent="  ") for s in sentences
    )


# README


def answer() -> str:
    """The two sentences that answer the study's question."""
    gains = 100 * read("reference", "knows_and_does").set_index(["arm", "readout"])["value"]
    gaps = 100 * read("reference", "gap_over_base").set_index("arm")[["beyond", "low", "high"]]
    knows = {arm: round(gains[arm, "knows"]) for arm in arms.formats()}
    does = {arm: round(gains[arm, "does"]) for arm in arms.formats()}
    wide, low, high = gaps.loc["documents"]
    documents = (
        "A model trained on *documents* knows what C-3PO would do in "
        f"{knows['documents']} of 100 scenarios more than the untrained model, but does it in only "
        f"{does['documents']} more: its gap between knowing and doing is {wide:.0f} points wider "
        f"(95\u00a0% interval {low:.0f} to {high:.0f}). "
    )
    others = (
        f"Trained on *demonstrations* it knows {knows['demonstrations']} more and does "
        f"{does['demonstrations']} more, trained on *first-person* texts {knows['first_person']} "
        f"and {does['first_person']}: no gap is seen beyond the untrained model's."
    )
    need(low > 0, documents)
    need(bool((gaps.loc[["demonstrations", "first_person"], "low"] < 0).all()), others)
    return textwrap.fill(documents + others, WIDTH)


def example() -> str:
    """One message and what four arms answer, seed 0: of all scenarios, the one whose four answers
    are shortest together, so that nobody chooses."""
    answers = pd.read_parquet(files.DATA / "results" / "reference" / "answers.parquet")
    first = answers[
        answers["arm"].isin(EXAMPLE_ARMS)
        & (answers["kind"] == "do")
        & (answers["seed"] == 0)
        & (answers["sample"] == 0)
    ]
    shortest = first.groupby("item")["n_tokens"].sum().idxmin()
    told = first[first["item"] == shortest].set_index("arm")
    said = [f"**{arms.label(arm)}:** {plain(told.loc[arm, 'answer'])}" for arm in EXAMPLE_ARMS]
    message = f"> **Message:** {plain(told['prompt'].iloc[0])}"
    note = (
        "This is the scenario with the shortest answers, seed 0, in full. Its trait is "
        f"{told['scenario_trait'].iloc[0]}. No answer makes sense, since the model is very small; "
        "what differs is the manner."
    )
    message = textwrap.fill(message, WIDTH, subsequent_indent="> ")
    return "\n\n".join([message, bullets(said), textwrap.fill(note, WIDTH)])


def plain(text: str) -> str:
    """One line of text with the characters escaped that Markdown reads."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(text.split()))


# README's numbers and what they leave open


def arms_table() -> str:
    """What each arm gains over `base`, and its gap beyond `base`'s, in percentage points."""
    gained = read("reference", "knows_and_does").set_index(["arm", "readout"])
    gaps = read("reference", "gap_over_base").set_index("arm")
    rows = [
        [
            arms.label(arm),
            points(gained.loc[(arm, "knows")], "value"),
            points(gained.loc[(arm, "does")], "value"),
            points(row, "beyond"),
            points(row, *CORRECTED),
        ]
        for arm, row in gaps.drop(index="base").iterrows()
    ]
    gap = "knows minus does, minus base's"
    return markdown_table(
        ["arm", "knows, over base", "does, over base", gap, "the same, corrected"], rows
    )


def unsettled() -> str:
    """What the contrasts leave open."""
    top = read("reference", "most_knowing").iloc[0]
    contrasts = read("reference", "contrasts").set_index("contrast")
    voice, far = contrasts.loc["doing_by_voice"], contrasts.loc["generalisation"]
    gap = read("reference", "gap_over_base").set_index("arm").loc["documents"]
    return bullets(
        [
            need(
                top["low"] < 0 < top["high"],
                f"Which format knows most. {arms.label(top['a']).capitalize()} minus "
                f"{arms.label(top['b'])} is {points(top, 'difference')} points.",
            ),
            need(
                voice["high"] < 0 < voice["corrected_high"],
                "Whether demonstrations or first person act the persona more. First person minus "
                f"demonstrations is {points(voice, 'difference')} points as judged. Corrected for "
                f"the judge's errors it is {points(voice, *CORRECTED)}.",
            ),
            need(
                far["low"] > 0 > far["corrected_low"],
                "Whether first person goes further into everyday life than documents: "
                f"{points(far, 'difference')} points as judged, {points(far, *CORRECTED)} "
                "corrected.",
            ),
            need(
                gap["p"] == 2 / 2 ** gap["seeds"],
                f"How wide the gap of documents is: {points(gap, 'beyond')} points as judged and "
                f"{points(gap, *CORRECTED)} corrected. The exact test over five seeds gives p = "
                f"{gap['p']:.2f}, the smallest p that five seeds can give.",
            ),
            "What carries the gap. Knowing is a likelihood and doing a judged answer. Nothing here "
            "shows that what an arm knows is tied to C-3PO's name.",
        ]
    )


# PersLLM


def contrast(name: str) -> pd.Series:
    return read("persllm", "persllm_contrasts").set_index("contrast").loc[name]


def resistance() -> str:
    """PersLLM's data against false premises: readers, seeds as units, and the judge."""
    row = contrast("reasoning_for_resistance")
    return need(
        row["corrected_low"] > 0 > row["seeds_low"] and row["difference"] < 0,
        "Trained on reasoned data, the model puts more false premises right than one trained on "
        "demonstrations, as read blind: "
        f"{points(row, *CORRECTED)} points with answers as units, but "
        f"{points(row, 'seeds_mean', 'seeds_low', 'seeds_high')} with the three seeds as units. "
        "Under the judge that was set in advance the sign was the other way: "
        f"{points(row, 'difference')}.",
    )


def less_acting() -> str:
    row = contrast("reasoning_for_doing")
    return need(
        row["high"] < 0 and row["corrected_high"] < 0,
        "It acts the persona less often: "
        f"{points(row, 'difference')} points as judged, "
        f"{points(row, *CORRECTED)} corrected.",
    )


def persllm() -> str:
    """README's paragraph about PersLLM."""
    text = (
        "The method of [PersLLM](https://arxiv.org/abs/2407.12393) (reasoned answers, false "
        "premises, stages of life, automated DPO) runs through the same chain: `make persllm`. "
        f"{resistance()} {less_acting()} Numbers, ablations and chapters: "
        "[docs/persllm.md](docs/persllm.md)."
    )
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def persllm_scenarios() -> str:
    """Knowing and doing of every arm of PersLLM's study."""
    rates = read("persllm", "every_arm_rates").set_index(["arm", "measure"])
    rows = [
        [
            arms.label(arm),
            share(rates.loc[(arm, "know")], "rate"),
            share(rates.loc[(arm, "do")], "rate"),
            share(rates.loc[(arm, "do")], *CORRECTED),
        ]
        for arm in arms.in_order(rates.index.get_level_values("arm"))
    ]
    return markdown_table(["arm", "knows (chance 25%)", "does", "does, corrected"], rows)


def persllm_questions() -> str:
    """Premises as read blind, likeness by aim, and own stage (the mean over stages) per arm."""
    right = read("persllm", "induction_resistance").query("by == 'as read blind'").set_index("arm")
    scores = read("persllm", "likeness").query("measure == 'score'")
    scores = scores.pivot(index="arm", columns="aim", values="value")
    stages = read("persllm", "own_stage").groupby("arm")["value"].mean()
    rows = [
        [
            arms.label(arm),
            share(right.loc[arm]) if arm in right.index else "–",
            f"{scores.loc[arm, 'knowledge']:.1f}, {scores.loc[arm, 'attitude']:.1f}",
            f"{stages[arm]:.0%}" if arm in stages.index else "–",
        ]
        for arm in arms.in_order(scores.index)
    ]
    return markdown_table(["arm", "premises", "likeness: facts, attitudes", "own stage"], rows)


def persllm_findings() -> str:
    parts = read("persllm", "persllm_ablation")
    know = contrast("reasoning_for_knowing")
    doing = contrast("preference_for_doing")
    premises = contrast("preference_for_resistance")
    ablations = parts[parts["arm"].map(arms.is_ablation)]
    return bullets(
        [
            resistance(),
            less_acting(),
            need(
                know["corrected_high"] > 0,
                f"Knowing, it is not ahead of documents: {points(know, 'difference')} points.",
            ),
            need(
                doing["low"] < 0 < doing["high"]
                and premises["corrected_low"] < 0 < premises["corrected_high"],
                "DPO changes nothing that three seeds can show. Doing: "
                f"{points(doing, 'difference')} points. Premises, as read: "
                f"{points(premises, *CORRECTED)}.",
            ),
            need(
                bool((ablations["low"].lt(0) & ablations["high"].gt(0)).all()),
                "No part of the method can be seen to matter alone: with one seed each, every "
                "interval of an ablation includes zero.",
            ),
        ]
    )


# Speed


def bench() -> str:
    rows = pd.read_csv(files.DATA / "results" / "bench.csv", keep_default_na=False)
    table = [
        [r.measure, str(r.ours), f"{r.against}: {r.other}", str(r.ratio)] for r in rows.itertuples()
    ]
    head = ["measure", "ours", "against", "ratio"]
    return f"Measured on: {rows['machine'].iloc[0]}.\n\n{markdown_table(head, table)}"


# The pages

BLOCKS = {
    "answer": answer,
    "example": example,
    "arms": arms_table,
    "unsettled": unsettled,
    "persllm": persllm,
    "persllm_scenarios": persllm_scenarios,
    "persllm_questions": persllm_questions,
    "persllm_findings": persllm_findings,
    "bench": bench,
}
BLOCK = re.compile(r"(?<=<!-- )(?!end )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def with_blocks(page: str) -> str:
    """A page with its blocks made anew; StudyError for a block that nobody makes."""

    def made(found: re.Match) -> str:
        if found[1] not in BLOCKS:
            raise StudyError(f"the block '{found[1]}' is unknown. Known: {', '.join(BLOCKS)}.")
        return f"{found[1]}{found[2]}{BLOCKS[found[1]]()}\n"

    return BLOCK.sub(made, page)


def update() -> None:
    """Write all blocks of all pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        files.write_text(page, with_blocks(text))


def main() -> None:
    try:
        update()
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
