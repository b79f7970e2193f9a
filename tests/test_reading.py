"""Files as people have them: each gives its rows with their lines, or one message that names the
file, the line and what is read."""

import base64
import bz2
import csv
import gzip
import io
import json
import lzma

import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from helpers.corpus import reading
from helpers.files import StudyError

ROWS = [{"text": "One about rain."}, {"text": 'Two,\nabout "snow" – and é.'}]
CARD = {"spec": "chara_card_v2", "data": {"name": "Ada", "first_mes": "Welcome."}}


def read(path):
    """(line, row) of every raw row of a source."""
    return [(line, row) for _, line, row in reading.read_source(str(path))]


def rows(path):
    return [row for _, row in read(path)]


def as_csv(delimiter, encoding, first=""):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([["text", "n"], *([row["text"], str(i)] for i, row in enumerate(ROWS))])
    return (first + file.getvalue()).encode(encoding)


LINES = "\n".join(map(json.dumps, ROWS)).encode() + b"\n"
ARRAY = json.dumps(ROWS, ensure_ascii=False, indent=1).encode()
PARTS = "\n\n".join(row["text"] for row in ROWS).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.JSONL", LINES.replace(b"\n", b"\r\n")),
        ("a.ndjson", b"\xef\xbb\xbf" + LINES + b"\n\n"),
        ("a.jsonl", LINES.decode().encode("utf-16")),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("a.Jsonl.GZ", gzip.compress(LINES, mtime=0)),
        ("a.json.xz", lzma.compress(ARRAY)),
        ("a.json", LINES),
        ("a.json", b"\xef\xbb\xbf" + ARRAY),
        ("a.JSON", json.dumps(ROWS).encode()),
        ("a.json", json.dumps({"data": ROWS, "version": 2}).encode()),
        ("a.json", json.dumps([row["text"] for row in ROWS]).encode()),
        ("a.csv", as_csv(",", "utf-8-sig")),
        ("a.csv", as_csv(";", "cp1252")),
        ("a.csv", as_csv(";", "utf-8", "sep=;\n")),
        ("a.csv", as_csv("\t", "utf-16")),
        ("a.csv", as_csv(";", "utf-8").replace(b"n\r", b'"n, as counted"\r')),
        ("a.tsv", as_csv("\t", "utf-8")),
        ("a.csv.bz2", bz2.compress(as_csv("|", "utf-8"))),
        ("a.txt", PARTS),
        ("a.TXT", PARTS.replace(b"\n", b"\r\n")),
        ("a.txt", b"\n \n" + PARTS.decode().encode("cp1252") + b"\n\n  \n\n"),
        ("a.txt.gz", gzip.compress(PARTS, mtime=0)),
        # another layout, encoding or packing than the name says
        ("a.jsonl", ARRAY),
        ("a.jsonl", json.dumps(ROWS).encode()),
        ("a.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS).encode()),
        ("a.jsonl", LINES.replace(b"}\n", b"},\n")),
        ("a.ndjson", LINES.replace(b"\n", b"\r")),
        ("a.jsonl", LINES.replace(b"\n", b"\r", 1)),
        ("a.jsonl", LINES.replace(b"\n", b"\n\xef\xbb\xbf", 1)),
        ("a.json", b"".join(json.dumps(row).encode() for row in ROWS)),
        ("a.json", json.dumps({"text": [row["text"] for row in ROWS], "n": [1, 2]}).encode()),
        ("a.json", json.dumps({"text": {str(i): r["text"] for i, r in enumerate(ROWS)}}).encode()),
        ("a.json", json.dumps({str(i): row for i, row in enumerate(ROWS)}).encode()),
        ("a.json", json.dumps(ROWS).encode("utf-32")),
        ("a.jsonl", LINES.decode().encode("utf-16-le")),
        ("a.csv", as_csv(";", "utf-16-be")),
        ("a.csv", as_csv(",", "utf-8").replace(b",n", b", n").replace(b",0", b', "0"')),
        ("a.jsonl.gz", LINES),
        ("a.txt", gzip.compress(PARTS, mtime=0)),
    ],
)
def test_a_text_file_gives_its_rows(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    found = rows(tmp_path / name)
    assert [row["text"].replace("\r", "") for row in found] == [row["text"] for row in ROWS]


@pytest.mark.parametrize("kind", ["parquet", "PARQUET", "saved", "saved_dict"])
def test_a_dataset_gives_its_rows(tmp_path, kind):
    data, path = Dataset.from_list(ROWS), tmp_path / f"mine.{kind}"
    {
        "parquet": lambda: data.to_parquet(path),
        "PARQUET": lambda: data.to_parquet(path),
        "saved": lambda: data.save_to_disk(path),
        "saved_dict": lambda: DatasetDict(validation=data.select([0]), train=data).save_to_disk(
            path
        ),
    }[kind]()
    assert read(path) == list(enumerate(ROWS, 1))


def picture(path, **chunks):
    info = PngImagePlugin.PngInfo()
    for name, value in chunks.items():
        info.add_text(name, value)
    Image.new("RGB", (2, 2)).save(path, pnginfo=info)


def coded(card):
    return base64.b64encode(json.dumps(card).encode()).decode()


def test_a_picture_gives_the_card_in_it(tmp_path):
    newer = CARD | {"spec": "chara_card_v3"}
    picture(tmp_path / "a.png", chara=coded(CARD))
    picture(tmp_path / "b.PNG", chara=coded(CARD), ccv3=coded(newer))
    picture(tmp_path / "c.png")
    picture(tmp_path / "d.png", chara="no base64 of JSON")
    assert rows(tmp_path / "a.png") == [CARD] and rows(tmp_path / "b.PNG") == [newer]
    assert "no character card" in rows(tmp_path / "c.png")[0]
    assert "no base64 of JSON" in rows(tmp_path / "d.png")[0]


def test_a_folder_gives_the_rows_of_its_files_and_whole_txt_files(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.txt").write_text("Two.\n\nStill two.\n")
    (tmp_path / "1.TXT").write_text("One.")
    (tmp_path / "3.jsonl").write_bytes(LINES)
    (tmp_path / "notes.docx").write_bytes(b"x")
    (tmp_path / "._1.txt").write_bytes(b"\0 what a Mac leaves")
    (tmp_path / "b" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "b" / ".ipynb_checkpoints" / "3-checkpoint.jsonl").write_bytes(LINES)
    found = list(reading.read_source(str(tmp_path)))
    assert [row["text"] for _, _, row in found[:2]] == ["One.", ROWS[0]["text"]]
    assert found[-1][2] == {"text": "Two.\n\nStill two."} and found[-1][0].endswith("2.txt")
    assert not [name for name, _, _ in found if "checkpoint" in name]


def test_a_hidden_folder_that_is_named_is_read(tmp_path):
    (tmp_path / ".own").mkdir()
    (tmp_path / ".own" / "1.txt").write_text("One.")
    assert rows(tmp_path / ".own") == [{"text": "One."}]


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.jsonl", b'{"text": "x"}\n\n{"text": \n[1]\n{"text": "y"}\n"\xff"', [1, 3, 4, 5, 6]),
        ("a.json", b'[\n{"text": "x"},\n\n {"text":\n"y"}, 3]', [2, 4, 5]),
        ("a.csv", b'text,n\n"a\nb",1\n\n,,\nc,2\nd\ne,3\n', [2, 6, 7, 8]),
        ("a.csv", b'sep=;\ntext;n\na;1\n"b"c;2\nd;3\n', [3, 4, 5]),
        ("a.txt", b"\n\none\nline\n\n\ntwo", [3, 7]),
    ],
)
def test_lines_are_those_where_rows_begin(tmp_path, name, content, lines):
    (tmp_path / name).write_bytes(content)
    assert [line for line, _ in read(tmp_path / name)] == lines


