"""Rows turned into token ids, and the tokens among them that the loss is taken on.

One rule for control tokens: only the chat template, the end of a text and the stage token before a
message write them. A control token within a text (`<|im_end|>` in a page about chat models, also
one that is not marked as special, such as Qwen3's `<tool_call>`) is encoded as the plain characters
that it is spelt with. Thinking is no text: an earlier reply is read without its thinking block, and
a reply that is to be learnt must have none.
"""

import re
from functools import lru_cache

import numpy as np

from helpers.files import StudyError
from helpers.templates import around, exchange, reply_gap, text_end, thinking_block

# Stands within the spelling of a control token, which it makes plain. No row can hold it: `rows`
# refuses NUL.
BREAK = "\0"
# What the spelling of a control token holds, other than a word's.
MARKED = re.compile(r"[<>\[\](){}|｜/\\]")


def stage_tokens(rows: list[dict]) -> list[str]:
    """The special tokens that rows name life stages with, in the order in which they join the
    tokenizer."""
    return sorted({row["stage_token"] for row in rows if row.get("stage_token")})


def encode(row: dict, tokenizer, max_length: int) -> dict:
    """One row as {unit, input_ids, labels}: lists of equal length, label -100 where no loss is
    taken.

    Chats use the tokenizer's own template and take the loss on the last reply and its end token
    only; texts are raw, closed by the end token, and take it on every token. Both are cut to
    `max_length` tokens. Raises StudyError with the row's unit where the template does not take its
    chat.
    """
    if "messages" in row:
        try:
            ids, start = chat_ids(row["messages"], tokenizer)
        except StudyError as error:
            raise StudyError(f"unit {row['unit']}: {error}") from error
    else:
        opening = opening_ids(tokenizer)
        text = plain_ids(plain_text(row["text"], tokenizer), tokenizer)
        ids, start = [*opening, *text, text_end(tokenizer)], len(opening)
    labels = [-100] * start + ids[start:]
    return {"unit": row["unit"], "input_ids": ids[:max_length], "labels": labels[:max_length]}


def encode_all(rows: list[dict], tokenizer, max_length: int) -> list[dict]:
    """The rows as `encode` gives them. Prints how many are cut at `max_length`, and drops those
    left without a token to learn (a prompt longer than that); prints how many hold control tokens.
    Raises StudyError when none is left."""
    if odd := sum(count_control(row, tokenizer) > 0 for row in rows):
        print(f"{odd} of {len(rows)} texts hold control tokens, which are encoded as plain text")
    examples = [encode(row, tokenizer, max_length) for row in rows]
    useful = [example for example in examples if trained_tokens(example)]
    cut = sum(len(example["input_ids"]) == max_length for example in examples)
    if cut:
        print(
            f"{cut} of {len(rows)} texts reach max_length = {max_length} and are cut; "
            f"{len(rows) - len(useful)} are dropped"
        )
    if not useful:
        raise StudyError(
            f"No text has a token to learn within max_length = {max_length}; raise it."
        )
    return useful


def chat_prompt(messages: list[dict], tokenizer) -> str:
    """A chat in the tokenizer's template, up to where the reply begins, for `plain_ids`. Raises
    StudyError where the template does not take it."""
    return around(plain_messages(messages, tokenizer), tokenizer)[0]


def chat_ids(messages: list[dict], tokenizer) -> tuple[list[int], int]:
    """Token ids of a templated chat, and where the last reply begins. What a template adds after
    the reply's end token is dropped; where it writes no such token, the end of a text is one.
    Raises StudyError where the template does not take the chat, and where the reply begins with a
    thinking block."""
    if thinking_block(tokenizer).match(messages[-1]["content"]):
        raise StudyError(
            "the reply begins with a thinking block, and what a model thinks is not trained here. "
            "Take the thinking block out of the reply."
        )
    prompt, reply, ended = exchange(plain_messages(messages, tokenizer), tokenizer)
    prompt_ids = plain_ids(prompt, tokenizer)
    end = [] if ended else [text_end(tokenizer)]
    return prompt_ids + plain_ids(reply, tokenizer, True) + end, len(prompt_ids)


