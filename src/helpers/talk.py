"""Conversations: with a scripted interlocutor, of two personas on one base model, and with a person in a notebook."""

import random
from contextlib import nullcontext
from html import escape
from pathlib import Path

import ipywidgets as widgets
from IPython.display import display
from peft import PeftModel
from tqdm import tqdm

from helpers.answer import generate_batch, plain_ids, reply_fields
from helpers.formats import ANCHORS, chat_prompt
from helpers.models import added_tokens, check_trained, compute_dtype, load_base, load_tokenizer, make_room
from helpers.personas import load_persona
from helpers.reasoned import load_stages, reasoned_folder, stage_token, takes_stages
from helpers.store import StudyError, append_jsonl, file_hash, fingerprint, read_jsonl, resume_jsonl, shown, write_jsonl

MEMORY = 1500  # tokens of a conversation that a reply is made from; what was said first is forgotten first


def recent_ids(
    messages: list[dict], tokenizer, token: str, system: str | None, start: str, memory: int = MEMORY
) -> list[int]:
    """The ids of a chat up to the beginning of the reply, without its oldest exchanges where it is longer than `memory` tokens.

    `token` (a stage's) stands before the first message that is left, `system` before all, `start` begins the reply.
    """
    opening = [] if system is None else [{"role": "system", "content": system}]
    while True:
        first = {"role": "user", "content": token + messages[0]["content"]}
        ids = plain_ids(chat_prompt([*opening, first, *messages[1:]], tokenizer), tokenizer) + plain_ids(
            start, tokenizer
        )
        if len(ids) <= memory or len(messages) <= 2:
            return ids
        messages = messages[2:]


def answer_chats(
    model, tokenizer, chats: list[list[dict]], seed: int, settings: dict, token: str = "", system: str | None = None
) -> list[dict]:
    """One reply to each chat (messages in turn, the user's first and last): the fields of `answer.reply_fields`. `settings` has
    max_new_tokens, temperature, top_p and what `reasoned.form` gives.

    A reply that ends within its analysis is made to go on to its response by the mark of it, as Muennighoff et al. end a model's
    thinking (arXiv 2501.19393, section 3.1): the earlier replies are shown without theirs, so that many stop after it.
    """
    prompts = [recent_ids(messages, tokenizer, token, system, settings.get("start", "")) for messages in chats]
    own, room = settings | {"samples": 1}, settings["max_new_tokens"]
    rooms = [room + settings.get("analysis_tokens", 0)] * len(chats)
    outs = generate_batch(model, prompts, tokenizer, seed, own | {"max_new_tokens": rooms[0]})
    silent = [i for i, out in enumerate(outs) if settings.get("reveal", "") not in tokenizer.decode(out)]
    if silent:
        mark = plain_ids(f"\n{settings['reveal']}", tokenizer)
        rest = generate_batch(model, [prompts[i] + outs[i] + mark for i in silent], tokenizer, seed, own)
        for i, response in zip(silent, rest, strict=True):
            rooms[i] = len(outs[i] + mark) + room
            outs[i] = outs[i] + mark + response
    return [reply_fields(out, settings, own_room, tokenizer) for out, own_room in zip(outs, rooms, strict=True)]


# A scripted interlocutor


def load_scripts(persona: str, turns: int) -> list[list[dict]]:
    """The scripts of `data/persllm/<persona>/interlocutor.jsonl`, each the first `turns` rows {id, script, turn, move, text} in order.

    Raises StudyError with the script where a turn is missing.
    """
    path, scripts = reasoned_folder(persona) / "interlocutor.jsonl", {}
    for row in read_jsonl(path):
        scripts.setdefault(row["script"], []).append(row)
    for name, rows in scripts.items():
        rows.sort(key=lambda row: row["turn"])
        if [row["turn"] for row in rows[:turns]] != list(range(1, turns + 1)):
            raise StudyError(f"{shown(path)}, script '{name}': the turns must run from 1 to at least {turns}.")
    return [rows[:turns] for rows in scripts.values()]


