"""Texts written by a server's model: asked for as JSON, checked, asked for again, from a command
line."""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from helpers import parameters
from helpers.files import StudyError
from helpers.rows import has_words
from helpers.server import FilteredError, complete, said, unsaid

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
    """The last JSON object with exactly these text fields that a reply holds, or what is wrong with
    the reply. What stands around it, thinking with braces in it or a code fence, does not
    matter."""
    found, wrong = objects(reply)
    if not found:
        return wrong or "the answer holds no JSON object"
    answer = next((one for one in reversed(found) if set(one) == set(fields)), found[-1])
    if set(answer) != set(fields):
        return f"the JSON object has the fields {sorted(answer)}, but must have {sorted(fields)}"
    for field in fields:
        if not isinstance(answer[field], str) or not answer[field].strip():
            return f"the field '{field}' must be a non-empty text"
        try:
            has_words(answer[field])
        except ValueError as error:
            return f"the field '{field}': {error}"
    return {field: " ".join(answer[field].split()) for field in fields}


def objects(reply: str) -> tuple[list[dict], str]:
    """The JSON objects in a text that lie in no other, and why the last one that began is none."""
    decoder, found, wrong, place = json.JSONDecoder(strict=False), [], "", reply.find("{")
    while place >= 0:
        end = place + 1
        try:
            value, end = decoder.raw_decode(reply, place)
        except (ValueError, RecursionError) as error:
            wrong = f"the answer is not valid JSON ({error})"
        else:
            found.append(value)
        place = reply.find("{", end)
    return found, wrong


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
    afresh, up to `settings['asks']` times; one that the server's filter refuses is not. What
    `client` and the other settings are, see `server.connect` and `server.complete`. Raises
    StudyError when the server refuses for good or stays away.
    """
    messages = [{"role": "user", "content": prompt}]
    used = {"prompt_tokens": 0, "completion_tokens": 0}
    wrong = ""
    for count in range(1, settings["asks"] + 1):
        provenance = {
            "model": settings["model"],
            "prompt": hashlib.sha256(prompt.encode()).hexdigest()[:16],
            "asked": count,
        }
        try:
            done = complete(client, messages, settings, response_format={"type": "json_object"})
        except FilteredError as error:
            return None, provenance | used | {"at": now(), "wrong": str(error)}
        reply = said(done)
        for name in used:
            found = getattr(done.usage, name, 0)
            used[name] += found if isinstance(found, int) else 0
        provenance |= used | {"at": now()}
        answer = unsaid(done) or parse(reply, fields)
        wrong = answer if isinstance(answer, str) else check(answer)
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


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def command(write: Callable[[str, int, dict], dict], doc: str, count: str, n: int) -> None:
    """The command line of a writer: `write(persona, how many, settings)`. `count` is the option
    that says how many, `n` its default. An error that the reader can mend ends it with status 1,
    and so do texts that `failed`."""
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
        given = settings | {"words": [*settings["words"]]}
        parameters.check(parameters.WRITERS, given, "the command line", parameters.WRITERS)
        done = write(settings.pop("persona"), settings.pop("count"), settings)
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None
    print(done)
    if done["failed"]:
        raise SystemExit(
            f"error: {done['failed']} failed, see above. The same command asks for them again."
        )


def tell_failures(rows: Iterable[dict]) -> None:
    """Print which rows of `written.jsonl` have no answer, and why."""
    for row in sorted((row for row in rows if not row["answer"]), key=lambda row: row["id"]):
        made = row["provenance"]
        print(f"{row['id']} failed, asked {made['asked']} times: {made['wrong']}")
