"""Parameters: what each may be, in notebooks and in studies, and that it is checked in the plan."""

import argparse
import re
import subprocess
import sys

import chapters
import copies
import inputs
import pytest
import study
import yaml

from helpers import parameters, writing
from helpers.corpus import formats
from helpers.files import ROOT, StudyError

DEFAULTS = {chapter: chapters.defaults(chapter) for chapter in chapters.CHAPTERS}
DECLARED = {name for own in DEFAULTS.values() for name in own}


def test_every_parameter_of_every_notebook_has_its_range_and_no_other_has():
    assert set(parameters.ALLOWED) == DECLARED
    for chapter, own in DEFAULTS.items():
        assert parameters.first_wrong(list(own), own) == ([], ""), chapter


WRONG = {
    "run": ["", "a/b", "../x", "123", "1e3", "true", "None", 3, None],
    "persona": ["", "data/personas/nell.yaml", "~/nell", ["nell"]],
    "control": [None, 0, "a b/c"],
    "readings": ["a/by_me", ["a"], ["a/by_"], ["../by_me"], ["a/by_me", "a/by_me"], [3]],
    "model": [
        *("", "~/gone", "/gone", "./gone", "a/b/c", "user/", 3, "tests", "README.md"),
        *("model.gguf", "user/model.Q4_K_M.GGUF", "model.safetensors"),
        *("embeded", "Embedded", "embedded-7b", "embedded_0.5b"),
    ],
    "arm": ["bass", "", None, 1],
    "arms": [[], "base", ["base", "base"], ["bass"], [1], {"base": 1}, None],
    "seed": [-1, 1.0, True, "0", 2**32],
    "results": ["", "~/results", "../results", 3],
    "train_units": [0, -5, 2.5, True, "64", None],
    "heldout_units": [0, -1],
    "sources": [None, "x.jsonl", ["x.jsonl"]],
    "rank": [0, -1, 10**6, 1.5],
    "alpha": [0, -1],
    "dropout": [-0.1, 1, 1.5, "0.05", float("nan")],
    "epochs": [0, -3, 1.5, "3"],
    "batch": [0, True],
    "learning_rate": [0, -2e-4, 2, "2e-4", float("inf"), float("nan"), None],
    "warmup": [-0.1, 1, 5],
    "max_length": [0, 1, -512, "512"],
    "checkpoint_every": [0, -1],
    "beta": [0, -1, float("inf")],
    "samples": [
        {},
        {"everyday": 0},
        {"everyday": "2"},
        {"evryday": 1},
        {"do": True},
        ["do"],
        {1: 1},
    ],
    "temperature": [-1, "0.7", float("nan"), float("inf"), 11],
    "top_p": [0, 2, -1, "0.9"],
    "analysis": ["hiden", "", None, True],
    "turns": [-1, "20"],
    "reader": ["a/b", "..", 3],
    "judge_model": [" ", "\t\n", "a\0b", 3, None],
    "general_source": [" ", None],
    "changed_arms": [["documents", "documents"], ["documents"], ["base", "documents"]],
    "strengths": [[1, 1], [0.5, 1.0, 0.5], [3], "1"],
    "draw_labels": [-1, True],
    "first_arm": ["base", "prompted", ""],
    "rated_arms": [["persllm", "persllm"], []],
    "topic": ["", " \n", None],
}


@pytest.mark.parametrize(("name", "values"), WRONG.items(), ids=WRONG)
def test_a_value_that_is_not_allowed_is_named(name, values):
    for value in values:
        with pytest.raises(StudyError) as error:
            parameters.check(list(DECLARED), {name: value}, "here.ipynb")
        message = str(error.value)
        assert message.startswith(f"here.ipynb, field '{name}'") and "\n" not in message, message
        assert message.endswith(". Change it, then run again."), message


def test_what_is_allowed_passes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "config.json").write_text("{}")
    given = {"learning_rate": 1, "temperature": 0, "control": "", "model": "~/x", "seed": 0}
    given |= {"top_p": 1, "turns": 0, "samples": {"do": 3}}
    parameters.check(list(DECLARED), given, "here")
    names = ("embedded", "embedded-0.5b", "gpt2", "someone/embedded", "Qwen/Qwen3-4B-Instruct-2507")
    for model in (*names, str(tmp_path / "x")):
        parameters.check(["model"], {"model": model}, "here")


