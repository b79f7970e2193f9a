"""Conversations with a scripted interlocutor, and of two personas on one base model."""

from pathlib import Path

from tqdm import tqdm

from helpers import arms
from helpers.corpus.personas import load_persona
from helpers.files import (
    append_jsonl,
    file_hash,
    fingerprint,
    resume_jsonl,
    write_jsonl,
)
from helpers.model.answer import VERSION
from helpers.model.base import added_tokens, check_trained
from helpers.model.chat import answer_chats, reply_as
from helpers.persllm.asking import default_token
from helpers.pretrained import load_tokenizer

# A scripted interlocutor


def converse(
    model,
    tokenizer,
    scripts: list[list[dict]],
    token: str,
    system: str | None,
    settings: dict,
    tags: dict,
    path: Path,
) -> list[dict]:
    """Answer every script turn by turn; returns the rows {id, **tags, item, kind, scenario_trait,
    setting, turn, move, sample, prompt, answer, n_tokens, finished, settings}, kind `interlocutor`.

    All scripts are answered together, `token` and `system` as in `recent_ids`. A turn is written
    when it is whole, and a run that was stopped goes on after the last one. `settings` as for
    `answer_chats`, with seed.
    """
    if not scripts:
        return []
    identity = fingerprint([VERSION, settings, tags, token, system, scripts])
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
                model,
                tokenizer,
                chats,
                settings["seed"] * 1_000_003 + turn,
                settings,
                token,
                system,
            )
            new = [
                {
                    "id": said["id"],
                    **tags,
                    "item": said["id"],
                    "kind": "interlocutor",
                    "scenario_trait": "",
                    "setting": "",
                    "turn": said["turn"],
                    "move": said["move"],
                    "sample": 0,
                    "prompt": said["text"],
                    **reply,
                    "settings": identity,
                }
                for said, reply in zip(asked, replies, strict=True)
            ]
            append_jsonl(path, new)
            rows += new
        for chat, row in zip(chats, rows[turn * len(scripts) :], strict=False):
            chat.append({"role": "assistant", "content": row["answer"]})
    return rows


# Two personas


def speaker(
    place: str, name: str, persona: str, arm: str, adapter: Path, model: str, form: dict
) -> dict:
    """Who speaks: `place` (the name of the adapter on the base), the name that is shown, adapter
    (None for an arm without one), tokenizer, the system prompt (of `prompted`) and the token of the
    persona's default stage (or none), how it is asked (`asking.form`), and what identifies all
    this."""
    if arm in arms.untrained():
        system = load_persona(persona)["system_prompt"] if arms.ARMS[arm].prompted else None
        return {
            "place": place,
            "name": name,
            "adapter": None,
            "tokenizer": load_tokenizer(model),
            "token": "",
            "form": {},
            "system": system,
            "identity": [name, model, system],
        }
    check_trained(adapter)
    weights = file_hash(adapter / "adapter_model.safetensors")
    return {
        "place": place,
        "name": name,
        "adapter": adapter,
        "tokenizer": load_tokenizer(model, added_tokens(adapter)),
        "token": default_token(arm, persona),
        "form": form,
        "system": None,
        "identity": [name, model, weights, default_token(arm, persona), form],
    }


def dialogue(
    model, speakers: list[dict], topic: str, turns: int, settings: dict, path: Path
) -> list[dict]:
    """Two speakers talk about a topic in turn; returns the rows {turn, speaker, text, analysis},
    written to `path` turn by turn.

    To each, the other is the user; `topic` is the first thing that the first one hears. A dialogue
    that was stopped goes on where it was; one of other settings begins anew.
    """
    identity = fingerprint([VERSION, [one["identity"] for one in speakers], topic, settings])
    rows = [row for row in resume_jsonl(path) if row["settings"] == identity][:turns]
    write_jsonl(path, rows)
    for turn in tqdm(range(len(rows), turns), desc="talking, turns", ncols=90):
        own = speakers[turn % 2]
        heard = [topic] if turn % 2 == 0 else []
        said = heard + [row["text"] for row in rows]
        messages = [
            {"role": "user" if number % 2 == 0 else "assistant", "content": text}
            for number, text in enumerate(said)
        ]
        reply = reply_as(model, own, messages, settings["seed"] * 1_000_003 + turn, settings)
        row = {
            "turn": turn + 1,
            "speaker": own["name"],
            "text": reply["answer"],
            "analysis": reply.get("analysis", ""),
            "settings": identity,
        }
        append_jsonl(path, [row])
        rows.append(row)
    return rows
