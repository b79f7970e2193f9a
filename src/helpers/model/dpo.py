"""Training an adapter further by preferences (DPO)."""

import math
import shutil
from pathlib import Path

import torch

from helpers.files import StudyError, fingerprint, read_json, write_json
from helpers.pretrained import compute_dtype

# Raise it when a change of code makes another adapter of the same recipe: a checkpoint that a
# stopped run has left is then not used.
VERSION = 1
DPO_TOKENS_PER_SECOND = 120  # of DPO with the embedded model, on two cores


def expected_minutes(pairs: list[dict], tokenizer) -> float:
    """About how long one pass over the pairs takes on two cores."""
    texts = [2 * pair["prompt"] + pair["chosen"] + pair["rejected"] for pair in pairs]
    return sum(map(len, tokenizer(texts)["input_ids"])) / DPO_TOKENS_PER_SECOND / 60


def fitting(pairs: list[dict], tokenizer, max_length: int) -> list[dict]:
    """The pairs whose prompt leaves room for an answer within `max_length` tokens; the trainer
    would drop the others without a word. Prints how many are dropped, and how many are cut.
    Raises StudyError when none is left."""

    def lengths(texts: list[str]) -> list[int]:
        return list(map(len, tokenizer(texts)["input_ids"]))

    prompts = lengths([pair["prompt"] for pair in pairs])
    sides = (
        lengths([pair["prompt"] + pair[side] for pair in pairs]) for side in ("chosen", "rejected")
    )
    longest = [max(both) for both in zip(*sides, strict=True)]
    kept = [pair for pair, length in zip(pairs, prompts, strict=True) if length < max_length]
    if cut := sum(length >= max_length for length in longest):
        print(
            f"{cut} of {len(pairs)} pairs reach max_length = {max_length} and are cut; "
            f"{len(pairs) - len(kept)} are dropped"
        )
    if not kept:
        raise StudyError(f"No pair has an answer within max_length = {max_length}; raise it.")
    return kept


def last_checkpoint(checkpoints: Path, identity: str) -> Path | None:
    """The last whole checkpoint in a folder, None where there is none. Checkpoints of another
    identity, and those that a kill cut off, are removed."""
    named, own = checkpoints / "identity.json", {"identity": identity}
    if not named.exists() or read_json(named) != own:
        shutil.rmtree(checkpoints, ignore_errors=True)
        write_json(named, own)
    # The trainer writes its state last: a checkpoint without one that can be read was cut off.
    states = checkpoints.glob("checkpoint-*/trainer_state.json")
    whole = [path.parent for path in states if path.read_text().rstrip().endswith("}")]
    for path in set(checkpoints.glob("checkpoint-*")) - set(whole):
        shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def prefer(
    model, tokenizer, pairs: list[dict], recipe: dict, seed: int, folder: Path
) -> list[dict]:
    """Train an adapter further by DPO (arXiv 2305.18290) with TRL's trainer; returns the log rows
    {step, loss, margin, accuracy, chosen, rejected} (rewards in nats, of the reference's log-ratio
    times beta).

    The adapter as it comes is start and reference. `pairs` are rows of `preferences.pair` that are
    `fitting`; `recipe` has beta, learning_rate, batch, max_length (tokens), checkpoint_every
    (steps) and whatever else makes this training what it is. A run that was killed goes on from its
    last whole checkpoint in `folder/checkpoints`, which is removed by the caller when all is saved;
    one of another recipe is not used.
    """
    from datasets import Dataset  # these take seconds, and only this needs them
    from trl import DPOConfig, DPOTrainer

    checkpoints, texts = folder / "checkpoints", ["prompt", "chosen", "rejected"]
    trained_on = {k: v for k, v in recipe.items() if k != "checkpoint_every"}
    last = last_checkpoint(checkpoints, fingerprint([VERSION, trained_on, seed, pairs]))
    if last:
        print(f"Resuming after step {last.name.rpartition('-')[2]}.")
    gpu = model.device.type == "cuda"
    args = DPOConfig(
        output_dir=str(checkpoints),
        beta=recipe["beta"],
        learning_rate=recipe["learning_rate"],
        num_train_epochs=1,
        per_device_train_batch_size=recipe["batch"],
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        max_length=recipe["max_length"],
        bf16=compute_dtype() == torch.bfloat16,
        use_cpu=not gpu,
        gradient_checkpointing=gpu,
        optim="adamw_torch",
        logging_steps=1,
        save_steps=recipe["checkpoint_every"],
        save_total_limit=1,
        seed=seed,
        data_seed=seed,
        report_to=[],
    )
    dataset = Dataset.from_list([{name: row[name] for name in texts} for row in pairs])
    trainer = DPOTrainer(model, args=args, train_dataset=dataset, processing_class=tokenizer)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    names = {
        "step": "step",
        "loss": "loss",
        "margin": "rewards/margins",
        "accuracy": "rewards/accuracies",
        "chosen": "rewards/chosen",
        "rejected": "rewards/rejected",
    }
    log = [
        {name: row[key] for name, key in names.items()}
        for row in trainer.state.log_history
        if "rewards/margins" in row
    ]
    if not all(math.isfinite(row["loss"]) for row in log):
        raise StudyError(
            f"The DPO loss is not finite: lower the learning rate ({recipe['learning_rate']:.1e})."
        )
    return log
