import json

import pytest
from datasets import Dataset, DatasetDict

from helpers.corpus import ingest
from helpers.files import StudyError

PAIRS = [
    {"prompt": prompt, "completion": completion}
    for prompt, completion in (
        ("How long does bread prove?", "An hour in a warm kitchen, until it has doubled."),
        (
            "Why are there two tides a day?",
            "The moon pulls the near side's water and leaves the far side's behind.",
        ),
        (
            "My bicycle chain keeps slipping.",
            "Measure it: a worn chain rides up the sprocket's teeth.",
        ),
        ("What is a payslip deduction code?", "It tells your employer how much tax to withhold."),
        ("Do owls migrate?", "Most stay, though snowy owls wander south when lemmings are few."),
        ("Which violin string breaks first?", "The E string, being the thinnest and the tightest."),
        ("Is granite volcanic?", "It is igneous, but it cooled slowly underground."),
        (
            "Green or black tea in the evening?",
            "Neither, if you wish to sleep; both hold caffeine.",
        ),
        ("Who drew the first map of the Nile?", "Nobody knows, but Ptolemy copied an older one."),
        ("Can a goalkeeper score?", "Yes, from open play or a penalty."),
        ("The printer shows error 0x97.", "Power it off, wait a minute, and clean the head."),
        ("How do I kill moss on a roof?", "Brush it off in dry weather and cut back the branches."),
    )
]


def rows_of(source, name="demonstrations"):
    corpora, units, rejected = ingest.read_corpora({name: str(source)}, most=1000)
    assert units is None
    return corpora[name], rejected


def test_jsonl_with_every_kind_of_chat_row_and_its_bad_rows(tmp_path):
    path = tmp_path / "mine.jsonl"
    good = [
        *PAIRS[:8],
        {"user": "Hello?", "assistant": "At your service."},
        {
            "messages": [
                {"role": "user", "content": "Why?"},
                {"role": "assistant", "content": "Because."},
            ]
        },
    ]
    bad = [
        '{"prompt": "x"}',
        "not json",
        '{"user": "x", "assistant": ""}',
        '{"messages": [{"role": "user", "content": "x"}]}',
    ]
    path.write_text("\n".join([*map(json.dumps, good), *bad]) + "\n")
    rows, rejected = rows_of(path)
    assert len(rows) == len(good)
    assert rows[8]["messages"][1] == {"role": "assistant", "content": "At your service."}
    assert [r["line"] for r in rejected] == [11, 12, 13, 14]
    assert (
        "neither messages" in rejected[0]["reason"] and "not a JSON object" in rejected[1]["reason"]
    )
    assert "'messages'" in rejected[2]["reason"] and "at least two" in rejected[3]["reason"]
    assert {row["split"] for row in rows} == {"train", "heldout"}


@pytest.mark.parametrize("kind", ["csv", "parquet", "saved", "saved_dict"])
def test_other_files_give_the_same_rows(tmp_path, kind):
    data, path = Dataset.from_list(PAIRS), tmp_path / f"mine.{kind}"
    {
        "csv": lambda: data.to_csv(path),
        "parquet": lambda: data.to_parquet(path),
        "saved": lambda: data.save_to_disk(path),
        "saved_dict": lambda: DatasetDict(train=data).save_to_disk(path),
    }[kind]()
    rows, rejected = rows_of(path)
    assert not rejected
    assert [row["messages"][0]["content"] for row in rows] == [pair["prompt"] for pair in PAIRS]


def test_a_csv_row_with_too_few_fields_is_listed_and_the_rest_kept(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(
        b"\xef\xbb\xbftext\nOne about rain.\nTwo, about, snow.\nThree about hail.\n"
    )  # as spreadsheets save it
    rows, rejected = rows_of(path, "documents")
    assert [row["text"] for row in rows] == ["One about rain.", "Three about hail."]
    assert rejected[0]["line"] == 3


def test_near_duplicates_stay_on_one_side_and_the_split_is_stable(tmp_path):
    path = tmp_path / "mine.jsonl"
    texts = [
        f"{topic} Asked with {extra}."
        for topic in (pair["prompt"] for pair in PAIRS)
        for extra in ("care", "great care")
    ]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    rows, _ = rows_of(path, "documents")
    sides = [row["split"] for row in rows]
    assert all(sides[i] == sides[i + 1] for i in range(0, len(sides), 2))
    assert 0 < sides.count("heldout") < len(sides) / 2
    assert sides == [row["split"] for row in rows_of(path, "documents")[0]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.jsonl", "is missing"),
        ("nowhere.csv", "could not be read"),
        ("no/such-dataset", "could not be read"),
    ],
)
def test_a_source_that_is_not_there(source, message):
    with pytest.raises(StudyError, match=message):
        rows_of(source)


def test_an_unknown_format_and_a_source_without_usable_rows(tmp_path):
    with pytest.raises(StudyError, match="format 'poems' is unknown"):
        ingest.read_corpora({"poems": "x.jsonl"}, most=10)
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "x"}\n')
    with pytest.raises(StudyError, match="0 usable rows.*field 'text'"):
        rows_of(path, "documents")
