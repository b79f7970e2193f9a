"""The real chain on the real model, at the smallest size: what it makes, and what faults cost.

It runs in a copy, once: killed in the middle of training, then to its end.
"""

import json
import os
import signal
import time
from contextlib import suppress

import chain as steps
import chapters
import copies
import pandas as pd
import psutil
import pytest
import study

from helpers import records
from helpers.files import file_hash, read_json, read_jsonl
from helpers.measure import triplets
from helpers.report.results import read_table

pytestmark = pytest.mark.check
SMOKE = ("smoke", "--profile", "test")
ANSWERS = 2 * 4 + 4 + 4 + 4 + 8 * 2  # everyday, do, question, outside, two turns of eight scripts
COLUMNS = {
    "choices": " ".join(triplets.COLUMNS),
    "scores": "arm seed subject text unit n_tokens nll",
    "resisted": "arm seed item sample stage trait outcome label label_id",
    "questions": "arm seed item sample question_type aim stage score rank",
    "leaks": "arm seed item kind stage sample outcome words",
    "stages": "arm seed stage own unit n_tokens nll",
    "questionnaire": "arm seed item measure domain keyed option n_tokens nll",
    "distinctness": "arm seed item comparison bleu",
    "preferences": "step loss margin accuracy chosen rejected arm seed",
}


def until(done, seconds):
    """Wait until `done()`, no longer than so."""
    deadline = time.time() + seconds
    while not done():
        assert time.time() < deadline, f"not done in {seconds} seconds"
        time.sleep(0.05)


