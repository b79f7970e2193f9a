import matplotlib.pyplot as plt
import pandas as pd

from helpers.report import progress


def test_what_is_drawn_while_a_step_runs():
    lengths = pd.DataFrame({"format": ["documents", "demonstrations"], "tokens": [90, 110]})
    assert progress.corpus_lengths(lengths).axes[0].get_ylabel() == "texts"
    steps = range(20)
    log = pd.DataFrame({"epoch": steps, "loss": 2.0, "heldout_loss": [3.0, *[None] * 18, 1.0]})
    left, right = progress.losses(log, "documents").axes
    assert len(left.lines[0].get_xdata()) == 20 and list(right.lines[0].get_ydata()) == [3, 1]
    log = pd.DataFrame({"step": steps, "loss": 0.7, "margin": 0.1, "accuracy": 0.5})
    assert len(progress.rewards(log, "persllm_dpo").axes) == 3
    plt.close("all")


def test_an_empty_table_is_a_sentence():
    frame = pd.DataFrame({"share": [1 / 3]})
    assert progress.table(frame, "Nothing.")["share"].item() == 0.333
    assert progress.table(frame[:0], "Nothing.") == "Nothing."