def test_what_is_no_row_is_a_reason(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'[1]\n7\nnull\n{"text": "x"\n{"text": "x", "text": "y"}')
    found = rows(tmp_path / "a.jsonl")
    assert all(isinstance(row, str) for row in found) and "found [1]" in found[0]
    assert "the field 'text' stands twice" in found[4]
    (tmp_path / "a.csv").write_bytes(b'text,n\na,b,c\n"x"y,2\nz,3\n')
    wide, quoted, good = rows(tmp_path / "a.csv")
    assert "it has 3 cells, and the header names 2" in wide and "quotation marks" in quoted
    assert good == {"text": "z", "n": "3"}


def test_a_stray_quotation_mark_names_all_the_lines_that_it_takes(tmp_path):
    (tmp_path / "a.csv").write_text('text,n\na,1\n"b,2\nc,3\n"d",4\ne,5\n')
    assert [line for line, _ in read(tmp_path / "a.csv")] == [2, 3, 6]
    assert "its quotation marks are wrong, up to line 5" in rows(tmp_path / "a.csv")[1]


def test_a_cell_may_be_longer_than_csv_allows(tmp_path):
    (tmp_path / "a.csv").write_text(f"text\n{'x' * 200_000}\n")
    assert len(rows(tmp_path / "a.csv")[0]["text"]) == 200_000


