"""A study made from simulated numbers, for tests of chapters whose results do not exist everywhere.

It has both sets of triplets, every readout and every control. What each arm gains is set here, so
that a test knows what tables and titles have to say.
"""

import numpy as np
import pandas as pd

from helpers import files
from helpers.measure import labels
from helpers.report import answers as of_answers
from helpers.report import contrasts, expression, knowing_and_doing, reading, readouts, results
from helpers.report.shares import gap_over_base, measured

CARD = results.personas.load_persona("c3po")
ARMS = ["base", "prompted", "demonstrations", "first_person", "documents"]
SEEDS = (0, 1, 2)
PER_TRAIT = 3  # scenarios of a trait in each set
# Gain over base in nats per token, describing and doing.
GAINS = {
    "base": (0.0, 0.0),
    "prompted": (0.1, 0.1),
    "demonstrations": (0.3, 0.3),
    "first_person": (0.35, 0.25),
    "documents": (0.5, 0.1),
}
# Share of the gain that is left under each condition, and the measures that have it.
CONDITIONS = {
    "own": (1.0, ("know", "know_first", "do_pair", "told_pair", "know_you", "say_pair")),
    "stranger": (0.8, ("know", "told_pair")),
    "control": (0.7, ("know",)),
    "nameless": (0.9, ("know",)),
    "mismatched": (0.4, ("know", "know_first", "do_pair", "told_pair")),
    "named": (1.1, ("know", "know_first", "do_pair", "told_pair")),
}
OPTIONS = {"know": 4, "know_first": 4, "know_you": 4, "do_pair": 2, "told_pair": 2, "say_pair": 2}
VERSIONS = {"do_pair": (1, 2), "told_pair": (1, 2)}
# Share of answers that show the scenario's own trait, and each other trait.
SHOWN = {
    "base": (0.05, 0.05),
    "prompted": (0.15, 0.08),
    "demonstrations": (0.40, 0.30),
    "first_person": (0.30, 0.20),
    "documents": (0.10, 0.05),
}
SENSIBLE = {"base": 0.3, "prompted": 0.25, "demonstrations": 0.1, "first_person": 0.1}


def published() -> results.Results:
    """The reference study, whatever has changed in its sources since."""
    folder = files.DATA / "results" / "reference"
    record, judge = (files.read_json(folder / f"{name}.json") for name in ("record", "judge"))
    return results.Results(folder, "c3po", "nell", record, judge, CARD)


def with_tables(own: results.Results, **tables: pd.DataFrame) -> results.Results:
    """The study with other tables; what is not given is read from its folder."""
    other = results.Results(*(getattr(own, name) for name in own.__dataclass_fields__))
    other.__dict__.update(tables)
    return other


def traits() -> list[str]:
    return results.personas.trait_ids(CARD)


def scenarios() -> list[tuple[str, str, str, str]]:
    """(set, item, trait, setting) of every scenario."""
    return [
        (name, f"{trait}-{start + n:02d}", trait, ("everyday", "in-world")[n % 2])
        for name, start in (("a", 1), ("b", 13))
        for trait in traits()
        for n in range(PER_TRAIT)
    ]


def seeds_of(arm: str) -> tuple[int, ...]:
    """Untrained arms are scored with the first seed alone."""
    return SEEDS[:1] if arm in ("base", "prompted") else SEEDS


def choices(rng: np.random.Generator) -> pd.DataFrame:
    """The scored options: option 0 is likelier by the arm's gain, and each scenario has its own."""
    rows = []
    for name, item, trait, setting in scenarios():
        of_item = {measure: rng.normal(0, 0.2) for measure in OPTIONS}
        more = {arm: rng.normal(0, 0.08, 2) for arm in ARMS}
        for arm in ARMS:
            for condition, (left, measures) in CONDITIONS.items():
                for measure in measures:
                    acts = measure in ("do_pair", "told_pair", "say_pair")
                    gain = (GAINS[arm][acts] + more[arm][int(acts)] * (arm != "base")) * left
                    for seed in seeds_of(arm):
                        for version in VERSIONS.get(measure, (1,)):
                            about = (arm, seed, name, item, measure, condition, version)
                            margin = of_item[measure] + gain + rng.normal(0, 0.02)
                            for option in range(OPTIONS[measure]):
                                n, level = 10 + option, 3.0 - margin * (option == 0)
                                rows.append((*about, trait, setting, option, n, n * level))
    columns = ["arm", "seed", "set", "item", "measure", "condition", "version"]
    columns += ["scenario_trait", "setting", "option", "n_tokens", "nll"]
    return pd.concat([pd.DataFrame(rows, columns=columns), questions(rng)], ignore_index=True)


