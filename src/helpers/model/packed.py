"""Packed forward passes: rows lie end to end in one sequence, so that no step computes padding."""

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from helpers.files import StudyError
from helpers.model.base import autocast, bare, use_attention


def packed_attention(
    module,
    query,
    key,
    value,
    attention_mask,
    scaling=None,
    pad_index=None,
    flat_index=None,
    **kwargs,
):
    """Causal attention within each packed row: an attention function for transformers'
    AttentionInterface.

    query (1, heads, tokens, size); pad_index (rows, longest) says where in the pack each row's
    tokens stand, and flat_index (tokens,) where in the padded rows each packed token stands. Rows
    are padded on the right, where a causal mask already hides the padding, for the attention only,
    a small part of the work at these lengths.
    """
    query, key, value = (x[0][:, pad_index].transpose(0, 1) for x in (query, key, value))
    if query.is_cuda:
        grouped = query.shape[1] != key.shape[1]
        out = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped
        )
    else:
        out = plain_attention(query, key, value, scaling)
    out = out.transpose(1, 2).flatten(0, 1)[flat_index]
    return out.unsqueeze(0), None


def plain_attention(query, key, value, scaling: float) -> torch.Tensor:
    """Causal grouped-query attention written out, (rows, heads, tokens, size): on a CPU its
    backward pass takes half the time of the fused kernel's at a few hundred tokens."""
    rows, heads, tokens, size = query.shape
    groups = key.shape[1]
    scores = query.reshape(rows, groups, -1, size) @ key.transpose(2, 3) * scaling
    future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    scores = scores.view(rows, heads, tokens, tokens).masked_fill(future, float("-inf"))
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    return (weights.view(rows, groups, -1, tokens) @ value).view(rows, heads, tokens, size)


# Without a mask function, so transformers makes no mask.
AttentionInterface.register("packed", packed_attention)


def pack(examples: list[dict], where: str) -> dict:
    """Lay examples {input_ids, labels} (lists of equal length) end to end.

    Returns tensors input_ids and position_ids (1, tokens), pad_index and flat_index (see
    `packed_attention`), and targets: `predicts` (n,), the places whose next token is a label, and
    `labels` (n,), those tokens.
    """
    lengths = torch.tensor([len(e["input_ids"]) for e in examples])
    starts = lengths.cumsum(0) - lengths
    longest = int(lengths.max())
    offsets = torch.arange(longest)
    inside = offsets[None] < lengths[:, None]
    pad_index = torch.where(inside, starts[:, None] + offsets, 0)
    labels = torch.cat([torch.tensor([*e["labels"][1:], -100]) for e in examples])
    predicts = (labels != -100).nonzero()[:, 0]
    batch = {
        "input_ids": torch.cat([torch.tensor(e["input_ids"]) for e in examples])[None],
        "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
        "pad_index": pad_index,
        "flat_index": inside.flatten().nonzero()[:, 0],
        "predicts": predicts,
        "labels": labels[predicts],
    }
    return {name: tensor.to(where) for name, tensor in batch.items()}


def packed_loss(model, batch: dict) -> torch.Tensor:
    """Negative log-likelihood in nats of each target of a packed batch: (n,), differentiable once,
    float32.

    The backbone runs without the output head, which is applied to the places that predict a label
    only.
    """
    use_attention(model, "packed")
    causal = bare(model)
    refuse_special_heads(causal)
    inputs = {
        name: batch[name] for name in ("input_ids", "position_ids", "pad_index", "flat_index")
    }
    with autocast():
        hidden = causal.base_model(**inputs, use_cache=False).last_hidden_state[0]
    head = causal.get_output_embeddings().weight
    return FrozenHeadLoss.apply(hidden[batch["predicts"]].to(head.dtype), head, batch["labels"])


def refuse_special_heads(causal) -> None:
    """Raise StudyError for a model whose logits are not simply hidden states times the head, or
    whose attention is not simply causal: its losses would be wrong without anybody noticing."""
    config = causal.config.get_text_config()
    head = causal.get_output_embeddings()
    odd = [
        name
        for name in (
            "final_logit_softcapping",
            "attn_logit_softcapping",
            "logits_scaling",
            "logit_scale",
        )
        if getattr(config, name, None) not in (None, 1.0)
    ]
    odd += ["head bias"] * (getattr(head, "bias", None) is not None)
    odd += ["attention sinks"] * any("sinks" in name for name, _ in causal.named_parameters())
    if odd:
        raise StudyError(
            f"{type(causal).__name__}: models with {odd[0]} are not supported. "
            "Choose another base model."
        )


class FrozenHeadLoss(torch.autograd.Function):
    """Cross-entropy of `hidden @ head.T` by rows, the logits made 256 rows at a time and never
    kept.

    The head is frozen (but for rows of added tokens tied to the embedding, which are never
    predicted and train there), so the gradient with respect to `hidden`, (softmax - one-hot) @
    head, is made in the forward pass, as in Liger Kernel's fused linear cross-entropy (arXiv
    2410.10989, section 3.2).
    """

    @staticmethod
    def forward(ctx, hidden, head, labels):
        losses = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        for rows in torch.arange(len(labels), device=hidden.device).split(256):
            logits = (hidden[rows] @ head.T).float()
            target = labels[rows, None]
            log_sum = logits.logsumexp(1, keepdim=True)
            losses[rows] = (log_sum - logits.gather(1, target))[:, 0]
            if gradient is not None:
                probabilities = logits.sub_(log_sum).exp_()
                probabilities.scatter_add_(1, target, torch.full_like(log_sum, -1.0))
                gradient[rows] = probabilities.to(head.dtype) @ head
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx, outer):
        (gradient,) = ctx.saved_tensors
        return gradient * outer[:, None].to(gradient.dtype), None, None
