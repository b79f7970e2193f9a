"""Likelihoods by llama.cpp itself, of a GGUF file, where the package llama-cpp-python is installed.
It is compiled while it is installed, so that the set-up leaves it out."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from helpers.model.score import PROGRESS, by_prompt, scored


def installed() -> bool:
    return find_spec("llama_cpp") is not None


def score_choices(path: Path, tokenizer, choices: list[dict]) -> list[dict]:
    """`score.score_choices` without a system prompt, of the GGUF file `path`. The tokens are those
    of `tokenizer`; a prompt is read once for all its options."""
    from llama_cpp import Llama  # not in the set-up

    asked = by_prompt(choices, None, tokenizer)
    longest = max(len(prompt) + max(len(ids) for _, ids in own) for prompt, own in asked)
    size = {"n_ctx": longest, "n_batch": longest, "n_ubatch": longest}
    llama = Llama(str(path), logits_all=True, verbose=False, **size)
    losses = {}
    for prompt, own in tqdm(asked, desc="scoring by llama.cpp, prompts", **PROGRESS):
        llama.reset()
        llama.eval(prompt)
        for place, ids in own:
            llama.n_tokens = len(prompt)  # what was read of another option is forgotten
            llama.eval(ids)
            logits = torch.from_numpy(llama.scores[len(prompt) - 1 : llama.n_tokens - 1])
            losses[place] = cross_entropy(logits, torch.tensor(ids), reduction="none")
    return scored(choices, losses)
