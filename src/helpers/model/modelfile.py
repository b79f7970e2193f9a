"""An Ollama `Modelfile`: a GGUF file with the chat template in Ollama's own language."""

from helpers.files import StudyError
from helpers.templates import MARK, QUESTION, REPLY, USER, render, takes_system

SYSTEM = "\ue002"
# As in the studies; Ollama's own defaults repeat less.
PARAMETERS = {"temperature": 0.7, "top_p": 0.9, "repeat_penalty": 1}


def modelfile(gguf: str, tokenizer, stops: list[str]) -> str:
    """The text of a Modelfile for the GGUF file `gguf` beside it; `stops` end a reply.

    Raises StudyError where the template cannot be put into Ollama's language.
    """
    part = pieces(tokenizer)
    begun = literal(part["head"])
    if part["system"] is not None:
        opens, closes = map(literal, part["system"])
        told = f"{{{{ if .System }}}}{opens}{{{{ .System }}}}{closes}"
        begun = f"{told}{{{{ else }}}}{begun}{{{{ end }}}}"
    turns = (
        '{{ range .Messages }}{{ if eq .Role "user" }}'
        f"{literal(part['user'])}{{{{ .Content }}}}{literal(part['reply'])}"
        '{{ else if eq .Role "assistant" }}'
        f"{{{{ .Content }}}}{literal(part['end'])}{{{{ end }}}}{{{{ end }}}}"
    )
    lines = [f"FROM ./{gguf}", f'TEMPLATE """{begun}{turns}"""']
    lines += [f"PARAMETER {name} {value}" for name, value in PARAMETERS.items()]
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    return "\n".join(lines) + "\n"


def pieces(tokenizer) -> dict:
    """What a template writes around the messages of a chat: `head` before the first turn where
    there is no system message, `system` before and after one (None where it takes none), `user` and
    `reply` before and after a user's message, `end` after a reply that is not the last.

    Raises StudyError where the template of a longer chat is not made of them.
    """
    talk = [USER, REPLY, USER]
    before, _, rest = render(talk, tokenizer, ask=True).partition(QUESTION)
    reply, _, rest = rest.partition(MARK)
    between, _, asked = rest.partition(QUESTION)
    befores, opens = [before, between], ""
    if system := takes_system(tokenizer):
        whole = render([{"role": "system", "content": SYSTEM}, USER], tokenizer)
        opens, _, rest = whole.partition(SYSTEM)
        befores.append(rest.partition(QUESTION)[0])
    user = common_end(befores)
    head, end, *closes = (text[: len(text) - len(user)] for text in befores)
    start = begun_with(tokenizer)  # which llama.cpp puts there itself
    if (
        reply != asked
        or not (head + user).startswith(start)
        or not opens.startswith(start * system)
    ):
        raise StudyError(
            "Modelfile: this chat template changes from turn to turn, which is not supported here. "
            "Ollama can read the template in the GGUF file: `FROM` that file alone."
        )
    told = (opens.removeprefix(start), *closes) if system else None
    head = head.removeprefix(start)
    return {"head": head, "system": told, "user": user, "reply": reply, "end": end}


def begun_with(tokenizer) -> str:
    """The token with which the tokenizer begins every text, "" for none."""
    first = tokenizer("x")["input_ids"][0]
    return tokenizer.bos_token if first == tokenizer.bos_token_id else ""


def common_end(texts: list[str]) -> str:
    """The longest text with which all of them end."""
    shortest = min(texts, key=len)
    return next(
        shortest[start:]
        for start in range(len(shortest) + 1)
        if all(text.endswith(shortest[start:]) for text in texts)
    )


def literal(text: str) -> str:
    """A text as it stands in a template of Go; raises StudyError for one that would end it."""
    if '"""' in text or "{{" in text:
        raise StudyError(f"Modelfile: {text!r} cannot stand in a template of Ollama's.")
    return text