def questions(rng: np.random.Generator) -> pd.DataFrame:
    """General questions and attacks on identity, as they are scored."""
    rows = [
        {"arm": arm, "seed": seed, "item": f"{measure}-{item:02d}", "measure": measure}
        | {"option": option, "n_tokens": 5, "nll": float(rng.normal(15, 2))}
        for arm in ARMS
        for seed in seeds_of(arm)
        for measure in ("capability", "identity")
        for item in range(8)
        for option in range(4)
    ]
    shared = {"set": "", "condition": "own", "version": 1, "scenario_trait": "", "setting": ""}
    return pd.DataFrame(rows).assign(**shared)


def answers() -> pd.DataFrame:
    """Free answers to every scenario's `say` and `do`, and to everyday and neutral prompts."""
    about = [(*one, kind) for one in scenarios() for kind in ("say", "do")]
    about += [
        ("", f"{kind}-{n:02d}", "", "", kind)
        for kind in ("everyday", "neutral", "should_not_show")
        for n in range(6)
    ]
    rows = [
        (arm, seed, name, item, kind, trait, setting, 0, f"{kind} {item}", f"{arm} {seed}", 9)
        for arm in ARMS
        for seed in SEEDS
        for name, item, trait, setting, kind in about
    ]
    columns = ["arm", "seed", "set", "item", "kind", "scenario_trait", "setting", "sample"]
    columns += ["prompt", "answer", "n_tokens"]
    return pd.DataFrame(rows, columns=columns).assign(finished=True)


def judged(said: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Verdicts of one judge, which finds what is there."""
    table = said.drop(columns=["prompt", "answer", "n_tokens", "finished"]).assign(incoherent="")
    for trait in traits():
        own = table["scenario_trait"] == trait
        chance = [SHOWN[arm][int(not one)] for arm, one in zip(table["arm"], own, strict=True)]
        table[f"markers_{trait}"] = (rng.random(len(table)) < chance).astype(float)
    return table


def labelled(verdicts: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every `do` answer of the first two seeds as read, for its own trait and for all the others;
    a tenth of the judge's verdicts are wrong."""
    read = verdicts[(verdicts["kind"] == "do") & verdicts["seed"].isin(SEEDS[:2])]
    frames = []
    for trait in traits():
        found = read[f"markers_{trait}"]
        wrong = rng.random(len(read)) < 0.1
        frames.append(read.assign(trait=trait, outcome=found, label=found.where(~wrong, 1 - found)))
    table = pd.concat(frames, ignore_index=True).assign(judge="markers")
    keep = [column for column in table if not column.startswith("markers_")]
    return table[keep]


def read(labels: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The same answers as they were read by the rule; a third of what is shown is told of the
    persona instead."""
    value = labels["label"].map({1.0: "shows", 0.0: "no"})
    value = value.mask((value == "shows") & (rng.random(len(labels)) < 0.3), "about")
    sense = [SENSIBLE.get(arm, 0.05) for arm in labels["arm"]]
    drawn = pd.Series(rng.random(len(labels)), index=labels.index)
    first = drawn.groupby([labels["arm"], labels["label_id"]]).transform("first")
    coherence = np.select([first < sense, first < 0.6], ["sensible", "off"], "salad")
    keep = ["arm", "seed", "set", "item", "kind", "scenario_trait", "setting", "sample"]
    return labels[[*keep, "label_id", "trait"]].assign(value=value, coherence=coherence)


def study(seed: int = 0) -> results.Results:
    """A study whose tables are made; what is not made here is the reference study's."""
    rng, own = np.random.default_rng(seed), published()
    judge = own.judge | {"judge": "markers", "judges": ["markers"]}
    made = results.Results(own.folder, "c3po", "nell", own.record, judge, CARD)
    said = answers()
    verdicts = judged(said, rng)
    said["label_id"] = labels.label_ids(said)
    known = labelled(verdicts.assign(label_id=said["label_id"]), rng)
    tables = {"answers": said, "judged": verdicts, "labelled": known, "choices": choices(rng)}
    tables["read"] = read(known, rng)
    made.__dict__.update(tables)
    return made


def numbers(made: results.Results) -> dict[str, pd.DataFrame]:
    """The numbers behind the figures that README is about, as the chapters save them."""
    scored = knowing_and_doing.scored(made, ARMS)
    gains = knowing_and_doing.know_and_do(scored)
    crossings = knowing_and_doing.crossovers(scored, []).assign(measure="crossover")
    both = pd.concat([gains, crossings])
    known = of_answers.labelled_triplets(made, ARMS)
    read = reading.as_read(made, expression.do_answers(made, ARMS))
    return {
        "know_and_do": both[both["set"] == knowing_and_doing.confirming(gains)],
        "name_and_scenario": readouts.name_and_scenario(scored),
        "crossover_parts": readouts.crossover_parts(scored),
        "contrasts": contrasts.contrasts(contrasts.tables_of(made, ARMS), known),
        "gap_over_base": gap_over_base(measured(made, ARMS), known, ARMS),
        "as_read": pd.concat([read, reading.coherence(made, ARMS)]),
    }
