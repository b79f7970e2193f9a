"""Any OpenAI-compatible server: prompts from files, the connection, and calls tried again while a fault may pass."""

import os
import string
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import openai
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from helpers.store import DATA, StudyError, shown

PROMPTS = DATA / "prompts"
PASSING = (openai.APITimeoutError, openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)


def render(prompt: str, /, **fields: str) -> str:
    """The prompt `data/prompts/<prompt>.txt` with its {fields} filled in.

    Raises StudyError for a field that the prompt has and is not given, and for one that is given and not used: either
    would change what the model is asked without anybody noticing.
    """
    path = PROMPTS / f"{prompt}.txt"
    template = path.read_text(encoding="utf-8")
    wanted = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    for message, odd in (("is not given", wanted - set(fields)), ("is given but not used", set(fields) - wanted)):
        if odd:
            raise StudyError(f"{shown(path)}: the field {{{sorted(odd)[0]}}} {message}.")
    return template.format(**fields)


def connect(timeout: float) -> openai.OpenAI:
    """A client for the server in OPENAI_BASE_URL with the key in OPENAI_API_KEY; raises StudyError without an address."""
    if not os.environ.get("OPENAI_BASE_URL"):
        raise StudyError(
            "OPENAI_BASE_URL is not set. Export the address of an OpenAI-compatible server, such as "
            "http://127.0.0.1:8000/v1 (README, 'Your own persona'), and OPENAI_API_KEY if it wants a key."
        )
    key = os.environ.get("OPENAI_API_KEY") or "none"  # local servers want no key, the client wants a string
    return openai.OpenAI(api_key=key, timeout=timeout, max_retries=0)


def complete(client: openai.OpenAI, messages: list[dict], settings: dict, **more):
    """One chat completion, tried again up to `settings['tries']` times with random exponential back-off.

    `settings` has model, max_tokens, temperature, tries and backoff (s); `more` goes to the server as it is, and is left out where
    the server refuses it. Raises StudyError when the server refuses for good or stays away.
    """
    waiting = wait_random_exponential(multiplier=settings["backoff"], max=60)
    tries = stop_after_attempt(settings["tries"])
    try:
        for attempt in Retrying(retry=retry_if_exception_type(PASSING), wait=waiting, stop=tries, reraise=True):
            with attempt:
                return client.chat.completions.create(
                    model=settings["model"], messages=messages, max_tokens=settings["max_tokens"],
                    temperature=settings["temperature"], **more,
                )  # fmt: skip
    except openai.OpenAIError as error:
        if more and isinstance(error, (openai.BadRequestError, openai.UnprocessableEntityError)):
            return complete(client, messages, settings)
        # The error's own text may quote the request's headers on some servers, so only its kind is passed on.
        code = f" {error.status_code}" if isinstance(error, openai.APIStatusError) else ""
        raise StudyError(
            f"The server at {client.base_url.host} refused or did not answer ({type(error).__name__}{code}) after "
            f"{settings['tries']} tries at most. Check OPENAI_BASE_URL, OPENAI_API_KEY and the model's name; the same "
            "command goes on from here."
        ) from None


def in_parallel(work: Callable, items: Iterable, concurrency: int) -> None:
    """Do `work(item)` for every item, so many at a time; the first error cancels what has not begun, and is raised."""
    with ThreadPoolExecutor(concurrency) as pool:
        jobs = [pool.submit(work, item) for item in items]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
