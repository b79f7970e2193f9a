"""Measure the speed of training and answering on this machine, in one run, as ratios; writes
data/results/bench.csv.

(a) trained tokens per second of our step against TRL's SFTTrainer with its defaults: same rows,
    model, batch, recipe
(b) the same step on real rows against rows that fill the batch evenly (the ceiling)
(c) answered tokens per second, batched, against one `generate` call per prompt
(d) the share of the quick chain's time spent outside training and answering, if `make quick` has
    run here
(e) seconds of a training step whose idle threads spin as briefly as the project sets it
    (GOMP_SPINCOUNT), against the runtime's default, alone
(f) seconds of a training step beside one busy process against the same step alone
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from helpers import files, pretrained, records  # first: it sets how OpenMP's idle threads wait

# ruff: isort: split
import pandas as pd
import torch
from datasets import Dataset
from transformers import get_constant_schedule
from trl import SFTConfig, SFTTrainer

from helpers.corpus import encode, formats, items, personas
from helpers.model import adapters, answer, base, train

BATCH, STEPS, WARM = 8, 6, 2
# Without dropout, so that the losses can be compared.
LORA = {"rank": 16, "alpha": 32, "dropout": 0.0, "seed": 0}
STEP_TOKENS, STEP_REPEATS, BUSY_ROUNDS = 373, 5, 5  # of (e) and (f)
# What trains, answers or scores in a chapter, for (d).
BUSY = (
    "train.seconds_per_step(",
    "train.train_adapter(",
    "dpo.prefer(",
    "general.exchanges(",
    "answer.answer_kinds(",
    "answer.answer_prompts(",
    "answer.generate_batch(",
    "score.score_choices(",
    "score.score_heldout(",
    "stage_likelihood.score_stages(",
    "dialogue.converse(",
    "dialogue.dialogue(",
)


def ours(examples: list[dict]) -> tuple[float, list[float]]:
    """Trained tokens per second after WARM steps, and the loss of every step."""
    model = adapters.add_adapter(base.load_base("embedded"), **LORA).train()
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=2e-4, weight_decay=0.0
    )
    scheduler, losses, times = get_constant_schedule(optimizer), [], []
    for step in range(STEPS):
        began = time.perf_counter()
        losses.append(
            train.train_step(
                model, examples[step * BATCH : (step + 1) * BATCH], optimizer, scheduler
            )
        )
        times.append(time.perf_counter() - began)
    tokens = sum(map(encode.trained_tokens, examples[WARM * BATCH : STEPS * BATCH]))
    return tokens / sum(times[WARM:]), losses


class Timed(SFTTrainer):
    """SFTTrainer that takes the rows in the order given and notes when each step ended."""

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.ended = [*getattr(self, "ended", []), time.perf_counter()]
        return loss


def trl(examples: list[dict]) -> tuple[float, list[float]]:
    model = adapters.add_adapter(base.load_base("embedded"), **LORA)
    base.use_attention(model, "sdpa")
    for module in model.modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = True  # PEFT's default
    used = examples[: STEPS * BATCH]
    rows = Dataset.from_list([{"input_ids": e["input_ids"], "labels": e["labels"]} for e in used])
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            folder,
            per_device_train_batch_size=BATCH,
            max_steps=STEPS,
            learning_rate=2e-4,
            logging_steps=1,
            lr_scheduler_type="constant",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=pretrained.device() == "cpu",
            bf16=pretrained.compute_dtype() == torch.bfloat16,
        )
        trainer = Timed(
            model,
            args=config,
            train_dataset=rows,
            processing_class=pretrained.load_tokenizer("embedded"),
        )
        for weight in (p for p in model.parameters() if p.requires_grad):
            weight.data = (
                weight.data.float()
            )  # TRL rounds a 4-bit model's adapter to bfloat16; ours stays in float32
        trainer.train()
    tokens = sum(map(encode.trained_tokens, used[WARM * BATCH :]))
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return tokens / (trainer.ended[-1] - trainer.ended[WARM - 1]), losses


def even(examples: list[dict]) -> list[dict]:
    """Rows of one length, the mean of the real ones, all of whose tokens carry loss if the real
    ones' do."""
    total = sum(len(e["input_ids"]) for e in examples)
    size, stream = total // len(examples), [t for e in examples for t in e["input_ids"]]
    parts = [stream[i * size : (i + 1) * size] for i in range(len(examples))]
    return [{"unit": str(i), "input_ids": part, "labels": part} for i, part in enumerate(parts)]


def answering(
    n_prompts: int = 30, samples: int = 4, alone: int = 4, length: int = 64
) -> tuple[float, float]:
    """Answered tokens per second in a batch, and with one call of transformers' `generate` per
    prompt."""
    tokenizer, model = (
        pretrained.load_tokenizer("embedded"),
        base.load_for_inference("embedded", None),
    )
    card, asked = personas.load_persona("c3po"), items.load_items("c3po", n_prompts)[:n_prompts]
    prompts = [
        answer.prompt_ids(item["prompt"], card["system_prompt"], tokenizer) for item in asked
    ]
    settings = {"samples": samples, "temperature": 0.7, "top_p": 0.9, "max_new_tokens": length}
    began = time.perf_counter()
    batched = sum(map(len, answer.generate_batch(model, prompts, tokenizer, 0, settings)))
    rate = batched / (time.perf_counter() - began)
    began, n = time.perf_counter(), 0
    for prompt in prompts[:alone]:
        ids = torch.tensor([prompt], device=model.device)
        sampling = {
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.9,
            "top_k": 0,
            "max_new_tokens": length,
        }
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            pad_token_id=tokenizer.pad_token_id,
            **sampling,
        )
        n += out.shape[1] - len(prompt)
    return rate, n / (time.perf_counter() - began)


