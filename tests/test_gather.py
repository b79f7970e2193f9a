"""What all arms and seeds said is gathered into tables, and seeds are kept from the last commit."""

import subprocess

import pandas as pd
import pytest

from helpers import files, records
from helpers.files import StudyError, read_json, write_json, write_jsonl
from helpers.measure import gather as gathering
from helpers.measure.gather import gather

SETTINGS = {"top_p": 0.9, "persona": "c3po"}
ARMS = ["base", "documents", "prompted"]
STUDY = {"run": "small", "persona": "c3po", "control": "", "arm_names": ARMS, "folder": "results"}
TABLES = ("answers.parquet", "choices.parquet", "scores.csv", "training.csv")


def answer(arm, seed, folder, **more):
    """What formats/03_answer writes for one arm and seed; untrained arms are scored once."""
    tags = {"arm": arm, "seed": seed}
    rows = [
        tags | {"item": f"i{n}", "kind": "do", "sample": 0, "answer": f"{arm} {n}", "n_tokens": n}
        for n in range(3)
    ]
    if arm == "documents":
        rows = [row | {"stage": "serving"} for row in rows]
    write_jsonl(folder / "answers_do.jsonl", [{"id": "1", **row, "settings": "s"} for row in rows])
    adapter = files.file_hash(folder / "adapter_model.safetensors")
    facts = {"model": "m", "data": "d", "adapter": adapter, "settings": SETTINGS | tags}
    facts |= {"kinds": ["do"], "answers": 3, "code": "1", "commit": "abc"}
    facts |= {"inputs": {"card": records.inputs("c3po")["card"]}} | more
    write_json(folder / "answers_record.json", facts)
    scored = [] if arm != "documents" and seed else [0.1 + seed, 1 / 3, 2e-17]
    for name in ("choices", "scores"):
        frame = pd.DataFrame([tags | {"set": None, "nll": nll} for nll in scored])
        frame = frame.reindex(columns=["arm", "seed", "set", "nll"])
        frame.to_csv(folder / f"{name}.csv", index=False)


