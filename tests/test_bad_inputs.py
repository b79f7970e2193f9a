"""Bad inputs made from the typed models: each of them ends in one message that says where and what
to do, and changes no file."""

import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import chapters
import copies
import pytest
import spoiling
import study

import helpers
from helpers import embedded, files, parameters, rows
from helpers.corpus import formats, ingest, items, kinds, personas, readouts
from helpers.files import ROOT, StudyError
from helpers.measure import batches, contrasts, encoder_judge, labels, markers
from helpers.persllm import interlocutor, life_stages, premises, reasoned
from helpers.report import verdicts, why_explanations
from helpers.yaml_files import read_yaml

DATA = ROOT / "data"
CARD = personas.load_persona("c3po")
TRAITS = personas.trait_ids(CARD)


@dataclass
class Reader:
    """A file that somebody writes, the model of a row (or of the whole), and what reads it."""

    path: str
    model: Any
    read: Any
    rows: list  # what the file holds in the test
    key: str = "id"  # the field that no two rows share, "" for none


def first(path, count=3):
    return files.read_jsonl(DATA / path)[:count]


def one_of_each(path, field):
    return list({row[field]: row for row in files.read_jsonl(DATA / path)}.values())


def readers():
    """Every file of a small data folder, and who reads it."""
    asked = one_of_each("items/c3po.jsonl", "kind")
    scenes = [row["id"] for row in asked if row["kind"] == "triplet"]
    more = [r for r in files.read_jsonl(DATA / "items/c3po/readouts_a.jsonl") if r["id"] in scenes]
    units = [row["unit"] for row in first("corpora/c3po/units.jsonl")]
    told = one_of_each("persllm/c3po/examples.jsonl", "question_type")
    shown = first("labels/c3po/to_label.jsonl", 9)
    read = [
        r
        for r in files.read_jsonl(DATA / "labels/c3po/by_claude_first.jsonl")
        if r["label_id"] in {s["label_id"] for s in shown}
    ]
    by_rule = {"label_id": read[0]["label_id"], "values": {TRAITS[0]: "shows"}}
    by_rule |= {"coherence": "sensible", "draw": "d", "batch": 1}
    asked_of = first("persllm/c3po/to_label.jsonl")
    corrected = [{"label_id": row["label_id"], "label": 1} for row in asked_of]
    drawn = [{**{n: shown[0][n] for n in labels.ToLabel.model_fields}, "traits": TRAITS[:2]}]
    found = [{"label_id": drawn[0]["label_id"], "coherence": "off"}]
    found[0]["values"] = dict.fromkeys(TRAITS[:2], "no")

    def corpora():
        return formats.load_corpora("c3po")

    def scripts():
        return interlocutor.load_scripts("c3po", 2)

    def collected():
        return batches.collect(files.DATA / "labels" / "c3po" / "draw", "x", TRAITS)

    def sets():
        return readouts.load_sets("c3po", ["a", "b"])

    def all_labels():
        return labels.load_labels("c3po", personas.load_persona("c3po"))

    def passages():
        return encoder_judge.load_labelled_passages("c3po", personas.load_persona("c3po"))

    def of(function, *given):
        return lambda: function(*given)

    p, c, b = "persllm/c3po", "corpora/c3po", "labels/c3po"
    texts = [r for r in files.read_jsonl(DATA / c / "first_person.jsonl") if r["unit"] in units]
    card = {name: value for name, value in CARD.items() if name != "focus"}
    card["traits"] = [trait | {"markers": trait["markers"][:2]} for trait in card["traits"]]
    return [
        Reader("personas/c3po.yaml", personas.Card, of(personas.load_persona, "c3po"), card),
        Reader(f"{c}/units.jsonl", formats.Situation, of(formats.load_units, "c3po"),
               first(f"{c}/units.jsonl"), "unit"),
        Reader(f"{c}/demonstrations.jsonl", formats.UnitChat, corpora,
               first(f"{c}/demonstrations.jsonl"), "unit"),
        Reader(f"{c}/first_person.jsonl", formats.UnitText, corpora, texts, "unit"),
        Reader(f"{c}/documents.jsonl", formats.UnitText, corpora,
               first(f"{c}/documents.jsonl"), "unit"),
        Reader(f"{c}/why/questions.jsonl", kinds.Questions, of(kinds.load_questions, "c3po"),
               first(f"{c}/why/questions.jsonl"), "unit"),
        Reader("items/c3po.jsonl", items.AnyItem, of(items.load_items, "c3po"), asked),
        Reader("items/c3po/readouts_a.jsonl", readouts.Readouts, sets, more),
        Reader("items/c3po/set_b.jsonl", readouts.WholeTriplet, sets,
               first("items/c3po/set_b.jsonl")),
        Reader("items/c3po/told.jsonl", readouts.Told, sets, first("items/c3po/told.jsonl"), ""),
        Reader(f"{b}/to_label.jsonl", labels.ToLabel, all_labels, shown, "label_id"),
        Reader(f"{b}/by_x.jsonl", labels.Label, all_labels, [by_rule], ""),
        Reader(f"{b}/by_y.jsonl", labels.Label, all_labels, read[:2], ""),
        Reader(f"{b}/draw/batch_01.jsonl", batches.InBatch, collected, drawn, "label_id"),
        Reader(f"{b}/draw/by_x/batch_01.jsonl", batches.Reading, collected, found, "label_id"),
        Reader(f"{b}/passages.jsonl", encoder_judge.Labelled, passages,
               first(f"{b}/passages.jsonl")),
        Reader(f"{b}/neutral.jsonl", markers.Neutral, of(markers.load_neutral, "c3po"),
               first(f"{b}/neutral.jsonl")),
        Reader("contrasts.yaml", contrasts.Contrasts, contrasts.load_contrasts,
               read_yaml(DATA / "contrasts.yaml")),
        Reader("published.yaml", dict[str, contrasts.Reported],
               of(contrasts.load_reported, "c3po"), read_yaml(DATA / "published.yaml")),
        Reader("explanations.yaml", list[why_explanations.Explanation],
               why_explanations.load_explanations, read_yaml(DATA / "explanations.yaml")),
        Reader("first_edition.yaml", dict[str, verdicts.Reported], verdicts.reported,
               read_yaml(DATA / "first_edition.yaml")),
        Reader("models.yaml", dict[str, embedded.Model], embedded.models.__wrapped__,
               read_yaml(DATA / "models.yaml")),
        Reader(f"{p}/stages.yaml", life_stages.Stages, of(life_stages.load_stages, "c3po"),
               read_yaml(DATA / p / "stages.yaml")),
        Reader(f"{p}/knowledge.jsonl", reasoned.Knowledge, of(reasoned.load_passages, "c3po"),
               first(f"{p}/knowledge.jsonl", 999)),
        Reader(f"{p}/speech.jsonl", reasoned.Speech, of(reasoned.load_passages, "c3po"),
               first(f"{p}/speech.jsonl", 999)),
        Reader(f"{p}/examples.jsonl", reasoned.Example, of(reasoned.load_examples, "c3po"), told),
        Reader(f"{p}/to_label.jsonl", premises.ToLabel, of(premises.load_corrections, "c3po"),
               asked_of, "label_id"),
        Reader(f"{p}/corrected.jsonl", premises.Corrected, of(premises.load_corrections, "c3po"),
               corrected, ""),
        Reader(f"{p}/interlocutor.jsonl", interlocutor.Turn, scripts,
               first(f"{p}/interlocutor.jsonl", 20)),
        Reader("persllm/general.jsonl", reasoned.General, of(reasoned.load_general, 9),
               first("persllm/general.jsonl")),
        Reader("persllm/questionnaire.jsonl", items.Statement, items.load_questionnaire,
               first("persllm/questionnaire.jsonl")),
    ]  # fmt: skip


