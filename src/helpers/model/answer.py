"""Free answers: prompts in the chat template, batches of samples, rows on the disk.

`generate_batch` samples token ids; `answer_prompts` turns prompts into rows and resumes; `sampling`
says what the answers depend on.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from helpers.corpus.encode import chat_prompt, count_control, plain_ids, reply_ids
from helpers.files import append_jsonl, file_hash, fingerprint, resume_jsonl, write_jsonl
from helpers.model.base import autocast, bare, new_cache, use_attention, visible
from helpers.pretrained import compute_dtype, model_hash
from helpers.templates import reply_end, spoken, text_end

# Raise it when a change of code makes other answers of the same settings: those that a stopped run
# has kept are then given again.
VERSION = 1


def prompt_ids(prompt: str, system: str | None, tokenizer) -> list[int]:
    """One user turn in the tokenizer's chat template, ready for the reply. `system` None passes no
    system message."""
    messages = [{"role": "system", "content": system}] * (system is not None) + [
        {"role": "user", "content": prompt}
    ]
    return plain_ids(chat_prompt(messages, tokenizer), tokenizer)


def shared_prefix(prompts: list[list[int]]) -> int:
    """How many leading tokens all prompts have in common; at least one token of each is left
    over."""
    shortest = min(len(p) for p in prompts)
    same = next((i for i in range(shortest) if len({p[i] for p in prompts}) > 1), shortest)
    return min(same, shortest - 1)


@torch.inference_mode()
def generate_batch(
    model,
    prompts: list[list[int]],
    tokenizer,
    seed: int,
    settings: dict,
    listen: Callable[[list[int]], None] | None = None,
) -> list[list[int]]:
    """Answer every prompt `settings['samples']` times; returns the new token ids without the end
    token, all samples of the first prompt first.

    What is shared is read once: the prefix of all prompts (template, system prompt) for one row,
    the rest of a prompt for one of its samples; the keys and values are then repeated. Rows that
    have ended leave the batch. `settings` has samples, temperature, top_p and max_new_tokens. `make
    bench` measures the gain over `generate` prompt by prompt; transformers' own batched `generate`
    reads every prompt for every sample and sorts the vocabulary.

    `listen` is given the ids of the first answer so far, after each token.
    """
    use_attention(model, "sdpa")
    with autocast():
        return decode(bare(model), prompts, tokenizer, seed, settings, listen)


def read_prompts(causal, prompts: list[list[int]], pad: int, copies: int):
    """Read prompts with nothing read twice; returns (cache, hidden state of each last token, mask),
    every prompt's row repeated `copies` times: (prompts x copies, ...)."""
    where = causal.device
    shared, longest = shared_prefix(prompts), max(len(p) for p in prompts)
    # Padding stands between the shared prefix and the rest, where the mask hides it.
    rest = torch.tensor([[pad] * (longest - len(p)) + p[shared:] for p in prompts], device=where)
    mask = torch.tensor(
        [[1] * shared + [0] * (longest - len(p)) + [1] * (len(p) - shared) for p in prompts]
    )
    mask = mask.to(where)
    cache = new_cache(causal)
    if shared:
        causal.base_model(
            input_ids=torch.tensor([prompts[0][:shared]], device=where), past_key_values=cache
        )
        cache.batch_repeat_interleave(len(prompts))
    positions = mask.cumsum(1).sub(1).clamp(min=0)
    hidden = causal.base_model(
        input_ids=rest,
        attention_mask=visible(causal, mask, longest - shared),
        position_ids=positions[:, shared:],
        past_key_values=cache,
    ).last_hidden_state[:, -1]
    cache.batch_repeat_interleave(copies)
    return cache, hidden.repeat_interleave(copies, 0), mask.repeat_interleave(copies, 0)


