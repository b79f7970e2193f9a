"""Likelihoods, in nats: of given answers (`score_choices`) and of held-out texts
(`score_heldout`)."""

from copy import copy

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import DynamicCache

from helpers.corpus import formats
from helpers.corpus.encode import count_control, encode, plain_ids, plain_text, reply_ids
from helpers.model.answer import prompt_ids, read_prompts
from helpers.model.base import autocast, bare, use_attention, visible
from helpers.model.packed import pack, packed_loss, refuse_special_heads

PROGRESS = {"mininterval": 15, "ncols": 90}
# What a choice asks, which the scored rows do not repeat.
NOT_TAGS = ("prompt", "asked", "system", "start", "options")
TOGETHER = 16  # options that are read at once: more do not fit a processor's cache


@torch.inference_mode()
def score_choices(
    model, tokenizer, choices: list[dict], system: str | None, batch: int = 16
) -> list[dict]:
    """The likelihood of every option as (the beginning of) the reply, in nats: rows {the tags of
    the choice (item, measure, ...), option, n_tokens, nll}, `nll` summed over the option's tokens,
    in the order of the choices.

    `choices` are rows of `readouts.choices`, with `asked` where the model reads something else than
    `prompt`, and with `system` where it takes the place of the arm's. What several choices ask
    alike is read once for all their options, and the beginning that the prompts of a batch share,
    once for the batch. Prints how many choices hold control tokens.
    """
    use_attention(model, "sdpa")
    refuse_special_heads(bare(model))
    if odd := sum(any(count_control(text, tokenizer) for text in texts_of(c)) for c in choices):
        print(f"{odd} of {len(choices)} choices hold control tokens, which are read as plain text")
    losses = {}
    asked = by_prompt(choices, system, tokenizer)
    for start in tqdm(range(0, len(asked), batch), desc="scoring options, batches", **PROGRESS):
        prompts, options = zip(*asked[start : start + batch], strict=True)
        places = [(row, place) for row, own in enumerate(options) for place, _ in own]
        texts = [ids for own in options for _, ids in own]
        with autocast():
            found = option_losses(
                bare(model),
                list(prompts),
                [row for row, _ in places],
                texts,
                tokenizer.pad_token_id,
            )
        losses |= {place: nll for (_, place), nll in zip(places, found, strict=True)}
    return scored(choices, losses)


def scored(choices: list[dict], losses: dict) -> list[dict]:
    """The rows of `score_choices` from the losses of the tokens of every option, (choice, option)
    -> tensor (n_tokens,)."""
    return [
        {k: v for k, v in choice.items() if k not in NOT_TAGS}
        | {"option": number, "n_tokens": len(nll), "nll": nll.double().sum().item()}
        for n, choice in enumerate(choices)
        for number in range(len(choice["options"]))
        for nll in [losses[n, number]]
    ]


def texts_of(choice: dict) -> list[dict]:
    """The texts of a choice, each as a row {text}."""
    texts = [choice.get("asked", choice["prompt"]), choice["start"], *choice["options"]]
    return [{"text": text} for text in texts]


def by_prompt(choices: list[dict], system: str | None, tokenizer) -> list[tuple]:
    """Every different prompt with all its options: [(token ids, [((choice, option), token ids)])],
    in an order in which neighbours share their beginning and are about as long."""
    encoded, asked = {}, {}
    for n, choice in enumerate(choices):
        own = choice.get("system", system)
        key = (own or "", choice.get("asked", choice["prompt"]), choice["start"])
        if key not in asked:
            ids = prompt_ids(key[1], own, tokenizer) + reply_ids(
                plain_text(choice["start"], tokenizer), tokenizer
            )
            asked[key] = (ids, [])
        for number, text in enumerate(choice["options"]):
            name = (bool(choice["start"]), text)
            if name not in encoded:
                encoded[name] = (
                    plain_ids(plain_text(f" {text}", tokenizer), tokenizer, True)
                    if choice["start"]
                    else reply_ids(plain_text(text, tokenizer), tokenizer)
                )
            asked[key][1].append(((n, number), encoded[name]))
    order = sorted(asked, key=lambda key: (key[0], len(asked[key][0])))
    return [asked[key] for key in order]


