"""The chapters of `why` on simulated results: without a model, they say what was planted."""

import json
import re
import shutil

import chapters
import numpy as np
import pandas as pd
import pytest
import study as studies

from helpers import arms, files, records
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import ROOT, StudyError
from helpers.measure import margins
from helpers.measure.contrasts import load_contrasts
from helpers.report import (
    why,
    why_answers,
    why_cells,
    why_doses,
    why_explanations,
    why_limits,
    why_selection,
    why_weights,
)

TRAITS = trait_ids(load_persona("c3po"))
STUDIES = {
    "why/01_voice_person_wrapper": "why-cells",
    "why/02_few_demonstrations": "why-few",
    "why/03_dose": "why-dose",
    "why/04_selection": "reference",
    "why/05_weights": "reference",
}
KEPT = {"shift": 0.5, "requantised": 0.9, "merged": 0.6, "added": 1.1, "merged_requantised": 0.6}


def planted(arm, measure, trait, condition):
    """What an arm gains; a changed adapter keeps a share of it (`KEPT`), or its strength."""
    arm, _, change = arm.partition("/")
    share = KEPT[change] if change in KEPT else float(change or 1)
    return share * of_arm(arm, measure, trait, condition)


def of_arm(arm, measure, trait, condition):
    """Documents know, chat turns do, the name releases nothing; few demonstrations after documents
    open the other traits too; a dose teaches by its logarithm."""
    if arm == "base":
        return 0.0
    if arm in arms.CELLS:
        cell = arms.CELLS[arm]
        if measure == "know":
            return 0.2 + 0.2 * (cell["voice"] == "neutral")
        return 0.1 + 0.3 * (cell["wrapper"] == "chat")
    if arm.startswith("documents_few"):
        return 0.4 if measure == "know" else 0.35
    if arm.startswith("few"):
        return 0.1 if measure == "know" else 0.3 * (trait in arms.FOUR_TRAITS)
    name, _, units = arm.rpartition("_")
    if name in arms.formats():
        whole = of_arm(name, measure, trait, condition)
        return whole * np.log(int(units)) / np.log(500)
    return {"know": 0.15, "do_pair": 0.35}[measure]


def choices(names, seeds=(0,), per_trait=3):
    rng, rows = np.random.default_rng(0), []
    for trait in TRAITS:
        for n in range(per_trait):
            own = np.random.default_rng([TRAITS.index(trait), n])  # alike for every set of arms
            level = {"know": own.normal(0, 0.1), "do_pair": own.normal(0, 0.1)}
            for arm in names:
                for seed in seeds:
                    for condition in ("own", "named"):
                        for measure, options in (("know", 4), ("do_pair", 2)):
                            margin = level[measure] + planted(arm, measure, trait, condition)
                            margin += rng.normal(0, 0.01) * (arm != "base")
                            about = (arm, seed, "b", f"{trait}-{n}", measure, condition, 1, trait)
                            for option in range(options):
                                fit = margin if option == 0 else rng.normal(0, 0.001)
                                rows.append((*about, "everyday", option, 10, 20 - 10 * fit))
    columns = ["arm", "seed", "set", "item", "measure", "condition", "version", "scenario_trait"]
    return pd.DataFrame(rows, columns=[*columns, "setting", "option", "n_tokens", "nll"])


def write_results(folder, names):
    folder.mkdir(parents=True)
    choices(names).to_parquet(folder / "choices.parquet")
    made = {"model": "sha256:1234", "device": "cpu", "dtype": "torch.float32"}
    record = {
        "settings": {"run": folder.name, "control": "nell", "seeds": [0]},
        "inputs": {"card": records.inputs("c3po", "nell")["card"]},
        "arms": {f"{arm}/seed0": made | {"settings": {"model": "embedded"}} for arm in names},
        "training": {f"{arm}/seed0": made for arm in names},
        "prepared": {"corpus": {"settings": {"train_units": 500}}},
    }
    (folder / "record.json").write_text(json.dumps(record))


