"""Output projection and cross-entropy in one, for large vocabularies.

The (N, V) outputs exist one chunk at a time and never in float32 under bf16: each chunk's probabilities are turned into
its gradient in place, p - e, while they are at hand, and multiplied into the gradients of input and weights.

float16 is the exception. Its smallest number is 6e-8, so most of p - e would be lost unless the loss is scaled up first
(Micikevicius 2018, "Mixed Precision Training"), and the scale is not known before the backward pass. There the outputs
are computed a second time in the backward pass, and the scaled gradient is formed in float32.
"""

from typing import Any

import torch
from torch import Tensor

from seqcli.core.cells.base import apply, product_dtype

CHUNK = 1 << 24  # outputs at a time


def linear_cross_entropy(
    x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Mean of -log softmax(W x + b)[target]. x (N, H), weight (V, H), bias (V,), targets (N,) -> scalar.

    A target whose probability is below 1e-37 counts as that: 85 nats. Label smoothing by e (Szegedy 2016) compares with
    1 - e for the target plus e / V for every token. Under autocast the products run in its type, and all else in the
    types that are named here: which operations an autocast casts differs from device to device.
    """
    loss: Tensor = apply(_LinearCrossEntropy, x, weight, bias, targets, label_smoothing, product_dtype(x))
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, dtype: torch.dtype
    ) -> Tensor:
        ctx.late = dtype == torch.float16
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
            dx, dw, db = ctx.saved_tensors
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
    """The loss summed over the rows, and `scale` times its gradients of x, weight and bias (None: they are not formed).

    Products run in `dtype`; sums over the chunks are in the type of the parameters.
    """
    x_d, w_d, b_d = x.to(dtype), weight.to(dtype), bias.to(dtype)
    kept = torch.float32 if dtype == torch.float16 else dtype  # of probabilities
    total, dx, db = bias.new_zeros(()), torch.empty_like(x_d), torch.zeros_like(bias)
    dw: Tensor | None = None
    for part, wanted, dx_part in zip(*(t.split(max(1, CHUNK // len(weight))) for t in (x_d, targets, dx)), strict=True):
        p = torch.addmm(b_d, part, w_d.t()).softmax(1, dtype=kept)  # (n, V)
        rows = torch.arange(len(p), device=p.device)
        right = p[rows, wanted]
        total -= right.to(bias.dtype).clamp(min=1e-37).log().sum()
        if scale is None:
            continue
        p[rows, wanted] = right - (1 - smoothing)  # the gradient of the outputs (scatter_ would copy all of p)
        if kept != dtype:
            p = p.mul_(scale).to(dtype)  # float16 holds it only now
        torch.mm(p, w_d, out=dx_part)
        grown = p.t() @ part
        dw = grown.to(weight.dtype) if dw is None else dw.add_(grown)
        db += (p.new_ones(1, len(p)) @ p)[0]  # a sum over rows, as a product: torch would sum bf16 by way of fp32
    if smoothing:  # e / V for every token is a product of sums, so it needs no (N, V) tensor
        even, sums = weight.mean(0), x.to(weight.dtype).sum(0)
        right_z = (x.to(weight.dtype) * weight[targets]).sum() + bias[targets].sum()
        total -= smoothing * (sums @ even + len(x) * bias.mean() - right_z)
        if scale is not None and dw is not None:
            dx -= smoothing * scale * even
            dw -= smoothing * scale / len(weight) * sums
            db -= smoothing * scale / len(weight) * len(x)
    return total, dx.to(x.dtype), dw, db
