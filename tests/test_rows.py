"""The one reader of rows: what is well-formed survives, what is not is named."""

import json
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from helpers import files, rows
from helpers.files import StudyError


class Note(rows.Row, extra="forbid"):
    id: rows.Text
    kind: Literal["note"] = "note"
    trait: rows.TraitId
    tags: list[rows.Text]
    count: int


class Mark(rows.Row):
    id: rows.Text
    kind: Literal["mark"]


EITHER = Annotated[Note | Mark, Field(discriminator="kind")]
CONTEXT = {"traits": ["odds", "anxiety"]}
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
text = st.text(letters, min_size=1).filter(str.strip)
note = st.fixed_dictionaries(
    {
        "id": text,
        "trait": st.sampled_from(CONTEXT["traits"]),
        "tags": st.lists(text, max_size=3),
        "count": st.integers(-(10**12), 10**12),
    }
)
notes = st.lists(note, min_size=1, max_size=6, unique_by=lambda row: row["id"])
WRONG = {
    "id": [None, "", " \n", 3, ["x"]],
    "trait": ["vanity", "", 1],
    "tags": [None, "x", [""], [1], {"a": 1}],
    "count": ["1", 1.5, True, None],
    "more": ["x"],
}


@given(notes)
def test_good_rows_survive(tmp_path_factory, given_rows):
    path = tmp_path_factory.mktemp("rows") / "notes.jsonl"
    files.write_jsonl(path, given_rows)
    assert rows.read_rows(path, Note, CONTEXT) == given_rows


@given(notes, st.data())
def test_a_spoilt_row_is_named_with_its_line_and_field(tmp_path_factory, given_rows, data):
    path = tmp_path_factory.mktemp("rows") / "notes.jsonl"
    place = data.draw(st.integers(0, len(given_rows) - 1))
    field = data.draw(st.sampled_from(sorted(WRONG)))
    spoilt = dict(given_rows[place])
    if field == "more" or data.draw(st.booleans()):
        spoilt[field] = data.draw(st.sampled_from(WRONG[field]))
    else:
        del spoilt[field]
    files.write_jsonl(path, [*given_rows[:place], spoilt, *given_rows[place + 1 :]])
    with pytest.raises(StudyError) as error:
        rows.read_rows(path, Note, CONTEXT)
    message = str(error.value)
    assert f"notes.jsonl, line {place + 1}, field '{field}'" in message and "\n" not in message
    assert message.endswith(". Repair the row, then run again.")


@given(notes, st.binary(min_size=1, max_size=20))
def test_a_line_that_is_no_object_is_named(tmp_path_factory, given_rows, noise):
    path = tmp_path_factory.mktemp("rows") / "notes.jsonl"
    files.write_jsonl(path, given_rows)
    with open(path, "ab") as file:
        file.write(b"[" + noise.replace(b"\n", b""))
    with pytest.raises(
        StudyError, match=f"line {len(given_rows) + 1}: (not a JSON|a JSON object|not UTF-8)"
    ):
        rows.read_rows(path, Note, CONTEXT)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a"}, "field 'kind': it is missing"),
        ({"id": "a", "kind": "quiz"}, "field 'kind': 'quiz' is none of note, mark"),
        ({"id": "a", "kind": ["note"]}, "field 'kind': "),
        ({"kind": "mark"}, "field 'id': it is missing"),
        (
            {"id": "a", "kind": "note", "trait": "odds", "tags": [], "count": 1, "x": 1},
            "'x': there",
        ),
        ({"id": "\ud800", "kind": "mark"}, "field 'id': it holds half a character"),
        ({"id": "a\0", "kind": "mark"}, "field 'id': it holds a NUL character"),
    ],
)
def test_rows_of_several_kinds_are_told_apart(tmp_path, row, message):
    path = tmp_path / "either.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(StudyError, match=f"line 1, .*{message}"):
        rows.read_rows(path, EITHER, CONTEXT)


def test_a_key_is_used_once_unless_there_is_none(tmp_path):
    path = tmp_path / "marks.jsonl"
    files.write_jsonl(path, [{"id": i, "kind": "mark"} for i in ("a", "b", "a")])
    assert len(rows.read_rows(path, Mark, key=None)) == 3
    with pytest.raises(StudyError, match="line 3, field 'id': 'a' is used twice, first in line 1"):
        rows.read_rows(path, Mark)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StudyError, match="gone.jsonl is missing"):
        rows.read_rows(tmp_path / "gone.jsonl", Mark)