def reply_ids(text: str, tokenizer) -> list[int]:
    """Token ids of a text as the beginning of a reply; what `plain_text` has broken stays plain."""
    return plain_ids(reply_gap(tokenizer) + text, tokenizer, True) if text else []


def trained_tokens(example: dict) -> int:
    """How many tokens of an example the loss is taken on; the first token of a row is never
    predicted."""
    return sum(label != -100 for label in example["labels"][1:])


def unit_order(n_units: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the units in an epoch: the same for every arm of a seed."""
    return np.random.default_rng([seed, epoch]).permutation(n_units)


def plain_ids(text: str, tokenizer, goes_on: bool = False) -> list[int]:
    """Token ids of a text as it stands, without the tokens that some tokenizers add around it, and,
    where it `goes_on` from another, without the blank that some put before it. What `plain_text`
    has broken stays plain."""
    ids = []
    for piece in filter(None, text.split(BREAK)):
        ids += piece_ids(piece, tokenizer, goes_on or bool(ids))
    return ids


def piece_ids(piece: str, tokenizer, goes_on: bool) -> list[int]:
    if goes_on and adds_blank(tokenizer):
        line = tokenizer("\n", add_special_tokens=False)["input_ids"]
        ids = tokenizer("\n" + piece, add_special_tokens=False)["input_ids"]
        if ids[: len(line)] == line:
            return ids[len(line) :]
    return tokenizer(piece, add_special_tokens=False)["input_ids"]


@lru_cache(maxsize=16)
def adds_blank(tokenizer) -> bool:
    """Whether the tokenizer puts a blank before a text, as SentencePiece's do."""
    line, word, both = (tokenizer(text, add_special_tokens=False) for text in ("\n", "a", "\na"))
    return both["input_ids"] != line["input_ids"] + word["input_ids"]


@lru_cache(maxsize=16)
def opening_ids(tokenizer) -> tuple[int, ...]:
    """The tokens that the tokenizer itself puts before a text (such as `<bos>`)."""
    whole, plain = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)
    start = next(
        i for i in range(len(whole)) if whole[i:][: len(plain["input_ids"])] == plain["input_ids"]
    )
    return tuple(whole[:start])


# Control tokens within texts


def control_tokens(tokenizer) -> re.Pattern:
    """Finds where the spelling of a control token begins, and its first character: whatever the
    tokenizer marks as special, and what it has added with a bracket, bar or slash in it. A word or
    blanks that were added to it (as Gemma's runs of blanks) are plain text already."""
    return control_pattern(tokenizer, len(tokenizer))


@lru_cache(maxsize=16)
def control_pattern(tokenizer, size: int) -> re.Pattern:
    """`control_tokens` of a tokenizer while it has `size` tokens."""
    added = tokenizer.added_tokens_decoder.values()
    names = [t.content for t in added if t.special or MARKED.search(t.content)]
    spelt = "|".join(re.escape(name) for name in names if len(name) > 1)
    return re.compile(f"(?=(?:{spelt}))(.)" if spelt else r"(?!)", re.DOTALL)


def opening_token(text: str, tokenizer) -> str:
    """The stage token that a text begins with, or ""; `pretrained.load_tokenizer` adds them."""
    return next((t for t in getattr(tokenizer, "stages", ()) if text.startswith(t)), "")


def plain_text(text: str, tokenizer) -> str:
    """A text whose control tokens are broken, for `plain_ids`; a stage token before it stays."""
    opening = opening_token(text, tokenizer)
    broken = control_tokens(tokenizer).sub(rf"\g<0>{BREAK}", text[len(opening) :])
    return opening + broken


def plain_messages(messages: list[dict], tokenizer) -> list[dict]:
    """Messages with `plain_text`, and earlier replies without their thinking block."""
    block = thinking_block(tokenizer)
    texts = [
        block.sub("", m["content"], count=1) if m["role"] == "assistant" else m["content"]
        for m in messages
    ]
    return [
        m | {"content": plain_text(text, tokenizer)}
        for m, text in zip(messages, texts, strict=True)
    ]


def count_control(row: dict, tokenizer) -> int:
    """How many control tokens the texts of a row spell, but for stage tokens before them."""
    texts = [m["content"] for m in row["messages"]] if "messages" in row else [row["text"]]
    return sum(plain_text(text, tokenizer).count(BREAK) for text in texts)
