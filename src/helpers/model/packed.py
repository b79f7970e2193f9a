"""Packed forward passes: rows lie end to end in one sequence, so that no step computes padding."""

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from helpers.files import StudyError
from helpers.model.base import autocast, bare, refuse_special_heads, use_attention
from helpers.pretrained import compute_dtype

# The kinds of models (`model_type`) for which tests compare packed losses with transformers' own.
TRIED = ("gemma", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3")
# How far packed losses of another kind may lie from transformers' own, in nats per token: in
# float32, where those that agree lie within 1e-5, and rounded to bfloat16.
TOLERANCE, ROUNDED = 1e-3, 0.05


def packed_attention(
    module,
    query,
    key,
    value,
    attention_mask,
    scaling=None,
    pad_index=None,
    flat_index=None,
    sliding_window=None,
    **kwargs,
):
    """Causal attention within each packed row: an attention function for transformers'
    AttentionInterface.

    query (1, heads, tokens, size); pad_index (rows, longest) says where in the pack each row's
    tokens stand, and flat_index (tokens,) where in the padded rows each packed token stands. Rows
    are padded on the right, where a causal mask already hides the padding, for the attention only,
    a small part of the work at these lengths. With a `sliding_window` a token sees so many tokens,
    itself included.
    """
    query, key, value = (x[0][:, pad_index].transpose(0, 1) for x in (query, key, value))
    longest = pad_index.shape[1]
    window = sliding_window if sliding_window and sliding_window < longest else None
    if query.is_cuda:
        grouped = query.shape[1] != key.shape[1]
        seen = None if window is None else ~unseen(longest, window).to(query.device)
        out = F.scaled_dot_product_attention(
            query, key, value, seen, is_causal=seen is None, scale=scaling, enable_gqa=grouped
        )
    else:
        out = plain_attention(query, key, value, scaling, window)
    out = out.transpose(1, 2).flatten(0, 1)[flat_index]
    return out.unsqueeze(0), None


def unseen(tokens: int, window: int | None) -> torch.Tensor:
    """Which tokens a token does not see (tokens, tokens): those after it, and those before the
    window that ends with it."""
    every = torch.ones(tokens, tokens, dtype=torch.bool)
    return every.triu(1) if window is None else every.triu(1) | every.tril(-window)


def plain_attention(query, key, value, scaling: float, window: int | None = None) -> torch.Tensor:
    """Causal grouped-query attention written out, (rows, heads, tokens, size): on a CPU its
    backward pass takes half the time of the fused kernel's at a few hundred tokens."""
    rows, heads, tokens, size = query.shape
    groups = key.shape[1]
    scores = query.reshape(rows, groups, -1, size) @ key.transpose(2, 3) * scaling
    hidden = unseen(tokens, window)
    scores = scores.view(rows, heads, tokens, tokens).masked_fill(hidden, float("-inf"))
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
    check_untried(causal)
    inputs = {
        name: batch[name] for name in ("input_ids", "position_ids", "pad_index", "flat_index")
    }
    with autocast():
        hidden = causal.base_model(**inputs, use_cache=False).last_hidden_state[0]
    head = causal.get_output_embeddings().weight
    return FrozenHeadLoss.apply(hidden[batch["predicts"]].to(head.dtype), head, batch["labels"])


@torch.no_grad()
def check_untried(causal) -> None:
    """Compare packed losses with transformers' own, once, for a model of a kind that the tests do
    not compare. Raises StudyError where they differ, or the model cannot be packed at all."""
    if causal.config.model_type in TRIED or getattr(causal, "packs_well", False):
        return
    causal.packs_well = True  # so that the comparison itself makes none
    was_training = causal.training
    causal.eval()
    rows = [{"input_ids": list(range(n, 3 * n)), "labels": list(range(n, 3 * n))} for n in (4, 7)]
    try:
        got = packed_loss(causal, pack(rows, str(causal.device)))
        use_attention(causal, "sdpa")
        wanted = torch.cat([losses_alone(causal, row["input_ids"]) for row in rows])
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason, apart = f"fails ({str(error).strip().splitlines()[0]})", None
    else:
        apart = (got - wanted).abs().mean().item()
        reason = f"gives losses that are {apart:.3g} nats per token away from those of each row"
    causal.train(was_training)
    if apart is None or not apart < (TOLERANCE if compute_dtype() == torch.float32 else ROUNDED):
        raise StudyError(
            f"{type(causal).__name__}: reading rows end to end {reason}. Choose another base model "
            "(docs/own_model.md lists what has been tried)."
        )


def losses_alone(causal, ids: list[int]) -> torch.Tensor:
    """The losses (len(ids) - 1,) of one row, as transformers itself makes them."""
    ids = torch.tensor([ids], device=causal.device)
    with autocast():
        logits = causal(ids, use_cache=False).logits[0, :-1]
    return F.cross_entropy(logits.float(), ids[0, 1:], reduction="none")


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
