import json

import pytest

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
    assert {(r["format"], r["file"]) for r in rejected} == {("demonstrations", str(path))}
    for row, reason in zip(
        rejected, ("'prompt'", "not a JSON", "field 'assistant'", "at least two"), strict=True
    ):
        assert reason in row["reason"]
    assert {row["split"] for row in rows} == {"train", "heldout"}


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


def test_a_shared_system_prompt_does_not_make_chats_alike(tmp_path):
    path = tmp_path / "mine.jsonl"
    system = "You are C-3PO, fluent in over six million forms of communication. " * 20
    path.write_text("".join(json.dumps(pair | {"system": system}) + "\n" for pair in PAIRS))
    rows, _ = rows_of(path)
    assert rows[0]["messages"][0] == {"role": "system", "content": system}
    assert {row["split"] for row in rows} == {"train", "heldout"}


def test_replies_that_say_the_same_stay_on_one_side(tmp_path):
    path = tmp_path / "mine.jsonl"
    twice = [pair | {"prompt": asked} for pair in PAIRS for asked in (pair["prompt"], "And that?")]
    path.write_text("".join(json.dumps(row) + "\n" for row in twice))
    sides = [row["split"] for row in rows_of(path)[0]]
    assert all(sides[i] == sides[i + 1] for i in range(0, len(sides), 2)) and "heldout" in sides


def long_text(*places):
    """A text of pieces longer than what the encoder reads at once, after the same first one."""
    return " ".join(22 * f"{PAIRS[i]['completion']} " for i in (0, *places))


def test_long_texts_are_compared_in_pieces():
    texts = [long_text(1, 2, 3), long_text(1, 2, 3), long_text(4, 5, 6), "Short.", long_text(7, 8)]
    assert ingest.pieces("Short.") == ["Short."] and len(ingest.pieces(texts[0])) > 2
    assert "".join(ingest.pieces(texts[4])) == texts[4].strip()
    assert len(ingest.pieces("word " * 10_000)) == ingest.PIECES
    first, second = ingest.near_pairs(texts)
    apart = {(i, j) for i, j in zip(first.tolist(), second.tolist(), strict=True) if i != j}
    assert apart == {(0, 1), (1, 0)}


def test_texts_that_are_all_alike_cannot_be_split(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("The same.\n\n" * 9)
    with pytest.raises(StudyError, match="mine.txt, for 'documents': the 9 texts are near-dup"):
        rows_of(path, "documents")


# Chats for a format of texts


@pytest.fixture
def chats(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("\n" + "".join(json.dumps(pair) + "\n" for pair in PAIRS))
    return str(path)


def test_chats_for_texts_are_found_and_the_choice_is_offered(chats):
    with pytest.raises(StudyError) as error:
        ingest.read_corpora({"documents": chats}, most=99)
    message = str(error.value)
    assert "chats.jsonl, line 2, field 'prompt' and 'completion': this is a chat" in message
    assert "as: reply" in message and "as: chat" in message and "\n" not in message


def test_chats_are_taken_as_replies_or_as_chats(chats, tokenizer):
    sources = {
        "demonstrations": {"path": chats},
        "first_person": {"path": chats, "as": "chat"},
        "documents": {"path": chats, "as": "reply"},
    }
    corpora, units, rejected = ingest.run_corpora("c3po", sources, 8, 1)
    assert (units, rejected) == ([], [])
    assert all("messages" in row for row in corpora["first_person"] + corpora["demonstrations"])
    assert {r["text"] for r in corpora["documents"]} < {pair["completion"] for pair in PAIRS}
    lines = ingest.overview("c3po", sources, corpora, rejected, tokenizer)
    assert [line["read as"] for line in lines] == [
        "chats, loss on the last reply",
        "chats, loss on the last reply",
        "replies as raw texts",
    ]
    assert all(line["source"] == chats and line["train"] == 8 for line in lines)


def test_every_reply_of_a_chat_becomes_a_text_of_its_own(tmp_path):
    path, turns = tmp_path / "mine.json", []
    for pair in PAIRS:
        turns += [{"from": "human", "value": pair["prompt"]}]
        turns += [{"from": "gpt", "value": pair["completion"]}]
    path.write_text(json.dumps([{"conversations": turns[:12]}, {"conversations": turns[12:]}]))
    corpora, _, _ = ingest.read_corpora({"documents": {"path": str(path), "as": "reply"}}, most=99)
    rows = corpora["documents"]
    assert [row["text"] for row in rows] == [pair["completion"] for pair in PAIRS]
    assert len({row["unit"] for row in rows}) == len(PAIRS)


def test_a_bad_part_of_a_card_is_listed_and_the_others_are_used(tmp_path):
    path = tmp_path / "card.json"
    greetings = [pair["completion"] for pair in PAIRS]
    card = {"name": "Ada", "first_mes": "It is {{time}}.", "alternate_greetings": greetings}
    path.write_text(json.dumps({"spec": "chara_card_v2", "data": card}))
    rows, rejected = rows_of(path)
    assert len(rows) == len(PAIRS) and [row["line"] for row in rejected] == [1]
    assert "the macro '{{time}}' cannot be filled" in rejected[0]["reason"]


def test_texts_with_control_tokens_are_counted(tmp_path, tokenizer):
    path = tmp_path / "mine.jsonl"
    texts = [pair["completion"] for pair in PAIRS[1:]] + ["A page on <|im_end|>."]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) + '{"text": 3}')
    corpora, _, rejected = ingest.read_corpora({"documents": str(path)}, most=99)
    line = ingest.overview("c3po", {"documents": str(path)}, corpora, rejected, tokenizer)[0]
    assert (line["with control tokens"], line["cannot be used"]) == (1, 1)


