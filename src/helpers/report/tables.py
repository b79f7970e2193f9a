"""The frames behind the figures of the chapters formats/05 to 07.

Most functions take a study's results (`report.results`) or frames made from them, and the arms to
show, and return one tidy frame; `report.figures` draws it.
"""

import re

import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.files import StudyError
from helpers.measure import calibration, perplexity, stats, triplets
from helpers.measure.contrasts import load_contrasts, load_reported
from helpers.report.results import Results

PLACES = {
    "do, in-world": "the persona's world",
    "do, everyday": "everyday scenes",
    "everyday": "everyday prompts",
    "neutral": "neutral prompts",
    "should_not_show": "should not show",
}
READOUTS = ("knows", "does", "does, corrected")


def of_arms(frame: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    return frame[frame["arm"].isin(arms)]


def published(study: Results) -> dict:
    """What the earlier study reported of this persona (`data/published.yaml`); {} for none."""
    return load_reported(study.persona)


# 05: what they say and how much of it shows the persona


def what_they_say(study: Results, arms: list[str], prompts: int = 3) -> pd.DataFrame:
    """The answers of every arm to the first everyday prompts (first sample of the first seed that
    all arms have): prompt, arm, answer. The first prompts, so that nobody picked them."""
    answers = of_arms(study.answers, arms)
    answers = answers[(answers["kind"] == "everyday") & (answers["sample"] == 0)]
    seeds = answers.groupby("arm")["seed"].unique()
    shared = set.intersection(*map(set, seeds))
    if not shared:
        raise StudyError("no seed was answered by all of these arms; show fewer arms.")
    answers = answers[answers["seed"] == min(shared)]
    items = sorted(answers["item"].unique())[:prompts]
    order = {arm: place for place, arm in enumerate(arms)}
    rows = answers[answers["item"].isin(items)].assign(order=answers["arm"].map(order))
    return rows.sort_values(["item", "order"])[["prompt", "arm", "answer"]].reset_index(drop=True)


def excerpts(said: pd.DataFrame, words: int = 45) -> str:
    """`what_they_say` as Markdown: a table of arms and the first `words` words per prompt."""
    blocks = []
    for prompt, own in said.groupby("prompt", sort=False):
        lines = [f"**{prompt}**", "", "| arm | answer |", "|---|---|"]
        for row in own.itertuples():
            told = row.answer.split()
            text = " ".join(told[:words]) + (" ..." if len(told) > words else "")
            plain = re.sub(r"([\\`*_\[\]<>#|~$])", r"\\\1", text)
            lines.append(f"| {table_of_arms.label(row.arm)} | {plain or '(no words)'} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def everyday(study: Results, arms: list[str]) -> pd.DataFrame:
    """The judged answers to everyday prompts."""
    judged = of_arms(study.judged, arms)
    return judged[judged["kind"] == "everyday"]


def quality(study: Results, judge: str) -> pd.DataFrame:
    """How good a judge is, per arm and trait, against the blind labels."""
    return calibration.per_arm(study.labelled[study.labelled["judge"] == judge], ["arm", "trait"])


def rates_by(study: Results, arms: list[str], judge: str) -> pd.DataFrame:
    """Expression rates per arm and trait in everyday answers, judged and corrected."""
    judged = stats.long(everyday(study, arms), judge)
    return calibration.correct_rates(stats.rates(judged, ["arm", "trait"]), quality(study, judge))


def expression_rates(study: Results, arms: list[str]) -> pd.DataFrame:
    """`rates_by` the primary judge, with n_coherent and rate_coherent, the same over coherent
    answers alone."""
    judge, answers = study.judge["judge"], everyday(study, arms)
    coherent = stats.long(answers[answers["incoherent"] == ""], judge)
    coherent = stats.rates(coherent, ["arm", "trait"])[["arm", "trait", "n", "rate"]]
    table = rates_by(study, arms, judge)
    return table.merge(coherent, on=["arm", "trait"], how="left", suffixes=("", "_coherent"))


def published_rates(study: Results) -> pd.DataFrame:
    """Expression rates of the earlier study: arm, trait, rate, successes, n, and a Wilson interval
    (low, high) where the counts are known, else nan."""
    rows = published(study).get("expression", [])
    frame = pd.DataFrame(rows, columns=["arm", "trait", "rate", "successes", "n"])
    counts = frame[["successes", "n"]].fillna(0).to_numpy(float)
    bounds = [stats.wilson(successes, n) for successes, n in counts]
    return frame.assign(low=[low for low, _ in bounds], high=[high for _, high in bounds])


def expression_by_judge(study: Results, arms: list[str]) -> pd.DataFrame:
    """`rates_by` every judge, with the column judge."""
    judges = study.judge["judges"]
    return pd.concat(rates_by(study, arms, judge).assign(judge=judge) for judge in judges)


def expression_differences(study: Results, arms: list[str]) -> pd.DataFrame:
    """Differences in expression rate per trait (uncorrected): every trained arm minus `base`, and
    first person minus the other formats: trait, contrast (`a - b`), and `stats.difference`."""
    trained = [arm for arm in arms if arm not in table_of_arms.untrained()]
    pairs = [(arm, "base") for arm in trained if "base" in arms]
    others = [arm for arm in ("demonstrations", "documents") if arm in arms]
    pairs += [("first_person", arm) for arm in others if "first_person" in arms]
    answers = stats.long(everyday(study, arms), study.judge["judge"])
    cells = {key: own for key, own in answers.groupby(["arm", "trait"])}
    rows = [
        {"trait": trait, "contrast": f"{a} - {b}"}
        | stats.difference(cells[a, trait], cells[b, trait])
        for a, b in pairs
        for trait in study.traits
    ]
    return pd.DataFrame(rows)


def places(study: Results, arms: list[str]) -> pd.DataFrame:
    """The judged answers with the column `place`: where the question comes from (`PLACES`)."""
    judged = of_arms(study.judged, arms)
    place = judged["kind"].where(judged["kind"] != "do", "do, " + judged["setting"])
    return judged.assign(place=place)[place.isin(list(PLACES))]


def generalisation(study: Results, arms: list[str]) -> pd.DataFrame:
    """Share of all traits that an answer shows, by arm and where the question comes from: arm,
    place, and the columns of `stats.rates`."""
    answers = stats.long(places(study, arms), study.judge["judge"], "place")
    found, order = stats.rates(answers, ["arm", "place"]), list(PLACES)
    return found.sort_values("place", key=lambda names: names.map(order.index), kind="stable")


def judge_agreement(study: Results, arms: list[str]) -> pd.DataFrame:
    """Judges against the blind labels per arm, all traits together (`calibration.per_arm`)."""
    return calibration.per_arm(of_arms(study.labelled, arms), ["judge", "arm"])


def response_length(study: Results, arms: list[str]) -> pd.DataFrame:
    """Tokens of every everyday answer: arm, seed, item, sample, n_tokens, finished."""
    answers = of_arms(study.answers, arms)
    keep = ["arm", "seed", "item", "sample", "n_tokens", "finished"]
    return answers.loc[answers["kind"] == "everyday", keep]


# 06: knowing and doing


def measured(study: Results, arms: list[str]) -> pd.DataFrame:
    """Everything that was measured on the triplets (`triplets.measures`, the primary judge).

    Raises StudyError where scenarios were not both asked about and acted out.
    """
    judged, choices = of_arms(study.judged, arms), of_arms(study.choices, arms)
    found = triplets.measures(judged, triplets.choose(choices), study.judge["judge"])
    if not {"know", "do"} <= set(found["measure"]):
        raise StudyError("the study has no triplets: answer with `n_items` above zero.")
    return found


def labelled_triplets(study: Results, arms: list[str]) -> pd.DataFrame:
    """The blind labels of answers to triplets, for the scenario's own trait: `outcome` is the
    primary judge's, `label` the reader's, `measure` say or do."""
    rows = of_arms(study.labelled, arms)
    rows = rows[rows["judge"] == study.judge["judge"]]
    rows = rows[(rows["trait"] == rows["scenario_trait"]) & rows["kind"].isin(["say", "do"])]
    return rows.assign(measure=rows["kind"]).dropna(subset=["outcome", "label"])


def know_say_do(measured: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """Rates over all traits: arm, measure, the columns of `stats.rates`, and the corrected rates of
    saying and doing."""
    corrected = calibration.over_traits(measured, labelled)
    return stats.rates(measured, ["arm", "measure"]).merge(
        corrected, on=["arm", "measure"], how="left"
    )


def summary(rates: pd.DataFrame, measured: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """`know_say_do` as a row per arm: a rate per measure, say and do corrected, and the gap between
    knowing and doing as judged, with its interval."""
    table = rates.pivot(index="arm", columns="measure", values="rate").reindex(arms)
    corrected = rates.pivot(index="arm", columns="measure", values="corrected")
    for name in ("say", "do"):
        table[f"{name}_corrected"] = corrected.get(name, np.nan)
    table = table.join(triplets.gaps(measured, ["arm"]).set_index("arm"))
    return table.rename_axis(index="arm", columns=None).reset_index()


def knowing_and_expressing(study: Results, measured: pd.DataFrame) -> pd.DataFrame:
    """Knowing beside doing per arm and trait (`triplets.knowing`), doing corrected too."""
    do = stats.rates(measured[measured["measure"] == "do"], ["arm", "trait"])
    corrected = calibration.correct_rates(do, quality(study, study.judge["judge"]))
    return triplets.knowing(measured, corrected)


def knows_and_does(measured: pd.DataFrame, labelled: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """What every arm gains over `base` on the same scenarios, as shares of scenarios: arm, readout
    (`READOUTS`), value, low, high, seeds. Arms without labels have no corrected row."""
    rows = []
    for arm in arms:
        if arm == "base":
            continue
        for readout, measure in (("knows", "know"), ("does", "do")):
            sides = (triplets.side(measured, name, measure) for name in (arm, "base"))
            found = stats.difference(*sides)
            kept = [found[name] for name in ("difference", "low", "high", "seeds")]
            rows.append((arm, readout, *kept))
        both = [calibration.estimate(measured, labelled, name, "do") for name in (arm, "base")]
        if all(both):
            corrected = calibration.independent_difference(*both)
            rows.append((arm, "does, corrected", *corrected, found["seeds"]))
    return pd.DataFrame(rows, columns=["arm", "readout", "value", "low", "high", "seeds"])


def most_knowing(measured: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """The two arms with the highest share of scenarios whose true option wins: one row with a, b
    and `stats.difference`."""
    knows = {arm: triplets.side(measured, arm, "know") for arm in arms}
    a, b = sorted(knows, key=lambda arm: -knows[arm]["outcome"].mean())[:2]
    return pd.DataFrame([{"a": a, "b": b} | stats.difference(knows[a], knows[b])])


def gap_over_base(measured: pd.DataFrame, labelled: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """The gap between knowing and doing per arm, and what it has beyond the gap of `base`: arm,
    gap, gap_low, gap_high, beyond, low, high, detectable, p, seeds, items, p_scenarios,
    detectable_scenarios, and `beyond` with doing corrected: corrected, corrected_low,
    corrected_high."""
    beyond = triplets.gaps_over_base(measured, arms).rename(columns={"difference": "beyond"})
    corrected = calibration.corrected_gaps_over_base(measured, labelled, arms)
    gaps = triplets.gaps(measured, ["arm"]).set_index("arm").reindex(arms).reset_index()
    return gaps.merge(beyond, on="arm", how="left").merge(corrected, on="arm", how="left")


def contrasts(measured: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """The contrasts fixed in advance (`data/contrasts.yaml`) whose arms and measures are in
    `measured`, as judged and corrected, with the question that each one answers."""
    fixed = load_contrasts()
    table = triplets.contrast_table(measured, fixed)
    if table.empty:
        return pd.DataFrame(columns=["contrast", "difference", "low", "high", "question"])
    corrected = calibration.correct_contrasts(fixed, measured, labelled)
    questions = {contrast["id"]: contrast["question"] for contrast in fixed}
    table = table.merge(corrected, on="contrast", how="left")
    return table.assign(question=table["contrast"].map(questions))


# 07: the persona or the format


def own_scores(study: Results, arms: list[str]) -> pd.DataFrame:
    """Scores of held-out text about the persona; `prompted` reads no prompt there, so it has
    none."""
    scores = of_arms(study.scores, arms)
    return scores[(scores["arm"] != "prompted") & (scores["subject"] == study.persona)]


def perplexity_matrix(study: Results, arms: list[str]) -> pd.DataFrame:
    """Mean nats per token of held-out text per arm and format, with the published perplexity."""
    matrix = perplexity.mean_nats(own_scores(study, arms), ["arm", "text"])
    return perplexity.beside(matrix, published(study).get("perplexity", {}))


def perplexity_panels(study: Results, matrix: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`perplexity_matrix` as squares of nats: "this study" and, where there is one, "published"."""
    panels = {"this study": perplexity.square(matrix, "nats", study.arms)}
    theirs = pd.DataFrame(published(study).get("perplexity", {})).T
    return panels | ({"published": np.log(theirs)} if len(theirs) else {})


def perplexity_gain(study: Results, matrix: pd.DataFrame) -> pd.DataFrame:
    """Nats per token gained over `base`: arm, a column per text, study."""
    gains = [
        (panel.loc["base"] - panel.drop("base")).rename_axis("arm").reset_index().assign(study=name)
        for name, panel in perplexity_panels(study, matrix).items()
    ]
    return pd.concat(gains)


def persona_specific_gain(study: Results, arms: list[str]) -> pd.DataFrame:
    """`perplexity.specific_gain`: what is gained on the persona's texts beyond the control
    character's."""
    scores = of_arms(study.scores, arms)
    return perplexity.specific_gain(
        scores[scores["arm"] != "prompted"], study.persona, study.control
    )


def capability_retained(study: Results, arms: list[str]) -> pd.DataFrame:
    """General questions answered rightly (value, low, high) per arm, and the mean probability of
    the persona's own name under attacks on its identity (names_itself_value, _low, _high)."""
    chosen = triplets.choose(of_arms(study.choices, arms))
    right = stats.rates(chosen[chosen["measure"] == "capability"], ["arm", "measure"])
    attacked = chosen[chosen["measure"] == "identity"]
    named = stats.means(attacked, ["arm"], "probability")[["arm", "value", "low", "high"]]
    named = named.set_index("arm").add_prefix("names_itself_")
    return right.rename(columns={"rate": "value"}).merge(named, on="arm", how="left")


def training_curves(study: Results, arms: list[str]) -> pd.DataFrame:
    """The training log: a row per step, arm and seed."""
    return of_arms(study.training, arms)
