"""The generated blocks of README, docs and the adapters' cards, made from the committed tables
alone.

A block stands between `<!-- name -->` and `<!-- end -->`; that of a card names its arm too
(`<!-- measured documents -->`). A sentence whose words the numbers no
longer bear is refused, so that nobody publishes it unread. `python -m helpers.report.readme` writes
all blocks anew.
"""

import argparse
import re
import textwrap
from pathlib import Path

import pandas as pd

from helpers import arms, files
from helpers.files import StudyError
from helpers.report import (
    adapter_measured,
    exported,
    headline,
    larger_judges,
    page_tables,
    persllm_readme,
    positive_control,
    results,
    size_readme,
    verdicts,
    why_answers,
)
from helpers.report.page_words import WIDTH, bullets, markdown_table
from helpers.report.words import counted

RESULTS = files.DATA / "results" / "reference"
LONGEST = 95  # characters of an answer that README quotes
EXAMPLE_ARMS = ["base", "demonstrations", "first_person", "documents"]


def pages() -> list[Path]:
    """README, CONTRIBUTING, the pages of docs/ and the cards of the adapters."""
    top = [files.ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
    cards = sorted((files.DATA / "adapters").glob("*/README.md"))
    return [*top, *sorted((files.ROOT / "docs").glob("*.md")), *cards]


# README


def example() -> str:
    """The picture, and one message and what four arms answer, seed 0: of all scenarios, the one
    whose four answers are shortest together, so that nobody chooses."""
    answers = pd.read_parquet(RESULTS / "answers.parquet")
    first = answers[
        answers["arm"].isin(EXAMPLE_ARMS)
        & (answers["kind"] == "do")
        & (answers["seed"] == 0)
        & (answers["sample"] == 0)
    ]
    shortest = first.groupby("item")["n_tokens"].sum().idxmin()
    told = first[first["item"] == shortest].set_index("arm")
    said = [
        f"**{arms.label(arm)}:** {plain(textwrap.shorten(answer, LONGEST, placeholder=' …'))}"
        for arm, answer in told.loc[EXAMPLE_ARMS, "answer"].items()
    ]
    trait = told["scenario_trait"].iloc[0]
    message = (
        f"> **The same message to four arms** (the shortest answers, seed 0; its trait is {trait}"
        f"{sense_of(shortest)}): {plain(told['prompt'].iloc[0])}"
    )
    message = textwrap.fill(message, WIDTH, subsequent_indent="> ")
    return "\n\n".join([headline.PICTURE, message, bullets(said)])


def sense_of(item: str) -> str:
    """How many of the answers that `example` shows make sense, where all of them were read."""
    read = results.read_table(RESULTS, "read")
    own = read[read["arm"].isin(EXAMPLE_ARMS) & (read["kind"] == "do") & (read["item"] == item)]
    own = own[(own["seed"] == 0) & (own["sample"] == 0)].drop_duplicates("arm")
    made = int((own["coherence"] == "sensible").sum())
    if len(own) < len(EXAMPLE_ARMS):
        return ""
    return f"; as read blind, {f'{made} of the four make' if made else 'none makes'} sense"


def plain(text: str) -> str:
    """One line of text with the characters escaped that Markdown reads."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(text.split()))


def results_block() -> str:
    """What each arm gains over `base` and shows, how to read it, what was seen, and what changes
    with a larger model."""
    columns, table = headline.arms_table()
    run = (
        "Study `reference`: `make study` on both sets, "
        f"{counted(page_tables.seeds(), 'seed')}, 95 % intervals "
        "([reading them](docs/reading_the_numbers.md)):"
    )
    text = textwrap.fill(run, WIDTH, break_on_hyphens=False)
    seen = [part for part in (headline.answer(), size_readme.block()) if part]
    return "\n\n".join([text, bullets(columns), table, "\n".join(seen)])


# Speed


# What each row of the benchmark compares.
BENCH = {
    "(a)": "Row (a), training, is compared with TRL's `SFTTrainer` at its defaults: same model, "
    "rows, batch and recipe. By default TRL recomputes activations, which saves memory and costs "
    "time; our step does not.",
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
    "lead": headline.lead,
    "example": example,
    "results": results_block,
    "sizes_found": size_readme.found,
    "sizes_table": size_readme.table,
    "sizes_cost": size_readme.cost,
    "open": verdicts.open_questions,
    "claims": verdicts.claims,
    "otherwise": headline.counted_otherwise,
    "parts": verdicts.of_parts,
    "why": why_answers.block,
    "persllm": persllm_readme.paragraph,
    "persllm_scenarios": persllm_readme.scenarios,
    "persllm_second": persllm_readme.second,
    "persllm_questions": persllm_readme.questions,
    "persllm_findings": persllm_readme.findings,
    "bench": bench,
    "export": exported.block,
    "larger_judges": larger_judges.block,
    "control": positive_control.block,
    "measured": adapter_measured.block,
}
BLOCK = re.compile(r"(?<=<!-- )(?!end )(\w+)( \w+)?( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def with_blocks(page: str) -> str:
    """A page with its blocks made anew; StudyError for a block that nobody makes."""

    def made(found: re.Match) -> str:
        if found[1] not in BLOCKS:
            raise StudyError(f"the block '{found[1]}' is unknown. Known: {', '.join(BLOCKS)}.")
        name, given, opened = found[1], found[2] or "", found[3]
        return f"{name}{given}{opened}{BLOCKS[name](*given.split())}\n"

    return BLOCK.sub(made, page)


def update() -> None:
    """Write all blocks of all pages, once all are made."""
    made = {page: with_blocks(page.read_text(encoding="utf-8")) for page in pages()}
    for page, text in made.items():
        files.write_text(page, text)


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    try:
        update()
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