def converse(
    model, tokenizer, scripts: list[list[dict]], token: str, system: str | None, settings: dict, tags: dict, path: Path
) -> list[dict]:
    """Answer every script turn by turn; returns the rows {id, **tags, item, kind, about, world, turn, move, sample, prompt, answer,
    n_tokens, finished, settings}, kind `interlocutor`.

    All scripts are answered together, `token` and `system` as in `recent_ids`. A turn is
    written when it is whole, and a run that was stopped goes on after the last one. `settings` as for `answer_chats`, with
    seed.
    """
    identity = fingerprint([settings, tags, token, system, scripts])
    rows = [row for row in resume_jsonl(path) if row["settings"] == identity]
    done = len(rows) // len(scripts)
    rows = rows[: done * len(scripts)]
    write_jsonl(path, rows)
    chats = [[] for _ in scripts]
    for turn in tqdm(range(len(scripts[0])), desc="conversing, turns", mininterval=15, ncols=90):
        asked = [script[turn] for script in scripts]
        for chat, said in zip(chats, asked, strict=True):
            chat.append({"role": "user", "content": said["text"]})
        if turn >= done:
            replies = answer_chats(
                model, tokenizer, chats, settings["seed"] * 1_000_003 + turn, settings, token, system
            )
            new = [{"id": said["id"], **tags, "item": said["id"], "kind": "interlocutor", "about": "", "world": "", "turn": said["turn"],
                    "move": said["move"], "sample": 0, "prompt": said["text"], **reply, "settings": identity}
                   for said, reply in zip(asked, replies, strict=True)]  # fmt: skip
            append_jsonl(path, new)
            rows += new
        for chat, row in zip(chats, rows[turn * len(scripts) :], strict=False):
            chat.append({"role": "assistant", "content": row["answer"]})
    return rows


# Two personas


def speaker(place: str, name: str, persona: str, arm: str, adapter: Path, model: str, form: dict) -> dict:
    """Who speaks: `place` (the name of the adapter on the base), the name that is shown, adapter (None for an arm without one),
    tokenizer, the system prompt (of `prompted`) and the token of the persona's default stage (or none), how it is asked
    (`reasoned.form`), and what identifies all this."""
    if arm in ANCHORS:
        system = load_persona(persona)["system_prompt"] if arm == "prompted" else None
        return {"place": place, "name": name, "adapter": None, "tokenizer": load_tokenizer(model), "token": "", "form": {},
                "system": system, "identity": [name, model, system]}  # fmt: skip
    check_trained(adapter)
    token = stage_token(load_stages(persona)["default"]) if takes_stages(arm) else ""
    weights = file_hash(adapter / "adapter_model.safetensors")
    return {"place": place, "name": name, "adapter": adapter, "tokenizer": load_tokenizer(model, added_tokens(adapter)),
            "token": token, "form": form, "system": None, "identity": [name, model, weights, token, form]}  # fmt: skip


def load_together(model: str, speakers: list[dict]) -> PeftModel:
    """One base model with the adapter of every speaker that has one, under the speaker's place; `set_adapter` switches between them."""
    base, speakers = load_base(model).dequantize(), [one for one in speakers if one["adapter"]]
    make_room(base, [max(len(s["tokenizer"]) for s in speakers) - 1] if any(s["token"] for s in speakers) else [])
    # PEFT cannot load an adapter without added tokens after one with them.
    first, *others = sorted(speakers, key=lambda one: bool(one["token"]))
    together = PeftModel.from_pretrained(base, first["adapter"], adapter_name=first["place"])
    for other in others:
        together.load_adapter(other["adapter"], adapter_name=other["place"])
    return together.to(compute_dtype()).eval()


def dialogue(model: PeftModel, speakers: list[dict], topic: str, turns: int, settings: dict, path: Path) -> list[dict]:
    """Two speakers talk about a topic in turn; returns the rows {turn, speaker, text, analysis}, written to `path` turn by turn.

    To each, the other is the user; `topic` is the first thing that the first one hears. A dialogue that was stopped goes on where
    it was; one of other settings begins anew.
    """
    identity = fingerprint([[one["identity"] for one in speakers], topic, settings])
    rows = [row for row in resume_jsonl(path) if row["settings"] == identity][:turns]
    write_jsonl(path, rows)
    for turn in tqdm(range(len(rows), turns), desc="talking, turns", ncols=90):
        own = speakers[turn % 2]
        heard = [topic] if turn % 2 == 0 else []
        said = heard + [row["text"] for row in rows]
        messages = [
            {"role": "user" if number % 2 == 0 else "assistant", "content": text} for number, text in enumerate(said)
        ]
        reply = reply_as(model, own, messages, settings["seed"] * 1_000_003 + turn, settings)
        row = {"turn": turn + 1, "speaker": own["name"], "text": reply["answer"], "analysis": reply.get("analysis", ""),
               "settings": identity}  # fmt: skip
        append_jsonl(path, [row])
        rows.append(row)
    return rows