def runs(process):
    """Whether it still does; one that ended may stay in the table of processes."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = copies.make(tmp_path_factory.mktemp("chain") / "copy")
    log = folder / "data" / "runs" / "smoke" / "persllm" / "seed0" / "log.jsonl"
    process = copies.start(folder, *SMOKE)

    def under_way():
        return log.exists() and log.read_bytes().count(b"\n") >= 4  # step 0 and three more

    try:
        until(lambda: process.poll() is not None or under_way(), 1800)  # some machines are slow
        assert process.poll() is None, process.communicate()[0]
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGSTOP)  # so that the step does not end meanwhile
        refused = [copies.run(folder, *SMOKE)]
        os.kill(process.pid, signal.SIGKILL)  # the run alone: its step is still there
        process.wait()
        refused += [copies.run(folder, *SMOKE)]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # The notebook's kernel, in a group of its own, ends when it finds its parent gone.
    until(lambda: not any(map(runs, started)), 120)
    done = copies.run(folder, *SMOKE)
    return {"folder": folder, "refused": refused, "done": done, "log": read_jsonl(log)}


@pytest.fixture(scope="module")
def made(chain):
    """The folder of the finished run."""
    assert chain["done"][0] == 0, chain["done"][1]
    return chain["folder"] / "data" / "runs" / "smoke"


def test_the_chain_survives_a_kill_and_ends(chain, made):
    output = chain["done"][1]
    executed = (made / "notebooks" / "formats" / "02_train-persllm-0.ipynb").read_text()
    assert "Resuming after step" in executed
    assert "Study 'smoke'" in output and "expected" in output and "Done in" in output
    steps_taken = [row["step"] for row in chain["log"]]
    assert steps_taken == list(range(len(steps_taken))) and len(steps_taken) > 5


def test_a_second_run_beside_a_run_or_a_step_that_outlived_it_is_refused(chain):
    for (code, output), where in zip(chain["refused"], ("runs", "runs/smoke"), strict=True):
        assert code != 0 and f"data/{where}: another run (process" in output


def test_every_chapter_of_the_study_was_executed_and_timed(chain, made):
    loaded = study.load_study("smoke")
    for job in steps.jobs(loaded):
        cells = read_json(chain["folder"] / steps.executed(loaded, *job))["cells"]
        assert any(cell.get("outputs") for cell in cells)
    timed = {row["step"] for row in read_jsonl(made / "seconds.jsonl")}
    assert timed == {chapter for chapter, _, _ in steps.jobs(loaded)} | {"gather"}


def test_the_tables_have_the_promised_columns(made):
    results = made / "results"
    judged = pd.read_csv(results / "judged.csv")
    wanted = ["arm", "seed", "item", "kind", "scenario_trait", "setting", "sample", "incoherent"]
    assert list(judged.columns[:8]) == wanted
    n_judged = [
        len(judged.filter(like=f"{name}_").columns)
        for name in ("markers", "classifier", "combined")
    ]
    assert n_judged == [8, 8, 8]
    counts = judged["arm"].value_counts().to_dict()
    assert counts == {"base": ANSWERS, "persllm": ANSWERS + 4, "persllm_dpo": ANSWERS + 4}
    for name, columns in COLUMNS.items():
        frame = read_table(results, name)
        assert list(frame.columns) == columns.split() and len(frame), name
    # know, know_first, do_pair, told_pair, know_you, say_pair, identity, capability
    options = 6 * 4 + 3 * 4 + 3 * 2 * 2 + 4 * 2 * 2 + 4 + 2 + 4 + 4
    assert len(read_table(results, "choices")) == 3 * 4 * options
    scores = pd.read_csv(results / "scores.csv")
    assert len(scores) == 3 * 3 * 4 * 2 and set(scores["subject"]) == {"c3po", "nell"}
    training = pd.read_csv(results / "training.csv")
    heldout = training["heldout_loss"].notna().groupby(training["arm"]).sum()
    assert heldout.to_dict() == {"persllm": 2}
    tables = {name for step in records.TABLES for name in chapters.tables(step)}
    assert tables <= {path.name for path in results.iterdir()}


def test_the_records_say_what_the_results_were_made_from(made):
    record = read_json(made / "results" / "record.json")
    assert {"commit", "versions", "machine", "inputs", "prepared", "training"} <= set(record)
    assert (
        set(record["arms"])
        == set(record["asked"])
        == {f"{arm}/seed0" for arm in ("base", "persllm", "persllm_dpo")}
    )
    assert (
        record["arms"]["persllm/seed0"]["adapter"] and not record["arms"]["base/seed0"]["adapter"]
    )
    usual = {"card", "corpus", "items", "readouts", "control"}
    assert set(record["inputs"]) == {*usual, "stages", "reasoned", "interlocutor", "others"}
    assert set(record["arms"]["base/seed0"]["inputs"]) == usual
    judge, measured = (read_json(made / "results" / f"{n}.json") for n in ("judge", "measured"))
    assert {"judge", "judges", "unscored"} <= set(judge) and set(judge["inputs"]) == {"labels"}
    assert set(measured["inputs"]) == {"premises"}
    assert judge["answers"] == measured["answers"] == file_hash(made / "results/answers.parquet")


def test_preferring_starts_from_the_trained_adapter_and_leaves_the_base_alone(made):
    trained, preferred = (made / arm / "seed0" for arm in ("persllm", "persllm_dpo"))
    record = read_json(preferred / "record.json")
    assert record["start"] == file_hash(trained / "adapter_model.safetensors")
    assert record["start"] != file_hash(preferred / "adapter_model.safetensors")
    assert record["pairs"] and read_json(trained / "record.json")["tokens"]["train"]
    kinds = {row["kind"] for row in read_jsonl(preferred / "pairs.jsonl")}
    assert kinds <= {"other", "stage", "base"}


def test_every_figure_comes_with_its_numbers(made):
    names = {path.stem for path in (made / "figures").glob("*.png")}
    assert len(names) > 10
    for name in names:
        assert len(pd.read_csv(made / "figures" / f"{name}.csv"))
        assert (made / "figures" / f"{name}.svg").stat().st_size > 1000


def test_a_run_with_nothing_changed_does_nothing(chain, made):
    code, output = copies.run(chain["folder"], *SMOKE)
    assert code == 0 and "Nothing to be done" in output
    assert "steps as measured in this run" in output


DRAWING = {"draw", "draw_persllm", "all", "total"}


def test_only_what_depends_on_a_change_runs_again(chain, made):
    folder = chain["folder"]

    def jobs(path, change):
        """What would run if a file were changed, which is put back."""
        source = path.read_text()
        path.write_text(change(source))
        try:
            return set(copies.jobs_of(copies.run(folder, *SMOKE, "--", "--dry-run")[1]))
        finally:
            path.write_text(source)

    helpers, recipe = folder / "src" / "helpers", folder / "workflow" / "studies" / "smoke.yaml"
    comment = "{}\n# another comment\n".format
    assert jobs(helpers / "report" / "drawing.py", comment) == DRAWING
    measured = jobs(helpers / "measure" / "stats.py", comment)
    assert measured == DRAWING | {"judge", "measure"}
    relabelled = jobs(helpers / "arms.py", lambda code: code.replace('"base"', '"the base"', 2))
    assert not relabelled & {"train", "answer", "ask", "prefer"}
    everything = jobs(recipe, lambda text: f"{text}  learning_rate: 0.001\n")
    assert {"train", "prefer", "answer", "ask", "gather", "judge", "draw"} <= everything
    assert not everything & {"corpus", "examples"}


def test_a_failed_step_names_its_executed_notebook(chain, made):
    table = made / "results" / "judged.csv"
    content, times = table.read_bytes(), table.stat()
    target = "data/runs/smoke/notebooks/formats/05_expression.ipynb"
    try:
        table.write_bytes(content.replace(b"incoherent", b"broken", 1))
        os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
        code, output = copies.run(chain["folder"], *SMOKE, "--", "--forcerun", target, "--", target)
        assert code != 0 and "notebooks/formats/05_expression.ipynb failed" in output
        assert "data/runs/smoke/logs/formats/05_expression.ipynb" in output
        assert json.loads((made / "logs" / "formats" / "05_expression.ipynb").read_text())["cells"]
    finally:
        table.write_bytes(content)
        os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert copies.run(chain["folder"], *SMOKE)[0] == 0
