"""README's table of arms, computed a second time from the committed results of the reference study.

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
CELL = ["arm", "item"]  # the rows of both tables below; their columns are the seeds


def knows():
    """1 where the true option, option 0, has the highest likelihood per token of the four."""
    choices = pd.read_csv(RESULTS / "choices.csv").query("measure == 'know'")
    choices["fit"] = -choices.nll / choices.n_tokens
    fit = choices.pivot(index=[*CELL, "seed"], columns="option", values="fit")
    assert list(fit) == [0, 1, 2, 3] and not fit.isna().any(axis=None)
    return (fit[0] > fit[[1, 2, 3]].max(axis=1)).astype(float).unstack("seed")


def does():
    """1 where the answer shows the scenario's own trait; missing where it could not be scored."""
    judge = json.loads((RESULTS / "judge.json").read_text(encoding="utf-8"))["judge"]
    judged = pd.read_csv(RESULTS / "judged.csv").query("kind == 'do'")
    own = [row[f"{judge}_{row['scenario_trait']}"] for row in judged.to_dict("records")]
    return judged.assign(own=own).pivot(index=CELL, columns="seed", values="own")


def over_base(table, arm):
    """Arm minus base, scenario by seed. A cell whose answer could not be scored, is
    filled with what its scenario and its seed have elsewhere (least squares, additive)."""
    cells = (table.loc[arm] - table.loc["base"]).to_numpy()
    places = np.argwhere(np.ones_like(cells))
    design = np.hstack([np.eye(n)[places[:, axis]] for axis, n in enumerate(cells.shape)])
    scored = ~np.isnan(cells.ravel())
    effects = np.linalg.lstsq(design[scored], cells.ravel()[scored], rcond=None)[0]
    return np.where(scored, cells.ravel(), design @ effects).reshape(cells.shape)


def interval(cells, draws=2000):
    """A 95 % bootstrap interval of the mean: scenarios and seeds are drawn independently."""
    random = np.random.default_rng(0)
    scenarios, seeds = (random.multinomial(n, np.full(n, 1 / n), draws) / n for n in cells.shape)
    return np.quantile(((scenarios @ cells) * seeds).sum(axis=1), [0.025, 0.975])


@pytest.fixture(scope="module")
def tables():
    know, do = knows(), does()
    assert know.shape == do.shape == (5 * 96, 5) and know.index.equals(do.index)
    assert not know.isna().any(axis=None)  # a missing `do` is an answer that nobody could score
    return {"knows": know, "does": do, "gap": know - do}


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
    cells = over_base(tables[readout], arm)
    assert cells.mean() == pytest.approx(value, abs=1e-4)
    assert interval(cells) == pytest.approx(ends, abs=0.03)
