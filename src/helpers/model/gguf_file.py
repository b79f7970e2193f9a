"""An exported model as one GGUF file, which llama.cpp, Ollama and LM Studio read.

Names, layout and quantised blocks are llama.cpp's, by its package `gguf`. Its own converter, a
script of its repository, is in no package.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from gguf import (
    GGML_QUANT_SIZES,
    MODEL_ARCH,
    GGMLQuantizationType,
    GGUFWriter,
    LlamaFileType,
    SpecialVocab,
    TokenType,
    get_tensor_name_map,
    quantize,
)
from gguf.quants import quant_shape_to_byte_shape
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from helpers.files import StudyError, atomic, read_json, shown
from helpers.templates import reply_end

# A kind of file -> the type of its matrices, and what llama.cpp calls the file. Vectors stay whole,
# and the embeddings of a 4-bit file have 8 bits.
KINDS = {
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_1": (GGMLQuantizationType.Q4_1, LlamaFileType.MOSTLY_Q4_1),
}
ARCHITECTURES = {"llama": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2}
EMBEDDINGS = ("token_embd.weight", "output.weight")
# How a tokenizer cuts a text into words before it joins bytes -> llama.cpp's name for it.
CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CUTS = {
    ("ByteLevel",): "gpt-2",
    ("Digits", "ByteLevel"): "smollm",
    (CUT % "", "bytes"): "qwen2",
    (CUT % "{1,3}", "bytes"): "llama-bpe",
}


def write(folder: Path, path: Path, kind: str, title: str) -> None:
    """Write the model in `folder` (safetensors with their configuration and tokenizer, as `export`
    writes them) to the GGUF file `path`, its matrices as `kind` (`KINDS`), a tensor at a time.
    `title` is the model's name in the file.

    Raises StudyError for a kind, an architecture or a tokenizer that is not supported.
    """
    check_kind(kind)
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    refuse_unsupported(config)
    writer = GGUFWriter(None, config.model_type)
    describe(writer, config, title, KINDS[kind][1])
    describe_tokenizer(writer, config, tokenizer, folder)
    names = get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    stored = {name: names.get_name(name, (".weight", ".bias")) for name, _ in tensors(folder)}
    if odd := [name for name, own in stored.items() if own is None]:
        raise StudyError(f"{shown(folder)}: llama.cpp has no name for the tensor {odd[0]}.")
    for name, weight in tensors(folder):
        form = type_of(stored[name], weight.get_shape(), kind)
        size = sized(weight.get_shape(), form)
        writer.add_tensor_info(stored[name], weight.get_shape(), np.float16, size, form)
    with atomic(path) as temporary:
        writer.write_header_to_file(temporary)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, weight in tensors(folder):
            values = arranged(weight[:].float(), stored[name], config)
            form = type_of(stored[name], weight.get_shape(), kind)
            writer.write_tensor_data(quantize(values.numpy(), form))
        writer.close()


def check_kind(kind: str) -> None:
    """Raise StudyError for a kind of file that is none of `KINDS`."""
    if kind not in KINDS:
        raise StudyError(f"gguf = {kind!r}: give one of {', '.join(KINDS)}.")


def refuse_unsupported(config) -> None:
    """Raise StudyError for a model that a GGUF file of ours would not describe whole."""
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if config.model_type not in ARCHITECTURES:
        problem = f"the architecture '{config.model_type}'"
    elif rope != "default":
        problem = f"positions of the kind '{rope}'"
    elif getattr(config, "use_sliding_window", False):
        problem = "sliding windows"
    else:
        return
    raise StudyError(
        f"GGUF: {problem} cannot be written here, only {' and '.join(ARCHITECTURES)} with plain "
        "positions. Export without --gguf, and convert the folder with llama.cpp's "
        "`convert_hf_to_gguf.py`."
    )


# What the file says of the model


def describe(writer: GGUFWriter, config, name: str, file_type: LlamaFileType) -> None:
    """The sizes of the model."""
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(head)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)


def describe_tokenizer(writer: GGUFWriter, config, tokenizer, folder: Path) -> None:
    """The vocabulary with its kinds of tokens, merges, special tokens and chat template."""
    own, added = read_json(folder / "tokenizer.json"), tokenizer.added_tokens_decoder
    known = {number: token for token, number in tokenizer.get_vocab().items()}
    tokens, types = [], []
    for number in range(config.vocab_size):
        tokens.append(known.get(number, f"[PAD{number}]"))
        if number in added:
            special = added[number].special
            types.append(TokenType.CONTROL if special else TokenType.USER_DEFINED)
        else:
            types.append(TokenType.NORMAL if number in known else TokenType.UNUSED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut_of(own))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_add_space_prefix(False)
    vocabulary = SpecialVocab(folder, load_merges=True, n_vocab=config.vocab_size)
    begun = tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    vocabulary.add_special_token = {"bos": begun, "eos": False}
    vocabulary.special_token_ids["eot"] = reply_end(tokenizer)
    vocabulary.add_to_gguf(writer, quiet=True)


def cut_of(own: dict) -> str:
    """llama.cpp's name for how a tokenizer (`tokenizer.json`) cuts texts; raises StudyError for one
    that is no byte-level BPE, or cuts otherwise."""
    before = own["pre_tokenizer"] or {}
    form = tuple(map(part_of, before.get("pretokenizers", [before])))
    if own["model"]["type"] != "BPE" or form not in CUTS:
        raise StudyError(
            "GGUF: this tokenizer cannot be written here, only byte-level ones that cut texts as "
            f"those of {', '.join(CUTS.values())} do. Export without --gguf, and convert the "
            "folder with llama.cpp's `convert_hf_to_gguf.py`."
        )
    return CUTS[form]


def part_of(part: dict) -> str:
    """What one step of cutting is called in `CUTS`."""
    match part:
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}:
            return pattern
        case {"type": "Digits", "individual_digits": True}:
            return "Digits"
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": words}:
            return "ByteLevel" if words else "bytes"
    return json.dumps(part)


# Its tensors


def tensors(folder: Path) -> Iterator[tuple[str, object]]:
    """The names and the unread tensors of the safetensors in a folder, file by file."""
    for path in sorted(folder.glob("*.safetensors")):
        with ExitStack() as stack:
            file = stack.enter_context(safe_open(path, "pt"))
            yield from ((name, file.get_slice(name)) for name in sorted(file.keys()))


def type_of(name: str, shape: list[int], kind: str) -> GGMLQuantizationType:
    """How a tensor is stored: vectors as float32, matrices as the kind says, or as float16 where
    their rows do not fill its blocks."""
    own = KINDS[kind][0]
    if len(shape) == 1:
        return GGMLQuantizationType.F32
    if kind == "q4_1" and name in EMBEDDINGS:
        own = GGMLQuantizationType.Q8_0
    return GGMLQuantizationType.F16 if shape[-1] % GGML_QUANT_SIZES[own][0] else own


def sized(shape: list[int], form: GGMLQuantizationType) -> int:
    """The bytes of a tensor."""
    return int(np.prod(quant_shape_to_byte_shape(shape, form)))


def arranged(weight: torch.Tensor, name: str, config) -> torch.Tensor:
    """A tensor as llama.cpp expects it: in Llama's queries and keys, the two halves of each head
    that are rotated together stand in turn (its `LlamaModel.permute`)."""
    kind = name.split(".")[-2]
    if config.model_type != "llama" or kind not in ("attn_q", "attn_k"):
        return weight
    heads = config.num_attention_heads if kind == "attn_q" else config.num_key_value_heads
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)
