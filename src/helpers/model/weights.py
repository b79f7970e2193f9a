"""What adapters did to the weights: models with adapters at other strengths, merged, requantised or
replaced by a constant shift of each layer, and how far the subspaces of two adapters overlap."""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from peft import PeftModel
from safetensors.torch import load_file
from scipy.linalg import subspace_angles

from helpers.files import (
    StudyError,
    append_jsonl,
    fingerprint,
    read_json,
    resume_jsonl,
    shown,
    write_jsonl,
)
from helpers.model.base import autocast, bare, check_trained, load_base, use_attention
from helpers.model.score import score_choices
from helpers.pretrained import compute_dtype

BLOCK = 64  # weights that share a scale in NF4, as when the base is loaded


# Models


def load_weighted(model: str, parts: list[tuple[Path, float]]):
    """The base with the sum of adapters, each at its weight, merged into its unpacked weights: 1 is
    an adapter as it was trained, -1 its reverse, two halves their mean.

    The sum is exact (PEFT's `add_weighted_adapter` by concatenation): weight times scaling times
    B A, summed. Raises StudyError for a folder without a whole adapter.
    """
    for folder, _ in parts:
        check_trained(folder)
    names = [f"part{number}" for number in range(len(parts))]
    whole = PeftModel.from_pretrained(load_base(model).dequantize(), parts[0][0], names[0])
    for name, (folder, _) in zip(names[1:], parts[1:], strict=True):
        whole.load_adapter(folder, name)
    weights = [weight for _, weight in parts]
    whole.add_weighted_adapter(names, weights, "sum", combination_type="cat")
    whole.set_adapter("sum")
    return whole.merge_and_unload(adapter_names=["sum"]).to(compute_dtype()).eval()


def requantise(merged):
    """A merged model whose adapted matrices were rounded to NF4 again, in blocks of `BLOCK` with
    double quantisation as in the base, and unpacked; embeddings and norms stay. Returns the
    model."""
    for name, module in merged.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head"):
            packed, state = quantize_4bit(
                module.weight.data.contiguous(),
                blocksize=BLOCK,
                compress_statistics=True,
                quant_type="nf4",
            )
            module.weight.data = dequantize_4bit(packed, state).to(module.weight.dtype)
    return merged


def changed(
    model: str,
    adapters: dict[str, Path],
    strengths: list[float],
    examples: list[dict],
    done: Collection[str] = (),
) -> Iterator[tuple[str, object]]:
    """Every change of two arms' adapters but those named in `done`, one model at a time:
    (`<arm>/<change>`, model).

    Of each arm: its strengths, `shift` (base with the adapter's mean shift of each layer over the
    examples) and `requantised`. Of both, called after the first: `merged` (half of each), `added`
    (each whole) and `merged_requantised`.
    """
    for arm, folder in adapters.items():
        for strength in strengths:
            if (name := f"{arm}/{strength:g}") not in done:
                yield name, load_weighted(model, [(folder, strength)])
        if (name := f"{arm}/shift") not in done:
            own = mean_contributions(load_weighted(model, [(folder, 1.0)]), examples)
            plain = load_base(model).dequantize().to(compute_dtype()).eval()
            add_shift(plain, own - mean_contributions(plain, examples))
            yield name, plain
        if (name := f"{arm}/requantised") not in done:
            yield name, requantise(load_weighted(model, [(folder, 1.0)]))
    first, both = next(iter(adapters)), adapters.values()
    for change, weight in (("merged", 0.5), ("added", 1.0), ("merged_requantised", 0.5)):
        if (name := f"{first}/{change}") not in done:
            merge = load_weighted(model, [(folder, weight) for folder in both])
            yield name, requantise(merge) if change.endswith("requantised") else merge


def score_changed(
    model: str,
    tokenizer,
    adapters: dict[str, Path],
    strengths: list[float],
    examples: list[dict],
    options: list[dict],
    made_from: dict,
    kept: Path,
) -> list[dict]:
    """The options (`readouts.choices`) scored under every change (`changed`): the rows of
    `score_choices` with `arm`, change after change.

    Each change is on the disk, in the file `kept`, before the next one is made, so that a stopped
    step goes on with the change that it was at. Rows that were made from anything else (options,
    examples, or what `made_from` names: weights, settings, code) are made anew.
    """
    identity = fingerprint([made_from, options, examples])
    rows = [row for row in resume_jsonl(kept) if row["made_from"] == identity]
    counts, whole = Counter(row["arm"] for row in rows), sum(len(row["options"]) for row in options)
    done = {name for name, count in counts.items() if count == whole}  # else it was cut off
    rows = [row for row in rows if row["arm"] in done]
    write_jsonl(kept, rows)
    for name, changed_model in changed(model, adapters, strengths, examples, done):
        scored = score_choices(changed_model, tokenizer, options, None)
        new = [{"arm": name, "made_from": identity} | row for row in scored]
        append_jsonl(kept, new)
        rows += new
        print(f"{name}: {len(new)} options")
    return [{key: value for key, value in row.items() if key != "made_from"} for row in rows]


