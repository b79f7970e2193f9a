"""How likely a reply is under the token of every life stage."""

import pandas as pd

from helpers.corpus.encode import encode
from helpers.model.score import score_texts
from helpers.persllm.asking import stage_variants


def score_stages(
    model, tokenizer, persona: str, arm: str, at_most: int, max_length: int
) -> pd.DataFrame:
    """The likelihood of every reply of `stage_variants`: stage, own, unit, n_tokens, nll (nats,
    summed); no row for an arm that does not know stages."""
    variants = stage_variants(persona, arm, at_most)
    scored = score_texts(model, [encode(row, tokenizer, max_length) for row in variants])
    rows = [
        {"stage": variant["stage"], "own": variant["own"]} | row
        for variant, row in zip(variants, scored, strict=True)
    ]
    return pd.DataFrame(rows, columns=["stage", "own", "unit", "n_tokens", "nll"])
