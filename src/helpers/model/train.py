"""Fine-tuning of an adapter on packed batches, with a checkpoint to resume from."""

import math
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm
from transformers import get_cosine_schedule_with_warmup

from helpers import arms
from helpers.corpus.encode import trained_tokens, unit_order
from helpers.files import (
    StudyError,
    append_jsonl,
    atomic,
    fingerprint,
    read_jsonl,
    resume_jsonl,
    shown,
    write_jsonl,
)
from helpers.model.packed import pack, packed_loss

# Raise it when a change of code makes another adapter of the same recipe: a checkpoint that a
# stopped run has left is then not used.
VERSION = 1


def epochs_of(arm: str, epochs: int) -> int:
    """How many times an arm's rows are read: `epochs`, but once those of a reasoned arm, which are
    repeated and mixed with general instructions when they are prepared."""
    return 1 if arm in arms.trained_on("reasoned") else epochs


def schedule(n_examples: int, epochs: int, batch: int) -> int:
    """The number of optimiser steps: each epoch sees every example once, in batches of `batch`, the
    last one smaller."""
    return epochs * math.ceil(n_examples / batch)


def batch_units(step: int, n_examples: int, batch: int, seed: int) -> list[int]:
    """The places of the examples that step number `step` (from 0) trains on."""
    per_epoch = math.ceil(n_examples / batch)
    order = unit_order(n_examples, seed, step // per_epoch)
    start = step % per_epoch * batch
    return order[start : start + batch].tolist()


def train_step(model, examples: list[dict], optimizer, scheduler, max_norm: float = 1.0) -> float:
    """One optimiser step on one packed batch; returns its loss, the mean over all its target
    tokens, in nats."""
    batch = pack(examples, str(model.device))
    loss = packed_loss(model, batch).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], max_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    scheduler.step()
    return loss.item()


def seconds_per_step(model, examples: list[dict]) -> float:
    """The time of one forward and backward pass, the second of two, without changing a weight."""
    for _ in range(2):
        began = time.perf_counter()
        packed_loss(model, pack(examples, str(model.device))).mean().backward()
        taken = time.perf_counter() - began
        model.zero_grad(set_to_none=True)
    return taken


@torch.inference_mode()
def heldout_loss(model, examples: list[dict], batch: int = 16) -> float:
    """Mean negative log-likelihood per target token over held-out examples, in nats."""
    was_training = model.training
    model.eval()
    losses = [
        packed_loss(model, pack(examples[i : i + batch], str(model.device)))
        for i in range(0, len(examples), batch)
    ]
    model.train(was_training)
    return torch.cat(losses).mean().item()


def train_adapter(
    model, examples: list[dict], heldout: list[dict], recipe: dict, seed: int, folder: Path
) -> list[dict]:
    """Train the adapter of a PEFT model; returns the log rows {step, epoch, loss, learning_rate,
    tokens, seconds, heldout_loss}, which also stand in `folder/log.jsonl` step by step.

    `recipe` has epochs, batch, learning_rate, warmup (share of the steps), checkpoint_every (steps)
    and whatever else makes this training what it is (rank, base weights ...): it is the
    checkpoint's fingerprint. Every random draw of a step comes from (seed, step), so that a run
    that was killed and resumed ends with the same adapter. The checkpoint is one safetensors file
    (adapter and AdamW moments); one with another fingerprint is not used, and training starts anew.
    Raises StudyError when the loss is no longer finite.
    """
    n_steps = schedule(len(examples), recipe["epochs"], recipe["batch"])
    per_epoch = n_steps // recipe["epochs"]
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=recipe["learning_rate"], weight_decay=0.0)
    trained_on = [[e["input_ids"], e["labels"]] for e in examples]
    identity = fingerprint(
        [VERSION, {k: v for k, v in recipe.items() if k != "checkpoint_every"}, seed, trained_on]
    )
    log_path = folder / "log.jsonl"

    start = load_checkpoint(folder / "checkpoint.safetensors", identity, weights, optimizer)
    # A schedule that starts in the middle wants to know where it began.
    optimizer.param_groups[0]["initial_lr"] = recipe["learning_rate"]
    warmup = round(recipe["warmup"] * n_steps)
    scheduler = get_cosine_schedule_with_warmup(optimizer, warmup, n_steps, last_epoch=start - 1)
    log = [row for row in resume_jsonl(log_path) if row["step"] <= start]
    if start:
        print(f"Resuming after step {start} of {n_steps}.")
    else:
        log = [
            {
                "step": 0,
                "epoch": 0.0,
                "loss": None,
                "learning_rate": 0.0,
                "tokens": 0,
                "seconds": 0.0,
                "heldout_loss": heldout_loss(model, heldout),
            }
        ]
    write_jsonl(log_path, log)

    model.train()
    bar = tqdm(
        range(start, n_steps),
        initial=start,
        total=n_steps,
        desc="training",
        mininterval=15,
        ncols=90,
    )
    for step in bar:
        began = time.perf_counter()
        torch.manual_seed(seed * 1_000_003 + step)
        chosen = [examples[i] for i in batch_units(step, len(examples), recipe["batch"], seed)]
        rate = scheduler.get_last_lr()[0]
        loss = train_step(model, chosen, optimizer, scheduler)
        if not math.isfinite(loss):
            raise StudyError(
                f"The loss of step {step + 1} is {loss}: lower the learning rate ({rate:.1e})."
            )
        row = {
            "step": step + 1,
            "epoch": round((step + 1) / per_epoch, 4),
            "loss": loss,
            "learning_rate": rate,
            "tokens": sum(map(trained_tokens, chosen)),
            "seconds": time.perf_counter() - began,
            "heldout_loss": None,
        }
        if (step + 1) % per_epoch == 0:
            row["heldout_loss"] = heldout_loss(model, heldout)
        append_jsonl(log_path, [row])
        if (step + 1) % recipe["checkpoint_every"] == 0 or step + 1 == n_steps:
            save_checkpoint(
                folder / "checkpoint.safetensors", identity, step + 1, weights, optimizer
            )
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    return read_jsonl(log_path)


def save_checkpoint(path: Path, identity: str, step: int, weights: dict, optimizer) -> None:
    """One safetensors file: each adapter weight with its two AdamW moments; step and identity in
    the metadata."""
    tensors = {}
    for name, weight in weights.items():
        state = optimizer.state[weight]
        tensors |= {
            name: weight.data,
            f"{name}|first": state["exp_avg"],
            f"{name}|second": state["exp_avg_sq"],
        }
    with atomic(path) as temporary:
        save_file(
            {k: t.contiguous() for k, t in tensors.items()},
            temporary,
            {"step": str(step), "identity": identity},
        )


def load_checkpoint(path: Path, identity: str, weights: dict, optimizer) -> int:
    """Put a checkpoint's weights and moments back; returns its step, 0 where there is none that
    fits."""
    if not path.exists():
        return 0
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            if metadata["identity"] != identity:
                print(
                    f"{shown(path)} was made with another recipe, other data or, as it changes how "
                    "the base is rounded, another number of threads: training starts anew."
                )
                return 0
            step = int(metadata["step"])
            for name, weight in weights.items():
                weight.data.copy_(file.get_tensor(name))
                moments = {
                    key: file.get_tensor(f"{name}|{end}").to(weight.device)
                    for key, end in (("exp_avg", "first"), ("exp_avg_sq", "second"))
                }
                optimizer.state[weight] = {"step": torch.tensor(float(step)), **moments}
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise StudyError(
            f"{shown(path)}: a damaged checkpoint ({error}); delete it to train from the start."
        ) from error
    return step
