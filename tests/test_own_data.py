"""The page "Your own data", followed to the letter up to the prepared rows."""

import csv
import json
import re

import chain
import copies
import pytest
import study
import yaml
from test_ingest import PAIRS

from helpers import files, parameters
from helpers.corpus import formats, ingest, reading
from helpers.files import ROOT, StudyError

PAGE = (ROOT / "docs" / "own_data.md").read_text()
STUDY, CHOICE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
TEXTS = [{"text": f"{pair['prompt']} {pair['completion']}"} for pair in PAIRS]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with the chats that the page names, and the hub with its dataset."""
    with open(tmp_path / "chats.csv", "w", newline="", encoding="cp1252") as file:
        rows = [[pair["prompt"], pair["completion"]] for pair in PAIRS]
        csv.writer(file, delimiter=";").writerows([["prompt", "completion"], *rows])
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))
    monkeypatch.setenv("HOME", str(tmp_path))
    hub = {"some-user/some-dataset": TEXTS}
    monkeypatch.setattr(reading, "hub_dataset", lambda name, config: hub[name])
    monkeypatch.setattr(files, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    standard = (ROOT / "workflow" / "studies" / "standard.yaml").read_text()
    (tmp_path / "standard.yaml").write_text(standard)
    return tmp_path


def load(home, text):
    (home / "mine.yaml").write_text(text)
    return study.load_study("mine")


def test_the_page_leads_to_prepared_rows(home, tokenizer):
    mine = load(home, STUDY)
    values = chain.arm_parameters(mine, "formats/01_corpus")
    sources = values["sources"]
    corpora, units, rejected = ingest.run_corpora(
        values["persona"], sources, values["train_units"], values["heldout_units"]
    )
    assert {name: len(rows) for name, rows in corpora.items()} == {
        "demonstrations": len(PAIRS),
        "documents": len(TEXTS),
    }
    assert not units and not rejected
    lines = ingest.overview("c3po", sources, corpora, rejected, tokenizer)
    assert [line["source"] for line in lines] == ["~/chats.csv", "some-user/some-dataset"]
    for name, rows in corpora.items():
        files.write_jsonl(files.run_folder("mine", "data") / f"{name}.jsonl", rows)
    # What is scored later: held-out rows, and a control character's on the same units.
    control = chain.arm_parameters(mine, "formats/03_answer", "documents", 0)["control"]
    others = formats.load_corpora(control) if control else {}
    for name in formats.prepared_formats("mine"):
        heldout = [row for row in formats.prepared("mine", name) if row["split"] == "heldout"]
        assert heldout and formats.same_units(others.get(name, []), heldout) == []


def test_own_data_have_no_control_unless_the_study_names_one(home):
    mine = load(home, STUDY)
    assert mine.parameters["control"] == "" and chain.gathering(mine)["control"] == ""
    assert load(home, STUDY + "  control: nell\n").parameters["control"] == "nell"
    bare = re.sub(r"  sources:.*", "  epochs: 2\n", STUDY, flags=re.DOTALL)
    assert "control" not in load(home, bare).parameters


def test_the_page_offers_how_chats_are_taken_for_texts(home):
    sources = yaml.safe_load(CHOICE)["sources"]
    head = STUDY.partition("parameters:")[0].replace("demonstrations", "first_person")
    mine = load(home, f"{head}parameters:\n{CHOICE}")
    assert mine.parameters["sources"] == sources
    parameters.check({"sources": {}}, {"sources": sources}, "01")
    corpora, _, _ = ingest.run_corpora("c3po", sources, 20, 5)
    assert "text" in corpora["documents"][0] and "messages" in corpora["first_person"][0]


def test_a_configuration_of_a_dataset_of_the_hub_is_asked_for(home, monkeypatch):
    asked = []
    monkeypatch.setattr(reading, "hub_dataset", lambda *what: asked.append(what) or TEXTS)
    mine = load(home, STUDY.replace("some-user/some-dataset", "{path: a/b, config: en}"))
    ingest.run_corpora("c3po", mine.parameters["sources"], 20, 5)
    assert asked == [("a/b", "en")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("demonstrations, documents]", "first_person]", "'arms': 'first_person' has no source"),
        ("~/chats.csv", "~/chat.csv", "'demonstrations', '~/chat.csv': there is no such file"),
        ("~/chats.csv", "{path: ~/chats.csv, as: x}", "'demonstrations', field 'as': 'x' is none"),
        ("    documents:", "    poems:", "'poems': it is unknown"),
        (
            "~/chats.csv",
            "{path: ~/chats.csv, config: en}",
            "field 'config': '~/chats.csv' is a file",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_runs(home, old, new, message):
    with pytest.raises(StudyError, match=f"mine.yaml, .*{message}"):
        load(home, STUDY.replace(old, new))


def test_the_plan_of_the_page_alone(home, tmp_path_factory):
    copy = copies.make(tmp_path_factory.mktemp("own") / "copy")
    (copy / "workflow" / "studies" / "mine.yaml").write_text(STUDY)
    code, output = copies.run(copy, "mine", "--", "-n")
    assert code == 0, output
    assert copies.jobs_of(output)["train"] == 2 and copies.jobs_of(output)["corpus"] == 1


def test_the_page_names_what_is_read():
    for suffix in (*reading.TEXT_FILES, *reading.OPENERS, ".parquet", ".png"):
        assert f"`{suffix}`" in PAGE
