"""Any OpenAI-compatible server: prompts from files, and calls tried again while a fault may
pass."""

import os
import re
import string
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from helpers import files
from helpers.files import StudyError, shown

if TYPE_CHECKING:
    import openai

PROMPTS = files.DATA / "prompts"
FILTERED = ("content_filter", "content_policy_violation")  # codes of a 400 about what is asked


class FilteredError(StudyError):
    """A server's filter refuses what one call asks; other calls may pass."""


def render(prompt: str, /, **fields: str) -> str:
    """The prompt `data/prompts/<prompt>.txt` with its {fields} filled in.

    Raises StudyError where there is no such prompt, for a field that the prompt has and is not
    given, and for one that is given and not used: either would change what the model is asked
    without anybody noticing.
    """
    path = PROMPTS / f"{prompt}.txt"
    if not path.is_file():
        raise StudyError(f"{shown(path)} is missing; restore it (`git checkout {shown(path)}`).")
    template = path.read_text(encoding="utf-8")
    wanted = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    for message, odd in (
        ("is not given", wanted - set(fields)),
        ("is given but not used", set(fields) - wanted),
    ):
        if odd:
            raise StudyError(f"{shown(path)}: the field {{{sorted(odd)[0]}}} {message}.")
    return template.format(**fields)


def connect(timeout: float, tries: int) -> "openai.OpenAI":
    """A client for the server in OPENAI_BASE_URL with the key in OPENAI_API_KEY. A call waits
    `timeout` seconds, and is made up to `tries` times while a fault may pass (no connection,
    time-out, 408, 409, 429, 5xx), with the client's exponential back-off or after the time that the
    server names. Raises StudyError without an address, and for one or a key that can be none."""
    import openai  # loading it takes half a second, and most of a study needs no server

    names = ("OPENAI_BASE_URL", "OPENAI_API_KEY")
    address, key = (os.environ.get(name, "").strip() for name in names)
    if not address:
        raise StudyError(
            "OPENAI_BASE_URL is not set. Export the address of an OpenAI-compatible server, such "
            "as http://127.0.0.1:8000/v1 (docs/own_persona.md), and OPENAI_API_KEY if it "
            "wants a key."
        )
    if not is_address(address):
        raise StudyError(
            "OPENAI_BASE_URL is no address of a server. Give one such as http://127.0.0.1:8000/v1, "
            "then run again."
        )
    if not re.fullmatch("[!-~]*", key):
        raise StudyError(
            "OPENAI_API_KEY holds a character that no key has (a space, a line break, a curly "
            "quotation mark). Give the key alone, then run again."
        )
    key = key or "none"  # the client insists on a text
    return openai.OpenAI(base_url=address, api_key=key, timeout=timeout, max_retries=tries - 1)


