"""Held-out text by likelihood: nats per token, perplexity, and the gain that is the persona's
own."""

import numpy as np
import pandas as pd

from helpers.measure.stats import difference

# A row of scores.csv: a held-out text, or the same situation about the control character.
COLUMNS = ["arm", "seed", "subject", "text", "unit", "n_tokens", "nll"]


def mean_nats(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean negative log-likelihood per token (nats) and perplexity per group of texts, with the
    texts' and seeds' count.

    The mean is over tokens, not over texts. `scores` has the columns `by`, seed, unit, nll (summed)
    and n_tokens.
    """
    sums = scores.groupby(by, sort=False).agg(
        nll=("nll", "sum"),
        tokens=("n_tokens", "sum"),
        texts=("unit", "nunique"),
        seeds=("seed", "nunique"),
    )
    sums["nats"] = sums["nll"] / sums["tokens"]
    sums["perplexity"] = np.exp(sums["nats"])
    return sums.drop(columns="nll").reset_index()


def square(matrix: pd.DataFrame, value: str, arms: list[str]) -> pd.DataFrame:
    """A tidy frame (arm, text, value) as a table: rows in the order of `arms`, columns in the order
    found."""
    table = matrix.pivot(index="arm", columns="text", values=value)
    rows, columns = [a for a in arms if a in table.index], list(dict.fromkeys(matrix["text"]))
    return table.loc[rows, columns].rename_axis(None)


def beside(matrix: pd.DataFrame, published: dict) -> pd.DataFrame:
    """Our tidy perplexities with the published ones ({arm: {text: perplexity}}) as a last
    column."""
    theirs = [published.get(row.arm, {}).get(row.text) for row in matrix.itertuples()]
    return matrix.assign(published_perplexity=theirs)


def specific_gain(scores: pd.DataFrame, persona: str, control: str) -> pd.DataFrame:
    """Persona-specific gain per arm and format: nats per token gained over `base` on held-out text
    about the persona, minus those gained on the same situations about the control character: arm,
    text, persona and control (the two gains), value, low, high, units, seeds. Every text counts
    alike.

    The interval is that of `stats.difference`, over seeds and units. Empty where there is no text
    about the control character.
    """
    keys = ["text", "subject", "unit"]
    table = scores.assign(nats=scores["nll"] / scores["n_tokens"])
    base = table[table["arm"] == "base"].groupby(keys)["nats"].mean().rename("base").reset_index()
    rows = []
    for (arm, text), own in table[table["arm"] != "base"].groupby(["arm", "text"], sort=False):
        gained = own.merge(base, on=keys).rename(columns={"unit": "item"})
        gained["outcome"] = gained["base"] - gained["nats"]
        about, other = (gained[gained["subject"] == subject] for subject in (persona, control))
        if len(about) and len(other):
            found = difference(about, other)
            rows.append(
                {
                    "arm": arm,
                    "text": text,
                    "persona": about["outcome"].mean(),
                    "control": other["outcome"].mean(),
                    "value": found["difference"],
                    "low": found["low"],
                    "high": found["high"],
                    "units": found["items"],
                    "seeds": found["seeds"],
                }
            )
    columns = ["arm", "text", "persona", "control", "value", "low", "high", "units", "seeds"]
    return pd.DataFrame(rows, columns=columns)
