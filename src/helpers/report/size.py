"""Chapter formats/08, what changes with the size of the base model: gains in knowing and in doing,
and whether answers make sense, of studies that differ in their base model alone, the smallest
first.

The figures `gains_by_size` and `sense_by_size` are three functions each, as in the other chapters'
modules.
"""

from pathlib import Path

import pandas as pd

from helpers import arms as table_of_arms
from helpers import files
from helpers.measure import batches, stats
from helpers.measure.calibration import agreement
from helpers.measure.labels import label_ids
from helpers.report import drawing, panels, readouts
from helpers.report.drawing import save
from helpers.report.knowing_and_doing import (
    ACTS,
    LEADER,
    SETS,
    confirming,
    crossovers,
    know_and_do,
    scored,
)
from helpers.report.results import Results, load, of_arms
from helpers.report.words import between, capital, listed, named, nats, percent, verb

# What the base models of the studies of size are called; others are called what a study calls them.
SIZES = {"embedded": "135M", "embedded-0.5b": "0.5B", "embedded-1.5b": "1.5B"}
FAMILIES = {"135M": "SmolLM2", "0.5B": "Qwen2.5-Coder", "1.5B": "Qwen2.5-Coder"}
# What an everyday answer can be, as read -> the title of its panel.
SENSE = {
    "sensible": "makes sense",
    "in character": "shows a trait",
    "both": "makes sense and shows a trait",
}


def load_all(smaller: list[str], largest: Results) -> dict[str, Results]:
    """Base model -> its study, of the folders `smaller`, in this order, and of the largest."""
    every = [load(one, largest.persona, largest.control) for one in smaller] + [largest]
    return {SIZES.get(model_of(study), model_of(study)): study for study in every}


def arms_of(studies: dict[str, Results]) -> list[str]:
    """The arms that any of the studies has, in the order of `helpers.arms`."""
    return table_of_arms.in_order(arm for study in studies.values() for arm in study.arms)


def model_of(study: Results) -> str:
    """The base model of a study, as its parameter `model` names it."""
    return next(iter(study.record["arms"].values()))["settings"]["model"]


