"""README's tables, computed a second time from the committed results of the reference study: shares
of scenarios, gains over base in nats per token, and the contrasts.

Nothing of the project's own code is imported here, only pandas and numpy. So a mistake in that code
which changes a published number fails this test, also where the unit tests share the mistake. The
intervals come from another, simpler bootstrap; they have to agree roughly, not exactly.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS, FIGURES = ROOT / "data/results/reference", ROOT / "figures/reference"
ARMS = ["prompted", "demonstrations", "first_person", "documents"]
T_OF_ONE = 12.706  # the 97.5 % quantile of Student's t with one degree of freedom
CELL = ["arm", "item"]  # the rows of both tables below; their columns are the seeds


def knows(scored):
    """1 where the true option, option 0, has the highest likelihood per token of the four."""
    own = scored[(scored.measure == "know") & (scored.set == "a")]
    fit = own.pivot(index=[*CELL, "seed"], columns="option", values="fit")
    assert list(fit) == [0, 1, 2, 3] and not fit.isna().any(axis=None)
    return (fit[0] > fit[[1, 2, 3]].max(axis=1)).astype(float).unstack("seed")


def does():
    """1 where the answer shows the scenario's own trait; missing where it could not be scored."""
    judge = json.loads((RESULTS / "judge.json").read_text(encoding="utf-8"))["judge"]
    judged = pd.read_csv(RESULTS / "judged.csv").query("kind == 'do'")
    own = [row[f"{judge}_{row['scenario_trait']}"] for row in judged.to_dict("records")]
    return judged.assign(own=own).pivot(index=CELL, columns="seed", values="own")


def of_arm(table, arm):
    """Scenario by seed, without seeds of which an arm has nothing."""
    return table.loc[arm].dropna(axis=1, how="all")


def interval(cells, draws=2000):
    """A 95 % bootstrap interval of the mean: scenarios and seeds are drawn independently."""
    random = np.random.default_rng(0)
    scenarios, seeds = (random.multinomial(n, np.full(n, 1 / n), draws) / n for n in cells.shape)
    return np.quantile(((scenarios @ cells) * seeds).sum(axis=1), [0.025, 0.975])


@pytest.fixture(scope="module")
def tables(scored):
    """Readout -> arm -> scenario by seed, on set a."""
    know, do = knows(scored), does()
    assert know.shape[0] == 5 * 96 and set(know.index) <= set(do.index)
    arms = ["base", *ARMS]
    know = {arm: of_arm(know, arm) for arm in arms}
    do = {arm: of_arm(do, arm).loc[know[arm].index] for arm in arms}
    return {"knows": know, "does": do, "gap": {a: minus(know[a], do[a]) for a in arms}}


def committed(arm, readout):
    if readout == "gap":
        table = pd.read_csv(FIGURES / "gap_over_base.csv").rename(columns={"beyond": "value"})
    else:
        table = pd.read_csv(FIGURES / "knows_and_does.csv").query("readout == @readout")
    return table.set_index("arm").loc[arm, ["value", "low", "high"]].astype(float)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("readout", ["knows", "does", "gap"])
def test_the_published_number_is_found_again(tables, arm, readout):
    value, *ends = committed(arm, readout)
    cells = whole(minus(tables[readout][arm], tables[readout]["base"]))
    assert cells.mean() == pytest.approx(value, abs=1e-4)
    assert_interval(cells, *ends)


# Gains over base in nats per token, and the contrasts


GAINS, CONTRASTS = (pd.read_csv(FIGURES / f"{name}.csv") for name in ("know_and_do", "contrasts"))
GAINS = GAINS[GAINS["measure"] != "crossover"].to_dict("records")
KINDS = ["crossover", "gap_beyond_base", "sensitivity"]
NUMBERED = CONTRASTS[CONTRASTS["kind"].isin(KINDS)].to_dict("records")


def named(rows, *columns):
    """The rows as parameters of a test."""
    return [pytest.param(row, id="-".join(row[c] for c in columns)) for row in rows]


@pytest.fixture(scope="module")
def scored():
    """Nats per token of every option as written: `fit`, and `gained`, fit minus base's; `measure`,
    `set`, `item`, `arm`, `seed`, `version`, `option`."""
    options = pd.read_parquet(RESULTS / "choices.parquet")
    options = options.query("scenario_trait.notna()", engine="python")
    options = options[options.condition == "own"].assign(fit=lambda o: -o.nll / o.n_tokens)
    asked = ["set", "item", "measure", "version", "option"]
    base = options[options.arm == "base"].groupby(asked, as_index=False)["fit"].mean()
    both = options.merge(base.rename(columns={"fit": "of_base"}), on=asked, validate="m:1")
    assert len(both) == len(options)
    both["gained"] = np.where(both.arm == "base", 0.0, both.fit - both.of_base)
    return both


def gains(scored, which, arm, measure):
    """Gain of the true option beyond the mean of the others, scenario by seed."""
    own = scored[(scored.arm == arm) & (scored.measure == measure)]
    own = own if which == "both" else own[own.set == which]
    wide = own.pivot(index=["item", "seed", "version"], columns="option", values="gained")
    gain = wide[0] - wide.drop(columns=0).mean(axis=1)
    return gain.groupby(["item", "seed"]).mean().unstack("seed")


def minus(a, b):
    """One table minus another; an arm with one seed is held against each seed of the other."""
    if 1 in (a.shape[1], b.shape[1]):
        a, b = (t[t.columns[0]] if t.shape[1] == 1 else t for t in (a, b))
        one, other = isinstance(a, pd.Series), isinstance(b, pd.Series)
        if one and other:
            return (a - b).to_frame()
        return b.rsub(a, axis=0) if one else a.sub(b, axis=0)
    return (a - b).dropna(how="all").dropna(axis=1, how="all")


