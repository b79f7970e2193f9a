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
from helpers.files import StudyError
from helpers.report import exported, headline, persllm_readme
from helpers.report.page_words import CORRECTED, WIDTH, bullets, markdown_table, need, points, read
from helpers.report.words import bound, hundred, side

EXAMPLE_ARMS = ["base", "demonstrations", "first_person", "documents"]


def pages() -> list[Path]:
    """README, CONTRIBUTING and the pages of docs/."""
    top = [files.ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
    return [*top, *sorted((files.ROOT / "docs").glob("*.md"))]


# README


def answer() -> str:
    """The sentences that answer the study's question."""
    return headline.answer() if headline.on_set_b() else answer_in_shares()


def answer_in_shares() -> str:
    """The answer by shares of scenarios on set a."""
    gained = read("reference", "knows_and_does").set_index(["arm", "readout"])["value"]
    gaps = read("reference", "gap_over_base").set_index("arm")
    knows, does = (
        {arm: hundred(gained[arm, readout]) for arm in EXAMPLE_ARMS[1:]}
        for readout in ("knows", "does")
    )
    # The side of zero of each gap beyond base's: as judged, and corrected.
    sides = {
        arm: (side(gap["low"], gap["high"]), side(*gap[list(CORRECTED[1:])]))
        for arm, gap in gaps.iterrows()
    }
    wide = gaps.loc["documents"]
    doubt = "" if sides["documents"] == (1, 1) else ", which does not exclude zero"
    documents = (
        "A model trained on *documents* knows what C-3PO would do in "
        f"{knows['documents']} percentage points more of the scenarios than the untrained model, "
        f"but does it in only {does['documents']} points more. Its gap between knowing and doing "
        f"is {hundred(wide['beyond'])} points wider (95\u00a0% interval {bound(wide['low'])} to "
        f"{bound(wide['high'])}). Corrected for the judge's errors, it is "
        f"{hundred(wide['corrected'])} points wider ({bound(wide['corrected_low'])} to "
        f"{bound(wide['corrected_high'])}){doubt}."
    )
    sure = sides["demonstrations"] == (-1, -1)
    demonstrations = (
        f"With *demonstrations* it is{'' if sure else ', if anything,'} the reverse: the model "
        f"knows {knows['demonstrations']} points more and does {does['demonstrations']} more."
    )
    first_person = (
        f"With *first-person* texts it knows {knows['first_person']} points more and does "
        f"{does['first_person']} more: no difference is seen."
    )
    sentences = [
        need(sides["documents"] in ((1, 0), (1, 1)) and wide["corrected"] > 0, documents),
        need(sides["demonstrations"] in ((-1, -1), (-1, 0), (0, -1)), demonstrations),
        need(sides["first_person"] == (0, 0), first_person),
    ]
    return textwrap.fill(" ".join(sentences), WIDTH)


def example() -> str:
    """The picture, and one message and what four arms answer, seed 0: of all scenarios, the one
    whose four answers are shortest together, so that nobody chooses."""
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
    message = f"> **The same message to four arms:** {plain(told['prompt'].iloc[0])}"
    note = (
        "This is the scenario with the shortest answers (seed 0; its trait is "
        f"{told['scenario_trait'].iloc[0]}). No answer makes sense; what differs is the manner."
    )
    message = textwrap.fill(message, WIDTH, subsequent_indent="> ")
    note = textwrap.fill(note, WIDTH)
    return "\n\n".join([headline.picture(), message, bullets(said), note])


def plain(text: str) -> str:
    """One line of text with the characters escaped that Markdown reads."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(text.split()))


# README's numbers and what they leave open


RUN = "From `.env/bin/python workflow/run.py reference` (`make study` with five seeds)"
HOW = "([how to read them](docs/reading_the_numbers.md))"


def arms_table() -> str:
    """What each arm gains over `base`, and how to read it."""
    if headline.on_set_b():
        text, table, note = headline.arms_table()
    else:
        text, table, note = arms_in_shares()
    text = textwrap.fill(f"{RUN}; {text} {HOW}:", WIDTH, break_on_hyphens=False)
    return f"{text}\n\n{table}\n\n{textwrap.fill(note, WIDTH)}"


def arms_in_shares() -> tuple[str, str, str]:
    """What each arm gains over `base` on set a, and its gap beyond `base`'s, in percentage points;
    before it what the columns are, after it what of it was fixed in advance."""
    text = (
        "96 scenarios. *Knows*: the persona's true reaction is the likeliest of four. *Does*: the "
        "answer to a live message shows the scenario's trait, as judged by word markers. "
        "*Corrected*: for the errors of that judge, by blind labels. A language model (Claude) "
        "gave them; it also wrote the corpus. Percentage points with 95 % intervals"
    )
    gained = read("reference", "knows_and_does").set_index(["arm", "readout"])
    gaps = read("reference", "gap_over_base").set_index("arm")
    rows = [
        [
            arms.label(arm),
            points(gained.loc[(arm, "knows")], "value"),
            points(gained.loc[(arm, "does")], "value"),
            points(gained.loc[(arm, "does, corrected")], "value"),
            points(row, "beyond"),
            points(row, *CORRECTED),
        ]
        for arm, row in gaps.drop(index="base").iterrows()
    ]
    head = ["arm", "knows", "does", "does, corrected", "gap", "gap, corrected"]
    fixed = read("reference", "contrasts").set_index("contrast").loc["knowing_without_doing"]
    note = (
        "All numbers are differences to `base`; the *gap* is knowing minus doing. To subtract the "
        "gap of `base` was decided after the results were seen, so the last two columns are "
        "exploratory. The contrast fixed in advance is what the documents' model knows minus what "
        f"it does: {points(fixed, 'difference')}, corrected {points(fixed, *CORRECTED)}."
    )
    return text, markdown_table(head, rows), note


def still(row: pd.Series, sign: int, whether: str, how: str) -> str:
    """What a difference leaves open, with its numbers: `whether`, or only `how` much where both of
    its intervals, as judged and corrected, are on the side `sign` of zero."""
    sides = side(row["low"], row["high"]), side(*row[list(CORRECTED[1:])])
    value = "difference" if "difference" in row else "beyond"
    return (
        f"{how if sides == (sign, sign) else whether}: {points(row, value)}, "
        f"corrected {points(row, *CORRECTED)}."
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
                f"{arms.label(top['b'])} is {points(top, 'difference')}.",
            ),
            still(
                voice,
                -1,
                "Whether first person acts the persona less often than demonstrations",
                "How much less often first person acts the persona than demonstrations",
            ),
            still(
                far,
                1,
                "Whether first person goes further into everyday life than documents",
                "How much further first person goes into everyday life than documents",
            ),
            still(
                gap,
                1,
                "Whether the gap of documents is wider than that of `base`",
                "How much wider the gap of documents is than that of `base`",
            )
            + need(
                gap["p"] == 2 / 2 ** gap["seeds"],
                f" As judged, the test over scenarios gives p = {gap['p_scenarios']:.1g}, and the "
                f"test over seeds p = {gap['p']:.2f}, the smallest that five seeds can give.",
            ),
            headline.what_carries(),
        ]
    )


# Speed


# What each row of the benchmark compares.
BENCH = {
    "(a)": "Row (a), training, is compared with TRL's `SFTTrainer` at its defaults: same model, "
    "rows, batch and recipe.",
    "(b)": "Row (b), training, is compared with rows that fill every batch evenly. This is about "
    "the most that packing can reach.",
    "(c)": "Row (c), answering, is compared with one call of `generate` per prompt.",
    "(d)": "Row (d) compares two times of one run of `make quick`: the time outside training and "
    "answering, and the whole time.",
    "(e)": "Row (e) compares a training step whose idle threads spin as briefly as the project "
    "sets it with one at the runtime's default, on a machine that does nothing else.",
    "(f)": "Row (f) compares a training step beside one busy process with the same step alone.",
}


def bench() -> str:
    """The rows of the benchmark, and what each compares."""
    rows = pd.read_csv(files.DATA / "results" / "bench.csv", keep_default_na=False)
    table = [
        [r.measure, str(r.ours), f"{r.against}: {r.other}", str(r.ratio)] for r in rows.itertuples()
    ]
    head = ["measure", "ours", "against", "ratio"]
    explained = bullets(
        [told for row, told in BENCH.items() if rows["measure"].str[:3].eq(row).any()]
    )
    where = f"Measured on: {rows['machine'].iloc[0]}."
    return f"{where}\n\n{markdown_table(head, table)}\n\n{explained}"


# The pages

BLOCKS = {
    "answer": answer,
    "example": example,
    "arms": arms_table,
    "unsettled": unsettled,
    "persllm": persllm_readme.paragraph,
    "persllm_scenarios": persllm_readme.scenarios,
    "persllm_questions": persllm_readme.questions,
    "persllm_findings": persllm_readme.findings,
    "bench": bench,
    "export": exported.block,
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
