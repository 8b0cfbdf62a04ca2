"""The output projection and the cross-entropy loss in one operation, which saves memory for large vocabularies.

The logits, (N, V), are computed one chunk of rows at a time, and under bf16 they never exist in float32. While a chunk
is at hand, its probabilities p are turned in place into the gradient of the logits, p - e, where e is the target's
one-hot vector, and that is multiplied into the gradients of the input and the weights. So the gradients are computed in
the forward pass already, and the backward pass only scales them.

float16 is the exception. Its smallest positive number is 6e-8, so most of p - e would be lost unless the loss is scaled
up first (Micikevicius 2018, "Mixed Precision Training"), and that scale is not known before the backward pass. In
float16 the logits are therefore computed a second time in the backward pass, and the scaled gradient is formed in
float32.
"""

from typing import Any

import torch
from torch import Tensor

from seqcli.core.cells.base import apply, product_dtype

CHUNK = 1 << 24  # logits that are computed at a time


def linear_cross_entropy(
    x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Compute the mean of -log softmax(W x + b)[target]: a scalar, in nats.

    Shapes: x (N, H), weight (V, H), bias (V,), targets (N,). A probability below 1e-37 counts as 1e-37, which is 85
    nats. With label smoothing e (Szegedy 2016) the target distribution is 1 - e on the target plus e / V on every
    token. Under autocast the matrix products run in its dtype, and everything else in the dtypes written in this file:
    which operations autocast would cast differs from device to device.
    """
    loss: Tensor = apply(_LinearCrossEntropy, x, weight, bias, targets, label_smoothing, product_dtype(x))
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """The operation with its hand-written gradient; see the module docstring."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, dtype: torch.dtype
    ) -> Tensor:
        ctx.late = dtype == torch.float16  # whether the gradients are left to the backward pass
        with torch.autocast(x.device.type, enabled=False):
            if ctx.late:
                loss, ctx.how = sweep(x, weight, bias, targets, smoothing, dtype)[0], (smoothing, dtype)
                ctx.save_for_backward(x, weight, bias, targets)
            else:
                loss, *gradients = sweep(x, weight, bias, targets, smoothing, dtype, scale=1.0)
                ctx.save_for_backward(*gradients)
        return loss / len(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if not ctx.late:
            dx, dw, db = ctx.saved_tensors  # (N, H), (V, H), (V,)
            scale = grads[0] / len(dx)
            return dx * scale, dw * scale, db * scale, None, None, None
        with torch.autocast(grads[0].device.type, enabled=False):
            x, weight, bias, targets = ctx.saved_tensors
            smoothing, dtype = ctx.how
            _, dx, dw, db = sweep(x, weight, bias, targets, smoothing, dtype, grads[0] / len(x))
        return dx, dw, db, None, None, None


def sweep(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    smoothing: float,
    dtype: torch.dtype,
    scale: Tensor | float | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Go through all rows in chunks. Returns the loss summed over the rows, in nats, and `scale` times its gradients.

    Shapes as in `linear_cross_entropy`: the gradients of x (N, H), weight (V, H) and bias (V,). Without a `scale` the
    weight's is None and the others are meaningless. Matrix products run in `dtype`; sums over the chunks are in the
    dtype of the parameters.
    """
    x_d, w_d, b_d = x.to(dtype), weight.to(dtype), bias.to(dtype)  # (N, H), (V, H), (V,)
    kept = torch.float32 if dtype == torch.float16 else dtype  # the dtype of the probabilities
    total, dx, db = bias.new_zeros(()), torch.empty_like(x_d), torch.zeros_like(bias)  # (), (N, H), (V,)
    dw: Tensor | None = None
    for part, wanted, dx_part in zip(*(t.split(max(1, CHUNK // len(weight))) for t in (x_d, targets, dx)), strict=True):
        p = torch.addmm(b_d, part, w_d.t()).softmax(1, dtype=kept)  # (n, V)
        rows = torch.arange(len(p), device=p.device)  # (n,)
        right = p[rows, wanted]  # the probabilities of the targets, (n,)
        total -= right.to(bias.dtype).clamp(min=1e-37).log().sum()
        if scale is None:
            continue
        p[rows, wanted] = right - (1 - smoothing)  # p is now the gradient of the logits (scatter_ would copy all of p)
        if kept != dtype:
            p = p.mul_(scale).to(dtype)  # float16 can hold these numbers only after scaling
        torch.mm(p, w_d, out=dx_part)  # (n, H)
        grown = p.t() @ part  # (V, H)
        dw = grown.to(weight.dtype) if dw is None else dw.add_(grown)
        db += (p.new_ones(1, len(p)) @ p)[0]  # (V,), a sum over rows as a product: torch would sum bf16 via fp32
    if smoothing:  # the e / V of every token is a product of sums, so it needs no (N, V) tensor
        even, sums = weight.mean(0), x.to(weight.dtype).sum(0)  # (H,), (H,)
        right_z = (x.to(weight.dtype) * weight[targets]).sum() + bias[targets].sum()  # the targets' logits, summed: ()
        total -= smoothing * (sums @ even + len(x) * bias.mean() - right_z)
        if scale is not None and dw is not None:
            dx -= smoothing * scale * even
            dw -= smoothing * scale / len(weight) * sums
            db -= smoothing * scale / len(weight) * len(x)
    return total, dx.to(x.dtype), dw, db