def whole(cells):
    """Scenario by seed without what was scored in no seed; a cell that is missing is filled with
    what its scenario and its seed have elsewhere (least squares, additive)."""
    cells = cells.dropna(how="all").dropna(axis=1, how="all").to_numpy(float)
    places, scored = np.argwhere(np.ones_like(cells)), ~np.isnan(cells.ravel())
    design = np.hstack([np.eye(n)[places[:, axis]] for axis, n in enumerate(cells.shape)])
    effects = np.linalg.lstsq(design[scored], cells.ravel()[scored], rcond=None)[0]
    return np.where(scored, cells.ravel(), design @ effects).reshape(cells.shape)


def assert_interval(cells, low, high):
    """The published interval is about that of the simple bootstrap. From two seeds, of which the
    bootstrap makes too little, it may be wider: by no more than what two means leave open, a 95 %
    interval with Student's t of one degree of freedom."""
    ends = interval(cells)
    off = max(0.02, 0.15 * np.ptp(ends))
    if cells.shape[1] == 2:
        assert low <= ends[0] + off and high >= ends[1] - off
        of_scenarios = np.ptp(interval(cells.mean(axis=1, keepdims=True)))
        of_seeds = T_OF_ONE * np.ptp(cells.mean(axis=0))
        assert high - low <= of_scenarios + of_seeds + off
    else:
        assert [low, high] == pytest.approx(ends, abs=off)


@pytest.mark.parametrize("row", named(GAINS, "set", "arm", "measure"))
def test_a_gain_over_base_is_found_again(scored, row):
    cells = whole(gains(scored, row["set"], row["arm"], row["measure"]))
    assert cells.mean() == pytest.approx(row["value"], abs=1e-4)
    assert_interval(cells, row["low"], row["high"])


@pytest.fixture(scope="module")
def read():
    """What was read: arm, seed, set, item, sample, scenario_trait, trait, shown."""
    found = pd.read_csv(RESULTS / "read.csv").query("kind == 'do'")
    return found.assign(shown=(found.value == "shows").astype(float))


def shown(read, which, arm):
    """The share of answers that show the scenario's own trait, scenario by seed."""
    own = read[(read.arm == arm) & (read.set == which) & (read.trait == read.scenario_trait)]
    return own.pivot_table(index="item", columns="seed", values="shown", aggfunc="mean")


def known(scored, which, arm):
    """1 where the true option gained most, scenario by seed; what is level shares."""
    own = scored[(scored.arm == arm) & (scored.measure == "know") & (scored.set == which)]
    wide = own.pivot(index=["item", "seed"], columns="option", values="gained").round(9)
    most = wide.eq(wide.max(axis=1), axis=0)
    return (most[0] / most.sum(axis=1)).unstack("seed")


def crossover(scored, read, row):
    leads = [
        minus(*(gains(scored, row["set"], row[side], measure) for side in ("a", "b")))
        for measure in ("know", "do_pair")
    ]
    return minus(*leads)


def gap_beyond_base(scored, read, row):
    gaps = []
    for arm in (row["a"], "base"):
        knows, does = known(scored, row["set"], arm), shown(read, row["set"], arm)
        if knows.shape[1] > 1:
            knows = knows[knows.columns.intersection(does.columns)]
        gaps.append(minus(knows, does))
    seeds = gaps[0].columns.intersection(gaps[1].columns)
    return gaps[0][seeds] - gaps[1][seeds]


def sensitivity(scored, read, row):
    own = read[(read.arm == row["a"].split(",")[0]) & (read.set == row["set"])]
    each = own.groupby(["item", "seed", "sample"])
    full = own[each["trait"].transform("size") == read.trait.nunique()]
    fits = full.assign(other=full.trait != full.scenario_trait)
    rates = fits.groupby(["item", "seed", "sample", "other"])["shown"].mean().unstack("other")
    return (rates[False] - rates[True]).groupby(["item", "seed"]).mean().unstack("seed")


@pytest.mark.parametrize("row", named(NUMBERED, "contrast"))
def test_a_contrast_is_found_again(scored, request, row):
    """Value, interval, and the permutation test over scenarios, with signs flipped by hand."""
    assert row["by"] in ("likelihood", "read")
    reading = request.getfixturevalue("read") if row["by"] == "read" else None
    kinds = {one.__name__: one for one in (crossover, gap_beyond_base, sensitivity)}
    cells = kinds[row["kind"]](scored, reading, row)
    scenarios, cells = cells.mean(axis=1).dropna().to_numpy(), whole(cells)
    assert (len(cells), cells.shape[1]) == (row["items"], row["seeds"])
    assert cells.mean() == pytest.approx(row["difference"], abs=1e-4)
    assert_interval(cells, row["low"], row["high"])
    signs = np.random.default_rng(1).choice([-1, 1], size=(20_000, len(scenarios)))
    p = (np.abs(signs @ scenarios) >= np.abs(scenarios.sum()) - 1e-9).mean()
    assert p == pytest.approx(row["p_scenarios"], abs=0.02)


def test_holm_is_counted_over_the_contrasts_of_one_role():
    for role, own in CONTRASTS.groupby("role"):
        if role == "exploratory":
            assert own["p_holm"].isna().all()
            continue
        p = own["p_scenarios"].sort_values()
        held = (p * np.arange(len(p), 0, -1)).cummax().clip(upper=1)
        assert own["p_holm"][held.index].to_numpy() == pytest.approx(held.to_numpy())
