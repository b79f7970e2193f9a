"""Shared fixtures: the embedded model's tokenizer, and a tiny random model where only the mechanics matter."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here may need the hub

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from helpers import models


@pytest.fixture(scope="session")
def tokenizer():
    return models.load_tokenizer("embedded")


@pytest.fixture
def tiny():
    """A random float32 Llama of two layers with grouped attention; the vocabulary is the embedded tokenizer's."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def float32(monkeypatch):
    """Compute in float32 whatever the machine, so that results can be compared exactly."""
    monkeypatch.setattr(models, "compute_dtype", lambda: torch.float32)


@pytest.fixture
def rows():
    """A dozen short text rows."""
    return [{"unit": f"u{i:02d}", "split": "train", "traits": [], "facts": [],
             "text": f"Entry {i}. The droid counted {i * 7 + 3} steps to the hangar and disliked each of them."}
            for i in range(12)]  # fmt: skip
