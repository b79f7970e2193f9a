"""Explanations of knowing without doing (`data/explanations.yaml`), held against the contrasts of
the experiments of `why`."""

import argparse
import sys
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, Field

from helpers import files
from helpers.files import StudyError, atomic, shown
from helpers.measure import margins
from helpers.measure.contrasts import load_contrasts
from helpers.report import why, why_selection, why_weights
from helpers.report.results import Results
from helpers.report.words import bullets, capital, counted, listed, nats, percent
from helpers.rows import Row, Text, different_ids, read_mapping

PAGE = "docs/why.md"
# Experiment -> the study whose results it is read from.
STUDIES = {
    "voice_person_wrapper": "why-cells",
    "few_demonstrations": "why-few",
    "dose": "why-dose",
    "selection": "reference",
    "weights": "reference",
}
VERDICTS = ("holds", "reversed", "open")
OPPOSITE = {"holds": "reversed", "reversed": "holds"}


class Explanation(Row, extra="forbid"):
    """An explanation, and how it predicts contrasts to come out."""

    id: Text
    explanation: Text
    predicts: Annotated[dict[Text, Literal[*VERDICTS]], Field(min_length=1)]


def load_explanations() -> list[dict]:
    """The explanations {id, explanation, predicts}; raises StudyError with the entry and the field
    of a wrong one, and for a prediction of a contrast that is not there."""
    path = files.DATA / "explanations.yaml"
    found = read_mapping(path, Annotated[list[Explanation], AfterValidator(different_ids)])
    known = {contrast["id"] for contrast in load_contrasts(("means",))}
    for one in found:
        if odd := sorted(set(one["predicts"]) - known):
            raise StudyError(
                f"{shown(path)}, {one['id']!r}, field 'predicts': {odd[0]!r} is no contrast of an "
                "experiment in contrasts.yaml. Correct the name, then run again."
            )
    return found


def standing(predicts: dict[str, str], seen: dict[str, str]) -> str:
    """`stands` where every prediction came true, `falls` where one came out the other way, `open`
    otherwise, also where a contrast has not been seen."""
    if any(seen.get(name) == OPPOSITE.get(verdict, "") for name, verdict in predicts.items()):
        return "falls"
    return "stands" if all(seen.get(n) == verdict for n, verdict in predicts.items()) else "open"