def test_an_empty_column_and_empty_lines_of_a_spreadsheet_pass(tmp_path):
    (tmp_path / "a.csv").write_text("\n;;;\ntext; n;;\nx;1;;\n;;;\n\ny;2;;\n")
    assert rows(tmp_path / "a.csv") == [{"text": "x", "n": "1"}, {"text": "y", "n": "2"}]


def test_windows_1252_is_said(tmp_path, capsys):
    (tmp_path / "a.csv").write_bytes("text\nplain\ncafé – “so”\n".encode("cp1252"))
    assert rows(tmp_path / "a.csv")[1] == {"text": "café – “so”"}
    assert "a.csv: read as Windows-1252, since line 3 is not UTF-8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'[\n{"text": "x"},\n{"text" "y"}]', "a.json, line 3: it is not valid JSON"),
        ("a.json", b'[{"text": "x"},\n', "a.json, line 2: it is not valid JSON"),
        ("a.json", b'[{"text":\n "\xff"}]', "a.json, line 2: it is not valid JSON"),
        ("a.json", b"[" * 100_000, "a.json, line 1: it is not valid JSON"),
        (
            "a.csv",
            b'text\n"a"\n"b\nc\n',
            "a.csv, line 3: a quotation that begins here does not end",
        ),
        ("a.csv", b'"te"xt,n\n"a",b\n', "a.csv, line 1: a quotation that begins here does not end"),
        (
            "a.json",
            b'[{"text": "x", "text": "y"}]',
            "not valid JSON .the field 'text' stands twice",
        ),
        ("a.csv", b"text,n,text\n1,2,3\n", "a.csv, line 1, field 'text': two columns"),
        ("a.csv", b"text\nx\n\x81\xff\n", "a.csv, line 3: it is neither UTF-8 nor Windows-1252"),
        ("a.json", b'{"text": "x"} {"text": y}', "a.json, line 1: it is not valid JSON"),
        ("a.jsonl.gz", gzip.compress(LINES * 99, mtime=0)[:-20], "could not be read"),
        ("a.parquet", b"PAR1 not", "could not be read"),
        ("a.png", b"\x89PNG\r\n\x1a\n broken", "could not be read"),
        ("a.png", b"not a picture", "could not be read"),
        (
            "a.jsonl",
            b"PK\x03\x04..",
            "begins as a zip archive or a spreadsheet does. Unpack it, or",
        ),
        ("a.csv", b"PAR1..PAR1", "begins as Parquet does. Rename it to .parquet, then run again"),
        ("a.json", b"\n<!DOCTYPE html><p>", "begins as a web page does. Download the file itself"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS does"),
        ("a.md", b"# A", "the kind '.md' are not read.*Save a document as .txt"),
        ("a.xlsx", b"PK", "the kind '.xlsx' are not read.*Save a spreadsheet as CSV"),
        ("a.zip", b"PK", "the kind '.zip' are not read.*Unpack it, and give the f"),
        ("a", b"x", "it has no suffix"),
        ("a.jsonl", b"\xff\xfeabc", "could not be read"),
    ],
)
def test_what_cannot_be_read_is_one_message(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=message) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value) and name in str(error.value)


