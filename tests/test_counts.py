"""Numbers that ask for more than there is: refused, or said in the plan."""

import json
import shutil

import copies
import counts
import plan
import pytest
import study
from test_ingest import PAIRS

from helpers.files import StudyError

PERSLLM = "extends: quick\ntitle: t\n"
FORMATS = "extends: standard\ntitle: t\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A function that loads a study with these contents."""
    for name in ("standard", "quick"):
        shutil.copy(study.STUDIES / f"{name}.yaml", tmp_path)
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    monkeypatch.setattr(counts, "STUDIES", tmp_path)

    def make(text):
        (tmp_path / "mine.yaml").write_text(text)
        return study.load_study("mine")

    return make


@pytest.mark.parametrize("name", study.known())
def test_every_study_that_is_here_asks_for_what_there_is(name):
    counts.check_counts(study.load_study(name))


@pytest.mark.parametrize(
    ("text", "name", "there"),
    [
        (FORMATS, "train_units", "500 training units in .*c3po"),
        (FORMATS, "heldout_units", "60 held-out units in .*c3po"),
        (FORMATS, "n_items", "230 items of all kinds together"),
        (PERSLLM, "pairs", "420 training examples in .*c3po/examples.jsonl"),
        (PERSLLM, "general_prompts", "320 general instructions in .*general.jsonl"),
        (PERSLLM + "arms: [base, persllm]\n", "train_units", "420 training examples"),
    ],
)
def test_a_number_that_is_too_high_is_refused_with_how_many_there_are(load, text, name, there):
    mine = load(f"{text}parameters: {{{name}: 99999999}}\n")
    wrong = rf"mine.yaml, line \d+, .*'{name}': 99999999 are asked for, and there are {there}"
    with pytest.raises(StudyError, match=wrong) as error:
        counts.check_counts(mine)
    assert "set less. Change it, then run again." in str(error.value)
    exact = next(
        row[1] for row in counts.available(mine, counts.all_values(mine)) if row[0] == name
    )
    counts.check_counts(load(f"{text}parameters: {{{name}: {exact}}}\n"))
    with pytest.raises(StudyError):
        counts.check_counts(load(f"{text}parameters: {{{name}: {exact + 1}}}\n"))


def own(tmp_path, most=None, **more):
    rows = [pair for pair in PAIRS][:most]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = f"{FORMATS}arms: [base, demonstrations]\nparameters:\n"
    values = {"sources": {"demonstrations": str(tmp_path / "own.jsonl")}} | more
    return text + "".join(f"  {name}: {json.dumps(value)}\n" for name, value in values.items())


def test_own_data_are_counted_before_the_run(load, tmp_path):
    held = counts.ingest.n_heldout(len(PAIRS))
    rows = f"{len(PAIRS)} usable rows of .*own.jsonl for 'demonstrations'"
    for name, there in (("train_units", len(PAIRS) - held), ("heldout_units", held)):
        small = {"train_units": 1, "heldout_units": 1}
        counts.check_counts(load(own(tmp_path, **small | {name: there})))
        with pytest.raises(StudyError, match=f"'{name}': {there + 1} are .* are {there} .*{rows}"):
            counts.check_counts(load(own(tmp_path, **small | {name: there + 1})))


def test_what_a_study_takes_over_may_be_more_and_the_plan_says_so(load, tmp_path):
    mine = load(own(tmp_path))
    counts.check_counts(mine)
    told = plan.describe(mine)
    assert "note      train_units = 500: there are" in told and "which are all used" in told
    assert "note" not in plan.describe(load(FORMATS))


def test_own_data_without_a_usable_row_are_refused_before_the_run(load, tmp_path):
    with pytest.raises(StudyError, match="own.jsonl: it has 1 usable rows for 'demonstrations'"):
        counts.check_counts(load(own(tmp_path, 1)))


def test_own_general_instructions_are_counted(load, tmp_path):
    (tmp_path / "general.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    given = {"general_source": str(tmp_path / "general.jsonl"), "general_prompts": len(PAIRS)}
    counts.check_counts(load(f"{PERSLLM}parameters: {json.dumps(given)}\n"))
    given["general_prompts"] += 1
    with pytest.raises(StudyError, match=f"there are {len(PAIRS)} usable rows in .*general.jsonl"):
        counts.check_counts(load(f"{PERSLLM}parameters: {json.dumps(given)}\n"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("train_units: 99999999", "there are 500 training units"),
        ("turns: 999", "the parameter 'turns' = 999: "),
    ],
)
def test_the_plan_alone_refuses_them(tmp_path, given, message):
    copy = copies.make(tmp_path / "copy")
    path = copy / "workflow" / "studies" / "mine.yaml"
    path.write_text(f"{PERSLLM}parameters: {{{given}}}\n")
    code, output = copies.run(copy, "mine", "--", "-n")
    assert code == 1 and output.startswith("error: ") and message in output
    assert output.strip().count("\n") == 0
