"""LoRA adapters: added, taken up again, saved, and told apart by their weights."""

import hashlib
from pathlib import Path

import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file, save_file

from helpers.files import StudyError, atomic, read_json, shown, write_json
from helpers.model.base import check_trained, load_base, make_room


def add_adapter(
    base,
    rank: int,
    alpha: int,
    dropout: float,
    seed: int,
    token_ids: list[int] = (),
    trained: Path | None = None,
) -> PeftModel:
    """A new LoRA adapter (arXiv 2106.09685) on all attention and MLP projections, in float32; the
    base stays frozen. It begins as the one in the folder `trained`, where that is given.

    `token_ids` are tokens added to the tokenizer, whose embeddings train as well, and no others'
    (PEFT's `trainable_token_indices`). Raises StudyError where `trained` holds no whole adapter, or
    one of another shape.
    """
    torch.manual_seed(seed)
    make_room(base, list(token_ids))
    lora = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        trainable_token_indices=list(token_ids) or None,
    )
    model = get_peft_model(base, lora, autocast_adapter_dtype=True)
    for name, weight in model.named_parameters():
        if "trainable_tokens_delta" in name:  # in bfloat16 a small step would be rounded away
            weight.data = weight.data.float()
    for module in model.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = ByteDropout(dropout)
            module.cast_input_dtype_enabled = False  # autocast does it, once and not back and forth
    if trained:
        take_up(model, trained)
    return model


def take_up(model: PeftModel, trained: Path) -> None:
    """Give an adapter the weights of the one in the folder `trained`."""
    check_trained(trained)
    weights, own = load_file(trained / "adapter_model.safetensors"), adapter_weights(model)
    if {n: w.shape for n, w in weights.items()} != {n: w.shape for n, w in own.items()}:
        raise StudyError(
            f"{shown(trained)}: this adapter has another shape (rank, layers or added tokens). "
            "Train both arms with one recipe."
        )
    set_peft_model_state_dict(model, weights)


def load_for_preference(model: str, adapter: Path) -> PeftModel:
    """The base, its 4-bit weights unpacked, with a trained adapter that goes on training, in
    float32; the embeddings of its added tokens have become part of the base and stay."""
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
    squares = [
        p.detach().float().square().sum()
        for name, p in model.named_parameters()
        if "lora_B" in name
    ]
    return torch.stack(squares).sum().sqrt().item()


class ByteDropout(torch.nn.Module):
    """Dropout that spends one random byte per element: torch's own draws take a quarter of a step
    on a CPU.

    The rate is rounded to a multiple of 1/256 (0.05 becomes 13/256); kept elements are scaled to
    keep the mean.
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


def adapter_weights(model: PeftModel) -> dict[str, torch.Tensor]:
    """The adapter's weights by the names under which PEFT reads them."""
    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: weight.contiguous().cpu() for name, weight in found.items()}


def save_adapter(model: PeftModel, folder: Path, tokens: dict[str, int] | None = None) -> None:
    """The adapter as PEFT reads it: adapter_config.json and adapter_model.safetensors, the latter
    last and whole; and before them the `tokens` added to the tokenizer with their ids, if there are
    any."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "added_tokens.json").unlink(missing_ok=True)  # an earlier adapter's
    if tokens:
        write_json(folder / "added_tokens.json", tokens)
    model.peft_config["default"].inference_mode = True
    model.peft_config["default"].save_pretrained(str(folder))
    with atomic(folder / "adapter_model.safetensors") as temporary:
        save_file(adapter_weights(model), temporary)


def save_adapter_like(model: PeftModel, trained: Path, folder: Path) -> None:
    """The adapter of `load_for_preference` in `folder`, in the form of the one in `trained` that it
    began as (configuration, added tokens and their embeddings are the same)."""
    weights = load_file(trained / "adapter_model.safetensors") | adapter_weights(model)
    for name in ("adapter_config.json", "added_tokens.json"):
        if (trained / name).exists():
            write_json(folder / name, read_json(trained / name))
    with atomic(folder / "adapter_model.safetensors") as temporary:
        save_file(weights, temporary)
