"""Output projection and cross-entropy in one, for large vocabularies.

The (N, V) outputs exist one chunk at a time and never in float32 under autocast: each chunk's probabilities are turned
into its gradient in place, p - e, while they are at hand, and multiplied into the gradients of input and weights.
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
    1 - e for the target plus e / V for every token.
    """
    loss: Tensor = apply(_LinearCrossEntropy, x, weight, bias, targets, label_smoothing, product_dtype(x))
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, dtype: torch.dtype
    ) -> Tensor:
        x_d, w_d, b_d = x.to(dtype), weight.to(dtype), bias.to(dtype)
        dx, dw, db = torch.empty_like(x_d), torch.zeros_like(w_d), torch.zeros_like(b_d)
        total = bias.new_zeros(())
        for part, wanted, dx_part in zip(
            *(t.split(max(1, CHUNK // len(weight))) for t in (x_d, targets, dx)), strict=True
        ):
            p = torch.addmm(b_d, part, w_d.t()).softmax(1)  # (n, V)
            rows = torch.arange(len(p), device=p.device)
            right = p[rows, wanted]
            total -= right.to(bias.dtype).clamp(min=1e-37).log().sum()
            p[rows, wanted] = right - (1 - smoothing)  # the gradient of the outputs (scatter_ would copy all of p)
            torch.mm(p, w_d, out=dx_part)
            dw += p.t() @ part
            db += (p.new_ones(1, len(p)) @ p)[0]  # a sum over rows, as a product: torch would sum bf16 by way of fp32
        dx, dw, db = dx.to(x.dtype), dw.to(weight.dtype), db.to(bias.dtype)
        if smoothing:  # e / V for every token is a product of sums, so it needs no (N, V) tensor
            even, sums = weight.mean(0), x.to(weight.dtype).sum(0)
            right_z = (x.to(weight.dtype) * weight[targets]).sum() + bias[targets].sum()
            total -= smoothing * (sums @ even + len(x) * bias.mean() - right_z)
            dx -= smoothing * even.to(dx.dtype)
            dw -= smoothing / len(weight) * sums
            db -= smoothing / len(weight) * len(x)
        ctx.save_for_backward(dx, dw, db)
        return total / len(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        (scale,) = grads
        dx, dw, db = ctx.saved_tensors
        scale = scale / len(dx)
        return dx * scale.to(dx.dtype), dw * scale, db * scale, None, None, None