def option_losses(
    causal, prompts: list[list[int]], rows: list[int], options: list[list[int]], pad: int
) -> list[torch.Tensor]:
    """Negative log-likelihoods (nats) of the tokens of each option after the prompt in its row of
    `prompts`. Options of about one length are read together."""
    cache, last, mask = read_prompts(causal, prompts, pad, 1)
    by_length = sorted(range(len(options)), key=lambda n: len(options[n]))
    losses = [None] * len(options)
    for start in range(0, len(by_length), TOGETHER):
        part = by_length[start : start + TOGETHER]
        own = torch.tensor([rows[n] for n in part], device=causal.device)
        ids = [options[n] for n in part]
        found = continued(causal, selected(cache, own), last[own], mask[own], ids, pad)
        for n, nll in zip(part, found, strict=True):
            losses[n] = nll
    return losses


def selected(cache: DynamicCache, rows: torch.Tensor) -> DynamicCache:
    """A cache of some rows of another, each as often as it is named; the other stays as it is."""
    chosen = copy(cache)
    chosen.layers = [copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(rows)
    return chosen


def continued(
    causal, cache: DynamicCache, last: torch.Tensor, mask: torch.Tensor, options: list, pad: int
) -> list[torch.Tensor]:
    """The losses of one option after each row of a cache, whose last hidden states and mask are
    given. The last token of an option is predicted and not read."""
    where, longest = causal.device, max(map(len, options))
    ids = torch.tensor([ids + [pad] * (longest - len(ids)) for ids in options], device=where)
    lengths = torch.tensor([len(ids) for ids in options], device=where)
    real = torch.arange(longest, device=where) < lengths[:, None]
    before = last[:, None]  # the states that predict each token
    if longest > 1:
        read = real[:, 1:].to(mask.dtype)
        hidden = causal.base_model(
            input_ids=ids[:, :-1],
            attention_mask=visible(causal, torch.cat([mask, read], 1), longest - 1),
            position_ids=mask.sum(1, keepdim=True) + torch.arange(longest - 1, device=where),
            past_key_values=cache,
        ).last_hidden_state
        before = torch.cat([before, hidden], 1)
    losses = head_losses(before[real], causal.get_output_embeddings().weight, ids[real])
    return list(losses.split(lengths.tolist()))


def head_losses(hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of `hidden @ head.T` by rows, in float32. The product is made 256 rows at a
    time, and normalised 16 at a time, which stay in a processor's cache: a quarter of the time."""
    losses = torch.empty(len(labels), device=hidden.device)
    for rows in torch.arange(len(labels), device=hidden.device).split(256):
        logits = hidden[rows].to(head.dtype) @ head.T
        for own, few in zip(rows.split(16), logits.split(16), strict=True):
            losses[own] = cross_entropy(few.float(), labels[own], reduction="none")
    return losses


@torch.inference_mode()
def score_texts(model, examples: list[dict], batch: int = 16) -> list[dict]:
    """Per example {unit, n_tokens, nll}: the summed negative log-likelihood of its target tokens,
    in nats."""
    rows = []
    starts = range(0, len(examples), batch)
    for start in tqdm(starts, desc="scoring, batches", **PROGRESS):
        part = examples[start : start + batch]
        losses = packed_loss(model, pack(part, str(model.device)))
        lengths = [sum(label != -100 for label in e["labels"][1:]) for e in part]
        for example, nll in zip(part, losses.split(lengths), strict=True):
            rows.append(
                {"unit": example["unit"], "n_tokens": len(nll), "nll": nll.double().sum().item()}
            )
    return rows


def score_heldout(
    model, tokenizer, run: str, persona: str, control: str, max_length: int
) -> list[dict]:
    """The prepared held-out texts of every format, and the control character's on the same units
    (none where `control` is ""): rows {subject, text, unit, n_tokens, nll}, `text` the format."""
    rows, others = [], formats.load_corpora(control) if control else {}
    for name in formats.prepared_formats(run):
        heldout = [row for row in formats.prepared(run, name) if row["split"] == "heldout"]
        theirs = formats.same_units(others.get(name, []), heldout)
        for subject, part in ((persona, heldout), (control, theirs)):
            texts = [encode(row, tokenizer, max_length) for row in part]
            rows += [{"subject": subject, "text": name} | row for row in score_texts(model, texts)]
    return rows
