"""Raw rows of other people, in the shapes that are about, turned into chats and texts.

A function here raises ValueError with the reason where a row cannot be used; the reason names the
field as the row's owner has it.
"""

import ast
import json
import re
from collections.abc import Callable

from helpers.rows import cut, has_words

# What a field of turns is called, and the pairs of fields that hold one exchange.
TURNS = ("messages", "conversations", "conversation")
ASKED = ("prompt", "instruction", "question", "query", "input")
ANSWERED = ("completion", "response", "output", "answer")
PAIRS = (*((asked, answered) for asked in ASKED for answered in ANSWERED), ("user", "assistant"))
FURTHER = ("input", "context")  # what a question is about, after it
SYSTEMS = ("system", "system_prompt", "system_message", "systemprompt")
# Who speaks in a turn, and what is said.
SPEAKERS, CONTENTS = ("role", "from"), ("content", "value", "text")
ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
PARTS = ("text", "input_text", "output_text")  # of a message's content, where it is a list
TOOLS = "tool calls cannot be trained on here"
TOOL_ROLES = ("tool", "function", "function_call", "tool_call", "tool_response", "observation")
TOOL_FIELDS = ("tool_calls", "function_call", "tool_call_id", "tools", "functions")
CHAT_NEEDS = (
    f"a chat has messages or conversations, user and assistant, or one of {', '.join(ASKED)} with "
    f"one of {', '.join(ANSWERED)}, or is a character card"
)
GREETED = "Hello!"  # what a character's greeting is the reply to
USER = "User"  # what {{user}} of a character card becomes


def chat_fields(raw: dict) -> tuple[str, ...]:
    """The fields that make a row a chat, as its owner spells them; () for any other row."""
    if card := card_field(raw):
        return (card,)
    names = spelt(raw)
    candidates = [
        fields for fields in (*((t,) for t in TURNS), *PAIRS) if set(fields) <= set(names)
    ]
    candidates = [tuple(names[name] for name in fields) for fields in candidates]
    whole = [fields for fields in candidates if all(filled(raw[field]) for field in fields)]
    return next(iter(whole or candidates), ())


def spelt(raw: dict) -> dict[str, str]:
    """The names of a row's fields in lower case -> as they are spelt."""
    return {str(name).strip().lower(): name for name in raw}


def text_row(raw: dict) -> dict:
    """A row {text} of a row with that field."""
    names = spelt(raw)
    if "text" not in names:
        raise ValueError(f"its fields are {listed(raw)}; a text has the field 'text'")
    return {"text": checked(raw[names["text"]], f"field {names['text']!r}")}


def chat_rows(raw: dict) -> list[dict | str]:
    """The rows {messages} of a chat. A character card has several; a part of it that cannot be used
    is the reason why, as long as another can."""
    chats = chats_of(raw)
    if not card_field(raw):
        return [chat_row(*chats[0])]
    rows = [
        part if isinstance(part, str) else attempt(chat_row, where, part) for where, part in chats
    ]
    if all(isinstance(row, str) for row in rows):
        raise ValueError(rows[0])
    return rows


def chat_row(where: str, messages: list[dict]) -> dict:
    """The row {messages} of one chat. The loss is taken on the last reply: what the user says after
    it is left out (`left_out` then is how many turns), and a chat whose last reply has the weight 0
    is refused."""
    if len(messages) < 2:
        raise ValueError(f"{where}: a list of at least two messages is needed")
    whole = len(messages)
    while messages and messages[-1]["role"] == "user":
        messages = messages[:-1]
    if len(messages) < 2:
        raise ValueError(f"{where}: no turn of the user's has a reply of the assistant's")
    if messages[-1]["role"] != "assistant":
        raise ValueError(f"{where}: the last turn must be the assistant's")
    if messages[-1].get("weight") == 0:
        raise ValueError(
            f"{where}: its last reply has the weight 0, and the loss is taken on that one"
        )
    row = {"messages": [{k: m[k] for k in ("role", "content")} for m in messages]}
    return row | ({"left_out": whole - len(messages)} if len(messages) < whole else {})


def attempt(make: Callable, *given: object) -> object:
    """What `make` gives, or the reason why it gives nothing."""
    try:
        return make(*given)
    except ValueError as error:
        return str(error)


def reply_rows(raw: dict) -> list[dict | str]:
    """The assistant's replies of a chat as rows {text}, without those of weight 0; reasons as in
    `chat_rows`."""
    chats = [part for _, part in chats_of(raw)]
    replies = [
        {"text": m["content"]}
        for messages in chats
        if not isinstance(messages, str)
        for m in messages
        if m["role"] == "assistant" and m.get("weight") != 0
    ]
    reasons = [part for part in chats if isinstance(part, str)]
    if not replies:
        raise ValueError(*reasons[:1] or ["it holds no reply of the assistant's to train on"])
    return replies + reasons


