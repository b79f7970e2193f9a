"""Conversations turn by turn: one or several adapters on one base model."""

from collections.abc import Callable
from contextlib import nullcontext

from peft import PeftModel

from helpers.corpus.encode import chat_prompt, plain_ids, reply_ids
from helpers.model.answer import generate_batch, reply_fields
from helpers.model.base import load_base, make_room
from helpers.pretrained import compute_dtype

# Tokens of a conversation that a reply is made from; what was said first is forgotten first.
MEMORY = 1500


def recent_ids(
    messages: list[dict],
    tokenizer,
    token: str,
    system: str | None,
    start: str,
    memory: int = MEMORY,
) -> list[int]:
    """The ids of a chat up to the beginning of the reply, without its oldest exchanges where it is
    longer than `memory` tokens.

    `token` (a stage's) stands before the first message that is left, `system` before all, `start`
    begins the reply.
    """
    opening = [] if system is None else [{"role": "system", "content": system}]
    while True:
        first = {"role": "user", "content": token + messages[0]["content"]}
        ids = plain_ids(
            chat_prompt([*opening, first, *messages[1:]], tokenizer), tokenizer
        ) + reply_ids(start, tokenizer)
        if len(ids) <= memory or len(messages) <= 2:
            return ids
        messages = messages[2:]


def answer_chats(
    model,
    tokenizer,
    chats: list[list[dict]],
    seed: int,
    settings: dict,
    token: str = "",
    system: str | None = None,
    listen: Callable[[dict], None] | None = None,
) -> list[dict]:
    """One reply to each chat (messages in turn, the user's first and last): the fields of
    `answer.reply_fields`. `settings` has max_new_tokens, temperature, top_p and what
    `asking.form` gives.

    A reply that ends within its analysis is made to go on to its response by the mark of it, as
    Muennighoff et al. end a model's thinking (arXiv 2501.19393, section 3.1): the earlier replies
    are shown without theirs, so that many stop after it.

    `listen` is given the fields of the first chat's reply so far, after each token.
    """
    prompts = [
        recent_ids(messages, tokenizer, token, system, settings.get("start", ""))
        for messages in chats
    ]
    own, room = settings | {"samples": 1}, settings["max_new_tokens"]
    rooms = [room + settings.get("analysis_tokens", 0)] * len(chats)

    def hear(out: list[int]) -> None:
        listen(reply_fields(out, settings, rooms[0], tokenizer))

    longer = own | {"max_new_tokens": rooms[0]}
    outs = generate_batch(model, prompts, tokenizer, seed, longer, listen and hear)
    silent = [
        i for i, out in enumerate(outs) if settings.get("reveal", "") not in tokenizer.decode(out)
    ]
    if silent:
        mark = plain_ids(f"\n{settings['reveal']}", tokenizer, True)
        rest = generate_batch(
            model,
            [prompts[i] + outs[i] + mark for i in silent],
            tokenizer,
            seed,
            own,
            (lambda out: hear(outs[0] + mark + out)) if listen and silent[0] == 0 else None,
        )
        for i, response in zip(silent, rest, strict=True):
            rooms[i] = len(outs[i] + mark) + room
            outs[i] = outs[i] + mark + response
    return [
        reply_fields(out, settings, own_room, tokenizer)
        for out, own_room in zip(outs, rooms, strict=True)
    ]


def load_together(model: str, speakers: list[dict]) -> PeftModel:
    """One base model with the adapter of every speaker that has one, under the speaker's place;
    `set_adapter` switches between them."""
    base, speakers = load_base(model).dequantize(), [one for one in speakers if one["adapter"]]
    make_room(
        base,
        [max(len(s["tokenizer"]) for s in speakers) - 1]
        if any(s["token"] for s in speakers)
        else [],
    )
    # PEFT cannot load an adapter without added tokens after one with them.
    first, *others = sorted(speakers, key=lambda one: bool(one["token"]))
    together = PeftModel.from_pretrained(base, first["adapter"], adapter_name=first["place"])
    for other in others:
        together.load_adapter(other["adapter"], adapter_name=other["place"])
    return together.to(compute_dtype()).eval()


def reply_as(
    model: PeftModel,
    one: dict,
    messages: list[dict],
    seed: int,
    settings: dict,
    listen: Callable[[dict], None] | None = None,
) -> dict:
    """One speaker's reply (the fields of `answer.reply_fields`) to a chat, with its adapter or,
    where it has none, the base model; `listen` as in `answer_chats`."""
    if one["adapter"]:
        model.set_adapter(one["place"])
    with nullcontext() if one["adapter"] else model.disable_adapter():
        return answer_chats(
            model,
            one["tokenizer"],
            [messages],
            seed,
            settings | one["form"],
            one["token"],
            one["system"],
            listen,
        )[0]
