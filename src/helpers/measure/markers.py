"""First judge: word-bounded markers for the traits; and whether an answer is coherent at all."""

import unicodedata

import pandas as pd
import regex

from helpers import files
from helpers.alphabets import LATIN, WITHOUT_SPACES, alphabet, share_in, whole_word, words
from helpers.corpus.personas import card_alphabets
from helpers.rows import Row, Text, read_rows

REPEATED = 0.5  # an answer is degenerate when fewer than half of its 3-grams are distinct
OWN = 0.8  # of an answer must be in the alphabets of the persona's card


class Neutral(Row):
    """A passage that shows no trait; `traps` are its innocent words that look like markers."""

    id: Text
    text: Text
    traps: list[Text]


def load_neutral(persona: str) -> list[dict]:
    """The rows {id, text, traps} of `data/labels/<persona>/neutral.jsonl`; [] where there is no
    such file. Raises StudyError with file, line and field."""
    path = files.DATA / "labels" / persona / "neutral.jsonl"
    return read_rows(path, Neutral) if path.exists() else []


def compile_markers(card: dict) -> dict[str, regex.Pattern]:
    """Trait id -> one pattern that finds any of its markers as whole words, whatever their case
    (see `alphabets.whole_word`)."""
    return {
        trait["id"]: whole_word(straight("|".join(trait["markers"])), regex.IGNORECASE)
        for trait in card["traits"]
    }


def tag(text: str, patterns: dict[str, regex.Pattern]) -> dict[str, bool]:
    """Trait id -> whether the text holds one of its markers."""
    plain = straight(text)
    return {trait: bool(pattern.search(plain)) for trait, pattern in patterns.items()}


def straight(text: str) -> str:
    """The text with straight apostrophes, as the markers have them, and accents in one way."""
    return unicodedata.normalize("NFC", text.replace("’", "'"))


def found_markers(text: str, patterns: dict[str, regex.Pattern]) -> list[str]:
    """The markers found in a text, as `trait: words`, for an audit."""
    return [
        f"{trait}: {hit.group(0)}"
        for trait, p in patterns.items()
        for hit in p.finditer(straight(text))
    ]


def wordless(answer: str) -> bool:
    """Whether an answer is without words: fewer than two letters, unless one is a word by itself as
    in Chinese. No judge scores such a one."""
    letters = [letter for letter in answer if letter.isalpha()]
    return len(letters) < 2 and not any(alphabet(letter) in WITHOUT_SPACES for letter in letters)


def without_words(answers: pd.Series) -> pd.Series:
    """`wordless` of every answer, as booleans on the same index."""
    return answers.map(wordless).astype(bool)


def incoherent(answer: str, alphabets: frozenset[str] = LATIN) -> str | None:
    """Why an answer counts as incoherent (empty, other alphabet, repetition), or None. `alphabets`
    are the persona's (`personas.card_alphabets`)."""
    if wordless(answer):
        return "empty"
    if share_in(answer, alphabets) < OWN:
        return "other alphabet"
    found = words(answer.lower())
    grams = [tuple(found[i : i + 3]) for i in range(len(found) - 2)]
    if len(grams) >= 12 and len(set(grams)) < REPEATED * len(grams):
        return "repetition"
    return None


def judge_answers(answers: pd.DataFrame, card: dict) -> pd.DataFrame:
    """A row per answer: arm, seed, item, kind, scenario_trait, setting, sample, incoherent, and
    `markers_<trait>` for every trait.

    A judgement is 0 or 1; that of an answer without words is unscored (missing), never a zero.
    """
    patterns, texts, alphabets = compile_markers(card), answers["answer"], card_alphabets(card)
    keep = ["arm", "seed", "item", "kind", "scenario_trait", "setting", "sample"]
    judged = answers[keep].assign(incoherent=[incoherent(t, alphabets) or "" for t in texts])
    tags = pd.DataFrame([tag(text, patterns) for text in texts], index=answers.index)
    tags = tags.astype("Int64").mask(without_words(texts))
    return judged.join(tags.add_prefix("markers_"))


def audit_markers(passages: list[dict], card: dict) -> pd.DataFrame:
    """False positives of the markers on passages {id, text, traps} that show no trait: a row per
    trait with n passages, n tagged, the wrong markers, and how many a plain substring search would
    have tagged."""
    patterns = compile_markers(card)
    rows = []
    for trait in card["traits"]:
        texts = [straight(p["text"]) for p in passages]
        hits = [text for text in texts if patterns[trait["id"]].search(text)]
        loose = regex.compile("|".join(trait["markers"]), regex.IGNORECASE)
        wrong = sorted(
            {h.group(0).lower() for p in hits for h in patterns[trait["id"]].finditer(p)}
        )
        rows.append(
            {
                "trait": trait["id"],
                "n": len(passages),
                "tagged": len(hits),
                "tagged_as_substring": sum(bool(loose.search(text)) for text in texts),
                "wrong_markers": ", ".join(wrong),
            }
        )
    return pd.DataFrame(rows)