READERS = {reader.path: reader for reader in readers()}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with a few good rows in each file."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setattr(files, "DATA", tmp_path / "data")
    for reader in READERS.values():
        write(reader, reader.rows)
    return tmp_path / "data"


def write(reader, value):
    """JSON lines, or JSON, which is YAML too."""
    text = "".join(json.dumps(row) + "\n" for row in value)
    if reader.path.endswith(".yaml"):
        text = json.dumps(value, indent=1)
    write_bytes(reader, text.encode())


def write_bytes(reader, content):
    path = files.DATA / reader.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def spoilt_files(reader):
    """Yield (what is wrong, the content of the file) of a reader's file: each field of its model in
    each way, the file as a whole, and what stands twice."""
    if reader.path.endswith(".yaml"):
        good = json.dumps(reader.rows, indent=1)
        for what, value in spoiling.spoilt(reader.model, reader.rows):
            yield what, json.dumps(value, indent=1).encode()
        yield "twice", good.replace("{", '{"twice": 1, "twice": 2, ', 1).encode()
        wholes = (b"", b"[", b"a: b: c", b"- x\ny: 1", b"{}{}", b"\xff\xfe\x00", b"\t- x")
        yield from ((repr(w), w) for w in (*wholes, b"&a [*a]", good.encode()[:-3]))
        return
    lines = [json.dumps(row).encode() for row in reader.rows]
    places = {row.get("kind"): place for place, row in enumerate(reader.rows)}
    for place in places.values():
        before, after = lines[:place], lines[place + 1 :]
        for what, row in spoiling.spoilt(reader.model, reader.rows[place]):
            yield what, b"\n".join([*before, json.dumps(row).encode(), *after])
    wholes = (b"[1]", b"3", b"null", b'"x"', lines[0][:-3], b"\xff\xfe\x00", b"{'a': 1}", b"x")
    yield from ((repr(whole), b"\n".join([whole, *lines[1:]])) for whole in (*wholes, b"{}"))
    doubled = lines[0].replace(b"{", b'{"twice": 1, "twice": 2, ', 1)
    yield "a field that stands twice", b"\n".join([doubled, *lines[1:]])
    if reader.key:
        yield "a row that stands twice", b"\n".join([lines[0], *lines])


