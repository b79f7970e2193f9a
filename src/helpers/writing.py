"""Texts written by a server's model: asked for as JSON, checked, asked for again, from a command
line."""

import argparse
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

from helpers.files import StudyError
from helpers.server import complete

DEFAULTS = {
    "words": (45, 100),
    "max_tokens": 400,
    "temperature": 0.9,
    "asks": 4,
    "tries": 8,
    "timeout": 120.0,
    "concurrency": 4,
    "price_in": 0.0,
    "price_out": 0.0,
}


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
    client,
    prompt: str,
    fields: tuple[str, ...],
    check: Callable[[dict], str | None],
    settings: dict,
) -> tuple[dict | None, dict]:
    """Ask until an answer is a JSON object of these text fields and `check` finds nothing wrong
    with it; returns (answer or None, provenance).

    An answer that is cut off, not JSON or fails a check is asked for again, with the reason or
    afresh, up to `settings['asks']` times; what `client` and the other settings are, see
    `server.connect` and `server.complete`. Raises StudyError when the server refuses for good or
    stays away.
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
        # With the reason every other time, afresh in between: a conversation can stay wrong.
        told = {
            "role": "user",
            "content": f"That does not do: {wrong}. Answer again, with the JSON object only.",
        }
        messages = messages[:1]
        if count % 2:
            messages = [*messages, {"role": "assistant", "content": reply or "(nothing)"}, told]
    return None, provenance | {"wrong": wrong}


def command(write: Callable[[str, int, dict], dict], doc: str, count: str, n: int) -> None:
    """The command line of a writer: `write(persona, how many, settings)`. `count` is the option
    that says how many, `n` its default. An error that the reader can mend ends it with status 1."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "persona", help="a card of data/personas/ (its name, or a path that ends in .yaml)"
    )
    parser.add_argument("--model", required=True)
    parser.add_argument(count, dest="count", type=int, default=n)
    for name, default in DEFAULTS.items():
        many = {"nargs": 2, "type": int} if name == "words" else {"type": type(default)}
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, default=default, **many, help=f"default {default}")
    settings = vars(parser.parse_args())
    try:
        print(write(settings.pop("persona"), settings.pop("count"), settings))
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None
