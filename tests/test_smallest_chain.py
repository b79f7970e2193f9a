"""The real chain on the real model with one format: every step once, and nothing twice.

`tests/test_chain.py` (`make check`) runs PersLLM's steps as well, and kills them.
"""

import copies
import pandas as pd
import pytest

SMALLEST = ("smallest", "--profile", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the project in which the study has run."""
    folder = copies.make(tmp_path_factory.mktemp("smallest") / "copy")
    code, output = copies.run(folder, *SMALLEST)
    assert code == 0, output
    assert "Study 'smallest'" in output and "expected" in output and "Done in" in output
    return folder


def test_both_arms_are_answered_judged_and_drawn(folder):
    made = folder / "data" / "runs" / "smallest"
    assert (made / "documents" / "seed0" / "adapter_model.safetensors").exists()
    assert not list(made.glob("base/**/*.safetensors"))
    judged = pd.read_csv(made / "results" / "judged.csv")
    assert judged["arm"].value_counts().to_dict() == {"base": 12, "documents": 12}
    training = pd.read_csv(made / "results" / "training.csv")
    assert training["loss"].dropna().gt(0).all() and training["heldout_loss"].notna().sum() == 2
    for name in ("expression_rate", "knows_and_does", "perplexity_gain", "training_curves"):
        assert len(pd.read_csv(made / "figures" / f"{name}.csv"))
        assert (made / "figures" / f"{name}.png").stat().st_size > 1000


def test_a_second_run_has_nothing_to_do(folder):
    code, output = copies.run(folder, *SMALLEST)
    assert code == 0 and "Nothing to be done" in output
