"""Texts in any alphabet: their words, and which alphabets they are written in.

Some scripts have no spaces between words (Chinese, Japanese, Thai, ...): there each character
counts as a word, and a word may begin or end anywhere.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable

import regex

SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー々〆"
SPACELESS += r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
# What may not stand before and after a whole word: letters, marks, digits of scripts with spaces.
BEFORE, AFTER = rf"(?<![^\W{SPACELESS}])", rf"(?![^\W{SPACELESS}])"
WORD = regex.compile(rf"[{SPACELESS}]\p{{M}}*|[^\W{SPACELESS}]+")
WITH_APOSTROPHES = regex.compile(rf"[{SPACELESS}]\p{{M}}*|(?:[^\W{SPACELESS}]|')+")
LATIN = frozenset({"LATIN"})
WITHOUT_SPACES = frozenset(
    {"CJK", "KANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
)
SHARE = 0.1  # of the words of some texts that an alphabet must have to be one of theirs


def words(text: str, pattern: regex.Pattern = WORD) -> list[str]:
    """The words of a text; `don't` is two, or one where `pattern` is WITH_APOSTROPHES."""
    return pattern.findall(text)


def spaced(text: str) -> str:
    """A text with spaces around every character of a script without spaces, for what splits at
    spaces."""
    return regex.sub(rf"[{SPACELESS}]\p{{M}}*", r" \g<0> ", text)


def length(text: str) -> int:
    """How many words a text has, as spaces cut them."""
    return len(spaced(text).split())


def whole_word(expression: str, flags: int = 0) -> regex.Pattern:
    """Finds a regular expression as whole words: "sir" in "Yes, sir!", not in "desire"."""
    return regex.compile(rf"{BEFORE}(?:{expression}){AFTER}", flags)


def alphabet(letter: str) -> str:
    """The alphabet of a letter as Unicode names it (LATIN, CJK, CYRILLIC), KANA for both of
    Japan's; "" for what is no letter."""
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "").removeprefix("FULLWIDTH ").split(" ")[0]
    return "KANA" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name


def counted(text: str, by_words: bool) -> Counter:
    """Alphabet -> how many of a text's letters are in it, or of its words, by their first
    letters."""
    letters = (word[0] for word in words(text)) if by_words else text
    return Counter(name for name in map(alphabet, letters) if name)


def alphabets(texts: Iterable[str]) -> frozenset[str]:
    """The alphabets that some texts are written in: those of a tenth of their words; LATIN for
    texts without letters."""
    counts = counted(" ".join(texts), by_words=True)
    return frozenset(n for n, c in counts.items() if c >= SHARE * counts.total()) or LATIN


def share_in(text: str, allowed: frozenset[str]) -> float:
    """The share of a text that is in one of these alphabets: of its letters, or of its words where
    one of them is written without spaces, since a foreign name has more letters than a word of
    theirs. The text has letters."""
    counts = counted(text, by_words=bool(allowed & WITHOUT_SPACES))
    return sum(counts[name] for name in allowed) / max(1, counts.total())
