"""How a step goes, drawn while it runs: lengths of texts, losses, rewards. These are not published,
so they carry no title or caption."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from helpers import arms
from helpers.report.panels import NARROW, WIDE


def corpus_lengths(frame: pd.DataFrame):
    """Histograms of trained tokens per text, one line per format. `frame` has format and tokens."""
    fig, ax = plt.subplots(figsize=(NARROW, 2.8))
    shown = {"element": "step", "fill": False, "binwidth": 5}
    sns.histplot(frame, x="tokens", hue="format", palette=arms.colours(), ax=ax, **shown)
    ax.set(xlabel="trained tokens of a text", ylabel="texts")
    return fig


def losses(log: pd.DataFrame, arm: str):
    """The loss of each step, smoothed over 15 steps, and the held-out loss of each epoch, in nats.
    `log` has the rows of `train.train_adapter`."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 3.2))
    colour, held = arms.ARMS[arm].colour, log.dropna(subset=["heldout_loss"])
    left.plot(log["epoch"], log["loss"].rolling(15, min_periods=5).mean(), color=colour)
    left.set(xlabel="epoch", ylabel="training loss (nats per token)")
    right.plot(held["epoch"], held["heldout_loss"], "o-", color=colour)
    right.set(xlabel="epoch", ylabel="held-out loss (nats per token)")
    fig.tight_layout()
    return fig


def rewards(log: pd.DataFrame, arm: str):
    """Loss, reward margin (nats) and share of pairs preferred per step of DPO, smoothed over three.
    `log` has the rows of `dpo.prefer`."""
    fig, axes = plt.subplots(1, 3, figsize=(WIDE, 2.8))
    names = {"loss": "loss", "margin": "reward margin (nats)", "accuracy": "pairs preferred"}
    for ax, (name, label) in zip(axes, names.items(), strict=True):
        smooth = log[name].rolling(3, min_periods=1).mean()
        ax.plot(log["step"], smooth, color=arms.ARMS[arm].colour)
        ax.set(xlabel="step", ylabel=label)
    fig.tight_layout()
    return fig


def table(frame: pd.DataFrame, otherwise: str) -> pd.DataFrame | str:
    """A frame to show, rounded; or, where it has no rows, a sentence that says why."""
    return frame.round(3) if len(frame) else otherwise
