import json

import pytest

from helpers.corpus import certificate, encode, formats
from helpers.files import StudyError

CHAT = {
    "unit": "u1",
    "messages": [
        {"role": "user", "content": "Is it safe?"},
        {"role": "assistant", "content": "Hardly, sir."},
    ],
}


def test_the_loss_of_a_chat_covers_just_the_reply_and_its_end(tokenizer):
    example = encode.encode(CHAT, tokenizer, 512)
    learnt = [
        i for i, label in zip(example["input_ids"], example["labels"], strict=True) if label != -100
    ]
    assert tokenizer.decode(learnt) == "Hardly, sir.<|im_end|>"
    unlearnt = example["input_ids"][: -len(learnt)]
    assert tokenizer.decode(unlearnt).endswith("Is it safe?<|im_end|>\n<|im_start|>assistant\n")
    whole = tokenizer.apply_chat_template(CHAT["messages"], tokenize=False)
    assert tokenizer.decode(example["input_ids"]) == whole.rstrip("\n")


def test_the_loss_of_a_text_covers_all_of_it(tokenizer):
    example = encode.encode({"unit": "u1", "text": "He frets."}, tokenizer, 512)
    assert example["labels"] == example["input_ids"]
    assert tokenizer.decode(example["input_ids"]) == "He frets.<|im_end|>"
    assert encode.trained_tokens(example) == len(example["input_ids"]) - 1


def test_every_arm_of_a_seed_sees_the_units_in_one_order():
    assert list(encode.unit_order(20, 3, 0)) == list(encode.unit_order(20, 3, 0))
    assert list(encode.unit_order(20, 3, 0)) != list(encode.unit_order(20, 3, 1))
    assert list(encode.unit_order(20, 3, 0)) != list(encode.unit_order(20, 4, 0))
    assert sorted(encode.unit_order(20, 3, 0)) == list(range(20))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"unit": "u1", "split": "train", "traits": [], "facts": []', "line 2: not a JSON object"),
        (
            '{"unit": "u1", "split": "test", "traits": [], "facts": [], "text": "x"}',
            "line 2, field 'split'",
        ),
        (
            '{"unit": "u1", "split": "train", "traits": ["odd"], "facts": [], "text": "x"}',
            "'odd' is not on the persona",
        ),
        (
            '{"unit": "u1", "split": "train", "traits": [], "facts": [], "text": " "}',
            "line 2, field 'text'",
        ),
        (
            '{"unit": "u0", "split": "train", "traits": [], "facts": [], "text": "x"}',
            "line 2, field 'unit': 'u0' is used twice, first in line 1",
        ),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path, row, message):
    path = tmp_path / "documents.jsonl"
    good = {"unit": "u0", "split": "train", "traits": ["odds"], "facts": [], "text": "x"}
    path.write_text(json.dumps(good) + "\n" + row + "\n")
    with pytest.raises(StudyError, match=message):
        formats.load_corpus(path, "text", ["odds"], [])


def test_checks_of_the_certificate_by_hand():
    texts = ["a b c d e f g h i", "a b c d e f g h j", "x y z"]
    assert certificate.overlaps(texts) == {(0, 1): 0.5}
    assert certificate.distinct_ratio(["a b c d e", "a b c d"]) == pytest.approx(2 / 3)
    assert certificate.common_opening(["To be or", "to be, or not", "Not to be"]) == (
        "to be or",
        2 / 3,
    )
    assert certificate.relative_range([100, 98]) == pytest.approx(0.02)
    rows = [
        {"split": "train", "text": "Oil bath, sir?"},
        {"split": "heldout", "text": "oil bath sir"},
    ]
    assert certificate.leak(rows) == (1, "0", False)


def test_a_mistyped_run_is_refused_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.files.RUNS", tmp_path)
    with pytest.raises(StudyError, match="documents.jsonl is missing; run notebooks/formats/01"):
        formats.prepared("mistyped", "documents")
    with pytest.raises(StudyError, match="record.json is missing"):
        formats.data_hash("mistyped")
    assert formats.prepared_formats("mistyped") == [] and not any(tmp_path.iterdir())
