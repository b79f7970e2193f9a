"""The base model in 4 bits: loaded for training or for answering, and what its layers need."""

from pathlib import Path

import torch
from bitsandbytes.nn import Linear4bit
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, DynamicCache

from helpers.files import StudyError, read_json, shown
from helpers.pretrained import compute_dtype, device, resolve, unloadable

STRONGEST = 1.5  # how far an adapter may be pushed beyond what it was trained to be


def added_tokens(adapter: Path) -> list[str]:
    """The special tokens that an adapter was trained with, kept beside it as `added_tokens.json`;
    [] for none."""
    path = adapter / "added_tokens.json"
    return list(read_json(path)) if path.exists() else []


def load_base(model: str):
    """The base model quantised to NF4 with double quantisation (QLoRA, arXiv 2305.14314, section
    3), frozen.

    Raises StudyError when the model cannot be loaded, or is of a kind that cannot be used here.
    """
    dtype = compute_dtype()
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
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
    refuse_special_heads(base)
    base.requires_grad_(False)
    for module in base.modules():
        if isinstance(module, Linear4bit):
            # In evaluation on such a CPU bitsandbytes repacks the weights and requantises their
            # scales when training goes on, which changes the base a little. Ours must not change at
            # all.
            module.support_avx512bf16_for_cpu = False
    return base.eval()


def refuse_special_heads(causal) -> None:
    """Raise StudyError for a model whose logits are not simply hidden states times the head, or
    whose attention is not simply causal: its losses and answers would be wrong without anybody
    noticing."""
    config = causal.config.get_text_config()
    names = ("final_logit_softcapping", "attn_logit_softcapping", "logits_scaling", "logit_scale")
    odd = [name for name in names if getattr(config, name, None) not in (None, 1.0)]
    odd += ["a head bias"] * (getattr(causal.get_output_embeddings(), "bias", None) is not None)
    odd += ["attention sinks"] * any("sinks" in name for name, _ in causal.named_parameters())
    if odd:
        raise StudyError(
            f"{type(causal).__name__}: models with {odd[0]} are not supported. Choose another base "
            "model (docs/own_model.md lists what has been tried)."
        )


def check_trained(adapter: Path) -> None:
    """Raise StudyError where a folder has no whole adapter."""
    if not (adapter / "adapter_model.safetensors").is_file():
        raise StudyError(
            f"{shown(adapter)}: no adapter there; train this arm and seed first "
            "(notebooks formats/02_train and persllm/02_prefer)."
        )


def load_for_inference(model: str, adapter: Path | None, strength: float = 1.0):
    """The NF4 base with its 4-bit weights unpacked once (the same numbers, read without unpacking
    at every token), the trained adapter merged into them at a strength (see `set_strength`) in
    float32 and rounded once to the compute dtype.

    Merged, the model is as near to what it is in float32 as with the adapter beside it (a test
    holds this), with one matrix product where there were three.
    """
    base = load_base(model).dequantize()
    if adapter is not None:
        check_trained(adapter)
        make_room(
            base, read_json(adapter / "adapter_config.json").get("trainable_token_indices") or []
        )
        with_adapter = PeftModel.from_pretrained(base, adapter)
        set_strength(with_adapter, "default", strength)
        base = with_adapter.merge_and_unload()
    return base.to(compute_dtype()).eval()


def set_strength(model: PeftModel, place: str, strength: float) -> None:
    """Scale what the adapter under the name `place` adds to the weights of the base: 1 is the
    adapter as it was trained, 0 takes it away. The embeddings of added tokens stay as they are.

    Raises StudyError for a strength outside 0 to `STRONGEST`.
    """
    if not 0 <= strength <= STRONGEST:
        raise StudyError(
            f"strength = {strength:g}: give a number from 0 (the base model) to {STRONGEST}; "
            "1 is the adapter as it was trained."
        )
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.set_scale(place, strength)


def make_room(base, token_ids: list[int]) -> None:
    """Make rows for added tokens in the embedding and the head; a new row begins as the mean of
    those before the first."""
    if not token_ids:
        return
    known = min(token_ids)
    if (
        max(token_ids) >= base.get_input_embeddings().weight.shape[0]
    ):  # some models have rows to spare
        base.resize_token_embeddings(max(token_ids) + 1, mean_resizing=False)
    for layer in (base.get_input_embeddings(), base.get_output_embeddings()):
        layer.weight.requires_grad_(False)
        layer.weight[known:] = layer.weight[:known].mean(0)


def bare(model):
    """The causal language model itself, with the adapter's layers in place, without PEFT's
    wrapper."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def use_attention(model, name: str) -> None:
    """Switch between `packed` (training and scoring) and `sdpa` (generation)."""
    causal = bare(model)
    if causal.config._attn_implementation == name:
        return
    try:
        causal.set_attn_implementation(name)
    except ValueError as error:
        raise StudyError(
            f"{type(causal).__name__}: models whose attention cannot be exchanged are not "
            "supported. Choose another base model (docs/own_model.md lists what has been tried)."
        ) from error


def window(causal) -> int | None:
    """How many tokens a token sees in the layers that do not see all, itself included; None for a
    model without such layers."""
    config = causal.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    sliding = kinds is None or "sliding_attention" in kinds
    return getattr(config, "sliding_window", None) if sliding else None


def new_cache(causal) -> DynamicCache:
    """An empty cache of keys and values, which keeps all of them: `visible` hides those outside a
    window."""
    return DynamicCache() if window(causal) else DynamicCache(config=causal.config)


def visible(causal, mask: torch.Tensor, last: int):
    """The attention mask for the `last` tokens of padded rows, of which `mask` (rows, tokens) says
    where the tokens are: itself, but where rows are longer than the model's window. transformers
    would count padding there as tokens of it."""
    size = window(causal)
    if not size or mask.shape[1] <= size:
        return mask
    places = mask.cumsum(1)
    back = places[:, -last:, None] - places[:, None]
    order = torch.arange(mask.shape[1], device=mask.device)
    seen = mask.bool()[:, None] & (order <= order[-last:, None])
    full, near = seen[:, None], (seen & (back < size))[:, None]
    layered = getattr(causal.config.get_text_config(), "layer_types", None) is not None
    return {"full_attention": full, "sliding_attention": near} if layered else near


def autocast():
    """Compute in the fast type; adapter weights stay in float32 and are rounded on use."""
    dtype = compute_dtype()
    return torch.autocast(device(), dtype=dtype, enabled=dtype != torch.float32)
