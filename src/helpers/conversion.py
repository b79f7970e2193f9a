"""A GGUF file converted once to bfloat16 safetensors that transformers loads, tensor by tensor, so
that memory holds one file of the result at a time; and the check of what was converted."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.files import StudyError, atomic_folder, read_json, sha256, write_json

if TYPE_CHECKING:
    import torch

ROWS = 8192  # of a tensor that are unpacked at a time
FILE_BYTES = 10**9  # about the size of one file of the result


@cache
def checked(folder: Path) -> Path:
    """`folder`, each file of the model in it compared with its SHA-256, once in a process; raises
    StudyError where one is damaged."""
    for name, digest in read_json(folder / "sha256.json").items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise StudyError(
                f"{folder / name}: the converted model is damaged (its SHA-256 is wrong). "
                f"Delete the folder {folder} and run again; it is converted anew."
            )
    return folder


def convert(gguf: Path, folder: Path) -> None:
    """Write the model and tokenizer in a GGUF file to `folder`, with the SHA-256 of each file; the
    folder is there whole or not at all.

    Raises StudyError where it cannot be written.
    """
    try:
        with atomic_folder(folder) as temporary:
            write_model(gguf, temporary)
            sums = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
            write_json(temporary / "sha256.json", sums)
    except StudyError:
        if not folder.exists():  # else another process was faster
            raise


def write_model(gguf: Path, folder: Path) -> None:
    """Write configuration, tokenizer and weights of a GGUF file, in transformers' names."""
    import torch
    from gguf import GGUFReader
    from tqdm import tqdm
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import (
        TENSOR_PROCESSORS,
        TensorProcessor,
        get_gguf_hf_weights_map,
    )

    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    processor = TENSOR_PROCESSORS.get(config.model_type, TensorProcessor)(config=config.to_dict())
    names, place, waiting = get_gguf_hf_weights_map(model, processor), {}, {}
    for tensor in tqdm(GGUFReader(gguf).tensors, desc="converting, tensors", ncols=90):
        if tensor.name in names:
            weights = processor.process(weights=unpacked(tensor), name=tensor.name).weights
            waiting[names[tensor.name]] = weights.contiguous()
        if sum(part.nbytes for part in waiting.values()) >= FILE_BYTES:
            waiting = write_part(waiting, place, folder)
    write_part(waiting, place, folder)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if missing := set(model.state_dict()) - set(place) - tied:
        raise StudyError(f"{gguf}: the file has no weights for {sorted(missing)[0]}.")
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": place})


def unpacked(tensor) -> "torch.Tensor":
    """The bfloat16 numbers of a quantised tensor, so many rows at a time."""
    import torch
    from gguf import dequantize

    parts = (tensor.data[start : start + ROWS] for start in range(0, len(tensor.data), ROWS))
    numbers = (np.array(dequantize(part, tensor.tensor_type)) for part in parts)
    return torch.cat([torch.from_numpy(part).bfloat16() for part in numbers])


def write_part(waiting: dict, place: dict[str, str], folder: Path) -> dict:
    """Write one file of weights, note in `place` what is in it, and return what is waiting then:
    nothing."""
    from safetensors.torch import save_file

    name = f"model-{len(set(place.values())) + 1:05}.safetensors"
    save_file(waiting, folder / name, metadata={"format": "pt"})
    place |= dict.fromkeys(waiting, name)
    return {}
