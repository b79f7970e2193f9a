"""A tokenizer's chat template: rendered in one way wherever a model is trained, asked or scored.

The prompt of a reply is what the template writes before one. Thinking is switched off, and a
thinking block that a template opens nevertheless is closed, so that what is trained is what is
asked.
"""

import re
from functools import lru_cache

import jinja2

from helpers.files import StudyError

# Stand for texts in a chat that is rendered to see what comes around them.
MARK, QUESTION = "\ue000", "\ue001"
OPTIONS = {"enable_thinking": False}
# Templates that name the day (Llama 3's, SmolLM3's) name the one that Llama's falls back on:
# answers must not depend on when they are made.
DAY = {"%Y": "2024", "%m": "07", "%d": "26", "%B": "July", "%b": "Jul", "%A": "Friday"}
CLOCK = (
    "{%- macro strftime_now(form) -%}{{ form"
    + "".join(f" | replace('{sign}', '{text}')" for sign, text in DAY.items())
    + " }}{%- endmacro -%}"
)
THINKING = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))
# What rendering can raise: a template is a program, and its faults are not all Jinja's.
FAULTS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
USER, REPLY = {"role": "user", "content": QUESTION}, {"role": "assistant", "content": MARK}


def render(messages: list[dict], tokenizer, ask: bool = False) -> str:
    """A chat as the template writes it, with the beginning of the reply where it is to `ask` for
    one. Raises StudyError with the roles of the chat where the template refuses it."""
    try:
        return written(messages, tokenizer, ask)
    except FAULTS as error:
        roles = ", ".join(message["role"] for message in messages)
        raise StudyError(
            f"the model's chat template does not take a chat of {roles} ({reason(error)}). Join "
            "turns of one role that follow one another, begin with the user's, or leave the chat "
            "out."
        ) from error


def written(messages: list[dict], tokenizer, ask: bool = False) -> str:
    """What `render` gives, with the template's own errors."""
    template = tokenizer.get_chat_template()
    return tokenizer.apply_chat_template(
        messages,
        chat_template=CLOCK + template if "strftime_now" in template else template,
        add_generation_prompt=ask,
        tokenize=False,
        **OPTIONS,
    )


def reason(error: Exception) -> str:
    """The first line of an error, with its place in the template where it has one."""
    line = getattr(error, "lineno", None)
    return f"line {line}: " * (line is not None) + (str(error).strip().split("\n")[0] or "unknown")


def around(messages: list[dict], tokenizer) -> tuple[str, str, str]:
    """What a template writes for a chat that is to be answered: the prompt, the space between it
    and the reply (which begins with it), and what follows the reply.

    Raises StudyError where the template refuses the chat or drops the reply.
    """
    messages = fitted(messages, tokenizer)
    asked = render(messages, tokenizer, ask=True)
    before, mark, after = render([*messages, REPLY], tokenizer).rpartition(MARK)
    if not mark:
        raise StudyError("the model's chat template drops the reply.")
    if before.startswith(asked) and not before[len(asked) :].strip():
        prompt = asked
    else:  # it asks for something else than a reply: for nothing, or for thinking
        prompt = before.rstrip(" ")
    return prompt, before[len(prompt) :], after


def fitted(messages: list[dict], tokenizer) -> list[dict]:
    """The messages, with a system message put before the user's first one where the template
    refuses or drops it, as Gemma 3's own template does."""
    roles = [message["role"] for message in messages[:2]]
    if roles != ["system", "user"] or takes_system(tokenizer):
        return messages
    system, first, *rest = messages
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]


def takes_system(tokenizer) -> bool:
    """Whether a template writes a system message, also in a chat that is answered (Mistral's puts
    it into a last message of the user's only)."""
    system = {"role": "system", "content": MARK}
    try:
        return render([system, USER, REPLY], tokenizer).count(MARK) == 2
    except StudyError:
        return False


def exchange(messages: list[dict], tokenizer) -> tuple[str, str, bool]:
    """A chat whose last message is the reply: its prompt, the reply as the template writes it, up
    to its end token, and whether there is one. Raises StudyError as `around` does, and where the
    template changes the reply."""
    prompt, gap, after = around(messages[:-1], tokenizer)
    whole, wanted = render(fitted(messages, tokenizer), tokenizer), messages[-1]["content"]
    reply = whole[len(prompt + gap) : len(whole) - len(after)]
    if whole != prompt + gap + reply + after or reply.strip() != wanted.strip():
        block = any(end in wanted for _, end in THINKING)
        raise StudyError(
            "the model's chat template changes the reply, so that what is trained would not be "
            "what is asked. "
            + ("Take the thinking block out of the reply." if block else "Use another template.")
        )
    end = closing(after, tokenizer)
    return prompt, gap + reply + end, bool(end)