def chats_of(raw: dict) -> list[tuple[str, list[dict] | str]]:
    """The chats of a row, each with the field that it stands in: messages {role, content} and,
    where the row has it, weight. `system` and `history` of the row stand in front. In place of a
    part of a character card that is no chat stands the reason."""
    fields, names = chat_fields(raw), spelt(raw)
    if not fields:
        raise ValueError(f"its fields are {listed(raw)}; {CHAT_NEEDS}")
    if card_field(raw):
        return card_chats(raw)
    refuse_tools(raw, "")
    if len(fields) == 1:
        messages = turns(raw[fields[0]], fields[0])
    else:
        asked, answered = fields
        messages = side(raw[asked], asked, "user")
        more = next((names[n] for n in FURTHER if n in names and names[n] != asked), None)
        if more and filled(raw[more]):
            messages[-1]["content"] += "\n\n" + checked(raw[more], f"field {more!r}")
        messages += side(raw[answered], answered, "assistant")
    if "history" in names:
        first = [m for m in messages[:1] if m["role"] == "system"]
        earlier = past(raw[names["history"]], names["history"])
        messages = first + earlier + messages[len(first) :]
    system = next((names[n] for n in SYSTEMS if n in names), None)
    if system and filled(raw[system]):
        opening = {"role": "system", "content": content(raw[system], f"field {system!r}")}
        if any(m["role"] == "system" and m["content"] != opening["content"] for m in messages):
            raise ValueError(f"field {system!r}: the chat has another system message of its own")
        messages = [opening, *(m for m in messages if m["role"] != "system")]
    return [(f"field {fields[-1]!r}", messages)]


def side(value: object, field: str, role: str) -> list[dict]:
    """One side of an exchange: a text, or messages of its own."""
    if isinstance(value, list):
        if not value:
            raise ValueError(f"field {field!r}: a text or at least one message is needed, found []")
        return turns(value, field)
    return [{"role": role, "content": checked(value, f"field {field!r}")}]