def decode(
    causal,
    prompts: list[list[int]],
    tokenizer,
    seed: int,
    settings: dict,
    listen: Callable[[list[int]], None] | None = None,
) -> list[list[int]]:
    """The work of `generate_batch` on a bare causal model."""
    where = causal.device
    cache, hidden, mask = read_prompts(causal, prompts, tokenizer.pad_token_id, settings["samples"])
    ends = torch.tensor(sorted(end_tokens(causal, tokenizer)), device=where)
    torch.manual_seed(seed)
    answers = [[] for _ in range(len(hidden))]
    alive = torch.arange(len(hidden), device=where)
    while True:
        tokens = nucleus_sample(
            causal.get_output_embeddings()(hidden), settings["temperature"], settings["top_p"]
        )
        for row, token in zip(alive.tolist(), tokens.tolist(), strict=True):
            answers[row].append(token)
        if listen:
            listen(answers[0])
        going = torch.isin(tokens, ends, invert=True).nonzero()[:, 0]
        if len(going) < len(alive):
            alive, tokens, mask = alive[going], tokens[going], mask[going]
            cache.batch_select_indices(going)
        if not len(alive) or len(answers[alive[0]]) == settings["max_new_tokens"]:
            return [cut(answer, set(ends.tolist())) for answer in answers]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        hidden = causal.base_model(
            input_ids=tokens[:, None],
            attention_mask=visible(causal, mask, 1),
            position_ids=mask.sum(1, keepdim=True) - 1,
            past_key_values=cache,
        ).last_hidden_state[:, -1]


def nucleus_sample(
    logits: torch.Tensor, temperature: float, top_p: float, widest: int = 1024
) -> torch.Tensor:
    """One token per row (rows,) from the nucleus: the fewest most likely tokens whose mass reaches
    `top_p` (Holtzman et al., arXiv 1904.09751, section 3.1), at most `widest` of them, so that the
    vocabulary is not sorted.

    temperature 0 takes the most likely token.
    """
    if temperature == 0:
        return logits.argmax(1)
    logits = logits.float() / temperature
    top, index = logits.topk(min(widest, logits.shape[1]))
    probabilities = (top - logits.logsumexp(1, keepdim=True)).exp()
    before = probabilities.cumsum(1) - probabilities
    choice = torch.multinomial(probabilities * (before < top_p), 1)
    return index.gather(1, choice)[:, 0]


def end_tokens(causal, tokenizer) -> set[int]:
    """The tokens that end an answer: what the template writes after a reply, the end of a text, and
    those that the model's generation config names."""
    named = causal.generation_config.eos_token_id
    return {reply_end(tokenizer), text_end(tokenizer)} | set(
        named if isinstance(named, list) else [named] if named is not None else []
    )


def cut(ids: list[int], ends: set[int]) -> list[int]:
    """The ids before the first end token."""
    return ids[: next((i for i, token in enumerate(ids) if token in ends), len(ids))]


def sampling(settings: dict, model: str, folder: Path) -> dict:
    """What an arm's answers depend on beside their prompts: those of a notebook's `settings` that
    say how they are sampled, and the weights: base model, the adapter in `folder` (None for an arm
    without one) and number format."""
    names = ("answer_batch", "max_new_tokens", "temperature", "top_p", "seed")
    weights = {
        "model": model_hash(model),
        "adapter": file_hash(folder / "adapter_model.safetensors"),
        "dtype": str(compute_dtype()),
    }
    return {name: settings[name] for name in names} | weights


def answer_kinds(
    model,
    tokenizer,
    prompts: dict[str, list[dict]],
    system: str | None,
    settings: dict,
    samples: dict[str, int],
    tags: dict,
    folder: Path,
) -> list[dict]:
    """`answer_prompts` for kind -> prompts, with as many samples of a kind as `samples` says, into
    `folder/answers_<kind>.jsonl`; returns all rows, kind after kind."""
    rows = []
    for kind, own in prompts.items():
        path, often = folder / f"answers_{kind}.jsonl", {"samples": samples[kind]}
        rows += answer_prompts(model, tokenizer, own, system, settings | often, tags, path)
    return rows