def test_an_unknown_name_is_refused_with_a_guess():
    with pytest.raises(StudyError, match="'sead': there is no such .* mean 'seed'.* are seed, arm"):
        parameters.check(["seed", "arm"], {"sead": 3}, "02")


def test_a_number_in_quotation_marks_is_explained():
    with pytest.raises(StudyError, match="found '3' \\(write it without quotation marks\\)"):
        parameters.check(["seed"], {"seed": "3"}, "02")


def test_a_notebook_run_by_hand_refuses_the_same():
    with pytest.raises(StudyError, match="02_train.ipynb, field 'lerning_rate': there is no such"):
        parameters.resolve("formats/02_train", {"lerning_rate": 1.0, "In": [], "_private": 1})
    for value in (0, (3,), None):
        with pytest.raises(StudyError, match="02_train.ipynb, field 'epochs': a "):
            parameters.resolve("formats/02_train", {"epochs": value})


def test_the_options_of_the_writers_have_their_ranges():
    given = writing.DEFAULTS | {"words": [*writing.DEFAULTS["words"]]}
    given |= {"persona": "c3po", "model": "m", "count": 3}
    known = parameters.WRITERS
    assert set(known) == set(given)
    parameters.check(known, given, "the command line", known)
    wrong = {"count": 0, "words": [60, 3], "temperature": -1.0, "timeout": 0.0, "price_in": -1.0}
    for name, value in (wrong | {"asks": 0, "concurrency": 0, "model": ""}).items():
        with pytest.raises(StudyError, match=f"the command line, field '{name}'"):
            parameters.check(known, given | {name: value}, "the command line", known)


# Studies


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """A folder of studies that holds the shipped ones."""
    for path in study.STUDIES.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    return tmp_path


def test_a_wrong_parameter_of_a_study_is_named_with_its_line(studies):
    text = "extends: standard\ntitle: t\nparameters:\n  # a comment\n  epochs: 2\n  top_p: 2\n"
    (studies / "mine.yaml").write_text(text)
    with pytest.raises(StudyError, match="mine.yaml, line 6, field 'parameters', field 'top_p': a"):
        study.load_study("mine")
    (studies / "other.yaml").write_text(
        "extends: mine\ntitle: t\n"
    )  # the file that has it is named
    with pytest.raises(StudyError, match="mine.yaml, line 6, field 'parameters', field 'top_p': a"):
        study.load_study("other")


def test_a_source_that_is_wrong_is_named_with_its_line(studies):
    text = "extends: standard\ntitle: t\narms: [base, documents]\nparameters:\n"
    for more, place in (
        ("  sources: {documents: gone.csv}\n", "line 5, field 'parameters', field 'sources', for"),
        ("  general_source: gone.csv\n", "line 5, field 'parameters', field 'general_source': 'g"),
    ):
        (studies / "mine.yaml").write_text(text + more)
        with pytest.raises(StudyError, match=f"mine.yaml, {place}") as error:
            study.load_study("mine")
        assert ".." not in str(error.value).replace("...", "")


@pytest.mark.parametrize("key", ["1", "null", "2.5", "true"])
def test_a_name_that_is_no_text_is_named_with_its_line(studies, key):
    (studies / "mine.yaml").write_text(f"extends: standard\ntitle: t\n{key}: 2\n")
    with pytest.raises(StudyError, match="mine.yaml, line .*the name of a field is a text"):
        study.load_study("mine")


