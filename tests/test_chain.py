"""The real chain on the real model, at the smallest size: what it makes, and what faults cost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from helpers.files import ROOT, RUNS, file_hash, read_jsonl

RUN = RUNS / "smoke"
ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1"}


def start(*arguments):
    command = [sys.executable, ROOT / "workflow" / "run.py", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )


def run(*arguments):
    process = start(*arguments)
    output, _ = process.communicate()
    return process.returncode, output


@pytest.fixture(scope="module")
def chain():
    """The smoke study, killed once in the middle of training and then run to its end."""
    shutil.rmtree(RUN, ignore_errors=True)
    process = start("smoke")
    log = RUN / "documents" / "seed0" / "log.jsonl"
    deadline = time.time() + 600
    while not (
        log.exists() and log.read_bytes().count(b"\n") >= 4
    ):  # the row of step 0 and three steps
        assert process.poll() is None and time.time() < deadline, process.communicate()[0]
        time.sleep(0.05)
    second = run("smoke")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(3)  # the notebook's kernel ends when it finds its parent gone
    return {"second": second, "done": run("smoke"), "log": read_jsonl(log)}


def test_the_chain_survives_a_kill_and_ends(chain):
    code, output = chain["done"]
    assert code == 0, output
    assert "Resuming after step" in (RUN / "notebooks" / "02_train-documents-0.ipynb").read_text()
    assert "Study 'smoke'" in output and "expected" in output and "Done in" in output
    assert [row["step"] for row in chain["log"]] == list(range(9))


def test_a_second_run_in_the_same_folder_is_refused(chain):
    code, output = chain["second"]
    assert code != 0 and "another run (process" in output


def test_the_tables_have_the_promised_columns(chain):
    judged = pd.read_csv(RUN / "results" / "judged.csv")
    assert list(judged.columns[:8]) == [
        "arm",
        "seed",
        "item",
        "kind",
        "scenario_trait",
        "setting",
        "sample",
        "incoherent",
    ]
    assert (
        len(judged.filter(like="markers_").columns)
        == len(judged.filter(like="classifier_").columns)
        == 8
    )
    per_arm = (
        2 * 4 + 4 + 4 + 4 + 8 * 2
    )  # everyday, do, question, outside, two turns of eight scripts
    counts = judged["arm"].value_counts().to_dict()
    assert counts == {
        "base": per_arm,
        "documents": per_arm,
        "persllm": per_arm + 4,
        "persllm_dpo": per_arm + 4,
    }
    choices = pd.read_csv(RUN / "results" / "choices.csv")
    assert list(choices.columns) == [
        "arm",
        "seed",
        "item",
        "measure",
        "scenario_trait",
        "setting",
        "option",
        "n_tokens",
        "nll",
    ]
    assert len(choices) == 4 * 4 * (4 + 4 + 2 + 2 + 4 + 4)
    scores = pd.read_csv(RUN / "results" / "scores.csv")
    assert list(scores.columns) == [
        "arm",
        "seed",
        "scenario_trait",
        "text",
        "unit",
        "n_tokens",
        "nll",
    ]
    assert len(scores) == 4 * 3 * 4 * 2 and set(scores["scenario_trait"]) == {"c3po", "nell"}
    training = pd.read_csv(RUN / "results" / "training.csv")
    assert training["heldout_loss"].notna().groupby(training["arm"]).sum().to_dict() == {
        "documents": 3,
        "persllm": 2,
    }
    record = json.loads((RUN / "results" / "record.json").read_text())
    assert {"commit", "versions", "machine", "arms", "unscored", "inputs", "judge"} <= set(record)
    assert record["arms"]["documents/seed0"]["adapter"]
    for name, columns in {
        "resisted": [
            "arm",
            "seed",
            "item",
            "sample",
            "stage",
            "trait",
            "outcome",
            "label",
            "label_id",
        ],
        "questions": [
            "arm",
            "seed",
            "item",
            "sample",
            "question_type",
            "aim",
            "stage",
            "score",
            "rank",
        ],
        "leaks": ["arm", "seed", "item", "kind", "stage", "sample", "outcome", "words"],
        "stages": ["arm", "seed", "stage", "own", "unit", "n_tokens", "nll"],
        "questionnaire": [
            "arm",
            "seed",
            "item",
            "measure",
            "scenario_trait",
            "setting",
            "option",
            "n_tokens",
            "nll",
        ],
        "distinctness": ["arm", "seed", "item", "comparison", "bleu"],
        "preferences": ["step", "loss", "margin", "accuracy", "chosen", "rejected", "arm", "seed"],
    }.items():
        frame = pd.read_csv(RUN / "results" / f"{name}.csv")
        assert list(frame.columns) == columns and len(frame), name


def test_preferring_starts_from_the_trained_adapter_and_leaves_the_base_alone(chain):
    preferred, trained = (
        json.loads((RUN / arm / "seed0" / "record.json").read_text())
        for arm in ("persllm_dpo", "persllm")
    )
    assert preferred["start"] == file_hash(RUN / "persllm" / "seed0" / "adapter_model.safetensors")
    assert preferred["pairs"] and trained["tokens"]["train"]
    assert (
        file_hash(RUN / "persllm_dpo" / "seed0" / "adapter_model.safetensors") != preferred["start"]
    )
    assert {row["kind"] for row in read_jsonl(RUN / "persllm_dpo" / "seed0" / "pairs.jsonl")} <= {
        "other",
        "stage",
        "base",
    }


def test_every_figure_comes_with_its_numbers(chain):
    names = {p.stem for p in (RUN / "figures").glob("*.png")}
    assert names == {
        "expression_rate",
        "expression_differences",
        "perplexity_matrix",
        "perplexity_gain",
        "trait_heatmap",
        "response_length",
        "training_curves",
        "knowing_and_expressing",
        "generalisation",
        "persona_specific_gain",
        "capability_retained",
        "induction_resistance",
        "reference_answers",
        "stage_fidelity",
        "distinctness",
        "questionnaire",
        "persllm_ablation",
        "expression_over_turns",
        "preference_curves",
    }
    for name in names:
        assert len(pd.read_csv(RUN / "figures" / f"{name}.csv"))
        assert (RUN / "figures" / f"{name}.svg").stat().st_size > 1000


def test_a_second_run_with_nothing_changed_does_nothing_quickly(chain):
    began = time.time()
    code, output = run("smoke")
    assert code == 0 and "Nothing to be done" in output
    assert time.time() - began < 60


def test_only_what_depends_on_a_change_runs_again(chain):
    def jobs(*more):
        output = run("smoke", "--", "--dry-run", *more)[1]
        return {
            line.split()[0]
            for line in output.splitlines()
            if len(line.split()) == 2 and line.split()[1].isdigit()
        }

    plots = ROOT / "src" / "helpers" / "plots.py"
    source, recipe = plots.read_text(), ROOT / "workflow" / "studies" / "smoke.yaml"
    values = recipe.read_text()
    try:
        plots.write_text(source + "\n# another comment\n")
        changed = jobs()
        assert "findings" in changed and not changed & {"data", "train", "answer", "judge"}
        plots.write_text(source)
        recipe.write_text(values + "  learning_rate: 0.001\n")
        assert {"train", "answer", "judge", "findings"} <= jobs()
    finally:
        plots.write_text(source)
        recipe.write_text(values)


def test_a_failed_step_names_its_executed_notebook(chain):
    adapter = RUN / "documents" / "seed0" / "adapter_model.safetensors"
    content = adapter.read_bytes()
    rows = RUN / "documents" / "seed0" / "answers_do.jsonl"
    shutil.copy(rows, RUN / "rows.kept")
    try:
        with open(rows, "r+b") as file:
            file.write(b"broken")
        code, output = run("smoke", "--", "--forcerun", "judge")
        assert code != 0
        assert "answers_do.jsonl, line 1: not a JSON object" in output
        assert "data/runs/smoke/logs/05_judge.ipynb" in output
        assert json.loads((RUN / "logs" / "05_judge.ipynb").read_text())["cells"]
    finally:
        shutil.move(RUN / "rows.kept", rows)
    assert adapter.read_bytes() == content
    assert run("smoke")[0] == 0


def test_an_unknown_study_lists_the_known_ones():
    code, output = run("standart")
    assert code != 0 and "study 'standart' is unknown. Choose one of:" in output


def test_the_cluster_profile_plans_the_same_jobs(chain):
    pytest.importorskip(
        "snakemake_executor_plugin_slurm", reason="the SLURM plugin is not installed"
    )
    code, output = run("quick", "--profile", "slurm", "--", "--dry-run")
    assert code == 0, output
