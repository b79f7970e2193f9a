"""Tiny random models of the architectures that users bring, with small tokenizers and the real
models' chat templates, for the tests.

The templates are those that the package `trl` carries (Apache-2.0; its README says which model
each comes from). For models that it carries none of, a few lines here write what the model's own
template writes for plain chats: Mistral-7B-Instruct-v0.3 (without a system message, as v0.1 and
v0.2 refuse one) and Phi-4-mini-instruct.
"""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Only user and assistant take turns, in turn!') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)
PHI4 = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
LLAMA_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
QWEN_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
GEMMA_TOKENS = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
MISTRAL_TOKENS = ("<s>", "</s>", "[INST]", "[/INST]")
PHI_TOKENS = ("<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>", "<|system|>")
TEXTS = [
    "I counted the steps to the hangar, sir, and was afraid of every one.",
    "You are a droid. Where is the oil bath, and why? Quite far, sir. user system model",
]
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class Family:
    """An architecture and the habits of its tokenizer. `pieces`: SentencePiece's blank before a
    text; `opens`: a text begins with `bos`; `reply`: how a reply ends, `system`: how a system
    message opens a prompt."""

    config: str
    template: str  # of trl, or written out
    tokens: tuple[str, ...]
    bos: str | None
    eos: str
    reply: str
    system: str
    more: dict = field(default_factory=dict)
    pieces: bool = False
    opens: bool = False


FAMILIES = {
    "llama": Family(
        "LlamaConfig",
        "llama3_2",
        LLAMA_TOKENS,
        "<|begin_of_text|>",
        "<|eot_id|>",
        "<|eot_id|>",
        "Today Date: 26 Jul 2024\n\nBe kind.<|eot_id|>",
        opens=True,
    ),
    "qwen2": Family(
        "Qwen2Config",
        "qwen2_5",
        QWEN_TOKENS,
        None,
        "<|im_end|>",
        "<|im_end|>",
        "<|im_start|>system\nBe kind.<|im_end|>",
        {"tie_word_embeddings": True},
    ),
    "qwen3": Family(
        "Qwen3Config",
        "qwen3",
        (*QWEN_TOKENS, "<think>", "</think>"),
        None,
        "<|im_end|>",
        "<|im_end|>",
        "<|im_start|>system\nBe kind.<|im_end|>",
        {"head_dim": 16},
    ),
    "gemma": Family(
        "GemmaConfig",
        "gemma",
        GEMMA_TOKENS,
        "<bos>",
        "<eos>",
        "<end_of_turn>",
        "<start_of_turn>user\nBe kind.\n\nWho",
        {"head_dim": 16},
        pieces=True,
        opens=True,
    ),
    "gemma3": Family(
        "Gemma3TextConfig",
        "gemma3",
        GEMMA_TOKENS,
        "<bos>",
        "<eos>",
        "<end_of_turn>",
        "<start_of_turn>user\nBe kind.\n\nWho",
        {"head_dim": 16, "num_hidden_layers": 4, "sliding_window": 8, "sliding_window_pattern": 2},
        pieces=True,
        opens=True,
    ),
    "mistral": Family(
        "MistralConfig",
        MISTRAL,
        MISTRAL_TOKENS,
        "<s>",
        "</s>",
        "</s>",
        "<s>[INST] Be kind.\n\nWho",
        {"head_dim": 16, "sliding_window": 8},
        pieces=True,
        opens=True,
    ),
    "phi3": Family(
        "Phi3Config",
        "phi3_5",
        PHI_TOKENS,
        "<s>",
        "<|endoftext|>",
        "<|end|>",
        "<|system|>\nBe kind.<|end|>\n",
        {"sliding_window": 8, "pad_token_id": None},
        pieces=True,
    ),
    "phi4": Family(
        "Phi3Config",
        PHI4,
        PHI_TOKENS,
        "<s>",
        "<|endoftext|>",
        "<|end|>",
        "<|system|>Be kind.<|end|>",
        {"partial_rotary_factor": 0.5, "pad_token_id": None},
    ),
}


def trl_template(name: str) -> str:
    package = Path(importlib.util.find_spec("trl").origin).parent
    return (package / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def make_tokenizer(
    template: str | None,
    tokens: tuple[str, ...] = QWEN_TOKENS,
    bos: str | None = None,
    eos: str | None = "<|im_end|>",
    pieces: bool = False,
    opens: bool = False,
):
    """A tokenizer of some hundred tokens: byte-level, or with SentencePiece's `pieces`."""
    first = ["<unk>"] * pieces + list(tokens)
    own = Tokenizer(models.BPE(byte_fallback=pieces, unk_token="<unk>" if pieces else None))
    alphabet = []
    if pieces:
        own.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        blank, fuse = decoders.Replace("▁", " "), decoders.Fuse()
        own.decoder = decoders.Sequence([blank, decoders.ByteFallback(), fuse])
        first += [f"<0x{n:02X}>" for n in range(256)]
    else:
        own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        own.decoder, alphabet = decoders.ByteLevel(), pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=first, initial_alphabet=alphabet, show_progress=False
    )
    own.train_from_iterator(TEXTS, trainer)
    if opens:
        ids = [(bos, own.token_to_id(bos))]
        own.post_processor = processors.TemplateProcessing(f"{bos} $A", special_tokens=ids)
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=own, bos_token=bos, eos_token=eos)
    made.chat_template = template
    return made


def make_model(config: str, tokenizer, more: dict):
    """A random model with weights so large, beside its embeddings, that its answers differ from
    prompt to prompt."""
    ids = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")
    }
    chosen = SIZES | ids | {"vocab_size": len(tokenizer) + 8} | more
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, config)(**chosen), dtype=torch.float32
    )
    for name, weight in made.named_parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.02 if "embed" in name else 0.2)
    return made.eval()


def save(folder: Path, name: str) -> Path:
    """The model and the tokenizer of a family in a folder, as a user has them."""
    own = FAMILIES[name]
    template = own.template if "{" in own.template else trl_template(own.template)
    tokenizer = make_tokenizer(template, own.tokens, own.bos, own.eos, own.pieces, own.opens)
    make_model(own.config, tokenizer, own.more).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
