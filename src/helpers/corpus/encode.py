"""Rows turned into token ids, and the tokens among them that the loss is taken on.

One rule for control tokens: only the chat template, the end of a text and the stage token before a
message write them. A control token within a text (`<|im_end|>` in a page about chat models) is
encoded as the plain characters that it is spelt with.
"""

import re

import numpy as np

from helpers.files import StudyError

# Stands within the spelling of a control token, which it makes plain. No row can hold it: `rows`
# refuses NUL.
BREAK = "\0"


def stage_tokens(rows: list[dict]) -> list[str]:
    """The special tokens that rows name life stages with, in the order in which they join the
    tokenizer."""
    return sorted({row["stage_token"] for row in rows if row.get("stage_token")})


def encode(row: dict, tokenizer, max_length: int) -> dict:
    """One row as {unit, input_ids, labels}: lists of equal length, label -100 where no loss is
    taken.

    Chats use the tokenizer's own template and take the loss on the last reply and its end-of-turn
    token only; texts are raw, closed by the end token, and take it on every token. Both are cut to
    `max_length` tokens.
    """
    if "messages" in row:
        ids, start = chat_ids(row["messages"], tokenizer)
    else:
        text = plain_text(row["text"], tokenizer)
        ids, start = [*plain_ids(text, tokenizer), tokenizer.eos_token_id], 0
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
    """A chat in the tokenizer's template, up to where the reply begins, for `plain_ids`."""
    messages = plain_messages(messages, tokenizer)
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def chat_ids(messages: list[dict], tokenizer) -> tuple[list[int], int]:
    """Token ids of a templated chat, and where the last reply begins. What a template adds after
    the turn's end token (a newline, say) is dropped. Raises StudyError when the template does not
    end the prompt with the reply's start.
    """
    prompt = chat_prompt(messages[:-1], tokenizer)
    whole = tokenizer.apply_chat_template(plain_messages(messages, tokenizer), tokenize=False)
    if not whole.startswith(prompt):
        raise StudyError(
            "The tokenizer's chat template writes a conversation differently once it is answered, "
            "so the reply cannot be told from the prompt. Use a template whose generation prompt "
            "is a prefix of the whole chat."
        )
    prompt_ids = plain_ids(prompt, tokenizer)
    reply_ids = plain_ids(whole[len(prompt) :].rstrip("\n"), tokenizer)
    return prompt_ids + reply_ids, len(prompt_ids)


def trained_tokens(example: dict) -> int:
    """How many tokens of an example the loss is taken on; the first token of a row is never
    predicted."""
    return sum(label != -100 for label in example["labels"][1:])


def unit_order(n_units: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the units in an epoch: the same for every arm of a seed."""
    return np.random.default_rng([seed, epoch]).permutation(n_units)


def plain_ids(text: str, tokenizer) -> list[int]:
    """Token ids of a text as it stands, without the tokens that some tokenizers add around it. What
    `plain_text` has broken stays plain."""
    pieces = [piece for piece in text.split(BREAK) if piece]
    return [i for p in pieces for i in tokenizer(p, add_special_tokens=False)["input_ids"]]


# Control tokens within texts


def control_tokens(tokenizer) -> re.Pattern:
    """Finds the spelling of a control token: whatever the tokenizer marks as special."""
    added = tokenizer.added_tokens_decoder.values()
    names = sorted((t.content for t in added if t.special and len(t.content) > 1), reverse=True)
    return re.compile("|".join(map(re.escape, names)) or r"(?!)")


def opening_token(text: str, tokenizer) -> str:
    """The stage token that a text begins with, or ""; `pretrained.load_tokenizer` adds them."""
    return next((t for t in getattr(tokenizer, "stages", ()) if text.startswith(t)), "")


def plain_text(text: str, tokenizer) -> str:
    """A text whose control tokens are broken, for `plain_ids`; a stage token before it stays."""
    opening = opening_token(text, tokenizer)
    broken = control_tokens(tokenizer).sub(
        lambda found: f"{found[0][0]}{BREAK}{found[0][1:]}", text[len(opening) :]
    )
    return opening + broken


def plain_messages(messages: list[dict], tokenizer) -> list[dict]:
    return [m | {"content": plain_text(m["content"], tokenizer)} for m in messages]


def count_control(row: dict, tokenizer) -> int:
    """How many control tokens the texts of a row spell, but for stage tokens before them."""
    texts = [m["content"] for m in row["messages"]] if "messages" in row else [row["text"]]
    return sum(plain_text(text, tokenizer).count(BREAK) for text in texts)
