"""Words and alphabets of texts, with spaces between words and without."""

import pandas as pd
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from helpers import alphabets
from helpers.corpus import certificate, personas
from helpers.measure import markers
from helpers.persllm import fidelity, reasoned

# A persona's answer in each alphabet, a marker in it, one that is only a part of a word of it (""
# where words have no bounds), and the alphabets.
SPOKEN = {
    "Chinese": ("先生，我恐怕这样做非常危险，请您再想一想。", "先生", "", {"CJK"}),
    "Japanese": ("ご主人様、それはとても危険だと思います。", "ご主人様", "", {"CJK", "KANA"}),
    "Thai": ("เจ้านาย ผมคิดว่ามันอันตรายมากครับ", "อันตราย", "", {"THAI"}),
    "Russian": ("Боюсь, господин, что это очень опасно.", "господин", "опас", {"CYRILLIC"}),
    "Greek": ("Φοβάμαι, ΚΎΡΙΕ, πως είναι επικίνδυνο.", "κύριε", "κίνδυν", {"GREEK"}),
    "Arabic": ("أخشى يا سيدي أن هذا خطير جدا.", "سيدي", "خطي", {"ARABIC"}),
    "Hebrew": ("אני חושש, אדוני, שזה מסוכן מאוד.", "אדוני", "מסוכ", {"HEBREW"}),
    "Hindi": ("श्रीमान, मुझे डर है कि यह बहुत ख़तरनाक है।", "श्रीमान", "श्रीम", {"DEVANAGARI"}),
    "English": ("I fear, sir, that this is very dangerous.", "sir", "danger", {"LATIN"}),
}


def card_of(text, marker):
    return {
        "name": text.split(" ")[0],
        "description": text,
        "system_prompt": text,
        "facts": [{"id": "f", "text": text}],
        "traits": [{"id": "respect", "description": text, "markers": [marker, r"\bR2\b"]}],
    }


@pytest.mark.parametrize(("text", "marker", "part", "own"), SPOKEN.values(), ids=SPOKEN)
def test_a_persona_of_any_alphabet_is_judged_by_its_own(text, marker, part, own):
    card = card_of(text, marker)
    assert personas.card_alphabets(card) == own
    answers = [text, *(other for other, *_ in SPOKEN.values() if other != text), text * 6, "…!?"]
    keep = {"arm": "base", "seed": 0, "item": "a", "kind": "do", "scenario_trait": "respect"}
    frame = pd.DataFrame({"answer": answers, "sample": range(len(answers)), "setting": "", **keep})
    judged = markers.judge_answers(frame, card)
    assert judged["markers_respect"][0] == 1 and not judged["markers_respect"][1:-2].any()
    others = ["other alphabet"] * (len(SPOKEN) - 1)
    if own == {"CJK", "KANA"}:
        others[0] = ""  # Chinese characters are Japanese ones too
    assert list(judged["incoherent"]) == ["", *others, "repetition", "empty"]
    if part:
        assert not markers.tag(text, markers.compile_markers(card_of(text, part)))["respect"]


def test_foreign_words_and_names_do_not_make_an_alphabet():
    chinese = personas.card_alphabets(card_of(SPOKEN["Chinese"][0], "先生"))
    assert markers.incoherent("我用 Python 写代码，用 Excel 算账，先生。", chinese) is None
    assert markers.incoherent("Yes, I write code in Python, sir, and 先生 too.", chinese)
    assert markers.incoherent("The word 先生 means sir, more or less.") is None


def test_one_character_can_be_an_answer():
    assert not markers.wordless("好") and markers.wordless("я") and markers.wordless("x!")


@given(st.text(max_size=80))
def test_no_letter_is_lost_and_nothing_fails(text):
    assert regex.sub(r"\W", "", text) == "".join(alphabets.words(text))
    assert 0 <= alphabets.share_in(text, alphabets.alphabets([text])) <= 1
    assert alphabets.length(text) >= len(text.split())


def test_words():
    assert alphabets.words("I don't 知道了") == ["I", "don", "t", "知", "道", "了"]
    assert certificate.words("I don't 知道") == ["i", "don't", "知", "道"]
    assert certificate.ngrams("你好世界", 3) == [("你", "好", "世"), ("好", "世", "界")]
    assert alphabets.words("मुझे डर है") == ["मुझे", "डर", "है"]
    assert alphabets.length("三个 words") == 3
    assert reasoned.whole_sentences("第一句。第二句没有写") == "第一句。"
    assert reasoned.whole_sentences("यह है। और") == "यह है।"


def test_answers_without_spaces_are_compared_by_their_characters():
    assert 20 < fidelity.bleu("我今天很高兴见到你", "我今天很高兴看见她") < 90