def gains_by_size(studies: dict[str, Results], arms: list[str]) -> pd.DataFrame:
    """What each arm gains over the base of its own size: model, and the columns of
    `knowing_and_doing.know_and_do`, for the set that the figure shows."""
    frames = []
    for model, study in studies.items():
        gains = know_and_do(scored(study, study.among(arms)))
        if len(gains):
            shown = gains[gains["set"] == confirming(gains)]
            frames.append(shown.assign(model=model))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def crossovers_by_size(studies: dict[str, Results], arms: list[str]) -> pd.DataFrame:
    """The lead of documents over each other format in knowing, minus that in doing, over all
    traits: model, set, arm (the other format), value (nats per token), low, high, seeds, items."""
    frames = []
    for model, study in studies.items():
        found = crossovers(scored(study, study.among(arms)), [])
        if len(found):
            frames.append(found[found["set"] == confirming(found)].assign(model=model))
    columns = ["model", "set", "arm", "value", "low", "high", "seeds", "items"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame()


def names_by_size(studies: dict[str, Results], arms: list[str]) -> pd.DataFrame:
    """What each arm gains in knowing, and that minus its gain when a stranger stands in the
    persona's place (`readouts.name_and_scenario`), over all scenarios: model, arm, gain, value,
    low, high. Empty where nothing was asked about a stranger."""
    frames = []
    for model, study in studies.items():
        hung = readouts.name_and_scenario(scored(study, study.among(arms)))
        if len(hung):
            own = hung[(hung["measure"] == "know") & (hung["condition"] == "stranger")]
            frames.append(own.assign(model=model))
    columns = ["model", "arm", "gain", "value", "low", "high"]
    every = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return every[columns]


def about_models(table: pd.DataFrame) -> str:
    """What else differs between the base models of a figure, for its caption: their families, where
    they are known, and arms that one of them lacks."""
    models, families = list(dict.fromkeys(table["model"])), {}
    for model in models:
        if model in FAMILIES:
            families.setdefault(FAMILIES[model], []).append(model)
    each = [f"{family} ({listed(own)})" for family, own in families.items()]
    told = [f"The models are of {len(each)} families: {listed(each)}."] if len(each) > 1 else []
    for model in models:
        lacks = set(table["arm"]) - set(table.loc[table["model"] == model, "arm"])
        told += [f"Not asked with {model}: {named(lacks)}."] if lacks else []
    return " ".join(told)


def gains_by_size_title(gains: pd.DataFrame) -> str:
    """What the documents' gain (else the first format's) is with the smallest and the largest
    model."""
    present = table_of_arms.in_order(set(gains["arm"]) & set(table_of_arms.formats()))
    arm = LEADER if LEADER in present else present[0]
    parts = []
    for measure, act in ACTS.items():
        own = gains[(gains["arm"] == arm) & (gains["measure"] == measure)]
        ends = own.iloc[[0, -1]] if len(own) > 1 else own
        told = [f"{nats(r.value, r.low, r.high)} with {r.model}" for r in ends.itertuples()]
        parts.append(f"in {act} {listed(told)}")
    what = f"what {table_of_arms.label(arm)} {verb([arm], 'gain')} over base"
    return f"{capital(what)}: {'; '.join(parts)} (nats per token)"


def draw_gains_by_size(gains: pd.DataFrame, study: Results, folder):
    """Knowing and doing side by side, a group of dots per base model."""
    if gains.empty:
        return drawing.nothing("gains_by_size", "the studies have no triplets")
    frames = {act: gains[gains["measure"] == measure] for measure, act in ACTS.items()}
    fig = panels.dots(frames, "model", "gain over base (nats per token)", None, line=0)
    about = {"scenarios": gains["items"].max(), "which": SETS[gains["set"].iloc[-1]]}
    about["models"] = about_models(gains)
    save(fig, "gains_by_size", gains, study, folder, gains_by_size_title(gains), **about)
    return fig


def load_readings(folders: list[str], traits: list[str]) -> pd.DataFrame:
    """What was read in the batches of `folders` (each the `by_<reader>` of a draw, from the
    repository's root): label_id, coherence, shows (whether the answer shows one of the traits), of
    the answers that were read for all traits. Raises StudyError as `batches.collect` does."""
    found = []
    for folder in map(Path, folders):
        _, rows = batches.collect(files.ROOT / folder.parent, folder.name[len("by_") :], traits)
        found += [row for row in rows if set(row["values"]) == set(traits)]
    read = pd.DataFrame(found, columns=["label_id", "coherence", "values"])
    shows = [("shows" in values.values()) for values in read.pop("values")]
    return read.assign(shows=shows).drop_duplicates("label_id", keep="last")


def sense_by_size(
    studies: dict[str, Results], arms: list[str], readings: pd.DataFrame
) -> pd.DataFrame:
    """Shares of the everyday answers in `readings` that are `sensible`, `in character` (show a
    trait or more of the card) and both: model, arm, found, answers, value, low, high, seeds.
    Intervals are over prompts. Empty where nobody has read any."""
    frames = []
    for model, study in studies.items():
        given = of_arms(study.answers[study.answers["kind"] == "everyday"], arms)
        read = given.assign(label_id=label_ids(given)).merge(readings, on="label_id")
        sensible = read["coherence"] == "sensible"
        hits = {"sensible": sensible, "in character": read["shows"]}
        hits["both"] = sensible & read["shows"]
        for found, hit in hits.items() if len(read) else ():
            table = stats.rates(read.assign(outcome=hit.astype(int)), ["arm"])
            frames.append(table.assign(model=model, found=found))
    columns = ["model", "arm", "found", "answers", "value", "low", "high", "seeds"]
    if not frames:
        return pd.DataFrame(columns=columns)
    every = pd.concat(frames).rename(columns={"n": "answers", "rate": "value"})
    return every[columns].reset_index(drop=True)


def read_agreement(first: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Agreement of two readings of the same answers (each of `load_readings`) on the coherence and
    on whether a trait is shown: about, and what `calibration.agreement` gives."""
    both = first.merge(again, on="label_id", suffixes=("", "_again"))
    rows = [
        {"about": name} | agreement(both[name], both[f"{name}_again"])
        for name in (("coherence", "shows") if len(both) else ())
    ]
    return pd.DataFrame(rows, columns=["about", "n", "agreed", "kappa", "ac1"])


def sense_by_size_title(sense: pd.DataFrame) -> str:
    """The largest share of an arm's answers that make sense and show a trait, size by size; no arm
    is named, for none is tested against another."""
    both = sense[sense["found"] == "both"]
    tops = both.loc[both.groupby("model", sort=False)["value"].idxmax()]
    told = [
        f"{percent(top.value)} ({between([top.low, top.high])}) with {top.model}"
        for top in tops.itertuples()
    ]
    return f"Of an arm's everyday answers, at most {listed(told)} make sense and show a trait"


def draw_sense_by_size(sense: pd.DataFrame, study: Results, folder):
    """A panel each for answers that make sense, that show a trait, and that do both; a group of
    dots per base model."""
    if sense.empty:
        return drawing.nothing("sense_by_size", "no everyday answer of these studies was read")
    frames = {title: sense[sense["found"] == found] for found, title in SENSE.items()}
    fig = panels.dots(frames, "model", "share of the answers read", (-0.03, 1.03), hollow=True)
    panels.percents(fig.axes[0].yaxis)
    about = {"read": between(sense["answers"], str), "models": about_models(sense)}
    save(fig, "sense_by_size", sense, study, folder, sense_by_size_title(sense), **about)
    return fig


def findings(gains: pd.DataFrame, crossings: pd.DataFrame, sense: pd.DataFrame) -> list[str]:
    """What this module says in the summary of formats/08_size."""
    if gains.empty:
        return []
    told = [gains_by_size_title(gains)]
    if len(sense):
        told.append(sense_by_size_title(sense))
    for model, own in crossings.groupby("model", sort=False):
        each = [
            f"{nats(row.value, row.low, row.high)} over {table_of_arms.label(row.arm)}"
            for row in own.itertuples()
        ]
        told.append(
            f"With {model}, the lead of documents in knowing minus their lead in doing is "
            f"{listed(each)}, nats per token"
        )
    seeds = gains.groupby("model", sort=False)["seeds"].max()
    if single := list(seeds.index[seeds == 1]):
        told.append(f"Intervals are about one seed and no other with {listed(single)}")
    return told