def is_address(text: str) -> bool:
    """Whether a server can be at an address: it has a scheme, a host and perhaps a port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False


def complete(client: "openai.OpenAI", messages: list[dict], settings: dict, **more):
    """One chat completion of a client of `connect`; `said` gives its text.

    `settings` has model, max_tokens and temperature; `more` goes to the server as it is. What the
    server refuses of these is left out, or called as it wants it, then and in all later calls of
    this client. A reply that is no completion (a page, a body cut off, no choices) is a fault that
    may pass. Raises StudyError with the server's words when it refuses for good or stays away,
    FilteredError where it refuses this text alone.
    """
    import openai

    asked = {"max_tokens": settings["max_tokens"], "temperature": settings["temperature"], **more}
    refused = getattr(client, "refused", frozenset())
    while True:
        try:
            done = answered(client, settings["model"], messages, without(asked, refused))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            wider = refused | blamed(error, without(asked, refused), set(more))
            if wider == refused:
                kind = FilteredError if error.code in FILTERED else StudyError
                raise kind(failure(client, error)) from None
            refused = wider
        except openai.OpenAIError as error:
            raise StudyError(failure(client, error)) from None
        else:
            if new := refused - getattr(client, "refused", frozenset()):  # it was about these
                client.refused = refused
                print(f"The server refuses {', '.join(sorted(new))}: {', '.join(substitutes(new))}")
            return done


def without(asked: dict, refused: frozenset) -> dict:
    """The options of a call but for those that a server has refused; one that wants `max_tokens`
    under its later name gets it so."""
    options = {name: value for name, value in asked.items() if name not in refused}
    if "max_tokens" in refused and "max_completion_tokens" not in refused:
        options["max_completion_tokens"] = asked["max_tokens"]
    return options


def substitutes(refused: frozenset) -> list[str]:
    """What is done about refused options, in words."""
    later = "max_tokens" in refused and "max_completion_tokens is sent"
    return [text for text in (later, refused - {"max_tokens"} and "left out") if text]


def blamed(error: "openai.APIStatusError", options: dict, more: set[str]) -> set[str]:
    """Which options a refusal is about: those that it names, else those beyond the common ones."""
    text = str(error.param or "") + str(error.body or error)[:500]
    if "max_completion_tokens" in text and "max_tokens" in options:
        return {"max_tokens"}
    named = {name for name in {*more, "temperature"} & set(options) if name in text}
    return named or more & set(options)


def answered(client: "openai.OpenAI", model: str, messages: list[dict], options: dict):
    """A completion with at least one choice; asked for again, as often as the client may, while
    the reply is none."""
    import openai

    for number in range(client.max_retries + 1):
        time.sleep(min(0.5 * 2**number, 8) if number else 0)
        try:
            done = client.chat.completions.create(model=model, messages=messages, **options)
        except openai.OpenAIError:
            raise
        except (TypeError, ValueError):  # JSON that was cut off
            done = "a body that is no whole JSON"
        choices = getattr(done, "choices", None)
        first = choices[0] if isinstance(choices, list) and choices else None
        if hasattr(getattr(first, "message", None), "content"):
            return done
    wrong = getattr(done, "error", None) or done
    raise StudyError(
        f"The server at {client.base_url.host} did not answer with a chat completion, in "
        f"{client.max_retries + 1} tries, but with: {words(wrong)}. Check "
        "OPENAI_BASE_URL (it often ends in /v1) and the model's name; the same command goes on "
        "from here."
    )


def failure(client: "openai.OpenAI", error: "openai.OpenAIError") -> str:
    """What to tell of a call that failed for good, in the server's words where it has any."""
    import openai

    told = type(error).__name__
    if isinstance(error, openai.APIStatusError):
        body = error.body.get("message", error.body) if isinstance(error.body, dict) else error.body
        told += f" {error.status_code}: {words(body or error.message)}"
    elif error.__cause__ and str(error.__cause__):
        told += f": {words(error.__cause__)}"
    return (
        f"The server at {client.base_url.host} refused or did not answer ({told}) after "
        f"{client.max_retries + 1} tries at most. Check OPENAI_BASE_URL, OPENAI_API_KEY and the "
        "model's name; the same command goes on from here."
    )


def words(told: object, most: int = 300) -> str:
    """What a server said, in one line, without tags and without anything that looks like a key."""
    key = os.environ.get("OPENAI_API_KEY", "")
    text = told.model_dump_json() if hasattr(told, "model_dump_json") else str(told)
    text = re.sub(r"(?is)<(script|style).*?</\1>|<[^>]+>", " ", text)
    text = re.sub(r"(?i)\bbearer\s+\S+|\bsk-\S+", "[key]", text)
    for part in {key, key[:6], key[-6:]} if len(key) >= 12 else {key} - {"", "none"}:
        text = re.sub(rf"\S*{re.escape(part)}\S*", "[key]", text)
    text = " ".join(text.split()) or "nothing"
    return text if len(text) <= most else f"{text[:most]} ..."


def said(completion) -> str:
    """The text of a completion without the thinking before it, "" where there is none; content in
    parts is joined, and what is no text left out."""
    content = completion.choices[0].message.content
    parts = content if isinstance(content, list) else [content]
    texts = [p.get("text") if isinstance(p, dict) else getattr(p, "text", p) for p in parts]
    content = "".join(text for text in texts if isinstance(text, str))
    _, closed, rest = content.rpartition("</think>")
    answer = rest if closed else content.partition("<think>")[0]
    return answer.strip() if closed or "<think>" in content else answer


def unsaid(completion) -> str:
    """Why a completion is no whole answer: its model refused, or ran out of tokens; "" where it is
    one."""
    choice = completion.choices[0]
    if refusal := getattr(choice.message, "refusal", None):
        return f"the model refused ({words(refusal)})"
    if choice.finish_reason == "content_filter":
        return "the server's filter stopped the answer"
    if thought_only(completion):
        return "the model used all of max_tokens to think: raise it, or switch thinking off"
    return "the answer was cut off: be shorter" if choice.finish_reason == "length" else ""


def thought_only(completion) -> bool:
    """Whether the model used all its tokens to think before an answer."""
    message = completion.choices[0].message
    thought = any(getattr(message, name, None) for name in ("reasoning_content", "reasoning"))
    thought = thought or "<think>" in str(message.content)
    cut_off = getattr(completion.choices[0], "finish_reason", None) == "length"
    return cut_off and thought and not said(completion).strip()


def in_parallel(work: Callable, items: Iterable, concurrency: int) -> None:
    """Do `work(item)` for every item, so many at a time; the first error cancels what has not
    begun, and is raised."""
    with ThreadPoolExecutor(concurrency) as pool:
        jobs = [pool.submit(work, item) for item in items]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
