"""Likelihoods, in nats: of given answers (`score_choices`) and of held-out texts
(`score_heldout`)."""

from itertools import groupby

import torch
from tqdm import tqdm

from helpers.corpus import formats
from helpers.corpus.encode import encode, plain_ids, plain_text
from helpers.model.answer import prompt_ids, read_prompts
from helpers.model.base import autocast, bare, use_attention
from helpers.model.packed import FrozenHeadLoss, pack, packed_loss, refuse_special_heads


@torch.inference_mode()
def score_choices(
    model, tokenizer, choices: list[dict], system: str | None, batch: int = 16
) -> list[dict]:
    """The likelihood of every option as (the beginning of) the reply, in nats: rows {item, measure,
    scenario_trait, setting, option, n_tokens, nll}, `nll` summed over the option's tokens.

    `choices` are rows of `items.choices`, with `asked` where the model reads something else than
    `prompt`. A prompt is read once for all its options.
    """
    use_attention(model, "sdpa")
    refuse_special_heads(bare(model))
    rows = []
    asked = [
        (
            c,
            prompt_ids(c.get("asked", c["prompt"]), system, tokenizer)
            + plain_ids(c["start"], tokenizer),
        )
        for c in choices
    ]
    asked.sort(
        key=lambda pair: (len(pair[0]["options"]), len(pair[1]))
    )  # little padding, one count of options
    groups = [list(part) for _, part in groupby(asked, lambda pair: len(pair[0]["options"]))]
    batches = [group[i : i + batch] for group in groups for i in range(0, len(group), batch)]
    for part in tqdm(batches, desc="scoring options, batches", mininterval=15, ncols=90):
        options = [
            plain_ids(plain_text(" " + text if c["start"] else text, tokenizer), tokenizer)
            for c, _ in part
            for text in c["options"]
        ]
        with autocast():
            losses = option_losses(
                bare(model), [prompt for _, prompt in part], options, tokenizer.pad_token_id
            )
        for (choice, number), nll in zip(
            [(c, i) for c, _ in part for i in range(len(c["options"]))], losses, strict=True
        ):
            tags = {
                k: v for k, v in choice.items() if k not in ("prompt", "asked", "start", "options")
            }
            rows.append(
                tags | {"option": number, "n_tokens": len(nll), "nll": nll.double().sum().item()}
            )
    return rows


def option_losses(
    causal, prompts: list[list[int]], options: list[list[int]], pad: int
) -> list[torch.Tensor]:
    """Negative log-likelihoods (nats) of the tokens of each option after its prompt; as many
    options for every prompt, all those of the first prompt first."""
    where = causal.device
    cache, last, mask = read_prompts(causal, prompts, pad, len(options) // len(prompts))
    longest = max(map(len, options))
    ids = torch.tensor(
        [option + [pad] * (longest - len(option)) for option in options], device=where
    )
    real = torch.tensor(
        [[1] * len(option) + [0] * (longest - len(option)) for option in options], device=where
    )
    positions = mask.sum(1, keepdim=True) + torch.arange(longest, device=where)
    hidden = causal.base_model(
        input_ids=ids,
        attention_mask=torch.cat([mask, real], 1),
        position_ids=positions,
        past_key_values=cache,
    ).last_hidden_state
    before = torch.cat([last[:, None], hidden[:, :-1]], 1)[
        real.bool()
    ]  # the state that predicts each token
    head = causal.get_output_embeddings().weight
    losses = FrozenHeadLoss.apply(before.to(head.dtype), head, ids[real.bool()])
    return list(losses.split([len(option) for option in options]))


@torch.inference_mode()
def score_texts(model, examples: list[dict], batch: int = 16) -> list[dict]:
    """Per example {unit, n_tokens, nll}: the summed negative log-likelihood of its target tokens,
    in nats."""
    rows = []
    starts = range(0, len(examples), batch)
    for start in tqdm(starts, desc="scoring, batches", mininterval=15, ncols=90):
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