def outside(run: str = "quick") -> tuple[float, float] | None:
    """Seconds of the chain's notebooks, and of those outside the cells that train and answer; None
    if it has not run."""
    notebooks = [
        json.loads(p.read_text()) for p in sorted((files.RUNS / run / "notebooks").rglob("*.ipynb"))
    ]
    if not notebooks:
        return None
    wall = sum(nb["metadata"]["papermill"]["duration"] for nb in notebooks)
    busy = sum(
        cell["metadata"]["papermill"]["duration"] or 0
        for nb in notebooks
        for cell in nb["cells"]
        if any(call in "".join(cell["source"]) for call in BUSY)
    )
    return wall, wall - busy


def one_step() -> None:
    """Print the median seconds of a training step of STEP_TOKENS tokens; run in a process of its
    own, since a runtime reads its settings when it is loaded."""
    tokenizer = pretrained.load_tokenizer("embedded")
    rows = [encode.encode(row, tokenizer, 512) for row in formats.load_corpora("c3po")["documents"]]
    ids = [token for row in rows[:10] for token in row["input_ids"]][:STEP_TOKENS]
    examples = [{"unit": "0", "input_ids": ids, "labels": ids}]
    model = adapters.add_adapter(base.load_base("embedded"), **LORA).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    scheduler, times = get_constant_schedule(optimizer), []
    for _ in range(STEP_REPEATS + 1):
        began = time.perf_counter()
        train.train_step(model, examples, optimizer, scheduler)
        times.append(time.perf_counter() - began)
    print(sorted(times[1:])[STEP_REPEATS // 2])


def step_seconds(ours: bool, busy: bool) -> float:
    """The median seconds of a training step in a fresh process, alone or beside a busy one, with
    the project's setting of idle threads (`ours`) or the runtime's default."""
    environment = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
    if not ours:
        environment["GOMP_SPINCOUNT"] = ""  # not a number: the runtime takes its default
    beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"])] if busy else []
    try:
        command = [sys.executable, __file__, "one-step"]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        for process in beside:
            process.kill()
            process.wait()
    return float(out.stdout.split()[-1])


def busy_rows() -> list[dict]:
    """Rows (e) and (f), each the median over rounds in which every case is measured in turn, since
    the speed of a shared machine drifts."""
    cases = [(ours, busy) for busy in (False, True) for ours in (True, False)]
    rounds = [{case: step_seconds(*case) for case in cases} for _ in range(BUSY_ROUNDS)]
    ours, default, beside, spinning = (
        sorted(times[case] for times in rounds)[BUSY_ROUNDS // 2] for case in cases
    )
    note = f"with the runtime's default: {spinning / default:.1f} times ({spinning:.1f} s)"
    return [
        line("(e) seconds a step, idle threads spin briefly", ours, default, "default", 1.05, ""),
        line("(f) seconds a step, beside a busy process", beside, ours, "alone", 2.5, note),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # What `step_seconds` starts; nobody types it.
    parser.add_argument("part", nargs="?", choices=["one-step"], help=argparse.SUPPRESS)
    one_step() if parser.parse_args().part else measure()


def measure() -> None:
    """Measure all rows and write them."""
    tokenizer = pretrained.load_tokenizer("embedded")
    rows = []
    for name, corpus in formats.load_corpora("c3po").items():
        examples = [encode.encode(row, tokenizer, 512) for row in corpus[: STEPS * BATCH]]
        own, own_losses = ours(examples)
        other, other_losses = trl(examples)
        gap = max(abs(a - b) / b for a, b in zip(own_losses, other_losses, strict=True))
        rows.append(
            line(
                f"(a) trained tokens/s, {name}",
                own,
                other,
                "SFTTrainer",
                2.3,
                f"TRL recomputes activations by default; largest relative loss gap {gap:.4f}",
            )
        )
        if (
            name != "demonstrations"
        ):  # their prompts carry no loss, so that an even batch would train on other tokens
            rows.append(
                line(
                    f"(b) trained tokens/s, {name}",
                    own,
                    ours(even(examples))[0],
                    "even rows",
                    0.85,
                    "the ceiling",
                )
            )
    rows.append(
        line(
            "(c) answered tokens/s",
            *answering(),
            "one generate per prompt",
            12,
            "prompted arm, 30 prompts x 4",
        )
    )
    rows += busy_rows()
    if timed := outside():
        rows.append(
            {
                "measure": "(d) quick chain, seconds outside training and answering",
                "ours": round(timed[1], 1),
                "against": "whole chain",
                "other": round(timed[0], 1),
                "ratio": round(timed[1] / timed[0], 3),
                "aim": "",
                "note": "",
            }
        )
    machine = f"{pretrained.device()}, {pretrained.compute_dtype()}, {records.record()['machine']}"
    files.write_frame(
        files.DATA / "results" / "bench.csv", pd.DataFrame(rows).assign(machine=machine)
    )
    print(f"written: {files.shown(files.DATA / 'results' / 'bench.csv')}")


def line(measure: str, own: float, other: float, against: str, aim: float, note: str) -> dict:
    row = {
        "measure": measure,
        "ours": round(own, 2),
        "against": against,
        "other": round(other, 2),
        "ratio": round(own / other, 2),
        "aim": aim,
        "note": note,
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
