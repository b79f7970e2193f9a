"""The table of larger models as judges, beside the study's own judges on the same answers."""

import textwrap

import pandas as pd

from helpers import arms, files
from helpers.files import read_json
from helpers.measure import calibration, encoder_judge, judges, larger_judges
from helpers.report.page_words import WIDTH, markdown_table

COMMAND = ".env/bin/python -m helpers.measure.larger_judges"
PAIR = ["arm", "label_id", "trait"]
LEAST = 10  # pairs that show their trait, below which an arm has no index of its own


def judged(every: pd.DataFrame, rows: pd.DataFrame, facts: dict) -> pd.DataFrame:
    """What every judge found in the pairs that the larger models were asked: PAIR, label, judge,
    outcome and, of a larger model, the probability. `every` are the pairs of `larger_judges.pairs`,
    `rows` and `facts` what `larger_judges` has published."""
    asked = rows.groupby(PAIR)["judge"].transform("nunique") == rows["judge"].nunique()
    rows = rows[asked]  # of every model; and by what was read when they were asked
    labels = rows.drop_duplicates(PAIR)[[*PAIR, "label"]]
    same = every.drop(columns="label").merge(labels, on=PAIR)
    ours = [name for name in judges.JUDGES if name in same]
    own = same.melt([*PAIR, "label"], ours, "judge", "outcome")
    least = rows["judge"].map({name: fact["threshold"] for name, fact in facts.items()})
    return pd.concat([own, rows.assign(outcome=(rows["probability"] >= least).astype(int))])


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Per judge: Youden's index over all arms with its interval, that of every arm with LEAST pairs
    that show their trait, their largest difference, and the area under the curve (missing for a
    judge without probabilities)."""
    whole = calibration.per_arm(found, ["judge"]).set_index("judge")
    by_arm = calibration.per_arm(found, ["judge", "arm"])
    by_arm = by_arm[by_arm["sensitivity_n"] >= LEAST]
    wide = by_arm.pivot(index="judge", columns="arm", values="youden")
    wide = wide[arms.in_order(wide.columns)]
    wide["difference"] = wide.max(axis=1) - wide.min(axis=1)
    areas = {
        name: encoder_judge.quality(own["label"].to_numpy(float), own["probability"])["auc"]
        for name, own in found.dropna(subset=["probability"]).groupby("judge")
    }
    ends = whole[["youden", "youden_low", "youden_high"]]
    return ends.join(wide).assign(auc=pd.Series(areas, dtype=float))


def block() -> str:
    """The table for the page on reading the numbers."""
    if not larger_judges.path().exists():
        return f"Not measured yet. `{COMMAND} MODEL` fills this table."
    facts = read_json(larger_judges.facts_path())
    rows = pd.read_csv(larger_judges.path())
    every = larger_judges.pairs(files.DATA / "results" / larger_judges.STUDY)
    found = table(judged(every, rows, facts))
    by_arm = [name for name in found if name in arms.ARMS]
    lines = [
        [
            called(name, facts),
            f"{row['youden']:.2f} ({row['youden_low']:.2f} to {row['youden_high']:.2f})",
            *("–" if pd.isna(row[c]) else f"{row[c]:.2f}" for c in [*by_arm, "difference", "auc"]),
            f"{facts[name]['seconds_a_pair']:.1f}" if name in facts else "–",
        ]
        for name, row in in_order(found, facts).iterrows()
    ]
    head = ["judge", "all arms", *map(arms.label, by_arm), "difference", "AUC", "seconds"]
    return f"{markdown_table(head, lines)}\n\n{textwrap.fill(best(found, facts), WIDTH)}"


def best(found: pd.DataFrame, facts: dict) -> str:
    """Whether a larger model reaches the best of the study's judges over all arms."""
    index = found["youden"]
    larger = index[list(facts)].idxmax()
    own = index.drop(list(facts)).idxmax()
    word = "more" if index[larger] > index[own] else "less"
    return (
        f"The best of the larger models, {called(larger, facts)}, has an index of "
        f"{index[larger]:.2f}, {word} than `{own}` with {index[own]:.2f}."
    )


def in_order(found: pd.DataFrame, facts: dict) -> pd.DataFrame:
    """The study's judges first, from the simplest on; then the larger models by size."""
    larger = sorted(facts, key=lambda name: (facts[name]["model"], facts[name]["learns"]))
    return found.loc[[*(name for name in judges.JUDGES if name in found.index), *larger]]


def called(name: str, facts: dict) -> str:
    if name not in facts:
        return name
    return f"`{facts[name]['model']}`, {larger_judges.FORMS[facts[name]['learns']]}"