REMEDY = re.compile("(then|and) run again|Choose one of|Repair|Add |Write |Rename|Give |Remove")


def check_message(error, name):
    """Why a message is not one that a reader can act on, or ""."""
    message = str(error)
    if "\n" in message:
        return f"more than one line: {message}"
    if name not in message:
        return f"does not name {name}: {message}"
    if not re.search(r", line \d|field '|entry \d|not valid|unit '|the whole", message):
        return f"says no place: {message}"
    return "" if REMEDY.search(message) else f"says no remedy: {message}"


def caught(call, name):
    """What is wrong with how a bad input ends, or ""."""
    try:
        call()
    except StudyError as error:
        return check_message(error, name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "taken without a word"


def report(path, cases, wrong):
    print(f"{path}: {cases} bad inputs, {cases - len(wrong)} named in one message")
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.check
@pytest.mark.parametrize("path", READERS)
def test_bad_files_end_in_one_message(path, data):
    reader, wrong, cases = READERS[path], [], 0
    assert reader.read() is not None, "the good file is read"
    there = sorted(data.rglob("*"))
    for what, content in spoilt_files(reader):
        write_bytes(reader, content)
        cases += 1
        if found := caught(reader.read, Path(path).name):
            wrong.append(f"{what}: {found}")
    assert sorted(data.rglob("*")) == there, "a file came or went"
    report(path, cases, wrong)


def subclasses(model):
    return {one for own in model.__subclasses__() for one in (own, *subclasses(own))}


def models_in(kind):
    """The typed models that a type is made of, and those of their fields."""
    if isinstance(kind, type) and issubclass(kind, rows.Row):
        return {kind}.union(*(models_in(f.annotation) for f in kind.model_fields.values()))
    return set().union(*map(models_in, get_args(kind)))


# Of studies, sources and a table (`tests/test_labels.py` spoils that).
OTHER_MODELS = (study.StudyFile, ingest.Source, labels.Key)


def test_every_model_is_spoilt():
    """A model that nobody reads in this test is one that has come since."""
    for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
        import_module(module.name)
    spoiled = set().union(*(models_in(reader.model) for reader in READERS.values()))
    own = {m for m in subclasses(rows.Row) if m.__module__.startswith(("helpers.", "study"))}
    leaves = {m for m in own if not subclasses(m)}
    assert len(leaves) > 30 and leaves <= spoiled.union(OTHER_MODELS)


def test_there_are_hundreds_of_bad_inputs():
    counts = {path: len(list(spoilt_files(reader))) for path, reader in READERS.items()}
    print(counts, sum(counts.values()))
    assert sum(counts.values()) > 1000 and min(counts.values()) > 15


# Studies, parameters, sources


@pytest.fixture
def studies(tmp_path, monkeypatch):
    shutil.copy(study.STUDIES / "standard.yaml", tmp_path)
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    return tmp_path


STUDY = {
    "extends": "standard",
    "title": "t",
    "publish": False,
    "persona": "c3po",
    "arms": ["base", "documents"],
    "seeds": [0],
    "shown": ["base", "documents"],
    "parameters": {},
}
# The defaults of all chapters, and a schema of what may stand in their place.
VALUES = {name: value for chapter in chapters.CHAPTERS for name, value in
          chapters.defaults(chapter).items()}  # fmt: skip


@pytest.mark.check
def test_bad_studies_end_in_one_message(studies):
    wrong, cases = [], 0
    for what, value in spoiling.spoilt(study.StudyFile, STUDY):
        (studies / "mine.yaml").write_text(json.dumps(value, indent=1))
        cases += 1
        if what in ("title: missing", "extends: missing"):
            continue
        if found := caught(lambda: study.load_study("mine"), "mine.yaml"):
            wrong.append(f"{what}: {found}")
    report("studies", cases, wrong)


@pytest.mark.check
def test_bad_parameters_end_in_one_message_in_notebooks_and_in_studies(studies):
    wrong, cases = [], 0
    for name in VALUES:
        for what, value in spoiling.spoilt(parameters.ALLOWED[name], VALUES[name]):
            given = {name: value}
            found = caught(lambda g=given: parameters.check([*VALUES], g, "x.ipynb"), "x.ipynb")
            wrong += [f"{name}: {what}: {found}"] if found else []
            cases += 1
            if name in study.OWN:
                continue
            text = json.dumps({"extends": "standard", "title": "t", "parameters": given}, indent=1)
            (studies / "mine.yaml").write_text(text)
            found = caught(lambda: study.load_study("mine"), "mine.yaml")
            wrong += [f"study, {name}: {what}: {found}"] if found else []
            cases += 1
    report("parameters", cases, wrong)


@pytest.mark.check
def test_bad_sources_end_in_one_message(tmp_path):
    (tmp_path / "x.jsonl").write_text("{}\n")
    wrong, cases = [], 0
    for what, value in spoiling.spoilt(ingest.Source, {"path": str(tmp_path / "x.jsonl")}):
        if value == "x":  # which may be a dataset of the hub
            continue
        cases += 1
        given = {"documents": value}
        if found := caught(lambda g=given: ingest.check_sources(g, "mine.yaml"), "mine.yaml"):
            wrong.append(f"{what}: {found}")
    report("sources", cases, wrong)


CHAT = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}