# A person


def reply_as(model: PeftModel, one: dict, messages: list[dict], seed: int, settings: dict) -> dict:
    """One speaker's reply (the fields of `answer.reply_fields`) to a chat, with its adapter or, where it has none, the base model."""
    if one["adapter"]:
        model.set_adapter(one["place"])
    with nullcontext() if one["adapter"] else model.disable_adapter():
        return answer_chats(model, one["tokenizer"], [messages], seed, settings | one["form"], one["token"], one["system"])[0]


def chat_box(model: PeftModel, one: dict, settings: dict) -> None:
    """A box to talk to one speaker in; the conversation stays in the notebook. What cannot be answered is taken back."""
    messages, shown_chat = [], widgets.HTML()
    text, send = widgets.Text(placeholder="say something", layout={"width": "40em"}), widgets.Button(description="send")

    def say(_) -> None:
        if not text.value.strip():
            return
        messages.append({"role": "user", "content": text.value})
        text.value, send.disabled = "", True
        try:
            messages.append({"role": "assistant", "content": reply_as(model, one, messages, len(messages), settings)["answer"]})
        except BaseException:
            messages.pop()
            raise
        finally:
            send.disabled = False
        shown_chat.value = as_html([{"speaker": "you" if m["role"] == "user" else one["name"],
                                     "text": m["content"]} for m in messages])  # fmt: skip

    send.on_click(say)
    display(widgets.VBox([shown_chat, widgets.HBox([text, send])]))


def rate_blind(answers: dict[str, list[dict]], annotator: str, path: Path) -> None:
    """Show the answers of two sides (name -> rows {item, sample, prompt, answer}) to the same prompt side by side in random order;
    the choice is on the disk before the next pair appears, and the same cell goes on where it was left. Which side is which is
    hidden until it is written, in `path`: annotator, item, sample, left, right, preferred (a side's name, or `tie`)."""
    pairs = blind_pairs(answers)
    done = {(row["item"], row["sample"]) for row in resume_jsonl(path) if row["annotator"] == annotator}
    waiting = [pair for pair in pairs if (pair[0]["item"], pair[0]["sample"]) not in done]
    text, buttons = widgets.HTML(), [widgets.Button(description=name) for name in ("left", "tie", "right")]

    def show() -> None:
        text.value = side_by_side(*waiting[0]) if waiting else "Everything is rated."
        for button in buttons:
            button.disabled = not waiting

    def keep(button) -> None:
        left, right = waiting.pop(0)
        chosen = {"left": left["side"], "right": right["side"], "tie": "tie"}[button.description]
        append_jsonl(path, [{"annotator": annotator, "item": left["item"], "sample": left["sample"], "left": left["side"],
                             "right": right["side"], "preferred": chosen}])  # fmt: skip
        show()

    for button in buttons:
        button.on_click(keep)
    show()
    display(widgets.VBox([text, widgets.HBox(buttons)]))


def blind_pairs(answers: dict[str, list[dict]]) -> list[tuple[dict, dict]]:
    """The answers of two sides to the same prompt and sample as pairs (left, right) with `side`, which is left drawn by the item's
    name."""
    first, second = (
        {(row["item"], row["sample"], row["prompt"]): row | {"side": side} for row in rows}
        for side, rows in answers.items()
    )
    pairs = [(row, second[key]) for key, row in first.items() if key in second]
    return [pair if random.Random(pair[0]["item"]).random() < 0.5 else pair[::-1] for pair in pairs]


def side_by_side(left: dict, right: dict) -> str:
    cells = "".join(
        f"<td style='width: 30em; vertical-align: top; white-space: pre-wrap'>{escape(row['answer'])}</td>"
        for row in (left, right)
    )
    return f"<p><i>{escape(left['prompt'])}</i></p><table><tr>{cells}</tr></table>"


def as_html(rows: list[dict]) -> str:
    """A dialogue as HTML, speaker by speaker; the texts' own markup is shown as text."""
    return "".join(
        f"<p style='max-width: 50em'><b>{escape(row['speaker'])}</b><br>{escape(row['text'])}</p>" for row in rows
    )