def explanations(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Each explanation, what it predicts, what was seen and whether it stands. `tables` are those
    of `why.contrasts`, of all experiments."""
    seen = {row.contrast: row.verdict for table in tables for row in table.itertuples()}
    rows = []
    for one in load_explanations():
        names = one["predicts"]
        rows.append(
            {
                "explanation": one["explanation"],
                "predicted": in_words(names),
                "seen": in_words({name: seen.get(name, "not run") for name in names}),
                "verdict": standing(names, seen),
            }
        )
    return pd.DataFrame(rows)


def in_words(verdicts: dict[str, str]) -> str:
    """`voice in doing: holds; ...`."""
    return "; ".join(f"{name.replace('_', ' ')}: {what}" for name, what in verdicts.items())


def found(table: pd.DataFrame) -> str:
    """How many explanations stand, fall or are left open."""
    untried = ~table["seen"].str.contains(r": (?!not run)", regex=True)
    counts = table.loc[~untried, "verdict"].value_counts()
    words = {
        "stands": ("stands", "stand"),
        "falls": ("falls", "fall"),
        "open": ("is left open", "are left open"),
        "untried": ("has not been tested yet", "have not been tested yet"),
    }
    counts["untried"] = untried.sum()
    parts = [f"{counts[k]} {w[int(counts[k] > 1)]}" for k, w in words.items() if counts.get(k)]
    return capital(f"of {len(table)} explanations, {listed(parts)}")


# The page


def verdicts(folders: dict[str, Path], persona: str) -> list[pd.DataFrame]:
    """The contrasts of every experiment whose study has results (study -> folder)."""
    found_tables = []
    for experiment, name in STUDIES.items():
        if name in folders:
            study = why.load(folders[name], persona)
            changed = experiment == "weights" and (study.folder / "changed.csv").exists()
            gained = why_weights.with_changes(study) if changed else margins.margins(study.choices)
            table = why.contrasts(gained, experiment)
            found_tables += [table] * (len(table) > 0)
    return found_tables


def limits(study: Results) -> list[str]:
    """What the predictions about names and weights leave open, with what was seen of it, in
    sentences; `study` is the one that both were read from."""
    told = of_name(why_selection.released(margins.margins(study.choices)))
    if (study.folder / "changed.csv").exists():
        left = why_weights.left(why_weights.with_changes(study))
        left = left.set_index(["arm", "change", "on"])
        told += [of_constant(left), of_reversal(left)]
    return told


def of_name(released: pd.DataFrame) -> list[str]:
    """What the name does to acting in each of the two formats whose difference is a contrast."""
    if released.empty:
        return []
    own = released[released["on"] == "do_pair"].set_index("arm")
    each = [
        f"{nats(*own.loc[arm, ['value', 'low', 'high']])} in {arm}"
        for arm in ("documents", "demonstrations")
    ]
    return [
        "**The name.** To add more to acting in documents than in demonstrations, it need only "
        f"take from demonstrations. Beyond base, it adds {listed(each)}"
    ]


def of_constant(left: pd.DataFrame) -> str:
    """What a constant keeps, since the prediction was only that it keeps anything."""
    kept = [
        f"{percent(left.loc[(arm, 'shift', on), 'kept'])} of what {arm} gain in {act}"
        for arm, on, act in (
            ("documents", "know", "knowing"),
            ("demonstrations", "do_pair", "doing"),
        )
    ]
    return (
        "**A constant.** The prediction was that anything is left, so a small rest would have "
        f"passed. The constant keeps {listed(kept)}. It is the mean over held-out demonstrations, "
        "for documents too. A gain that is alike under every scenario can be kept by a constant, "
        "however it was learnt: this does not tell steering from another way to learn"
    )


def of_reversal(left: pd.DataFrame) -> str:
    """What the reversed adapters do against base, since the prediction held them against the
    adapters as they are."""
    turned = [
        f"{nats(*left.loc[(arm, '-1', on), ['value', 'low', 'high']])} for {arm} in {act}"
        for arm, on, act in (
            ("documents", "know", "knowing"),
            ("demonstrations", "do_pair", "doing"),
        )
    ]
    back, there = (left.loc[("documents", change, "do_pair"), "value"] for change in ("-1", "1"))
    return (
        "**Reversal.** The prediction was that strength 1 is above strength -1. This comes true "
        "also where -1 changes nothing. Against base, -1 is "
        f"{listed(turned)}. Whether it turns the character round or damages the model is not told "
        f"apart: no other texts were scored. Documents add {nats(there)} to doing, and their "
        f"reverse makes it {nats(back)}"
    )


def page(tables: list[pd.DataFrame], open_: list[str]) -> str:
    """The page on the experiments: every explanation, what its predictions leave open (`limits`),
    and every contrast as it was answered."""
    table = explanations(tables)
    seen = pd.concat(tables, ignore_index=True)
    once = ", so that intervals are about *this seed* alone" if seen["seeds"].max() == 1 else ""
    lines = [
        "# What separates knowing from doing",
        "",
        f"{found(table)}. Each contrast was fixed and each prediction written before anything was "
        "trained or scored for these experiments. `not run` stands where the study of an "
        "experiment has no results yet (`make why`).",
        "",
        "*Stands* means that what was predicted came true, and no more: another explanation may "
        "predict the same. Knowing and doing are [gains](reading_the_numbers.md#margin-and-gain) "
        f"over `base`, in nats per token, on at most {seen['items'].max():.0f} scenarios of set b, "
        f"from {counted(int(seen['seeds'].max()), 'seed')}{once}. The 95 % intervals are over "
        "scenarios and seeds.",
        "",
    ]
    lines += ["| explanation | predicted | seen | verdict |", "|---|---|---|---|"]
    lines += [
        f"| {row.explanation} | {row.predicted} | {row.seen} | **{row.verdict}** |"
        for row in table.itertuples()
    ]
    if open_:
        lines += ["", "## What the predictions do not test", "", bullets(open_)]
    lines += ["", "## The contrasts", ""]
    lines += [bullets(why.answered(one)) for one in tables]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page from the results of the studies that have any, published ones first."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    folders = {}
    for name in set(STUDIES.values()):
        for path in (files.DATA / "results" / name, files.RUNS / name / "results"):
            if name not in folders and (path / "record.json").exists():
                folders[name] = path
    if not folders:
        sys.exit(f"error: none of {', '.join(sorted(set(STUDIES.values())))} has results.")
    with atomic(files.ROOT / PAGE) as temporary:
        name = STUDIES["weights"]
        open_ = limits(why.load(folders[name], "c3po")) if name in folders else []
        temporary.write_text(page(verdicts(folders, "c3po"), open_), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