def make(root, seeds, arms=ARMS):
    """A run of some arms and seeds, of which only `documents` is trained."""
    run = root / "runs" / "small"
    write_json(run / "data" / "record.json", {"data": "d", "rows": {"documents": "r"}})
    for seed in seeds:
        for arm in arms:
            folder = run / arm / f"seed{seed}"
            folder.mkdir(parents=True)
            if arm == "documents":
                (folder / "adapter_model.safetensors").write_text(f"weights of {seed}")
                trained = {"model": "m", "rows": "r", "code": "2", "commit": "abc"}
                write_json(folder / "record.json", trained)
                log = pd.DataFrame({"loss": [2.7, 1 / 7], "heldout_loss": [None, 1.1 + seed]})
                log.assign(arm=arm, seed=seed).to_csv(folder / "log.csv", index=False)
            answer(arm, seed, folder)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root of a repository of the test's own, without a commit; data stay this project's."""
    monkeypatch.setattr(files, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setattr(gathering, "ROOT", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def commit(root):
    """Commit the results, as a machine that is lost afterwards left them."""
    who = ["-c", "user.name=x", "-c", "user.email=x"]
    for command in (["add", "results"], [*who, "commit", "-qm", "results"]):
        subprocess.run(["git", "-C", root, *command], check=True)
    subprocess.run(["rm", "-r", root / "results", root / "runs"], check=True)


def test_what_all_arms_said_is_gathered(root):
    make(root, [0])
    gather(**STUDY, seeds=[0])
    answers = pd.read_parquet(root / "results" / "answers.parquet")
    columns = ["arm", "seed", "set", "item", "kind", "sample", "answer", "n_tokens", "stage"]
    assert list(answers.columns) == columns and len(answers) == 9
    assert pd.read_parquet(root / "results" / "choices.parquet")["arm"].unique().tolist() == ARMS
    assert len(pd.read_csv(root / "results" / "training.csv")) == 2
    assert not (root / "results" / "stages.csv").exists()
    record = read_json(root / "results" / "record.json")
    assert set(record["arms"]) == {f"{arm}/seed0" for arm in ARMS} and "asked" not in record
    assert set(record["training"]) == {"documents/seed0"} and "versions" in record
    assert "different_code" not in record and "kept_seeds" not in record["settings"]


def test_arms_without_an_adapter_are_scored_with_the_first_seed_alone(root):
    make(root, [0, 1])
    gather(**STUDY, seeds=[0, 1])
    scored = pd.read_parquet(root / "results" / "choices.parquet").groupby("arm")["seed"].unique()
    assert {arm: list(seeds) for arm, seeds in scored.items()} == {
        "base": [0],
        "documents": [0, 1],
        "prompted": [0],
    }
    (root / "runs" / "small" / "base" / "seed1" / "choices.csv").unlink()
    gather(**STUDY, seeds=[0, 1])
    for arm, seed in (("base", 0), ("documents", 1)):
        path = root / "runs" / "small" / arm / f"seed{seed}" / "scores.csv"
        text = path.read_text()
        path.write_text("arm,seed,set,nll\n")
        with pytest.raises(StudyError, match=f"{arm}/seed{seed} has no rows in scores"):
            gather(**STUDY, seeds=[0, 1])
        path.write_text(text)


def test_a_study_that_asks_for_no_held_out_texts_has_no_table_of_them(root):
    make(root, [0])
    gather(**STUDY, seeds=[0])
    assert (root / "results" / "scores.csv").exists()  # of a run that asked for them
    for arm in ARMS:
        folder = root / "runs" / "small" / arm / "seed0"
        (folder / "scores.csv").write_text("arm,seed,subject,text,unit,n_tokens,nll\n")
        record = read_json(folder / "answers_record.json")
        record["settings"] |= {"measures": ["know"]}
        write_json(folder / "answers_record.json", record)
    gather(**STUDY, seeds=[0])
    assert (root / "results" / "choices.parquet").exists()
    assert not (root / "results" / "scores.csv").exists()


def test_missing_doubled_and_stale_answers_are_not_gathered(root):
    make(root, [0])
    with pytest.raises(StudyError, match="seed1/answers_record.json is missing"):
        gather(**STUDY, seeds=[0, 1])
    path = root / "runs" / "small" / "base" / "seed0" / "answers_do.jsonl"
    path.write_text(path.read_text() * 2)
    with pytest.raises(StudyError, match="3 different answers in 6 rows, but 3 were given"):
        gather(**STUDY, seeds=[0])
    record = path.with_name("answers_record.json")
    write_json(record, read_json(record) | {"inputs": {"card": "another"}})
    with pytest.raises(StudyError, match="is stale: the card of 'c3po' changed"):
        gather(**STUDY, seeds=[0])
    assert not (root / "results").exists()


# Kept seeds


def contents(root):
    return {name: (root / "results" / name).read_bytes() for name in TABLES}


def test_a_study_that_grows_by_seeds_has_the_tables_of_one_run(root):
    make(root, [0, 1, 2])
    gather(**STUDY, seeds=[0, 1, 2])
    whole, record = contents(root), read_json(root / "results" / "record.json")
    subprocess.run(["rm", "-r", root / "results", root / "runs"], check=True)
    for seed in range(3):  # each on a machine of its own
        make(root, [seed])
        gather(**STUDY, seeds=list(range(seed + 1)), kept_seeds=list(range(seed)))
        found = contents(root)
        grown = read_json(root / "results" / "record.json")
        commit(root)
    assert found == whole
    assert grown["settings"].pop("kept_seeds") == [0, 1]
    for part in ("arms", "training", "settings", "inputs", "prepared"):
        assert grown[part] == record[part]


def test_all_seeds_can_be_kept_and_gathered_again(root):
    make(root, [0, 1])
    gather(**STUDY, seeds=[0, 1])
    whole = contents(root)
    commit(root)
    make(root, [])
    gather(**STUDY, seeds=[0, 1], kept_seeds=[0, 1])
    assert contents(root) == whole


def test_fewer_arms_than_the_committed_results_have_are_written_out(root):
    make(root, [0])
    gather(**STUDY, seeds=[0])
    commit(root)
    fewer = ["base", "documents"]
    make(root, [1], fewer)
    gather(**STUDY | {"arm_names": fewer}, seeds=[0, 1], kept_seeds=[0])
    record = read_json(root / "results" / "record.json")
    assert set(record["arms"]) == {f"{arm}/seed{seed}" for seed in (0, 1) for arm in fewer}
    answers = pd.read_parquet(root / "results" / "answers.parquet")
    assert answers.groupby(["arm", "seed"]).size().to_dict() == {
        (arm, seed): 3 for arm in fewer for seed in (0, 1)
    }


def kept_record(root, change):
    """Commit seed 0 with a changed record of documents, and run seed 1."""
    make(root, [0])
    gather(**STUDY, seeds=[0])
    path = root / "results" / "record.json"
    record = read_json(path)
    change(record)
    write_json(path, record)
    commit(root)
    make(root, [1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["arms"].pop("documents/seed0"), "no record of answering documents/seed0"),
        (lambda r: r["training"].clear(), "no record of training documents/seed0"),
        (
            lambda r: r["arms"]["base/seed0"]["inputs"].update(card="x"),
            "the card of 'c3po' changed",
        ),
        (
            lambda r: r["arms"]["base/seed0"].update(data="x"),
            "with another model, data or settings",
        ),
        (
            lambda r: r["arms"]["base/seed0"].update(model="n"),
            "with another model, data or settings",
        ),
        (lambda r: r["training"]["documents/seed0"].update(rows="x"), "trained on other data"),
        (lambda r: r["arms"]["documents/seed0"].update(answers=4), "3 rows, but 4 were given"),
    ],
)
def test_a_kept_seed_that_is_missing_or_made_otherwise_is_refused(root, change, message):
    kept_record(root, change)
    with pytest.raises(StudyError, match=f"{message}.*"):
        gather(**STUDY, seeds=[0, 1], kept_seeds=[0])
    assert not (root / "results").exists()


def test_a_kept_seed_of_other_code_is_named_in_the_record(root):
    kept_record(root, lambda r: r["arms"]["base/seed0"].pop("code"))
    with pytest.raises(StudyError, match="documents/seed0 was made by code 1 .*base/seed0"):
        gather(**STUDY, seeds=[0, 1], kept_seeds=[0])
    gather(**STUDY, seeds=[0, 1], kept_seeds=[0], different_code="base came before")
    assert read_json(root / "results" / "record.json")["different_code"] == "base came before"


def test_nothing_is_kept_without_committed_results(root):
    make(root, [1])
    with pytest.raises(StudyError, match="results/record.json is not in the last commit"):
        gather(**STUDY, seeds=[0, 1], kept_seeds=[0])


def test_sources_that_are_not_committed_are_not_published(root):
    make(root, [0])
    gather(**STUDY, seeds=[0], publish=True)
    (root / "src").mkdir()
    (root / "src" / "new.py").write_text("x = 1")
    with pytest.raises(StudyError, match="study 'small' is published, and .* src/new.py"):
        gather(**STUDY, seeds=[0], publish=True)