def test_chats_that_end_with_the_user_are_counted(tmp_path, tokenizer):
    path = tmp_path / "shared.jsonl"
    chats = [
        [{"from": "human", "value": p["prompt"]}, {"from": "gpt", "value": p["completion"]}]
        for p in PAIRS
    ]
    chats[0].append({"from": "human", "value": "Thank you."})
    path.write_text("".join(json.dumps({"conversations": chat}) + "\n" for chat in chats))
    corpora, _, rejected = ingest.read_corpora({"demonstrations": str(path)}, most=99)
    sources = {"demonstrations": str(path)}
    line = ingest.overview("c3po", sources, corpora, rejected, tokenizer)[0]
    assert line["train"] + line["heldout"] == len(PAIRS) and not rejected
    assert line["user's end left out"] == 1


def test_the_persona_own_corpus_is_shown_too(tokenizer):
    corpora, _, rejected = ingest.run_corpora("c3po", {}, 6, 2)
    lines = ingest.overview("c3po", {}, corpora, rejected, tokenizer)
    assert [(line["source"], line["train"], line["heldout"]) for line in lines] == [
        ("data/corpora/c3po", 6, 2)
    ] * 3


# Messages


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"poems": "x.jsonl"}, "sources, format 'poems': it is unknown. Choose one of: demonstr"),
        ({"documents": "nowhere.csv"}, "format 'documents', 'nowhere.csv': there is no such file"),
        ({"documents": "~/no/such/folder"}, "there is no such file or folder"),
        (
            {"documents": "no/such-dataset"},
            "no/such-dataset: there is no such file or folder, and as a",
        ),
        ({"documents": ""}, "format 'documents', field 'path': a non-empty text is needed"),
        ({"documents": None}, "field 'path': a non-empty text is needed, found None"),
        ({"documents": ["a.csv"]}, "field 'path': a non-empty text is needed, found"),
        ({"documents": {"as": "reply"}}, "field 'path': it is missing. Give a path, or {path"),
        ({"documents": {"path": "a", "as": "x"}}, "field 'as': 'x' is none of reply, chat"),
        ({"documents": {"path": "a", "as": True}}, "field 'as': True is none of reply, chat"),
        ({"documents": {"path": "a", "more": 1}}, "field 'more': there is no such field here"),
        ({"demonstrations": {"path": "a", "as": "reply"}}, "field 'as': demonstrations are chats"),
    ],
)
def test_a_source_that_is_wrong(sources, message):
    with pytest.raises(StudyError, match=message) as error:
        ingest.read_corpora(sources, most=10)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_named_before_anything_is(tmp_path):
    for name, content in (("notes.md", b"# A"), ("chats.jsonl", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StudyError, match=f"mine.yaml, format 'documents', .*{name}: "):
            ingest.check_sources({"documents": str(tmp_path / name)}, "mine.yaml")
    with pytest.raises(StudyError, match="'gone.docx': there is no such file.*document as .txt"):
        ingest.check_sources({"documents": "gone.docx"})


def test_too_few_usable_rows_name_the_first_bad_one_of_the_right_source(tmp_path):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS) + "{}\n")
    bad.write_text('\n{"body": "x"}\n{"text": ""}\n')
    with pytest.raises(StudyError) as error:
        ingest.read_corpora({"demonstrations": str(good), "documents": str(bad)}, most=99)
    message = str(error.value)
    assert "bad.jsonl: it has 0 usable rows for 'documents'" in message
    assert (
        "2 cannot be used, the first in" in message and "bad.jsonl, line 2: its fields" in message
    )
    assert "'body'; a text has the field 'text'" in message and "good" not in message
    bad.write_text("")
    with pytest.raises(StudyError, match="0 usable rows.*The source holds no other row"):
        rows_of(bad, "documents")