def test_a_chat_that_is_a_whole_file_is_one_row(tmp_path):
    chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    for name in ("a.json", "a.jsonl"):
        (tmp_path / name).write_text(json.dumps(chat))
        assert rows(tmp_path / name) == [{"messages": chat}]


def test_objects_that_are_no_table_are_one_row(tmp_path):
    for row in (CARD, {"prompt": [ROWS[0]], "completion": [ROWS[1]]}, {"a": [1], "b": [2, 3]}):
        (tmp_path / "a.json").write_text(json.dumps(row))
        assert rows(tmp_path / "a.json") == [row]


def test_bytes_that_are_no_utf8_are_told_in_words(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(LINES + '{"text": "é"}'.encode("cp1252"))
    assert (
        "not UTF-8 text, from byte 11 on; save the file as UTF-8" in rows(tmp_path / "a.jsonl")[2]
    )


@pytest.mark.parametrize("content", [b"\0A note.", b"A\0 note.", b"A note.\0", b"{\0}"])
def test_a_nul_does_not_make_another_encoding(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    assert rows(tmp_path / "a.txt") == [{"text": content.decode()}]


def test_what_is_left_out_of_a_folder_is_said(tmp_path, capsys):
    (tmp_path / "1.txt").write_text("One.")
    (tmp_path / "2.md").write_text("Two.")
    assert rows(tmp_path) == [{"text": "One."}]
    assert "1 files of other kinds are not read, as 2.md" in capsys.readouterr().out


def test_a_name_with_the_suffix_of_a_file_is_no_dataset_of_the_hub():
    assert reading.is_hub_id("user/data-v1.1") and reading.is_hub_id("data")
    for name in ("chats.jsonl", "user/chats.XLSX", "notes.docx", "book.pdf"):
        assert not reading.is_hub_id(name)


def test_a_source_that_is_not_there(tmp_path):
    for source in ("nowhere.jsonl", "~/nowhere/", "./no/such", f"{tmp_path}/gone.csv"):
        with pytest.raises(StudyError, match="there is no such file or folder. Give a .jsonl"):
            read(source)
    with pytest.raises(
        StudyError, match="no/such-dataset: there is no such.*as a dataset of the h"
    ):
        read("no/such-dataset")
    with pytest.raises(StudyError, match="holds no file that can be read"):
        read(tmp_path)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)


@settings(max_examples=40)
@given(st.lists(texts.filter(str.strip), min_size=1, max_size=5), st.data())
def test_any_texts_come_back_from_any_file(tmp_path_factory, given_texts, data):
    folder = tmp_path_factory.mktemp("any")
    wanted = [{"text": text} for text in given_texts]
    (folder / "a.json").write_text(json.dumps(wanted, ensure_ascii=False), encoding="utf-8")
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in wanted))
    separator = data.draw(st.sampled_from(";,|\t"))
    with open(
        folder / "a.csv", "w", newline="", encoding=data.draw(st.sampled_from(ENCODINGS))
    ) as f:
        csv.writer(f, delimiter=separator).writerows(
            [["text", "n"], *([t, "1"] for t in given_texts)]
        )
    for name in ("a.json", "a.jsonl", "a.csv"):
        assert [{"text": row["text"]} for row in rows(folder / name)] == wanted


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]
