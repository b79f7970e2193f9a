"""A word with the persona in a terminal, from the adapters in `data/adapters`: `make chat`."""

import argparse
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from helpers import arms, files
from helpers.corpus import personas
from helpers.files import StudyError, append_jsonl, read_json, shown
from helpers.rows import has_words

# As in the studies.
SAMPLING = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 128}
ANALYSIS = ("hidden", 96)
HELP = """\
/arm NAME         talk to another arm; begins a new conversation
/strength NUMBER  how much of the adapter is added: 0 (the base model) to 1.5
/system persona   give the model the persona's system prompt
/system none      give it no system prompt, as the arms were trained
/reset            begin a new conversation
/help             this list
/quit             leave
Without a value, /arm, /strength and /system show what is set.
Ctrl-C ends a reply."""


@dataclass
class Talk:
    """A conversation and what it is held with."""

    model: object  # the base with every adapter under its arm's name
    speakers: dict[str, dict]  # arm -> `dialogue.speaker`, with the persona's `prompt`
    transcript: Path
    arm: str
    strength: float = 1.0
    prompted: bool = False  # whether the persona's system prompt is given
    messages: list[dict] = field(default_factory=list)
    replies: int = 0


def load() -> Talk:
    """The base model with all published adapters that belong to it, ready to talk to the first one.

    Raises StudyError where there is no adapter.
    """
    from transformers.utils import logging  # takes seconds, as everything that needs a model

    from helpers.model import chat, published
    from helpers.persllm import asking, dialogue

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    there = published.names()
    adapters = {arm: published.find(arm) for arm in there or ["demonstrations"]}
    trained = {
        arm: read_json(folder / "record.json")["settings"] for arm, folder in adapters.items()
    }
    first = trained[next(iter(trained))]
    speakers = {}
    for arm in ("base", *adapters):
        own = trained.get(arm, first)
        if own["model"] == first["model"]:
            card, form = personas.load_persona(own["persona"]), asking.form(arm, *ANALYSIS)
            name = f"{card['name']} ({arms.label(arm)})"
            place = (arm, name, own["persona"], arm, adapters.get(arm), own["model"], form)
            speakers[arm] = dialogue.speaker(*place) | {"prompt": card["system_prompt"]}
    path = files.RUNS / "chat" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.jsonl"
    return Talk(chat.load_together(first["model"], [*speakers.values()]), speakers, path, there[0])


# Commands: each takes the talk and the word after it ("" for none), and returns what to show.


def choose_arm(talk: Talk, word: str) -> str:
    if word and word not in talk.speakers:
        raise StudyError(f"There is no arm '{word}' here. Choose: {', '.join(talk.speakers)}.")
    if word:
        talk.arm = word
        reset(talk)
    return f"arm: {talk.arm} (of {', '.join(talk.speakers)})"


def choose_strength(talk: Talk, word: str) -> str:
    from helpers.model.base import set_strength

    if word:
        try:
            strength = float(word)
        except ValueError as error:
            raise StudyError(f"strength = {word!r} is no number, such as 0.5.") from error
        for arm, one in talk.speakers.items():
            if one["adapter"]:
                set_strength(talk.model, arm, strength)
        talk.strength = strength
    return f"strength: {talk.strength:g}"


def choose_system(talk: Talk, word: str) -> str:
    if word not in ("", "persona", "none"):
        raise StudyError(f"/system {word}: say `/system persona` or `/system none`.")
    if word:
        talk.prompted = word == "persona"
    return f"system prompt: {system(talk) or 'none'}"


def reset(talk: Talk, word: str = "") -> str:
    talk.messages.clear()
    return "A new conversation."


def show_help(talk: Talk, word: str) -> str:
    return HELP


COMMANDS = {
    "/arm": choose_arm,
    "/strength": choose_strength,
    "/system": choose_system,
    "/reset": reset,
    "/help": show_help,
}


def command(talk: Talk, line: str) -> str:
    """Obey a line that begins with `/`; returns what to show, a mistake included."""
    name, _, word = line.partition(" ")
    if name not in COMMANDS:
        return f"There is no command {name}.\n{HELP}"
    try:
        return COMMANDS[name](talk, word.strip())
    except StudyError as error:
        return str(error)


# Replies


def system(talk: Talk) -> str | None:
    return talk.speakers[talk.arm]["prompt"] if talk.prompted else None


def answer(talk: Talk, text: str) -> None:
    """Print the reply to `text` as it comes, and add both to the transcript. Ctrl-C keeps what was
    said so far."""
    from helpers.corpus.encode import count_control
    from helpers.model.chat import reply_as

    one, said = talk.speakers[talk.arm] | {"system": system(talk)}, ""
    if odd := count_control({"text": text}, one["tokenizer"]):
        print(f"(control tokens in your message, which are read as plain text: {odd})")

    def listen(reply: dict) -> None:
        nonlocal said
        if not reply["answer"].endswith("\ufffd"):  # half a character, whose rest is to come
            print(reply["answer"][len(said) :], end="", flush=True)
            said = reply["answer"]

    print(f"{one['name']}: ", end="", flush=True)
    asked = [*talk.messages, {"role": "user", "content": text}]
    stopped, reply = False, {}
    try:
        reply = reply_as(talk.model, one, asked, talk.replies, SAMPLING, listen)
        listen(reply)
    except KeyboardInterrupt:
        stopped = True
    print(" [stopped]" if stopped else "")
    row = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "arm": talk.arm,
        "strength": talk.strength,
        "system": one["system"],
        "turn": len(talk.messages) // 2 + 1,
        "seed": talk.replies,
        "message": text,
        "answer": said,
        "analysis": reply.get("analysis", ""),
        "stopped": stopped,
    }
    append_jsonl(talk.transcript, [row])
    talk.messages = [*asked, {"role": "assistant", "content": said}]
    talk.replies += 1


def converse(talk: Talk) -> None:
    """Read lines and answer them, up to `/quit` or the end of the input."""
    while True:
        try:
            line = input("\nyou: ").strip()
            has_words(line or "nothing")
        except KeyboardInterrupt:
            print("\n/quit leaves.", end="")
            continue
        except EOFError:
            print()
            return
        except ValueError:  # bytes of another encoding, half a character, NUL
            print("That is no text that can be read. Write it anew.")
            continue
        if line == "/quit":
            return
        if line.startswith("/"):
            print(command(talk, line))
        elif line:
            answer(talk, line)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with suppress(ImportError):
        import readline  # noqa: F401  lines can be edited, and called back
    print("Loading the model and its adapters ...", flush=True)
    try:
        talk = load()
        print(f"{choose_arm(talk, '')}; /help lists the commands.")
        converse(talk)
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None
    if talk.replies:
        print(f"transcript: {shown(talk.transcript)}")


if __name__ == "__main__":
    main()
