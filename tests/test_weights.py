"""What was done to adapters' weights: strengths, merges, requantising, shifts, overlaps."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from helpers import files
from helpers.files import StudyError
from helpers.model import base, weights

IDS = torch.tensor([[5, 17, 300, 41, 9, 1200]])
EXAMPLES = [{"input_ids": [5, 17, 300, 41]}, {"input_ids": [9, 1200, 77, 3, 8, 21]}]


@pytest.fixture
def loaded(tiny_base, float32, monkeypatch):
    monkeypatch.setattr(weights, "load_base", tiny_base)
    return tiny_base


@pytest.fixture
def trained(loaded, random_adapter, tmp_path):
    """Two adapters whose B matrices are not zero."""
    folders = [tmp_path / f"adapter{seed}" for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        random_adapter(folder, seed=seed, std=0.05)
    return folders


def matrix(model):
    return model.model.layers[1].self_attn.q_proj.weight.data


def test_a_whole_adapter_is_the_one_that_answers(trained, loaded):
    first = base.load_for_inference("", trained[0])
    own = weights.load_weighted("", [(trained[0], 1.0)])
    with torch.inference_mode():
        assert torch.allclose(first(IDS).logits, own(IDS).logits, atol=1e-4)


@pytest.mark.parametrize("strength", [-1.0, 0.5, 1.5])
def test_a_strength_scales_what_the_adapter_adds(trained, loaded, strength):
    plain = matrix(loaded())
    added = matrix(weights.load_weighted("", [(trained[0], 1.0)])) - plain
    scaled = matrix(weights.load_weighted("", [(trained[0], strength)])) - plain
    assert added.abs().max() > 0.001
    assert torch.allclose(scaled, strength * added, atol=1e-5)


def test_a_merge_is_the_sum_of_its_parts(trained, loaded):
    plain = matrix(loaded())
    one, two = (matrix(weights.load_weighted("", [(f, 1.0)])) - plain for f in trained)
    both = matrix(weights.load_weighted("", [(trained[0], 0.5), (trained[1], 0.5)])) - plain
    assert torch.allclose(both, (one + two) / 2, atol=1e-5)
    halves = matrix(weights.load_weighted("", [(trained[0], 0.5), (trained[0], 0.5)])) - plain
    assert torch.allclose(halves, one, atol=1e-5)


def test_requantising_rounds_and_a_second_time_hardly(trained, loaded):
    merged = weights.load_weighted("", [(trained[0], 1.0)])
    before, embeddings = matrix(merged).clone(), merged.model.embed_tokens.weight.data.clone()
    weights.requantise(merged)
    once = matrix(merged).clone()
    weights.requantise(merged)
    error = (once - before).norm() / before.norm()
    assert 0.01 < error < 0.2
    assert (matrix(merged) - once).norm() / before.norm() < error / 5
    assert torch.equal(merged.model.embed_tokens.weight.data, embeddings)


def test_no_adapter_is_refused(loaded, tmp_path):
    with pytest.raises(StudyError, match="no adapter there"):
        weights.load_weighted("", [(tmp_path, 1.0)])
    with pytest.raises(StudyError, match="no adapter there"):
        weights.overlap(tmp_path, tmp_path)


# Shifts


def test_a_shift_is_what_the_first_and_the_last_layer_add_more(loaded):
    torch.manual_seed(0)
    for place in (0, 1):  # a shift of one layer changes what later ones do, not what it adds itself
        model, shift = loaded().eval(), torch.zeros(2, 64)
        shift[place] = torch.randn(64)
        before = weights.mean_contributions(model, EXAMPLES)
        weights.add_shift(model, shift)
        after = weights.mean_contributions(model, EXAMPLES)
        assert torch.allclose(after[place] - before[place], shift[place], atol=1e-4)
        assert torch.allclose(after[:place], before[:place], atol=1e-5)


def test_contributions_add_up_to_what_the_layers_did(loaded):
    model = loaded().eval()
    with torch.inference_mode():
        found = [model.model(torch.tensor([e["input_ids"]]), output_hidden_states=True)
                 for e in EXAMPLES]  # fmt: skip
    first = torch.cat([out.hidden_states[0][0] for out in found])
    second = torch.cat([out.hidden_states[1][0] for out in found])
    means = weights.mean_contributions(model, EXAMPLES)
    assert torch.allclose(means[0], (second - first).mean(0), atol=1e-5)
    again = weights.mean_contributions(model, EXAMPLES)  # no hook of the first time is left
    assert torch.equal(again, means)


def test_the_shift_of_an_adapter_gives_base_what_the_adapter_adds_on_average(trained, loaded):
    plain, own = loaded().eval(), weights.load_weighted("", [(trained[0], 1.0)])
    means = [weights.mean_contributions(model, EXAMPLES) for model in (plain, own)]
    weights.add_shift(plain, means[1] - means[0])
    after = weights.mean_contributions(plain, EXAMPLES)
    # in the first layer, which alone reads the same in both
    assert torch.allclose(after[0], means[1][0], atol=1e-4)
    assert not torch.allclose(means[0][0], means[1][0], atol=1e-3)


def test_every_change_is_made_of_the_adapters_as_they_are(trained, loaded):
    found, plain = {}, loaded().eval()
    with torch.inference_mode():
        before = plain(IDS).logits
    folders = dict(zip(("documents", "demonstrations"), trained, strict=True))
    for name, model in weights.changed("", folders, [-1.0, 0.0, 0.5], EXAMPLES):
        with torch.inference_mode():
            found[name] = model(IDS).logits
    of_each = {"-1", "0", "0.5", "shift", "requantised"}
    of_both = {"merged", "added", "merged_requantised"}
    assert set(found) == {f"{arm}/{change}" for arm in folders for change in of_each} | {
        f"documents/{change}" for change in of_both
    }
    for arm in folders:
        assert torch.allclose(found[f"{arm}/0"], before, atol=1e-4)
    assert len({tuple(logits.flatten().tolist()) for logits in found.values()}) == len(found) - 1


@pytest.fixture
def stopping(monkeypatch):
    """Scoring that ends with an error after as many changes as the list has places; it notes what
    it scored in the list that the fixture is."""

    def score(model, _, options, system):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        with torch.inference_mode():
            nll = model(IDS).logits.double().abs().sum().item()
        return [{"item": option["item"], "nll": nll} for option in options]

    left = []
    monkeypatch.setattr(weights, "score_choices", score)
    return left


def test_a_stopped_scoring_goes_on_with_the_change_that_it_was_at(trained, stopping, tmp_path):
    folders = dict(zip(("documents", "demonstrations"), trained, strict=True))
    options = [{"item": "a", "options": ["x"]}, {"item": "b", "options": ["y"]}]
    asked = "", None, folders, [-1.0], EXAMPLES, options
    stopping += range(9)
    whole = weights.score_changed(*asked, {"code": "x"}, tmp_path / "whole.jsonl")
    assert len(whole) == 18 and not stopping and set(whole[0]) == {"arm", "item", "nll"}
    for first in (0, 1, 2, 5, 8):
        kept = tmp_path / f"{first}.jsonl"
        stopping += range(first)
        with pytest.raises(KeyboardInterrupt):
            weights.score_changed(*asked, {"code": "x"}, kept)
        stopping += range(9 - first)
        assert weights.score_changed(*asked, {"code": "x"}, kept) == whole and not stopping
    assert weights.score_changed(*asked, {"code": "x"}, kept) == whole  # nothing is scored again
    rows = files.read_jsonl(kept)
    files.write_jsonl(kept, rows[:-1])  # the last change was cut off within its rows
    stopping += [1]
    assert weights.score_changed(*asked, {"code": "x"}, kept) == whole and not stopping
    with pytest.raises(KeyboardInterrupt):
        weights.score_changed(*asked, {"code": "other"}, kept)
    assert kept.read_text() == ""


# Overlaps


def write(folder, a, b, alpha=8):
    folder.mkdir()
    name = "base_model.model.model.layers.3.self_attn.q_proj.lora_{}.weight"
    save_file({name.format("A"): a, name.format("B"): b}, folder / "adapter_model.safetensors")
    config = {"r": a.shape[0], "lora_alpha": alpha}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_norm_and_cosine_are_those_of_the_matrices(tmp_path_factory, seed):
    folder, draw = tmp_path_factory.mktemp("x"), torch.Generator().manual_seed(seed)
    pairs = [[torch.randn(s, generator=draw) for s in ((2, 12), (9, 2))] for _ in range(2)]
    first, second = (write(folder / str(n), *pair) for n, pair in enumerate(pairs))
    (row,) = weights.overlap(first, second)
    one, two = (4.0 * b @ a for a, b in pairs)
    assert row["layer"] == 3 and row["projection"] == "q_proj"
    assert row["norm"] == pytest.approx(one.norm().item(), rel=1e-4)
    assert row["cosine"] == pytest.approx(
        ((one * two).sum() / one.norm() / two.norm()).item(), abs=1e-4
    )
    assert row["reads_chance"] == 2 / 12 and row["writes_chance"] == 2 / 9


def test_the_same_subspace_overlaps_wholly_and_an_orthogonal_one_not_at_all(tmp_path):
    a, b, turn = torch.eye(2, 12), torch.eye(9, 2), torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    first = write(tmp_path / "first", a, b)
    turned = write(tmp_path / "turned", turn @ a, b @ turn.T * 3)
    other = write(tmp_path / "other", a.roll(2, 1), b.roll(2, 0))
    (same,) = weights.overlap(first, turned)
    assert same["reads"] == pytest.approx(1) and same["writes"] == pytest.approx(1)
    assert same["cosine"] == pytest.approx(1) and same["other_norm"] > 2 * same["norm"]
    (none,) = weights.overlap(first, other)
    assert none["reads"] == pytest.approx(0) and none["writes"] == pytest.approx(0)
    assert none["cosine"] == pytest.approx(0)