def test_a_judge_without_a_server_is_refused_while_the_study_is_planned(studies, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    (studies / "mine.yaml").write_text(
        "extends: standard\ntitle: t\nparameters: {judge_model: m}\n"
    )
    with pytest.raises(StudyError, match="OPENAI_BASE_URL is not set"):
        inputs.check_inputs(study.load_study("mine"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("persona: nell\nparameters: {sets: [a]}", "'control': it is the persona itself"),
        (
            "parameters: {samples: {do: 1}}",
            "'samples': the chapters on the formats draw 'everyday'",
        ),
        (
            "parameters: {samples: {everyday: 1}}",
            "'samples': the chapters on the formats draw 'do'",
        ),
        (
            "parameters: {measures: [know]}",
            "'measures': the chapters on the formats draw 'heldout'",
        ),
        (
            "arms: [base, first_person]\nparameters: {strengths: [1.0]}",
            "'changed_arms': 'documents' is none of the study's, which are base, first_person",
        ),
        ("parameters: {strengths: [1.0]}", "'other_seed': 1 is none of the study's, which are 0"),
    ],
)
def test_what_a_study_could_not_end_with_is_refused_in_its_plan(studies, more, message):
    (studies / "mine.yaml").write_text(f"extends: standard\ntitle: t\n{more}\n")
    with pytest.raises(StudyError, match=message):
        inputs.check_inputs(study.load_study("mine"))


def test_a_control_without_texts_on_the_held_out_units_is_refused_in_the_plan(studies, monkeypatch):
    text = "extends: standard\ntitle: t\nparameters: {heldout_units: 60}\n"
    (studies / "mine.yaml").write_text(text)
    load = formats.load_corpora

    def few(persona):
        return {
            name: rows[:3] if persona == "nell" else rows for name, rows in load(persona).items()
        }

    monkeypatch.setattr(formats, "load_corpora", few)
    with pytest.raises(StudyError, match="texts cover . of 60 held-out units. Set `control`"):
        inputs.check_inputs(study.load_study("mine"))


def test_a_count_on_a_command_line():
    assert parameters.at_least_one("12") == 12
    for text in ("0", "-3", "1.5", "1e3", "", "many", "²"):
        with pytest.raises(argparse.ArgumentTypeError, match="a whole number of at least 1"):
            parameters.at_least_one(text)


def test_a_number_with_an_exponent_is_a_number(studies):
    (studies / "mine.yaml").write_text(
        "extends: standard\ntitle: t\nparameters: {learning_rate: 2e-4}\n"
    )
    assert study.load_study("mine").parameters["learning_rate"] == 2e-4


@pytest.mark.parametrize("name", ["123", "1e3", "true", "a b", "-x"])
def test_a_study_has_a_name_that_the_command_line_leaves_alone(studies, name):
    (studies / f"{name}.yaml").write_text("extends: standard\ntitle: t\n")
    with pytest.raises(StudyError, match=f"{name}.yaml: '{name}' is no name.*Rename the file"):
        study.load_study(name)


def test_studies_that_extend_each_other_are_refused(studies):
    for own, other in (("one", "two"), ("two", "three"), ("three", "one")):
        (studies / f"{own}.yaml").write_text(f"extends: {other}\n")
    with pytest.raises(StudyError, match="three.yaml, field 'extends': 'one' would extend itself"):
        study.load_study("one")


def test_every_parameter_of_a_study_is_checked_while_it_is_planned(studies):
    for name in study.settable():
        for value in (None, [[]], {"a": {"b": 1}}, -1.5):
            text = yaml.safe_dump({"extends": "standard", "parameters": {name: value}})
            (studies / "mine.yaml").write_text(text)
            with pytest.raises(StudyError, match=f"mine.yaml, .*'{name}'") as error:
                study.load_study("mine")
            assert re.search("(then run again|Choose one of: .*)[.]$", str(error.value))


def test_a_plan_with_a_wrong_parameter_ends_in_one_line_without_torch(tmp_path):
    copy = copies.make(tmp_path / "copy")
    text = "extends: standard\ntitle: t\nparameters: {epochs: 0}\n"
    (copy / "workflow" / "studies" / "mine.yaml").write_text(text)
    code, output = copies.run(copy, "mine", "--", "-n")
    assert code != 0 and output.count("\n") == 1
    assert output.startswith("error: workflow/studies/mine.yaml, line 3, field 'parameters', field")
    assert not (copy / "data" / "runs").exists()
    loaded = "import study, sys; study.load_study('standard'); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT / "workflow", capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr
