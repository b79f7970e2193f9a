"""Small studies made of numbers that are set: scored options, judged answers, answers that were
read."""

import numpy as np
import pandas as pd

from helpers.measure import comparison, triplets

TRAITS = ["odds", "anxiety", "etiquette"]
NOTHING = [("base", 0, "x", 0, 0, 0)]


def options(rows):
    """Scored options of one-token texts: rows (arm, seed, item, measure, nlls)."""
    each = [(*about, option, nll) for *about, nlls in rows for option, nll in enumerate(nlls)]
    frame = pd.DataFrame(each, columns=["arm", "seed", "item", "measure", "option", "nll"])
    about = {"set": "b", "scenario_trait": "odds", "setting": "everyday", "condition": "own"}
    return frame.assign(version=1, n_tokens=1, **about)[triplets.COLUMNS]


def read(rows):
    """Answers that were read: rows (arm, seed, item, values of TRAITS or of the first alone)."""
    each = [
        (str(number), arm, seed, item, trait, value)
        for number, (arm, seed, item, *values) in enumerate(rows)
        for trait, value in zip(TRAITS, values, strict=False)
    ]
    frame = pd.DataFrame(each, columns=["label_id", "arm", "seed", "item", "trait", "value"])
    about = {"sample": 0, "kind": "do", "scenario_trait": "odds", "setting": "everyday"}
    about |= {"incoherent": "", "coherence": "off", "outcome": 0, "judge": "markers"}
    return frame.assign(label=(frame["value"] == "shows").astype(int), **about)


def judged(rows):
    """Judged answers: rows (arm, seed, item, outcomes of TRAITS)."""
    names = ["arm", "seed", "item", *(f"markers_{trait}" for trait in TRAITS)]
    about = {"kind": "do", "scenario_trait": "odds", "setting": "everyday", "sample": 0}
    return pd.DataFrame(rows, columns=names).assign(incoherent="", **about)


def tables(scored, labels, answers=NOTHING):
    return comparison.tables(options(scored), judged(answers), read(labels), "markers")


def study(rng, lead, show, items=48):
    """A study on set b: documents gain `lead` more than demonstrations in knowing minus in doing,
    and show the scenario's own trait with probability `show` more than others."""
    scored, labels = [], []
    for item in map(str, range(items)):
        for measure, sign in (("know", 1), ("do_pair", -1)):
            nll = rng.uniform(1, 3, 4 if measure == "know" else 2)
            scored.append(("base", 0, item, measure, nll))
            of_item = rng.normal(0, 0.3)
            for seed in (0, 1):
                for arm, more in (("demonstrations", 0), ("documents", sign * lead / 2)):
                    change = rng.normal(0, 0.1, len(nll))
                    change[0] += of_item + more
                    scored.append((arm, seed, item, measure, nll - change))
        for arm in ("base", "documents"):
            for seed in (0, 1):
                chances = 0.2 + np.array([show * (arm == "documents"), 0, 0])
                shown = rng.random(3) < chances
                labels.append((arm, seed, item, *np.where(shown, "shows", "no")))
    return tables(scored, labels)


def gaining(gains, items=24, seeds=2, sets=("a", "b"), noise=0.1):
    """Scored options of base, at random, and of the arms in `gains` (arm -> measure -> nats), whose
    true option gains so much, with noise. Every second scenario is one of everyday life."""
    rng, measures = (
        np.random.default_rng(5),
        list(dict.fromkeys(m for g in gains.values() for m in g)),
    )
    asked = pd.MultiIndex.from_product(
        [sets, range(items), measures, range(4)], names=["set", "item", "measure", "option"]
    ).to_frame(index=False)
    asked = asked[asked["measure"].str.startswith("know") | (asked["option"] < 2)]
    asked["setting"] = np.where(asked["item"] % 2, "everyday", "in-world")
    asked["item"] = asked["set"] + asked["item"].astype(str)
    base = asked.assign(arm="base", seed=0, nll=rng.uniform(1, 3, len(asked)))
    frames = [base]
    for seed in range(seeds):
        for arm, of_measure in gains.items():
            gain = asked["measure"].map(of_measure) * (asked["option"] == 0)
            nll = base["nll"] - gain - rng.normal(0, noise, len(asked))
            frames.append(base.assign(arm=arm, seed=seed, nll=nll))
    about = {"condition": "own", "version": 1, "scenario_trait": "odds", "n_tokens": 1}
    return pd.concat(frames).assign(**about)[triplets.COLUMNS]


def showing(rates, choices, seeds=2, labels=None):
    """Answers of the arms in `rates` (arm -> rate of the own trait; others are shown at a third of
    it) to the scenarios of `choices`, judged rightly, and all of them (or the first `labels` of an
    arm) read: (judged, labelled)."""
    rng, scenarios = np.random.default_rng(6), choices.drop_duplicates("item")
    about = scenarios[["item", "setting"]].assign(kind="do", scenario_trait="odds", sample=0)
    frames = []
    for arm, rate in rates.items():
        for seed in range(seeds):
            shown = rng.random((len(about), 3)) < np.array([rate, rate / 3, rate / 3])
            own = about.assign(arm=arm, seed=seed, incoherent=np.where(rng.random(len(about)) < 0.2,
                                                                       "loop", ""))  # fmt: skip
            for number, trait in enumerate(TRAITS):
                own[f"markers_{trait}"] = shown[:, number].astype(int)
            frames.append(own)
    judged = pd.concat(frames, ignore_index=True)
    read = pd.concat(
        judged.assign(trait=trait, outcome=judged[f"markers_{trait}"], judge="markers")
        for trait in TRAITS
    )
    read = read.groupby(["arm", "trait"]).head(labels or len(read))
    value = np.where(read["outcome"] == 1, "shows", "no")
    return judged, read.assign(
        label=read["outcome"], value=value, coherence="off", label_id=read.index.astype(str)
    )