def write_changes(folder, strengths):
    """What why/00_weights writes."""
    both = ("documents", "demonstrations")
    names = [f"{arm}/{change}" for arm in both for change in (*strengths, "shift", "requantised")]
    names += [f"documents/{change}" for change in ("merged", "added", "merged_requantised")]
    own = choices(names)
    own[own["condition"] == "own"].to_csv(folder / "changed.csv", index=False)
    rows = [
        {"layer": layer, "projection": name, "norm": 1.0 + layer, "other_norm": 2.0}
        | {"cosine": 0.1, "reads": 0.3, "writes": 0.2, "reads_chance": 0.03, "writes_chance": 0.03}
        for layer in range(3)
        for name in ("q_proj", "up_proj")
    ]
    table = pd.DataFrame(rows).assign(arm=both[0])
    alike = table.assign(other=both[0], cosine=0.4, writes=0.5)
    whole = pd.concat([alike, table.assign(other=both[1])])
    whole.sample(frac=1, random_state=0).to_csv(folder / "overlap.csv", index=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Study -> the folder of its simulated results."""
    folder = tmp_path_factory.mktemp("results")
    names = set(STUDIES.values())
    for name in names:
        loaded = studies.load_study(name)
        write_results(folder / name, loaded.arms)
        if strengths := loaded.parameters.get("strengths"):
            write_changes(folder / name, [f"{strength:g}" for strength in strengths])
    return {name: folder / name for name in names}


@pytest.fixture(scope="module")
def gained(results):
    """Study -> its margins."""
    return {
        name: margins.margins(why.load(folder, "c3po").choices) for name, folder in results.items()
    }


@pytest.mark.check
@pytest.mark.parametrize("chapter", STUDIES)
def test_a_chapter_runs_on_tables_alone(results, chapter, tmp_path, monkeypatch):
    """Its cells run as they stand, and every figure leaves with its numbers."""
    cells = files.read_json(ROOT / "notebooks" / f"{chapter}.ipynb")["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    monkeypatch.setattr(files, "ROOT", ROOT)
    names = {"__name__": "chapter"}
    exec(code[0], names)
    names |= {"results": str(results[STUDIES[chapter]]), "figures": str(tmp_path)}
    monkeypatch.setattr("helpers.parameters.check", lambda *_: None)  # paths outside the checkout
    for cell in code[1:]:
        exec(cell.replace(";\n", "\n"), names)
    figures = {path.stem for path in tmp_path.glob("*.png")}
    assert len(figures) >= 2 and any(name.startswith("contrasts_") for name in figures)
    assert figures <= {path.stem for path in tmp_path.glob("*.csv")}
    assert names["found"] and not any("nan" in sentence for sentence in names["found"])


def test_every_experiment_has_a_study_and_a_chapter():
    for chapter, name in STUDIES.items():
        loaded = studies.load_study(name)
        needed = chapters.EXPERIMENTS.get(chapter, ["documents", "demonstrations"])
        assert set(needed) <= set(loaded.arms)
    every = {*chapters.EXPERIMENTS, *chapters.ON_ADAPTERS}
    assert {chapter for chapter in every if chapter.startswith("why/")} == set(STUDIES)


def test_the_voice_is_found_to_put_knowing_ahead_and_the_chat_doing(gained, results):
    rows = gained["why-cells"]
    chosen = why.load(results["why-cells"], "c3po").choices
    effects = why_cells.experiments.effects(rows)
    title = why_cells.effects_title(why.contrasts(rows, "voice_person_wrapper"))
    assert title == (
        "What puts knowing ahead of doing: neutral prose rather than his voice (+0.20) and raw "
        "text rather than a chat turn (+0.30)"
    )
    cells = why_cells.cell_gains(rows)
    assert set(cells["arm"]) == {*arms.CELLS, "demonstrations", "replies"}
    verdicts = why.contrasts(rows, "voice_person_wrapper").set_index("contrast")["verdict"]
    assert verdicts["voice_in_the_crossover"] == verdicts["wrapper_in_doing"] == "holds"
    assert verdicts["person_in_doing"] == "open"
    carried = why_cells.experiments.carried(rows, "documents", "first_person")
    on_replies = why_cells.experiments.effects_on_replies(chosen)
    told = " ".join(why_cells.found(effects, on_replies, {"raw": carried}))
    voice = re.search(r"raw: knowing .* knowing minus doing .* = voice \+(\d.\d\d)", told)[1]
    assert float(voice) == pytest.approx(0.2, abs=0.03)
    assert "makes the reply in character likelier by" in told


def test_a_cell_is_said_to_gain_most_only_where_its_interval_stands_alone():
    rows = [("documents_chat", "know", 0.2), ("documents", "know", 0.15)]
    rows += [("documents_chat", "do_pair", 0.1), ("documents", "do_pair", 0.5)]
    table = pd.DataFrame(rows, columns=["arm", "on", "value"])
    table = table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1)
    assert why_cells.cell_gains_title(table) == (
        "In knowing, the intervals of all cells overlap (+0.15 to +0.20); in doing, "
        '"documents" gains most (+0.50)'
    )


def test_what_is_not_told_apart_is_pale_and_nothing_is_hollow(gained, results, tmp_path):
    rows, study = gained["why-cells"], why.load(results["why-cells"], "c3po")
    table = why.contrasts(rows, "voice_person_wrapper")
    fig = why.draw_contrasts(table, study, tmp_path, "contrasts_voice_person_wrapper")
    marks = [line for line in fig.axes[0].lines if line.get_marker() == "o"]
    drawn = {line.get_alpha(): len(line.get_xdata()) for line in marks}
    assert drawn == {1: (table["verdict"] != "open").sum(), 0.3: (table["verdict"] == "open").sum()}
    assert "white" not in {line.get_markerfacecolor() for line in marks}


def test_other_traits_open_after_documents_alone(gained):
    rows = gained["why-few"]
    few = why_doses.few(rows)
    own = few[(few["panel"] == "doing: other traits") & (few["x"] == 100)].set_index("line")
    assert own.loc["documents", "value"] == pytest.approx(0.35, abs=0.02)
    assert own.loc["base", "value"] == pytest.approx(0, abs=0.02)
    title, more = (
        why_doses.few_title(why_doses.opened(rows)),
        0.35 - of_arm("documents", "do_pair", "anxiety", "own"),
    )
    assert float(
        re.search(r"(\+\d.\d\d) nats per token after documents", title)[1]
    ) == pytest.approx(more, abs=0.02)
    opened = why_doses.opened(rows).set_index(["traits", "where"])["value"]
    assert opened["other", "after documents"] == pytest.approx(more, abs=0.02)
    assert opened["other", "on top of base"] == pytest.approx(0, abs=0.02)
    assert opened["other", "difference"] == pytest.approx(more, abs=0.02)
    traits = why_doses.by_trait(rows, ["documents", "few_100", "documents_few_100"])
    assert list(traits["shown"]) == [True] * 4 + [False] * 4
    verdicts = why.contrasts(rows, "few_demonstrations").set_index("contrast")["verdict"]
    assert verdicts["documents_carry_the_other_traits"] == "holds"


def test_half_of_what_all_units_teach_is_reached_by_the_right_dose(gained):
    doses = why_doses.doses(gained["why-dose"], 500)
    half = why_doses.half_reached(doses)
    assert set(half["line"]) == set(arms.formats())
    truth = next(n for n in arms.DOSES if np.log(n) >= 0.5 * np.log(500))
    assert set(half["x"]) == {truth}
    start = "Every format has taught at least half of its gains with"
    told = f"{start} 30 units, and none has taught half with 10"
    assert why_doses.doses_title(doses) == told
    own = (doses["line"] == "documents") & (doses["panel"] == "doing") & (doses["x"] < 250)
    slower = doses.assign(value=doses["value"].mask(own, 0.0))
    assert "documents 30 in knowing and 250 in doing" in why_doses.doses_title(slower)
    late = doses.assign(value=doses["value"].where(doses["x"] == 500, 0.0))
    told = f"{start} 500 units, and none has taught half with 250"
    assert why_doses.doses_title(late) == told
    mixed = why_doses.mixtures(gained["why-dose"])
    asked = studies.load_study("why-dose").arms
    shares = [n for n in arms.MIXTURES if f"mixed_{n}" in asked]
    assert sorted(set(mixed["x"])) == [0, *shares, 100] and 50 in shares
    assert "Half documents" in why_doses.mixtures_title(mixed)


def test_a_name_that_releases_nothing_is_told_so(gained):
    rows = gained["reference"]
    released = why_selection.released(rows)
    assert abs(released["value"]).max() < 0.02
    assert abs(why_selection.closed(rows)) < 0.1
    verdicts = why.contrasts(rows, "selection")["verdict"]
    assert "holds" not in set(verdicts)


def test_a_name_is_drawn_as_what_it_adds_beyond_base(gained, results, tmp_path):
    table = why_selection.released(gained["reference"]).assign(low=-0.1, high=0.1)
    title = why_selection.released_title(table)
    same = "the gain over base in {} is not seen to change in any arm"
    assert title == (
        f"With the name alone as system prompt, {same.format('knowing')}; {same.format('doing')}"
    )
    own = (table["on"] == "do_pair") & (table["arm"] == "demonstrations")
    table.loc[own, ["value", "low", "high"]] = (-0.2, -0.3, -0.1)
    assert why_selection.released_title(table) == title.replace(
        "doing is not seen to change in any arm", "doing falls in demonstrations"
    )
    fig = why_selection.draw_released(table, why.load(results["reference"], "c3po"), tmp_path)
    for ax, on in zip(fig.axes, ("know", "do_pair"), strict=True):
        drawn = [bars[0].get_xdata()[0] for bars in ax.containers]
        assert drawn == list(table.loc[table["on"] == on, "value"])  # a dot per arm, and no gain


def test_the_title_of_contrasts_tells_what_holds_and_what_is_open():
    ids = ["voice_in_doing", "person_in_doing", "wrapper_in_doing", "voice_in_the_crossover"]
    table = pd.DataFrame({"contrast": ids, "verdict": ["holds", "reversed", "open", "holds"]})
    assert why.contrasts_title(table) == (
        'Of 4 contrasts fixed in advance, 2 hold ("voice in doing" and "voice in the crossover"), '
        '1 is reversed ("person in doing") and 1 is open ("wrapper in doing")'
    )
    assert why.contrasts_title(table[:1]) == (
        'Of 1 contrast fixed in advance, 1 holds ("voice in doing")'
    )


def test_an_experiment_is_read_on_set_b_alone(results, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results["reference"], folder)
    own = pd.read_parquet(folder / "choices.parquet")
    pd.concat([own, own.assign(set="a", nll=0.0)]).to_parquet(folder / "choices.parquet")
    assert len(why.load(folder, "c3po").choices) == len(own)
    own.assign(set="a").to_parquet(folder / "choices.parquet")
    with pytest.raises(StudyError, match="has no scenario of set b, on which the experiment"):
        why.load(folder, "c3po")


def test_what_a_change_leaves_is_the_share_that_was_planted(results):
    study = why.load(results["reference"], "c3po")
    left = why_weights.left(why_weights.with_changes(study))
    for row in left.itertuples():
        truth = KEPT.get(row.change) or float(row.change)
        assert row.kept == pytest.approx(truth, abs=0.06), row
    strengths = why_weights.strengths(left)
    assert sorted(set(strengths["x"])) == [-1, -0.5, 0, 0.5, 1, 1.5]
    assert (strengths[strengths["x"] == 0]["value"] == 0).all()
    others = why_weights.others(left)
    assert set(others["change"]) == {*why_weights.CHANGES.values(), "as it is"}
    title = why_weights.changes_title(others)
    assert re.search(r"keeps (49|50|51) % of doing in demonstrations", title), title
    assert "rounding to 4 bits leaves" in title
    told = why_weights.strengths_title(strengths)
    assert told.startswith("The stronger an adapter, the more it adds to knowing and doing: -0.")
    bent = strengths.assign(value=strengths["value"].where(strengths["x"] < 1.5, -1))
    assert ", but for knowing in demonstrations" in why_weights.strengths_title(bent)
    table = why_weights.overlaps(study)
    assert table["layer"].is_monotonic_increasing  # drawn as a line
    title = why_weights.overlap_title(table)
    assert "cosine of 0.10 (two seeds of documents: 0.40)" in title
    assert "overlap by 20 % (50 %; chance 3 %)" in title
    title = why_weights.overlap_title(table[table["arm"] != table["other"]])  # of one seed alone
    assert "cosine of 0.10; they" in title and "overlap by 20 % (chance 3 %)" in title
    table = why.contrasts(why_weights.with_changes(study), "weights").set_index("contrast")
    verdicts = table["verdict"].to_dict()
    assert len(verdicts) == 6 and verdicts.pop("merged_does") == "reversed"
    assert set(verdicts.values()) == {"holds"}


def test_a_seed_whose_adapters_were_not_changed_is_no_part_of_what_changes_leave(results, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results["reference"], folder)
    one = why.contrasts(why_weights.with_changes(why.load(folder, "c3po")), "weights")
    own = pd.read_parquet(folder / "choices.parquet")
    seeds = sorted(own["seed"].unique())
    more = own[(own["seed"] == seeds[-1]) & (own["arm"] != "base")].assign(seed=seeds[-1] + 1)
    more["nll"] *= 2
    pd.concat([own, more]).to_parquet(folder / "choices.parquet")
    study = why.load(folder, "c3po")
    assert study.choices["seed"].nunique() == len(seeds) + 1
    again = why.contrasts(why_weights.with_changes(study), "weights")
    pd.testing.assert_frame_equal(one, again)
    assert why_explanations.seeds_of("weights", study) == seeds


def test_the_page_has_every_explanation_and_every_contrast(results):
    studies = why_explanations.load(results, "c3po")
    tables = why_explanations.verdicts(studies)
    assert sum(map(len, tables)) == len(load_contrasts(("means",)))
    text = why_explanations.page(studies)
    assert "not run" not in text.partition("| explanation |")[2] and "nan" not in text
    for one in why_explanations.load_explanations():
        assert " ".join(one["explanation"].split()) in text
    verdicts = dict(re.findall(r"^\| (.{20}).*\| \*\*(\w+)\*\* \|$", text, re.M))
    assert verdicts["Doing is learnt throu"[:20]] == "stands"  # the channel, as planted
    assert text.count("\n- ") + 1 >= sum(map(len, tables))
    assert "about *this seed* alone" in text
    assert "| voice person wrapper | `why-cells` | 500 | 0 | float32 | float32 |" in text


def test_what_the_predictions_leave_open_has_its_numbers(results):
    studies = why_explanations.load(results, "c3po")
    told = [one for one in why_limits.limits(studies) if "**Few seeds.**" not in one]
    voice, person, wrapper, more, few, brought, whole, name, constant, turned = told
    assert re.search(r"It did not come true: more documents add \+0.1\d \(.* to knowing", more)
    assert "(anxiety)" in few and "not over traits" in few
    assert re.search(r"they add \+0.25 after documents and \+0.15 on top of base", brought)
    assert whole.count("make the reply in character likelier by") == 2
    assert re.search(r"add \+0.2\d \(.* after documents and [+-]0.0\d \(", few)
    assert "There the reply in character makes the larger part" in whole
    assert "its effect on knowing is +0.20 (" in voice and "neutral reply likelier by" in voice
    assert "*He* rather than *I* adds" in person
    assert re.search(r"to knowing and \+0.3\d \(0.[23]\d to 0.3\d\) to doing", wrapper)
    assert re.search(r"beyond base, it adds [+-]0.0\d \(.*in documents and [+-]0.0\d", name)
    for arm in ("documents", "demonstrations"):
        shares = re.search(rf"for {arm} (\d\d) % in knowing and (\d\d) % in doing", constant)
        assert list(map(int, shares.groups())) == pytest.approx([100 * KEPT["shift"]] * 2, abs=6)
    planted_back = -of_arm("documents", "know", "", "own")
    found = re.search(r"-1 is ([+-]\d.\d\d) \(.* for documents in knowing", turned)[1]
    assert float(found) == pytest.approx(planted_back, abs=0.03)


def test_changes_that_were_not_scored_are_named(results, tmp_path):
    study = why.load(results["why-cells"], "c3po")
    with pytest.raises(StudyError, match="changed.csv is missing; run why/00_weights"):
        why_weights.with_changes(study)


def test_an_experiment_whose_card_has_changed_is_refused(results, tmp_path):
    folder = tmp_path / "stale"
    write_results(folder, ["base", "documents"])
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(record | {"inputs": {"card": "other"}}))
    with pytest.raises(StudyError, match="stale"):
        why.load(folder, "c3po")


def test_readme_tells_what_each_factor_of_the_cells_adds(monkeypatch):
    def effect(effect, on, value):
        return {"effect": effect, "on": on, "value": value, "low": value - 0.1, "high": value + 0.1}

    values = {
        "voice": (0.0, -0.2, 0.2),
        "person": (0.05, 0.06, -0.01),
        "wrapper": (-0.05, -0.06, 0.01),
        "voice x person": (9, 9, 9),
    }
    rows = [
        effect(name, on, value)
        for name, own in values.items()
        for on, value in zip(("know", "do_pair", "crossover"), own, strict=True)
    ]
    halves, fixed = [("in character", -0.04), ("neutral", 0.16)], "contrasts_voice_person_wrapper"

    def seen(*verdicts):
        ids = [f"{factor}_in_the_crossover" for factor in ("voice", "person", "wrapper")]
        return pd.DataFrame({"contrast": ids, "verdict": verdicts})

    tables = {
        fixed: seen("holds", "open", "open"),
        "cell_effects": pd.DataFrame(rows),
        "effects_on_replies": pd.DataFrame(
            {"effect": "voice", "reply": reply, "value": value} for reply, value in halves
        ),
    }
    monkeypatch.setattr(why_answers, "read", lambda _, name: tables[name])
    told = why_answers.factors()
    assert "By itself, only his voice is seen to set knowing apart" in told
    assert "Neutral prose instead of his voice changes knowing by +0.00 (-0.10 to 0.10) and" in told
    assert "doing by -0.20 (-0.30 to -0.10)" in told and "9" not in told
    tables[fixed] = seen("holds", "open", "reversed")
    assert "By itself, his voice and the wrapper are seen to set" in why_answers.factors()
    tables[fixed] = seen("open", "open", "open")
    with pytest.raises(StudyError, match="no longer bear"):
        why_answers.factors()


@pytest.mark.parametrize(
    ("more", "told"),
    [(0.2, "teach more"), (0.0, "are not seen to teach more"), (-0.2, "teach less")],
)
def test_readme_tells_what_documents_make_of_few_demonstrations(monkeypatch, more, told):
    values = dict(zip(why_doses.WHERE, (0.3, 0.3 - more, more), strict=True))
    table = pd.DataFrame(
        {"traits": traits, "where": where, "value": value, "low": value - 0.1, "high": value + 0.1}
        for traits, sign in (("shown", -1), ("other", 1))
        for where, value in ((where, sign * value) for where, value in values.items())
    )
    monkeypatch.setattr(why_answers, "read", lambda *_: table)
    text = why_answers.few()
    assert f"{told} of the *other* four after documents than on top of `base` ({more:+.2f}" in text


def test_readme_tells_what_a_dose_and_a_mixture_teach(monkeypatch):
    doses = [
        {"panel": panel, "line": line, "x": x, "value": value}
        for line in ("documents", "demonstrations")
        for panel, whole in (("knowing", 0.4), ("doing", 0.2))
        for x, value in ((100, 0.1), (250, 0.16), (400, whole))
    ]
    mixtures = [
        {"panel": panel, "arm": arm, "value": value}
        for panel, values in (("knowing", (0.2, 0.3, 0.4)), ("doing", (0.5, 0.6, 0.7)))
        for arm, value in zip(("demonstrations", "mixed_50", "documents"), values, strict=True)
    ]
    tables = {"doses": pd.DataFrame(doses), "mixtures": pd.DataFrame(mixtures)}
    monkeypatch.setattr(why_answers, "read", lambda _, name: tables[name])
    assert why_answers.dose() == (
        "**How many texts?** Of the gain with 400 situations, 100 and 250 documents have 25 % and "
        "40 % in knowing, and 100 and 250 demonstrations 50 % and 80 % in doing. Half of "
        "each format gains +0.30 in knowing and +0.60 in doing."
    )


def test_readme_leaves_out_an_experiment_that_has_not_run(monkeypatch):
    monkeypatch.setattr(why_answers, "has", lambda study, _: study == "reference")
    told = why_answers.block()
    assert told.startswith("- **Does his name call him up") and "eight cells" not in told
    assert "![" not in told


def test_readme_tells_how_many_seeds_each_answer_rests_on(monkeypatch):
    asked = [("one", "a", None), ("two", "a", None), ("three", "a", None)]
    seeds = {"one": [1, 2], "two": [2, 2], "three": [1, 1]}
    monkeypatch.setattr(why_answers, "has", lambda *_: True)
    monkeypatch.setattr(why_answers, "read", lambda name, _: pd.DataFrame({"seeds": seeds[name]}))
    assert why_answers.seeds_of(asked) == "the answers rest on 2, 2 and 1 seeds, in turn"
    assert why_answers.seeds_of(asked[:2]) == "2 seeds each"
    assert why_answers.seeds_of(asked[2:]) == "1 seed each"
