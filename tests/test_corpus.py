"""The shipped corpus: its certificate, and its form as a dataset."""

import pytest
from datasets import get_dataset_config_names, load_dataset

from helpers import pretrained
from helpers.corpus import certificate, formats


@pytest.fixture(scope="module")
def corpora():
    return formats.load_corpora("c3po")


@pytest.mark.check
def test_the_certificate_is_green(corpora, tokenizer):
    vectors = {
        name: pretrained.embed([formats.text_of(row) for row in rows])
        for name, rows in corpora.items()
    }
    report = certificate.certify(corpora, formats.load_units("c3po"), vectors, tokenizer)
    assert [line for line in report["checks"] if line["passed"] is not True] == []
    assert len(report["checks"]) == 6 + 6 * 3 and report["green"]


def test_there_are_560_units_in_every_format_and_the_split_holds_60_out(corpora):
    for rows in corpora.values():
        assert [row["unit"] for row in rows] == [f"u{n:04d}" for n in range(1, 561)]
        assert sum(row["split"] == "heldout" for row in rows) == 60


def test_a_certificate_can_fail(corpora, tokenizer):
    some = {name: rows[155:185] for name, rows in corpora.items()}  # some of them held out
    some["documents"] = [row | {"text": "The same words. " * 30} for row in some["documents"]]
    vectors = {
        name: pretrained.embed([formats.text_of(row) for row in rows])
        for name, rows in some.items()
    }
    report = certificate.certify(some, None, vectors, tokenizer)
    failed = " ".join(line["check"] for line in report["checks"] if line["passed"] is False)
    for part in (
        "commonest opening",
        "distinct 4-grams",
        "8-gram overlap",
        "most similar",
        "held-out texts",
        "trained tokens",
    ):
        assert part in failed
    assert not report["green"] and sum(line["passed"] is None for line in report["checks"]) == 2


def test_datasets_loads_the_folder_with_a_configuration_per_format(corpora, tmp_path):
    folder = str(formats.corpus_folder("c3po"))
    assert set(get_dataset_config_names(folder)) == set(formats.FORMATS)
    for name, rows in corpora.items():
        data = load_dataset(folder, name, cache_dir=str(tmp_path))
        for split in formats.SPLITS:
            assert data[split].to_list() == [row for row in rows if row["split"] == split]