def closing(after: str, tokenizer) -> str:
    """What follows a reply up to its end token, which is a token of the tokenizer's own; "" where
    there is none."""
    text = after.lstrip()
    names = [n for n in tokenizer.get_added_vocab() if text.startswith(n)]
    return after[: len(after) - len(text)] + max(names, key=len) if names else ""


@lru_cache(maxsize=16)
def reply_form(tokenizer, template: str) -> tuple[str, int | None]:
    """What stands between a prompt and its reply, and the token that ends a reply (None where the
    `template`, the tokenizer's, writes none)."""
    _, gap, after = around([USER], tokenizer)
    end = closing(after, tokenizer).lstrip()
    return gap, tokenizer.convert_tokens_to_ids(end) if end else None


def reply_gap(tokenizer) -> str:
    return reply_form(tokenizer, tokenizer.get_chat_template())[0]


def reply_end(tokenizer) -> int:
    """The token that ends a reply: the one that the template writes after it, else the end of a
    text."""
    end = reply_form(tokenizer, tokenizer.get_chat_template())[1]
    return tokenizer.eos_token_id if end is None else end


def text_end(tokenizer) -> int:
    """The token that ends a text: the tokenizer's, else the one that ends a reply."""
    return reply_end(tokenizer) if tokenizer.eos_token_id is None else tokenizer.eos_token_id


def spoken(ids: list[int], tokenizer) -> list[int] | None:
    """The tokens of a reply after its thinking block; None where the block is not finished."""
    for start, end in thinking_tokens(tokenizer):
        if end in ids:
            return ids[len(ids) - ids[::-1].index(end) :]
        if start in ids:
            return None
    return ids


@lru_cache(maxsize=16)
def thinking_block(tokenizer) -> re.Pattern:
    """Finds the thinking block that a reply begins with, and the space after it."""
    known = tokenizer.get_added_vocab()
    pairs = [map(re.escape, pair) for pair in THINKING if set(pair) <= set(known)]
    blocks = "|".join(f"{start}.*?{end}" for start, end in pairs)
    return re.compile(rf"\A\s*(?:{blocks})\s*" if blocks else r"(?!)", re.DOTALL)


@lru_cache(maxsize=16)
def thinking_tokens(tokenizer) -> tuple[tuple[int, int], ...]:
    """The pairs of tokens with which the model may begin and end a thinking block."""
    known = tokenizer.get_added_vocab()
    return tuple(tuple(known[n] for n in pair) for pair in THINKING if set(pair) <= set(known))


def prepare(tokenizer, model: str) -> None:
    """Make a tokenizer fit for `around`: its end of a reply is a control token, and it has a token
    to pad with. Raises StudyError, with the remedy, where `model` cannot be used with its
    template."""
    from transformers import AddedToken  # it takes seconds, and planning does not need it

    template = tokenizer.chat_template
    if template is None:
        refuse(model, "has no chat template", "Use the model's instruct version, or give it one")
    if isinstance(template, dict) and "default" not in template:
        named = ", ".join(sorted(template))
        refuse(model, f"has several chat templates ({named}) and no default", "Choose one of them")
    try:
        asked, answered = written([USER], tokenizer, True), written([USER, REPLY], tokenizer)
    except FAULTS as error:
        refuse(model, f"has a chat template that fails ({reason(error)})", "Repair it")
    for mark, text, lost in ((QUESTION, asked, "user's message"), (MARK, answered, "reply")):
        if mark not in text:
            refuse(model, f"has a chat template that drops the {lost}", "Give it another one")
    after = around([USER], tokenizer)[2]
    end = closing(after, tokenizer).lstrip()
    if after.strip() and not end:
        problem = f"has a chat template that ends a reply with {after.strip()!r}, which is no token"
        refuse(model, problem, "End a reply with {{ eos_token }} in the template")
    if not end and tokenizer.eos_token is None:
        refuse(model, "has no token that ends a reply", "Set `tokenizer.eos_token`, or give one")
    if end and end not in tokenizer.all_special_tokens:
        tokenizer.add_tokens(AddedToken(end, special=True, normalized=False), special_tokens=True)
    if tokenizer.pad_token is None:  # padding is never read: any token does
        tokenizer.pad_token = tokenizer.eos_token or end


def refuse(model: str, problem: str, remedy: str) -> None:
    raise StudyError(
        f"model '{model}': its tokenizer {problem}. {remedy}: save the tokenizer with a "
        "`chat_template` of your own into a folder with the model, and give that folder as `model` "
        "(docs/own_model.md)."
    )