def answer_prompts(
    model,
    tokenizer,
    prompts: list[dict],
    system: str | None,
    settings: dict,
    tags: dict,
    path: Path,
) -> list[dict]:
    """Answer every prompt `settings['samples']` times; returns the rows {id, **tags, item, kind,
    scenario_trait, setting, sample, prompt, answer, n_tokens, finished, settings}.

    Rows are appended batch by batch, and rows of the same settings that are already there are kept;
    every batch has its own seed, so that an interrupted and resumed step gives the same answers.
    `prompts` are rows of `items.prompts`, with `asked` where the model reads something else than
    `prompt`; `settings` has samples, answer_batch, max_new_tokens, temperature, top_p and seed, and
    for an arm that reasons what `asking.form` gives: `start`, the beginning of every reply, and
    `reveal`, the text up to which a reply is kept apart as `analysis`, a further field, for which
    there are `analysis_tokens` more tokens. A reply that does not get there is an empty answer.
    """
    if not prompts:
        return []
    identity = fingerprint([VERSION, settings, tags, system, prompts])
    rows = [row for row in resume_jsonl(path) if row["settings"] == identity]
    write_jsonl(path, rows)
    texts = [{"text": prompt.get("asked", prompt["prompt"])} for prompt in prompts]
    if odd := sum(count_control(text, tokenizer) > 0 for text in texts):
        print(f"{odd} of {len(prompts)} prompts hold control tokens, which are read as plain text")
    done = {row["id"] for row in rows}
    size = max(1, settings["answer_batch"] // settings["samples"])
    batches = [prompts[i : i + size] for i in range(0, len(prompts), size)]
    for number, batch in enumerate(
        tqdm(batches, desc=f"answering {prompts[0]['kind']}, batches", mininterval=15, ncols=90)
    ):
        wanted = [(prompt, sample) for prompt in batch for sample in range(settings["samples"])]
        ids = [f"{prompt['id']}/{sample}" for prompt, sample in wanted]
        if done.issuperset(ids):
            continue
        start = reply_ids(settings.get("start", ""), tokenizer)
        asked = [
            prompt_ids(prompt.get("asked", prompt["prompt"]), system, tokenizer) + start
            for prompt in batch
        ]
        room = {"max_new_tokens": settings["max_new_tokens"] + settings.get("analysis_tokens", 0)}
        answers = generate_batch(
            model, asked, tokenizer, settings["seed"] * 1_000_003 + number, settings | room
        )
        new = [
            {
                "id": row_id,
                **tags,
                "item": prompt["id"],
                **{
                    name: prompt[name]
                    for name in ("kind", "scenario_trait", "setting", "stage")
                    if name in prompt
                },
                "sample": sample,
                "prompt": prompt["prompt"],
                **reply_fields(out, settings, room["max_new_tokens"], tokenizer),
                "settings": identity,
            }
            for row_id, (prompt, sample), out in zip(ids, wanted, answers, strict=True)
            if row_id not in done
        ]
        append_jsonl(path, new)
        rows += new
    return rows


def reply_fields(out: list[int], settings: dict, room: int, tokenizer) -> dict:
    """What a row keeps of a reply of at most `room` tokens: answer, n_tokens, finished; and its
    analysis, if it has one apart. A thinking block is no part of an answer, and a reply that does
    not finish one is an empty answer."""
    said = spoken(out, tokenizer)
    finished, said = len(out) < room and said is not None, said or []
    text = tokenizer.decode(said, skip_special_tokens=True).strip()
    if "reveal" not in settings:
        return {"answer": text, "n_tokens": len(said), "finished": finished}
    analysis, revealed, answer = text.partition(settings["reveal"])
    ids = plain_ids(answer.strip(), tokenizer)
    kept = ids[: settings["max_new_tokens"]]
    return {
        "answer": tokenizer.decode(kept).strip(),
        "n_tokens": len(kept),
        "analysis": analysis.strip(),
        "finished": bool(revealed) and finished and len(kept) == len(ids),
    }
