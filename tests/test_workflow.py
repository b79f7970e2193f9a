"""Studies, what they run, and what a change runs again: planned in a copy, nothing is computed."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import chain
import chapters
import copies
import inputs
import pandas as pd
import plan
import publishing
import pytest
import redraw
import run as runs
import steps
import study
import yaml
from copies import jobs_of, run
from nbclient.exceptions import DeadKernelError

from helpers import arms, records, repository, sources
from helpers.files import ROOT, StudyError, adapter_folder, lock, read_json, write_json
from helpers.measure import gather

NAMES = study.known()
REPORT = "src/helpers/report/drawing.py"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return copies.make(tmp_path_factory.mktemp("planned") / "copy")


def test_reasoned_arms_wait_for_the_corpus_whose_record_they_name(copy):
    code, output = run(copy, "smoke", "--", "-n", "--until", "train")
    assert code == 0, output
    assert {"corpus", "examples", "train"} <= set(jobs_of(output))


def test_a_study_is_planned_with_all_its_steps(copy):
    code, output = run(copy, "smoke", "--", "-n")
    assert code == 0, output
    assert "Study 'smoke'" in output and re.search(r"expected  about \d+ minutes", output)
    found = jobs_of(output)
    assert found["total"] == len(chain.jobs(study.load_study("smoke"))) + 2  # gather and all
    assert found["answer"] == found["ask"] == 3 and found["prefer"] == found["gather"] == 1


def test_the_cluster_profile_plans_the_same_jobs(copy):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    plain, cluster = (
        run(copy, "standard", *more, "--", "-n") for more in ((), ("--profile", "slurm"))
    )
    assert plain[0] == cluster[0] == 0, cluster[1]
    assert jobs_of(plain[1]) == jobs_of(cluster[1]) and jobs_of(plain[1])["total"] > 1


def test_a_run_is_refused_while_a_step_of_an_earlier_one_goes_on(copy):
    folder = copy / "data" / "runs" / "smoke"
    with lock(folder, shared=True):
        code, output = run(copy, "smoke", "--", "-n")
    assert code != 0 and f"data/runs/smoke: another run (process {os.getpid()})" in output
    assert run(copy, "smoke", "--", "-n")[0] == 0


def test_planning_imports_no_model_library():
    code = (
        "import sys, plan, study, chain; plan.describe(study.load_study('quick'));"
        "print([m for m in ('torch', 'transformers', 'pandas', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "workflow"
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


TOY = '        Arm("toy", "toy", "#123456", "texts"),\n'


def test_an_arm_is_one_entry_and_a_line_in_a_study(copy, tmp_path):
    """The toy arm's texts are a copy of the documents'."""
    folder = tmp_path / "copy"
    shutil.copytree(copy, folder)
    table = folder / "src" / "helpers" / "arms.py"
    code = table.read_text()
    first = code.index('        Arm("persllm"')
    table.write_text(code[:first] + TOY + code[first:])
    for corpus in (folder / "data" / "corpora").glob("*/documents.jsonl"):
        shutil.copy(corpus, corpus.with_name("toy.jsonl"))
    (folder / "workflow" / "studies" / "toy.yaml").write_text(
        "extends: standard\ntitle: a toy\narms: [base, toy, persllm]\n"
    )
    status, output = run(folder, "toy", "--", "-n")
    assert status == 0, output
    assert "base, toy, persllm" in output
    assert jobs_of(output)["train"] == 2 and jobs_of(output)["ask"] == 3


# Study files


def test_a_study_inherits_fields_and_single_parameters():
    standard, reference = study.load_study("standard"), study.load_study("reference")
    assert reference.arms == standard.arms
    inherited = standard.parameters | {"sets": ["a", "b"]}  # the reference study's own value
    assert reference.parameters.items() > inherited.items() and inherited != standard.parameters
    assert reference.publish and not standard.publish and reference.title != standard.title
    persllm, other = study.load_study("persllm"), study.load_study("persllm-nell")
    assert persllm.parameters["pairs"] == other.parameters["pairs"] == 200
    assert persllm.parameters["turns"] == 20 and other.parameters["turns"] == 0


def test_a_study_shows_its_arms_unless_it_names_others():
    assert study.load_study("smoke").shown == study.load_study("smoke").arms
    shown = study.load_study("persllm").shown
    assert chain.arm_parameters(study.load_study("persllm"), "formats/05_expression")["arms"] == (
        shown
    )
    assert len(shown) == 6


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_the_chain_sets_is_declared(name):
    loaded = study.load_study(name)
    taken = {
        parameter
        for chapter in chapters.CHAPTERS
        for parameter in chain.arm_parameters(loaded, chapter, "documents", 0)
    }
    assert set(loaded.parameters) | study.OWN <= taken
    planned = [chapter for chapter, _, _ in chain.jobs(loaded)]
    assert set(planned) <= set(chapters.CHAPTERS)
    assert any(c.startswith("persllm/") for c in planned) == loaded.has_persllm


def test_stages_are_drawn_where_an_arm_that_knows_them_is_shown():
    loaded = study.load_study("persllm")
    stages = ("persllm/05_stages", "", -1)
    assert stages in chain.jobs(loaded)
    assert stages not in chain.jobs(replace(loaded, shown=["base", "documents"]))


def test_long_conversations_are_held_with_the_first_seed_alone():
    loaded = study.load_study("persllm")
    turns = {
        seed: chain.arm_parameters(loaded, "persllm/03_ask", "persllm", seed)["turns"]
        for seed in loaded.seeds
    }
    assert turns == {0: 20, 1: 0, 2: 0}


def test_arms_without_an_adapter_are_scored_with_the_first_seed_alone():
    loaded = replace(study.load_study("standard"), seeds=[1, 0])
    scored = {
        (arm, seed): chain.arm_parameters(loaded, "formats/03_answer", arm, seed).get(
            "score_options", True
        )
        for arm, seed in loaded.pairs
    }
    left_out = {pair for pair, wanted in scored.items() if not wanted}
    assert left_out == {("base", 0), ("prompted", 0)}


SIX = ["base", "prompted", "demonstrations", "first_person", "documents", "persllm"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": ["bass"]}, "line 2, field 'arms', entry 1: 'bass' is none of base, prompted"),
        (
            {"arms": ["base", {"documents": 1}]},
            "field 'arms', entry 2: {'documents': 1} is none of",
        ),
        ({"arms": ["base", "documents", "base"]}, "field 'arms': 'base' is listed twice"),
        ({"shown": ["documents"]}, "field 'shown': 'base' is needed"),
        ({"parameters": {"epochs": True}}, "'epochs': a whole number is needed, found True"),
        ({"parameters": {"control": "data/nell"}}, "field 'control': 'data/nell' is no name"),
        ({"persona": "c3po.yaml"}, "field 'persona': there is no persona card 'c3po.yaml'"),
        ({"seeds": [0, 0]}, "field 'seeds': 0 is listed twice"),
        ({"arms": ["base"]}, "'base' and at least one trained arm are needed"),
        ({"arms": ["base", "persllm_dpo"]}, "'persllm_dpo' goes on from 'persllm'; list that too"),
        (
            {"parameters": {"epoch": 1}},
            "field 'epoch': there is no such parameter. Did you mean 'epochs'",
        ),
        ({"parameters": {"epochs": "many"}}, "'epochs': a whole number is needed, found 'many'"),
        ({"parameters": {"seed": 1}}, "field 'seed': there is no such parameter"),
        ({"seeds": [-1]}, "field 'seeds', entry 1: a number of at least 0 is needed, found -1"),
        ({"seeds": "0"}, "field 'seeds': a list is needed, found '0'"),
        ({"publish": "figures"}, "field 'publish': true or false is needed, found 'figures'"),
        ({"colour": "red"}, "field 'colour': there is no such field here; there are extends,"),
        ({"persona": "r2d2"}, "field 'persona': there is no persona card 'r2d2'; there are c3po"),
        ({"arms": SIX, "shown": ["base", "persllm_dpo"]}, "'persllm_dpo' is not among"),
        ({"arms": [*SIX, "persllm_dpo"], "shown": [*SIX, "persllm_dpo"]}, "at most six arms"),
        ({"adapters_from": "other"}, "field 'adapters_from': study 'other' is unknown"),
        ({"extends": "other"}, "field 'extends': study 'other' is unknown"),
        ({"extends": "wrong"}, "'wrong' would extend itself"),
        ({"extends": 3}, "field 'extends': a non-empty text is needed, found 3"),
        ({"adapters_from": "wrong"}, "field 'adapters_from': study 'wrong' is unknown"),
        ({"seeds": []}, "field 'seeds': at least 1 are needed, found 0"),
        ({"parameters": None}, "field 'parameters': an object with named fields is needed"),
        ({"parameters": {"control": "c3po"}}, "field 'control': it is the persona itself"),
        ({"parameters": {"control": "r2d2"}}, "field 'control': there is no persona card 'r2d2'"),
        ({"parameters": {"general_source": "x.jsonl"}}, "'general_source': 'x.jsonl': there is no"),
    ],
)
def test_a_wrong_study_is_refused(tmp_path, monkeypatch, change, message):
    wrong = yaml.safe_load((study.STUDIES / "quick.yaml").read_text()) | change
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    with pytest.raises(StudyError, match=message):
        study.load_study("wrong")


def test_a_study_that_lacks_a_field_or_does_not_exist_is_refused(tmp_path, monkeypatch):
    (tmp_path / "wrong.yaml").write_text("title: nothing else\n")
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    with pytest.raises(StudyError, match="the field 'publish' is missing"):
        study.load_study("wrong")
    with pytest.raises(StudyError, match=r"study 'other' is unknown. Choose one of: wrong"):
        study.load_study("other")


def test_a_mistyped_study_is_one_line():
    code, output = run(ROOT, "standart")
    assert code != 0 and output.startswith("error: study 'standart' is unknown. Choose one of:")


def test_the_results_to_compare_with_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "ROOT", tmp_path)
    with pytest.raises(StudyError, match="'other_results': data/results/persllm-nell has no answ"):
        chain.refuse_missing_others(study.load_study("persllm"))
    chain.refuse_missing_others(study.load_study("persllm-nell"))


def test_the_largest_of_the_studies_of_sizes_compares_them(tmp_path, monkeypatch):
    names = ("scale-135m", "scale-0.5b", "scale-1.5b")
    ladder = [study.load_study(name) for name in names]
    every = [{chapter for chapter, _, _ in chain.jobs(loaded)} for loaded in ladder]
    assert ["formats/08_size" in chapters_of for chapters_of in every] == [False, False, True]
    own = [loaded.parameters for loaded in ladder]
    assert own[2]["smaller_results"] == [loaded.results for loaded in ladder[:2]]
    # The largest is scored on a part of what the others are, and compares.
    apart = ("model", "smaller_results", "readings", "readings_again", "measures", "conditions")
    alike = [{n: v for n, v in one.items() if n not in apart} for one in own]
    assert alike[0] == alike[1] == alike[2]
    monkeypatch.setattr(chain, "ROOT", tmp_path)
    with pytest.raises(StudyError, match="'smaller_results': .*scale-135m has no record"):
        chain.refuse_missing_others(ladder[2])
    for folder in own[2]["smaller_results"]:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "record.json").write_text("{}")
    chain.refuse_missing_others(ladder[2])
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    with pytest.raises(StudyError, match="'readings': .*size-135m/by_claude has no batch"):
        inputs.check_inputs(ladder[2])


# Adapters of another study


def test_adapters_are_taken_where_the_recipe_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.files.RUNS", tmp_path)
    loaded = study.load_study("persllm")
    assert chain.lender(loaded, "documents", 0) == ""  # there is none to take
    record = tmp_path / "reference" / "documents" / "seed0" / "record.json"
    write_json(record, {"settings": {"run": "reference"}})
    assert chain.lender(loaded, "documents", 0) == ""  # killed before its chapter was copied
    executed = "reference/notebooks/formats/02_train-documents-0.ipynb"
    write_json(tmp_path / executed, {"cells": []})
    assert chain.lender(loaded, "documents", 0) == "reference"
    assert chain.lender(loaded, "documents", 1) == chain.lender(loaded, "persllm", 0) == ""
    other = replace(loaded, parameters=loaded.parameters | {"epochs": 4})
    assert chain.lender(other, "documents", 0) == ""
    assert "1 adapters taken from study 'reference'" in plan.describe(loaded)
    own = tmp_path / "persllm" / "documents" / "seed0" / "record.json"
    write_json(own, {"settings": {"run": "persllm"}})
    assert chain.lender(loaded, "documents", 0) == ""  # trained here before there was one to take
    write_json(own, {"settings": {"run": "reference"}})
    shutil.rmtree(tmp_path / "reference")
    assert chain.lender(loaded, "documents", 0) == "reference"  # taken before the other run went


def test_a_taken_adapter_comes_with_its_records_and_its_chapter(tmp_path, monkeypatch):
    for where in ("helpers.files.RUNS", "steps.RUNS"):
        monkeypatch.setattr(where, tmp_path)
    source = tmp_path / "reference" / "documents" / "seed0"
    executed = tmp_path / "reference" / "notebooks" / "formats" / "02_train-documents-0.ipynb"
    write_json(executed, {"cells": []})
    write_json(source / "record.json", {"rows": "r", "settings": {"run": "reference"}})
    for name in ("adapter_config.json", "adapter_model.safetensors", "log.csv", "log.jsonl"):
        (source / name).write_text(name)
    prepared = tmp_path / "persllm" / "data" / "record.json"
    values = {"run": "persllm", "arm": "documents", "seed": 0}
    log = tmp_path / "persllm" / "logs" / "02_train.ipynb"
    write_json(prepared, {"rows": {"documents": "other"}})
    with pytest.raises(StudyError, match="was trained on other rows than 'persllm' has prepared"):
        steps.take_adapter("formats/02_train", values, "reference", log)
    write_json(prepared, {"rows": {"documents": "r"}})
    steps.take_adapter("formats/02_train", values, "reference", log)
    taken = {path.name for path in (tmp_path / "persllm" / "documents" / "seed0").iterdir()}
    assert taken == {path.name for path in source.iterdir()} - {"log.jsonl"}
    assert log.read_text() == executed.read_text()


def test_a_process_that_was_killed_is_told_with_a_remedy(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr("papermill.execute_notebook", killed)
    with pytest.raises(StudyError, match="for want of memory. Take a smaller `batch`"):
        steps.run_notebook("formats/01_corpus", {}, tmp_path / "log.ipynb")


@pytest.mark.parametrize("option", ["-n", "-np", "-pn", "--dry-run", "--dryrun"])
def test_a_plan_is_known_by_its_option(option):
    assert runs.DRY.fullmatch(option)
    assert not any(map(runs.DRY.fullmatch, ("--cores", "-j", "-j2", "--nolock", "answer", "-p")))


def test_a_study_that_is_not_published_is_not_redrawn():
    with pytest.raises(StudyError, match="'quick' is not published.*`workflow/run.py quick`"):
        redraw.redraw(study.load_study("quick"), judge=False)


def test_a_study_undoes_what_it_inherits(tmp_path, monkeypatch):
    for path in study.STUDIES.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    mine = "extends: reference\npublish: false\nkept_seeds: []\nadapters_from: ''\nseeds: [1]\n"
    (tmp_path / "mine.yaml").write_text(mine + "parameters: {other_seed: 1}\n")
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    loaded = replace(study.load_study("mine"), name="reference")
    assert loaded.kept_seeds == [] and loaded.adapters_from == ""
    inputs.check_inputs(loaded)  # its weights are changed with its own first seed
    assert chain.arm_parameters(loaded, "why/00_weights")["seed"] == 1


def test_changes_of_weights_cost_time():
    loaded = study.load_study("reference")
    few = replace(loaded, parameters=loaded.parameters | {"strengths": [1.0]})
    every, one = (plan.tokens(own, "why/00_weights", "", -1) for own in (loaded, few))
    assert every / one == pytest.approx((2 * 7 + 3) / (2 * 3 + 3))


def test_taken_adapters_of_other_code_are_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.files.RUNS", tmp_path)
    loaded = study.load_study("published")
    publishing.refuse_other_lent(loaded)  # nothing is trained here
    more = replace(loaded, arms=[*loaded.arms, "replies"])
    record = read_json(adapter_folder("documents") / "record.json")
    monkeypatch.setattr(publishing, "running", lambda _: record)
    publishing.refuse_other_lent(more)
    monkeypatch.setattr(publishing, "running", lambda _: record | {"code": "another"})
    with pytest.raises(StudyError, match="what runs here was made by code another"):
        publishing.refuse_other_lent(more)
    publishing.refuse_other_lent(replace(more, different_code="x came before"))


def test_a_study_takes_the_committed_adapters(tmp_path, monkeypatch):
    for where in ("helpers.files.RUNS", "steps.RUNS"):
        monkeypatch.setattr(where, tmp_path)
    loaded = study.load_study("published")
    for arm in ("demonstrations", "first_person", "documents"):
        assert chain.lender(loaded, arm, 0) == study.COMMITTED
    assert chain.lender(loaded, "documents", 1) == ""  # the first seed alone is there
    assert "3 adapters taken from data/adapters" in plan.describe(loaded)
    other = replace(loaded, parameters=loaded.parameters | {"epochs": 4})
    assert chain.lender(other, "documents", 0) == ""
    source = adapter_folder("documents")
    rows = read_json(source / "record.json")["rows"]
    write_json(tmp_path / "published" / "data" / "record.json", {"rows": {"documents": rows}})
    values = {"run": "published", "arm": "documents", "seed": 0}
    log = tmp_path / "published" / "logs" / "02_train.ipynb"
    steps.take_adapter("formats/02_train", values, study.COMMITTED, log)
    taken = tmp_path / "published" / "documents" / "seed0"
    for name in ("adapter_model.safetensors", "adapter_config.json", "record.json", "log.csv"):
        assert (taken / name).read_bytes() == (source / name).read_bytes()
    assert chain.lender(loaded, "documents", 0) == study.COMMITTED
    same = replace(loaded, name=read_json(source / "record.json")["settings"]["run"])
    shutil.copytree(tmp_path / "published", tmp_path / same.name)
    assert chain.lender(same, "documents", 0) == study.COMMITTED  # taken, whatever its run's name
    (taken / "adapter_model.safetensors").write_bytes(b"another")
    assert chain.lender(loaded, "documents", 0) == ""  # trained here


def test_the_plan_goes_by_measured_seconds_where_there_are_any(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "RUNS", tmp_path)
    loaded = study.load_study("standard")
    assert plan.TYPICAL in plan.expected(loaded)
    rows = [{"step": c, "arm": "", "seconds": 60} for c in {c for c, _, _ in chain.jobs(loaded)}]
    (tmp_path / "standard").mkdir()
    rows += [row | {"seconds": 1} for row in rows]  # steps that had little left to do
    lines = [*map(json.dumps, rows), '{"step": "formats/02_tr']
    (tmp_path / "standard" / "seconds.jsonl").write_text("\n".join(lines))
    n = len(chain.jobs(loaded))
    assert f"about {n} minutes ({n} of {n} steps as measured" in plan.expected(loaded)
    hub = replace(loaded, name="hub", parameters=loaded.parameters | {"model": "some/model"})
    assert plan.expected(hub).startswith("unknown for this model")


def test_the_plan_counts_what_is_scored():
    loaded = study.load_study("standard")
    values = chain.all_values(loaded)
    read = pd.read_parquet(ROOT / "data/results/reference/choices.parquet")
    read = read[(read["arm"] == "documents") & (read["set"] == "b") & (read["seed"] == 0)]
    few = values | {"measures": ["know"], "conditions": ["own"]}
    texts = values["heldout_units"] * 3 * 2 * plan.TOKENS_PER_TEXT
    scored = plan.scored(loaded, values) - texts
    # beside the triplets, the prompts about its identity have options
    assert scored == pytest.approx(read["n_tokens"].sum(), rel=0.05)
    assert plan.scored(loaded, few) == 96 * 4 * plan.TOKENS_PER_OPTION
    few["measures"] = ["heldout"]
    assert plan.scored(loaded, few) == texts
    assert plan.scored(loaded, values | {"score_options": False}) == texts


# What a step rests on


def test_a_chapter_rests_on_what_it_imports_and_on_no_more():
    own = {name.removeprefix("src/helpers/") for name in chapters.code("formats/02_train")}
    assert {"notebooks/formats/02_train.ipynb", "model/train.py", "model/packed.py"} <= own
    assert {"corpus/encode.py", "rows.py", "files.py"} <= own
    assert not own & {"arms.py", "corpus/items.py", "corpus/writer.py", "model/dpo.py"}
    assert "src/helpers/report/captions.yaml" in chapters.code("persllm/09_parts")
    assert "src/helpers/arms.py" in chapters.code("persllm/09_parts")


def test_drawing_and_statistics_train_nothing():
    for chapter in ("formats/02_train", "persllm/02_prefer", "formats/03_answer"):
        own = chapters.code(chapter)
        assert "src/helpers/model/answer.py" in own
        assert not [p for p in own if p.startswith(("src/helpers/report", "src/helpers/measure"))]
        assert not {"src/helpers/records.py", "src/helpers/embedded.py"} & set(own)
    assert REPORT in chapters.code("formats/05_expression")


def test_a_label_or_a_colour_trains_nothing_again():
    before = chain.taught("documents")
    shown = replace(arms.ARMS["documents"], label="texts about him", colour="#000000")
    taught_otherwise = replace(arms.ARMS["documents"], trained_on="chats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(arms.ARMS, "documents", shown)
        assert chain.taught("documents") == before
        patch.setitem(arms.ARMS, "documents", taught_otherwise)
        assert chain.taught("documents") != before


@pytest.mark.parametrize("chapter", chapters.JUDGING)
def test_the_tables_of_a_step_are_those_that_its_chapter_writes(chapter):
    cells = json.loads((ROOT / "notebooks" / f"{chapter}.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found, wholes = set(), []
    for node in ast.walk(ast.parse(code)):
        match node:  # tables = {"name": frame, ...}, tables |= {...}, and write_json(folder / name)
            case ast.Assign(targets=[ast.Name(id="tables")], value=ast.Dict(keys=keys)):
                found |= {key.value for key in keys}
            case ast.AugAssign(target=ast.Name(id="tables"), value=ast.Dict(keys=keys)):
                found |= {key.value for key in keys}
            case ast.Call(func=ast.Attribute(attr="write_json"), args=[ast.BinOp(right=right), _]):
                wholes.append(right.value)
    assert found == set(records.TABLES[chapter]) and wholes == [records.RECORDS[chapter]]


def test_the_gathered_tables_are_those_that_the_chain_waits_for():
    every = {"answers", *gather.EVERY_ARM, *gather.SOME_ARMS}
    assert every == {*records.TABLES["gather"], *records.OF_SOME_ARMS}


# Seeds that are kept


def test_kept_seeds_are_not_run():
    loaded = study.load_study("persllm")
    kept = replace(loaded, seeds=[0, 1, 2], kept_seeds=[0, 1])
    run_here = {(arm, seed) for _, arm, seed in chain.jobs(kept) if arm}
    assert run_here == {pair for pair in loaded.pairs if pair[1] == 2}
    assert chain.gathering(kept)["kept_seeds"] == [0, 1]
    assert "seeds 0, 1, from data/results/persllm" in plan.describe(kept)
    talks = ("persllm/10_dialogue", "", -1)
    assert talks in chain.jobs(loaded) and talks not in chain.jobs(kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kept_seeds": [0]}, "'kept_seeds': only a study with `publish: true` has committed res"),
        ({"publish": True, "kept_seeds": [3]}, "field 'kept_seeds': 3 is not among the study's se"),
        ({"different_code": ""}, "field 'different_code': a non-empty text is needed"),
    ],
)
def test_wrong_kept_seeds_are_refused(tmp_path, monkeypatch, change, message):
    wrong = yaml.safe_load((study.STUDIES / "quick.yaml").read_text()) | change
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    with pytest.raises(StudyError, match=message):
        study.load_study("wrong")


@pytest.fixture
def committed(monkeypatch):
    """What the last commit holds of `reference`: seed 0 as a run of this code would leave it."""
    reference = study.load_study("reference")
    loaded = replace(reference, seeds=[0, 1], kept_seeds=[0], different_code="")
    kept_inputs, parts = records.inputs("c3po", "nell"), {"arms": {}, "training": {}}
    for arm in loaded.arms:
        for part, chapter in (("arms", "formats/03_answer"), ("training", "formats/02_train")):
            settings = chapters.defaults(chapter) | chain.arm_parameters(loaded, chapter, arm, 0)
            facts = {"settings": settings, "code": sources.code_hash(chapter), "commit": "abc"}
            parts[part][f"{arm}/seed0"] = facts | {"inputs": {"items": kept_inputs["items"]}}
    monkeypatch.setattr(repository, "uncommitted", list)
    monkeypatch.setattr(repository, "committed", lambda path: json.dumps(parts).encode())
    return loaded, parts


def test_kept_seeds_are_checked_before_anything_is_run(committed, capsys):
    loaded, parts = committed
    publishing.check(loaded, planned_only=False)
    answered = parts["arms"]["documents/seed0"]
    for change, message in (
        (
            {"code": "other"},
            "what runs here was made by code|documents/seed0 was made by code other",
        ),
        ({"commit": "abc-dirty"}, "documents/seed0 was made by code that was not committed"),
        ({"settings": {**answered["settings"], "top_p": 0.5}}, "with top_p = 0.5, the study has"),
        ({"inputs": {"items": "x"}}, "the items of 'c3po' changed .* out of `kept_seeds`"),
    ):
        parts["arms"]["documents/seed0"] = answered | change
        with pytest.raises(StudyError, match=message):
            publishing.check(loaded, planned_only=False)
        publishing.check(loaded, planned_only=True)
        assert "warning: " in capsys.readouterr().out
    publishing.check(replace(loaded, kept_seeds=[]), planned_only=False)
    parts["arms"]["documents/seed0"] = answered | {"code": "other"}
    publishing.check(replace(loaded, different_code="a test"), planned_only=False)


def test_sources_that_are_not_committed_stop_a_published_study(monkeypatch, capsys):
    loaded = study.load_study("reference")
    monkeypatch.setattr(repository, "uncommitted", lambda: ["src/x.py"])
    with pytest.raises(StudyError, match="'reference' is published, and .* committed: src/x.py"):
        publishing.check(loaded, planned_only=False)
    publishing.check(loaded, planned_only=True)
    assert "warning: study 'reference' is published" in capsys.readouterr().out
