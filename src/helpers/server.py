"""Any OpenAI-compatible server: prompts from files, calls tried again while a fault may pass, texts
asked for as JSON."""

import argparse
import hashlib
import json
import os
import re
import string
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import openai
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from helpers import files
from helpers.files import StudyError, shown

PROMPTS = files.DATA / "prompts"


PASSING = (
    openai.APITimeoutError,
    openai.APIConnectionError,
    openai.RateLimitError,
    openai.InternalServerError,
)


def render(prompt: str, /, **fields: str) -> str:
    """The prompt `data/prompts/<prompt>.txt` with its {fields} filled in.

    Raises StudyError for a field that the prompt has and is not given, and for one that is given
    and not used: either would change what the model is asked without anybody noticing.
    """
    path = PROMPTS / f"{prompt}.txt"
    template = path.read_text(encoding="utf-8")
    wanted = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    for message, odd in (
        ("is not given", wanted - set(fields)),
        ("is given but not used", set(fields) - wanted),
    ):
        if odd:
            raise StudyError(f"{shown(path)}: the field {{{sorted(odd)[0]}}} {message}.")
    return template.format(**fields)


def connect(timeout: float) -> openai.OpenAI:
    """A client for the server in OPENAI_BASE_URL with the key in OPENAI_API_KEY; raises StudyError
    without an address."""
    if not os.environ.get("OPENAI_BASE_URL"):
        raise StudyError(
            "OPENAI_BASE_URL is not set. Export the address of an OpenAI-compatible server, such as "
            "http://127.0.0.1:8000/v1 (README, 'Your own persona'), and OPENAI_API_KEY if it wants a key."
        )
    key = (
        os.environ.get("OPENAI_API_KEY") or "none"
    )  # local servers want no key, the client wants a string
    return openai.OpenAI(api_key=key, timeout=timeout, max_retries=0)


def complete(client: openai.OpenAI, messages: list[dict], settings: dict, **more):
    """One chat completion, tried again up to `settings['tries']` times with random exponential
    back-off.

    `settings` has model, max_tokens, temperature, tries and backoff (s); `more` goes to the server
    as it is, and is left out where the server refuses it. Raises StudyError when the server refuses
    for good or stays away.
    """
    waiting = wait_random_exponential(multiplier=settings["backoff"], max=60)
    tries = stop_after_attempt(settings["tries"])
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(PASSING), wait=waiting, stop=tries, reraise=True
        ):
            with attempt:
                return client.chat.completions.create(
                    model=settings["model"],
                    messages=messages,
                    max_tokens=settings["max_tokens"],
                    temperature=settings["temperature"],
                    **more,
                )
    except openai.OpenAIError as error:
        if more and isinstance(error, (openai.BadRequestError, openai.UnprocessableEntityError)):
            return complete(client, messages, settings)
        # The error's own text may quote the request's headers on some servers, so only its kind is
        # passed on.
        code = f" {error.status_code}" if isinstance(error, openai.APIStatusError) else ""
        raise StudyError(
            f"The server at {client.base_url.host} refused or did not answer ({type(error).__name__}{code}) after "
            f"{settings['tries']} tries at most. Check OPENAI_BASE_URL, OPENAI_API_KEY and the model's name; the same "
            "command goes on from here."
        ) from None


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


# Answers


def parse(reply: str, fields: tuple[str, ...]) -> dict | str:
    """The JSON object with exactly these text fields that a reply holds, or what is wrong with
    it."""
    found = re.search(r"\{.*\}", reply, re.DOTALL)
    if not found:
        return "the answer holds no JSON object"
    try:
        answer = json.loads(found.group(0), strict=False)
    except json.JSONDecodeError as error:
        return f"the answer is not valid JSON ({error})"
    if set(answer) != set(fields):
        return f"the JSON object has the fields {sorted(answer)}, but must have {sorted(fields)}"
    for field in fields:
        if not isinstance(answer[field], str) or not answer[field].strip():
            return f"the field '{field}' must be a non-empty text"
    return {field: " ".join(answer[field].split()) for field in fields}


def ask(
    client: openai.OpenAI,
    prompt: str,
    fields: tuple[str, ...],
    check: Callable[[dict], str | None],
    settings: dict,
) -> tuple[dict | None, dict]:
    """Ask until an answer is a JSON object of these text fields and `check` finds nothing wrong
    with it; returns (answer or None, provenance).

    A passing fault of the server (time-out, refused connection, 429, 5xx) is tried again with
    random exponential back-off; an answer that is cut off, not JSON or fails a check is asked for
    again, with the reason or afresh, up to `settings['asks']` times. Raises StudyError when the
    server refuses for good or stays away.
    """
    messages = [{"role": "user", "content": prompt}]
    used = {"prompt_tokens": 0, "completion_tokens": 0}
    wrong = ""
    for count in range(1, settings["asks"] + 1):
        done = complete(client, messages, settings, response_format={"type": "json_object"})
        reply, finish = done.choices[0].message.content or "", done.choices[0].finish_reason
        for name in used:
            used[name] += getattr(done.usage, name, 0) or 0
        answer = (
            "the answer was cut off: be shorter" if finish == "length" else parse(reply, fields)
        )
        wrong = answer if isinstance(answer, str) else check(answer)
        provenance = {
            "model": settings["model"],
            "prompt": hashlib.sha256(prompt.encode()).hexdigest()[:16],
            "asked": count,
            **used,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if not wrong:
            return answer, provenance
        # With the reason every other time, afresh in between: a conversation that went wrong can
        # stay wrong.
        told = {
            "role": "user",
            "content": f"That does not do: {wrong}. Answer again, with the JSON object only.",
        }
        messages = messages[:1]
        if count % 2:
            messages = [*messages, {"role": "assistant", "content": reply or "(nothing)"}, told]
    return None, provenance | {"wrong": wrong}


DEFAULTS = {
    "words": (45, 100),
    "max_tokens": 400,
    "temperature": 0.9,
    "asks": 4,
    "tries": 6,
    "backoff": 2.0,
    "timeout": 120.0,
    "concurrency": 4,
    "price_in": 0.0,
    "price_out": 0.0,
}


def read_arguments(parser: argparse.ArgumentParser, count: str, n: int) -> tuple[str, int, dict]:
    """The command line of a writer: persona, how many (the option `count`), and the settings."""
    parser.add_argument(
        "persona", help="a card of data/personas/ (its name, or a path that ends in .yaml)"
    )
    parser.add_argument("--model", required=True)
    parser.add_argument(count, dest="count", type=int, default=n)
    for name, default in DEFAULTS.items():
        many = {"nargs": 2, "type": int} if name == "words" else {"type": type(default)}
        parser.add_argument(
            f"--{name.replace('_', '-')}", default=default, **many, help=f"default {default}"
        )
    args = vars(parser.parse_args())
    return args.pop("persona"), args.pop("count"), args