@pytest.mark.check
@pytest.mark.parametrize(
    ("name", "model", "row"),
    [("demonstrations", formats.ChatRow, CHAT), ("documents", formats.TextRow, {"text": "So."})],
)
def test_rows_of_own_data_that_cannot_be_used_are_named(tmp_path, name, model, row):
    wrong, cases, path = [], 0, tmp_path / "own.jsonl"
    for what, value in spoiling.spoilt(model, row):
        if (name, value) == ("documents", "x"):  # a text by itself is a document
            continue
        path.write_text(json.dumps(value) + "\n" + json.dumps(value) + "\n")
        cases += 1
        sources = {name: str(path)}
        if found := caught(lambda s=sources: ingest.read_corpora(s, most=9), "own.jsonl"):
            wrong.append(f"{what}: {found}")
    report(name, cases, wrong)


# The command line

SAMPLE = [
    "personas/c3po.yaml",
    "corpora/c3po/documents.jsonl",
    "items/c3po.jsonl",
    "labels/c3po/passages.jsonl",
    "contrasts.yaml",
    "published.yaml",
    "persllm/c3po/stages.yaml",
    "persllm/c3po/interlocutor.jsonl",
    "persllm/questionnaire.jsonl",
]


@pytest.mark.check
def test_the_plan_of_a_study_with_a_bad_file_exits_with_one_line(tmp_path):
    copy = copies.make(tmp_path / "copy")
    text = "extends: smoke\ntitle: t\nparameters: {other_run: '', other_results: ''}\n"
    (copy / "workflow" / "studies" / "mine.yaml").write_text(text)
    for name in SAMPLE:
        path = copy / "data" / name
        good, (what, bad) = path.read_bytes(), next(spoilt_files(READERS[name]))
        path.write_bytes(bad)
        code, output = copies.run(copy, "mine", "--", "-n")
        path.write_bytes(good)
        assert code == 1 and output.startswith("error: "), (name, what, output)
        assert check_message(output.strip(), path.name) == "", (name, what)
        assert not (copy / "data" / "runs").exists(), "something was written"
    code, output = copies.run(copy, "mine", "--", "-n")
    assert code == 0, output


@pytest.mark.check
@pytest.mark.parametrize("module", ["helpers.corpus.writer", "helpers.persllm.construct"])
def test_a_writer_with_a_bad_card_exits_with_one_line(tmp_path, module):
    copy = copies.make(tmp_path / "copy")
    path = copy / "data" / "personas" / "c3po.yaml"
    path.write_bytes(next(spoilt_files(READERS["personas/c3po.yaml"]))[1])
    before = sorted((copy / "data").rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", module, "c3po", "--model", "m"],
        env=os.environ | {"PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.startswith("error: "), done.stderr
    assert check_message(done.stderr.strip(), path.name) == ""
    assert sorted((copy / "data").rglob("*")) == before
