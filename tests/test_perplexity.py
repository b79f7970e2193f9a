import numpy as np
import pandas as pd
import pytest

from helpers.measure import perplexity


def test_the_specific_gain_is_what_the_control_text_does_not_gain():
    gains = {("base", "c3po"): 0, ("base", "nell"): 0}
    gains |= {("documents", "c3po"): 1.0, ("documents", "nell"): 0.25}
    rows = [
        {"arm": arm, "subject": subject, "unit": f"u{i}", "nll": 10 * (4 - gain)}
        for (arm, subject), gain in gains.items()
        for i in range(5)
    ]
    scores = pd.DataFrame(rows).assign(seed=0, text="documents", n_tokens=10)
    row = perplexity.specific_gain(scores, "c3po", "nell").iloc[0]
    assert (row["persona"], row["control"], row["value"]) == pytest.approx((1.0, 0.25, 0.75))
    assert perplexity.specific_gain(scores, "c3po", "").empty


def test_mean_nats_weighs_tokens_and_not_texts():
    texts = {"unit": ["a", "b"], "nll": [10.0, 10.0], "n_tokens": [10, 2]}
    scores = pd.DataFrame({"arm": "base", "text": "documents", "seed": 0, **texts})
    row = perplexity.mean_nats(scores, ["arm", "text"]).iloc[0]
    assert row["nats"] == pytest.approx(20 / 12) and row["texts"] == 2
    assert row["perplexity"] == pytest.approx(np.exp(20 / 12))