# Mean shifts


def layers_of(model) -> list[torch.nn.Module]:
    """The decoder's layers, first to last."""
    return list(bare(model).base_model.layers)


def hidden(output) -> torch.Tensor:
    """The hidden states that a layer gives, whether alone or first of several."""
    return output[0] if isinstance(output, tuple) else output


@torch.inference_mode()
def mean_contributions(model, examples: list[dict]) -> torch.Tensor:
    """What each layer adds to the hidden states, on average over all tokens of the examples
    {input_ids}: (layers, size), float32."""
    use_attention(model, "sdpa")
    layers, tokens = layers_of(model), 0
    sums = [torch.zeros(()) for _ in layers]

    def add_up(place):
        def hook(_, args, kwargs, output):
            before = args[0] if args else kwargs["hidden_states"]
            sums[place] = sums[place] + (hidden(output) - before).float().sum((0, 1))

        return hook

    handles = [
        layer.register_forward_hook(add_up(place), with_kwargs=True)
        for place, layer in enumerate(layers)
    ]
    try:
        for example in examples:
            ids = torch.tensor([example["input_ids"]], device=model.device)
            with autocast():
                bare(model).base_model(input_ids=ids, use_cache=False)
            tokens += ids.shape[1]
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(sums) / max(1, tokens)


def add_shift(model, shift: torch.Tensor) -> list:
    """Make every layer of a model add its constant `shift` (layers, size) to the hidden states, at
    every token (as in activation addition, arXiv 2308.10248, with a vector for each layer). Returns
    the hooks, whose `remove` ends it."""

    def adding(constant):
        def hook(_, args, output):
            moved = hidden(output) + constant.to(hidden(output))
            return (moved, *output[1:]) if isinstance(output, tuple) else moved

        return hook

    return [
        layer.register_forward_hook(adding(constant))
        for layer, constant in zip(layers_of(model), shift, strict=True)
    ]


# Subspaces


def factors(adapter: Path) -> dict[tuple[int, str], tuple[torch.Tensor, torch.Tensor]]:
    """(layer, projection) -> A (rank, in) and B (out, rank) of an adapter, B times the scaling, in
    float64. Raises StudyError where there is none."""
    check_trained(adapter)
    config = read_json(adapter / "adapter_config.json")
    root = math.sqrt(config["r"]) if config.get("use_rslora") else config["r"]
    weights, found = load_file(adapter / "adapter_model.safetensors"), {}
    for name in weights:
        if name.endswith("lora_A.weight"):
            parts = name.split(".")
            b = weights[name.replace("lora_A", "lora_B")].double() * config["lora_alpha"] / root
            found[int(parts[parts.index("layers") + 1]), parts[-3]] = (weights[name].double(), b)
    if not found:
        raise StudyError(f"{shown(adapter)}: it holds no LoRA matrices.")
    return found


def overlap(first: Path, second: Path) -> list[dict]:
    """How alike two adapters are, matrix by matrix: rows {layer, projection, norm, other_norm,
    cosine, reads, writes, reads_chance, writes_chance}.

    `norm` is the Frobenius norm of what an adapter adds to a matrix, `cosine` that of the two
    additions. `reads` and `writes` are the mean squared cosine of the principal angles between what
    the two read from (row spaces) and write to (column spaces), 1 for the same subspace; chance is
    that of random subspaces, rank over size. Adapters of one seed begin with the same A and share
    most of it still, so that `reads` tells something of different seeds alone.
    """
    rows, others = [], factors(second)
    for (layer, projection), (a, b) in factors(first).items():
        c, d = others[layer, projection]
        norms = [inner(b, a, b, a) ** 0.5, inner(d, c, d, c) ** 0.5]
        cosine = inner(b, a, d, c) / (norms[0] * norms[1]) if all(norms) else float("nan")
        row = {"layer": layer, "projection": projection, "norm": norms[0], "other_norm": norms[1]}
        row |= {"cosine": cosine, "reads": shared(a.T, c.T), "writes": shared(b, d)}
        row |= {"reads_chance": a.shape[0] / a.shape[1], "writes_chance": b.shape[1] / b.shape[0]}
        rows.append(row)
    return rows


def inner(b: torch.Tensor, a: torch.Tensor, d: torch.Tensor, c: torch.Tensor) -> float:
    """The inner product of the matrices B A and D C, which are never made."""
    return float(((b.T @ d) * (a @ c.T)).sum())


def shared(first: torch.Tensor, second: torch.Tensor) -> float:
    """The mean squared cosine of the principal angles between the column spaces of two matrices."""
    angles = torch.from_numpy(subspace_angles(first.numpy(), second.numpy()))
    return float(angles.cos().square().mean())
