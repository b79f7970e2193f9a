"""An arm that goes on from another one's adapter."""

import pytest
import torch

from helpers.corpus import encode
from helpers.files import StudyError
from helpers.model import adapters, train

SHAPE = (4, 8, 0.0)
RECIPE = {"epochs": 1, "batch": 4, "learning_rate": 1e-3, "warmup": 0.0, "checkpoint_every": 100}


@pytest.fixture
def examples(rows, tokenizer):
    return [encode.encode(row, tokenizer, 64) for row in rows]


@pytest.fixture
def trained(tiny_base, examples, tmp_path):
    """The folder of an adapter that has learnt something."""
    model = adapters.add_adapter(tiny_base(), *SHAPE, 0)
    train.train_adapter(model, examples[:8], examples[8:], RECIPE, 0, tmp_path / "first")
    adapters.save_adapter(model, tmp_path / "first")
    return tmp_path / "first"


def test_an_adapter_begins_as_the_one_it_goes_on_from(tiny_base, trained):
    kept = adapters.add_adapter(tiny_base(), *SHAPE, 1, (), trained)
    new = adapters.add_adapter(tiny_base(), *SHAPE, 1)
    again = adapters.add_adapter(tiny_base(), *SHAPE, 2, (), trained)
    hashes = [adapters.weights_hash(model, adapter=True) for model in (kept, new, again)]
    assert hashes[0] == hashes[2] != hashes[1]
    assert adapters.adapter_norm(kept) > adapters.adapter_norm(new) == 0
    assert adapters.weights_hash(kept, adapter=False) == adapters.weights_hash(new, adapter=False)


def test_it_goes_on_with_the_loss_where_the_first_one_left_off(
    tiny_base, trained, examples, tmp_path
):
    new = adapters.add_adapter(tiny_base(), *SHAPE, 0)
    untrained = train.heldout_loss(new, examples[8:])
    kept = adapters.add_adapter(tiny_base(), *SHAPE, 0, (), trained)
    before = adapters.weights_hash(kept, adapter=True)
    log = train.train_adapter(kept, examples[:8], examples[8:], RECIPE, 0, tmp_path / "second")
    assert log[0]["heldout_loss"] < untrained - 0.01
    assert log[-1]["heldout_loss"] < log[0]["heldout_loss"]
    assert adapters.weights_hash(kept, adapter=True) != before
    assert all(torch.isfinite(p).all() for p in kept.parameters())


def test_an_adapter_of_another_shape_or_none_is_refused(tiny_base, trained, tmp_path):
    with pytest.raises(StudyError, match="first: this adapter has another shape"):
        adapters.add_adapter(tiny_base(), 2, 8, 0.0, 0, (), trained)
    with pytest.raises(StudyError, match="no adapter there"):
        adapters.add_adapter(tiny_base(), *SHAPE, 0, (), tmp_path / "nowhere")
