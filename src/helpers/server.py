"""Any OpenAI-compatible server: prompts from files, and calls tried again while a fault may
pass."""

import os
import string
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from helpers import files
from helpers.files import StudyError, shown

if TYPE_CHECKING:
    import openai

PROMPTS = files.DATA / "prompts"


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
    server names. Raises StudyError without an address."""
    import openai  # loading it takes half a second, and most of a study needs no server

    if not os.environ.get("OPENAI_BASE_URL"):
        raise StudyError(
            "OPENAI_BASE_URL is not set. Export the address of an OpenAI-compatible server, such "
            "as http://127.0.0.1:8000/v1 (docs/own_persona.md), and OPENAI_API_KEY if it "
            "wants a key."
        )
    key = os.environ.get("OPENAI_API_KEY") or "none"  # the client insists on a text
    return openai.OpenAI(api_key=key, timeout=timeout, max_retries=tries - 1)


def complete(client: "openai.OpenAI", messages: list[dict], settings: dict, **more):
    """One chat completion of a client of `connect`.

    `settings` has model, max_tokens and temperature; `more` goes to the server as it is, and is
    left out where the server refuses it, then and in all later calls of this client. Raises
    StudyError when the server refuses for good or stays away.
    """
    import openai

    if getattr(client, "takes_no_more", False):
        more = {}
    try:
        return client.chat.completions.create(
            model=settings["model"],
            messages=messages,
            max_tokens=settings["max_tokens"],
            temperature=settings["temperature"],
            **more,
        )
    except openai.OpenAIError as error:
        if more and isinstance(error, (openai.BadRequestError, openai.UnprocessableEntityError)):
            done = complete(client, messages, settings)
            client.takes_no_more = True  # it was `more` that was refused
            return done
        # The error's text may quote the request's headers on some servers: only its kind is told.
        code = f" {error.status_code}" if isinstance(error, openai.APIStatusError) else ""
        raise StudyError(
            f"The server at {client.base_url.host} refused or did not answer "
            f"({type(error).__name__}{code}) after {client.max_retries + 1} tries at most. Check "
            "OPENAI_BASE_URL, OPENAI_API_KEY and the model's name; the same command goes on from "
            "here."
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