def past(value: object, field: str) -> list[dict]:
    """Earlier exchanges: pairs of question and answer, or messages."""
    entries = from_json(value, field) if filled(value) else []
    if not all(isinstance(pair, list) for pair in entries):
        return turns(entries, field)
    for number, pair in enumerate(entries, 1):
        if len(pair) != 2:
            raise ValueError(f"field {field!r}, entry {number}: a question and its answer belong")
    return [
        {"role": role, "content": checked(text, f"field {field!r}, entry {number}")}
        for number, pair in enumerate(entries, 1)
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def turns(value: object, field: str) -> list[dict]:
    """The messages of a list of turns, {role, content} or {from, value}, also written as JSON as a
    table's cell has it."""
    entries = from_json(value, field)
    return [turn(entry, f"field {field!r}, entry {n}") for n, entry in enumerate(entries, 1)]


def turn(entry: object, where: str) -> dict:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: an object with role and content is needed, found {cut(entry)}")
    found = [next((n for n in named if n in entry), None) for named in (SPEAKERS, CONTENTS)]
    for name, wanted in zip(found, ("role", "content"), strict=True):
        if name is None:
            raise ValueError(
                f"{where}, field {wanted!r}: it is missing; the fields there are {listed(entry)}, "
                "and a turn has role and content, or from and value"
            )
    who, what = found
    refuse_tools(entry, f"{where}, ")
    role = str(entry[who]).strip().lower()
    if role in TOOL_ROLES:
        raise ValueError(
            f"{where}, field {who!r}: {cut(entry[who])} belongs to a tool call; {TOOLS}"
        )
    if role not in ROLES:
        known = ", ".join(ROLES)
        raise ValueError(f"{where}, field {who!r}: {cut(entry[who])} is none of {known}")
    message = {"role": ROLES[role], "content": content(entry[what], f"{where}, field {what!r}")}
    weight = entry.get("weight")
    if weight is not None and (isinstance(weight, bool) or weight not in (0, 1)):
        raise ValueError(f"{where}, field 'weight': 0 or 1 is needed, found {cut(weight)}")
    return message if weight is None else message | {"weight": weight}


def refuse_tools(entry: dict, where: str) -> None:
    for name in TOOL_FIELDS:
        if filled(entry.get(name)) and entry[name] not in ("[]", "{}", "null"):  # none, as JSON
            raise ValueError(f"{where}field {name!r}: {TOOLS}")


def content(value: object, where: str) -> str:
    """The text of a message, also of one in parts."""
    if not isinstance(value, list):
        return checked(value, where)
    for number, part in enumerate(value, 1):
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind not in PARTS or not isinstance(part.get("text"), str):
            raise ValueError(
                f"{where}, entry {number}: a part of text is needed, found {cut(kind)}"
            )
    return checked("".join(part["text"] for part in value), where)


def from_json(value: object, field: str) -> list:
    """A list, also one written as JSON, as Python writes it (which pandas does in a CSV file), or
    as a dict of columns (as `datasets` may store it)."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise ValueError(f"field {field!r}: it is no JSON list ({error})") from error
    if isinstance(value, dict) and value and all(isinstance(v, list) for v in value.values()):
        value = [dict(zip(value, row, strict=False)) for row in zip(*value.values(), strict=False)]
    if not isinstance(value, list):
        raise ValueError(f"field {field!r}: a list of messages is needed, found {cut(value)}")
    return value


def checked(text: object, where: str) -> str:
    """A text that is not blank, has no NUL and no half characters."""
    if not isinstance(text, str):
        raise ValueError(f"{where}: a non-empty text is needed, found {cut(text)}")
    try:
        return has_words(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def filled(value: object) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def listed(raw: dict) -> str:
    names = [repr(name) for name in raw]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


# Character cards, as github.com/malfoyslastname/character-card-spec-v2 and
# github.com/kwaroran/character-card-spec-v3 specify them


def card_field(raw: dict) -> str:
    """The field that makes a row a character card, or ""."""
    inside = raw["data"] if isinstance(raw.get("data"), dict) else raw
    named = next((name for name in ("mes_example", "first_mes") if name in inside), "")
    return named or ("spec" if str(raw.get("spec")).startswith("chara_card") else "")


def card_chats(raw: dict) -> list[tuple[str, list[dict] | str]]:
    """The chats of a character card: every greeting as the reply to a hello, and every example
    dialogue, with {{char}} and {{user}} filled; the reason for one that cannot be."""
    card = raw["data"] if isinstance(raw.get("data"), dict) else raw
    name = checked(card.get("nickname") or card.get("name"), "field 'name'").strip()
    if name.casefold() == USER.casefold():
        raise ValueError(
            f"field 'name': the character is called {name!r}, as its partner is here, so that "
            "nobody can tell who speaks; give it another name"
        )
    greetings = [("field 'first_mes'", card.get("first_mes"))]
    others = card.get("alternate_greetings")
    for number, text in enumerate(others if isinstance(others, list) else [], 1):
        greetings.append((f"field 'alternate_greetings', entry {number}", text))
    chats = [
        (where, attempt(greeting, text, name, where)) for where, text in greetings if filled(text)
    ]
    example, where = card.get("mes_example") or "", "field 'mes_example'"
    if not isinstance(example, str):
        chats.append((where, f"{where}: a text is needed, found {cut(example)}"))
        example = ""
    blocks = [block.strip() for block in re.split(r"(?i)<start>", example) if block.strip()]
    for number, block in enumerate(blocks, 1):
        where = f"field 'mes_example', dialogue {number}"
        chats.append((where, attempt(dialogue, block, name, where)))
    if not chats:
        raise ValueError("the character card holds no greeting and no example dialogue")
    return chats


def greeting(text: object, name: str, where: str) -> list[dict]:
    return [said("user", GREETED), said("assistant", with_names(text, name, where))]


def said(role: str, text: str) -> dict:
    return {"role": role, "content": text}


def with_names(text: object, name: str, where: str) -> str:
    """A card's text with its macros filled; any other macro is refused by name."""
    if text == "":
        return ""
    text = re.sub(r"\{\{//[^{}]*\}\}", "", checked(text, where))  # a comment
    text = re.sub(r"(?i)\{\{\s*char\s*\}\}|<bot>|<char>", lambda _: name, text)
    text = re.sub(r"(?i)\{\{\s*user\s*\}\}|<user>", USER, text)
    if other := re.search(r"\{\{[^{}]*\}\}", text):
        raise ValueError(f"{where}: the macro {other[0]!r} cannot be filled; write it out")
    return text.replace("\r\n", "\n").strip()


def dialogue(block: str, name: str, where: str) -> list[dict]:
    """The turns of an example dialogue; lines without a speaker belong to the turn before, and one
    that the character opens is the reply to a hello."""
    block, speakers = with_names(block, name, where), {name: "assistant", USER: "user"}
    start = re.compile(rf"(?m)^\s*({'|'.join(map(re.escape, speakers))})\s*[:：]")
    before, *parts = start.split(block)
    if before.strip() or not parts:
        wanted = "a line that begins with '{{user}}:' or '{{char}}:' is needed"
        raise ValueError(f"{where}: {wanted}, found {cut(before.strip())}")
    messages = [] if speakers[parts[0]] == "user" else [said("user", GREETED)]
    for speaker, text in zip(parts[::2], parts[1::2], strict=True):
        text = checked(text, where).strip()
        if messages and messages[-1]["role"] == speakers[speaker]:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append(said(speakers[speaker], text))
    return messages
