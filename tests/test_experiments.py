"""The experiments of `why`: groups of arms held against one another, with planted effects."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import arms, files
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import StudyError
from helpers.measure import contrasts, experiments
from helpers.measure import margins as measured

TRAITS = trait_ids(load_persona("c3po"))
EFFECTS = st.dictionaries(
    st.sampled_from([experiments.name_of(factors) for factors in experiments.EFFECTS]),
    st.floats(-1, 1),
)


def margins(gain_of, names, items=16, seeds=(0, 1), noise=0.0, conditions=("own",)):
    """Margins in which `gain_of(arm, measure, trait, condition)` is planted."""
    rng, rows = np.random.default_rng(0), []
    for number in range(items):
        trait, level = TRAITS[number % len(TRAITS)], rng.normal()
        for name in names:
            for seed in seeds:
                for measure in ("know", "do_pair"):
                    for condition in conditions:
                        gain = gain_of(name, measure, trait, condition) + noise * rng.normal()
                        row = {"arm": name, "seed": seed, "set": "b", "item": f"b{number}"}
                        row |= {"trait": trait, "setting": "everyday", "measure": measure}
                        row |= {"condition": condition, "margin": level + gain, "gain": gain}
                        rows.append(row)
    return pd.DataFrame(rows)


def planted(effects):
    """The gain of a cell in which these effects are planted in knowing, and none in doing."""

    def gain(arm, measure, trait, condition):
        if measure != "know":
            return 0.2
        return 0.5 + sum(
            effects.get(experiments.name_of(factors), 0) * experiments.sign(arm, factors) / 2
            for factors in experiments.EFFECTS
        )

    return gain


@settings(max_examples=8)
@given(EFFECTS)
def test_planted_effects_of_the_cells_are_found(effects):
    frame = margins(planted(effects), arms.CELLS, items=2, seeds=(0,))
    for on in experiments.READOUTS:
        for factors, table in experiments.effect_tables(frame, on).items():
            truth = effects.get(experiments.name_of(factors), 0) if on != "do_pair" else 0
            assert table.to_numpy() == pytest.approx(truth, abs=1e-9)


@settings(max_examples=8)
@given(EFFECTS, st.sampled_from(("", "_chat")))
def test_what_a_lead_is_made_of_adds_up_to_it(effects, wrapper):
    frame = margins(planted(effects), arms.CELLS, items=1, seeds=(0,))
    pair = f"documents{wrapper}", f"first_person{wrapper}"
    found = experiments.carried(frame, *pair)
    for on, own in found.groupby("on"):
        whole = experiments.combined(frame, [pair[0]], [pair[1]], on).to_numpy().mean()
        assert own["value"].sum() == pytest.approx(whole, abs=1e-9)
    own = found[found["on"] == "crossover"].set_index("factor")["value"]
    sign = -1 if wrapper else 1
    for factor in ("voice", "person"):
        truth = effects.get(factor, 0) + sign * effects.get(f"{factor} x wrapper", 0)
        assert own[factor] == pytest.approx(truth, abs=1e-9)


def test_documents_and_first_person_texts_differ_by_voice_and_person():
    frame = margins(planted({"voice": 0.3, "person": 0.1}), arms.CELLS, noise=0.05)
    table = experiments.carried(frame, "documents", "first_person")
    table = table[table["on"] == "crossover"].set_index("factor")
    assert table.loc["voice", "share"] == pytest.approx(0.75, abs=0.15)
    for name, truth in (("voice", 0.3), ("person", 0.1)):
        assert table.loc[name, "low"] < truth < table.loc[name, "high"]
        assert table.loc[name, "p_scenarios"] < 0.01
    assert table.loc["voice", "low"] > 0.2


def test_an_effect_on_doing_is_that_on_one_reply_minus_that_on_the_other():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [["base", *arms.CELLS], [f"i{n}" for n in range(6)], [1, 2], [0, 1]],
        names=["arm", "item", "version", "option"],
    )
    choices = index.to_frame(index=False).assign(
        seed=0, set="b", scenario_trait="odds", setting="everyday", measure="do_pair"
    )
    voice = choices["arm"].map(lambda arm: arms.CELLS.get(arm, {}).get("voice"))
    said = np.where(choices["option"] == 0, 0.3 * (voice == "his"), 0.7 * (voice == "neutral"))
    noise = rng.normal(0, 0.01, len(choices))
    choices = choices.assign(condition="own", n_tokens=10, nll=10 * (2 - said + noise))
    table = experiments.effects_on_replies(choices).set_index(["effect", "reply"])["value"]
    assert table["voice", "in character"] == pytest.approx(-0.3, abs=0.03)
    assert table["voice", "neutral"] == pytest.approx(0.7, abs=0.03)
    assert table["person", "neutral"] == pytest.approx(0, abs=0.03)
    know = choices.assign(measure="know")
    frame = measured.margins(pd.concat([choices, know]))
    whole = experiments.effect_tables(frame, "do_pair")[("voice",)].to_numpy().mean()
    assert whole == pytest.approx(table["voice", "in character"] - table["voice", "neutral"])


def test_without_a_cell_there_are_no_effects():
    frame = margins(planted({}), [*arms.CELLS][1:], items=2)
    assert experiments.effects(frame).empty
    assert experiments.carried(frame, "documents", "voice_third").empty


def test_a_condition_counts_for_what_it_adds():
    def gain(arm, measure, trait, condition):
        return 0.4 + 0.25 * (condition == "named") * (arm == "documents")

    frame = margins(gain, ["documents", "demonstrations"], conditions=("own", "named"))
    told = experiments.combined(frame, ["documents"], [], "do_pair", "named")
    assert told.to_numpy() == pytest.approx(0.25)
    more = experiments.combined(frame, ["documents"], ["demonstrations"], "do_pair", "named")
    assert more.to_numpy() == pytest.approx(0.25)
    plain = experiments.combined(frame, ["documents"], [], "do_pair")
    assert plain.to_numpy() == pytest.approx(0.4)
    assert experiments.combined(frame, ["documents"], [], "do_pair", "stranger").empty


def test_the_contrasts_of_an_experiment_are_those_whose_arms_are_there():
    untaught = set(TRAITS) - set(arms.FOUR_TRAITS)

    def gain(arm, measure, trait, condition):
        return 0.3 * (arm == "documents_few_100" and trait in untaught and measure == "do_pair")

    names = ["base", "documents", "documents_few_100", "few_100"]
    frame = margins(gain, names, items=32, noise=0.02)
    table = experiments.contrast_table(frame, "few_demonstrations").set_index("contrast")
    for name in ("few_open_the_other_traits", "documents_carry_the_other_traits"):
        assert table.loc[name, "value"] == pytest.approx(0.3, abs=0.03)
        assert table.loc[name, "items"] == 16 and table.loc[name, "p_holm"] < 0.01
    assert table.loc["few_keep_what_is_known", "value"] == pytest.approx(0, abs=0.02)
    assert "demonstrations_last" not in table.index  # few_100_documents is not there
    assert (table["p_holm"] >= table["p_scenarios"]).all()
    assert experiments.contrast_table(frame, "dose").empty


def test_gains_by_arm_and_trait():
    frame = margins(lambda arm, *_: {"documents": 0.5}.get(arm, 0.1), ["documents", "few_8"])
    table = experiments.by_arm(frame, ["documents", "few_8", "few_32"], ("trait",))
    assert len(table) == 2 * 8 * 3
    values = table[table["on"] == "know"].groupby("arm")["value"].mean()
    assert values.to_dict() == pytest.approx({"documents": 0.5, "few_8": 0.1})
    assert set(experiments.by_arm(frame, ["documents"])["on"]) == set(experiments.READOUTS)


# The contrasts themselves


def test_every_contrast_of_the_experiments_names_arms_and_traits_that_there_are():
    found = contrasts.load_contrasts(("means",))
    assert {one["experiment"] for one in found} == {
        "voice_person_wrapper",
        "few_demonstrations",
        "dose",
        "selection",
        "weights",
    }
    for one in found:
        assert set(one.get("traits", [])) <= set(TRAITS) - set(arms.FOUR_TRAITS)
        assert not set(one["plus"]) & set(one["minus"])
    factors = [one for one in found if one["experiment"] == "voice_person_wrapper"]
    for one in factors:
        assert set(one["plus"]) | set(one["minus"]) == set(arms.CELLS)
        assert len(one["plus"]) == len(one["minus"]) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("plus: [nobody]", "'nobody' begins with none of base"),
        ("role: primary", "'role'"),
        ("plus: []", "at least 1"),
        ("set: a", "'set'"),
    ],
)
def test_a_wrong_contrast_of_an_experiment_is_named(tmp_path, monkeypatch, change, message):
    lines = {"id": "x", "question": "Why?", "role": "experiment", "experiment": "dose", "set": "b"}
    lines |= {"kind": "means", "plus": "[documents/shift]", "minus": "[]", "on": "know"}
    name, _, value = change.partition(": ")
    lines[name] = value
    text = "\n".join(f"  {field}: {text}" for field, text in lines.items())
    (tmp_path / "contrasts.yaml").write_text("-" + text[1:] + "\n")
    monkeypatch.setattr(files, "DATA", tmp_path)
    with pytest.raises(StudyError, match=message):
        contrasts.load_contrasts(("means",))
