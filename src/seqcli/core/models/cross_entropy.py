"""Output projection and cross-entropy in one, for large vocabularies.

The (N, V) outputs exist one chunk at a time and never in float32 under autocast: each chunk's probabilities are turned
into its gradient in place, p - e, while they are at hand, and multiplied into the gradients of input and weights.
"""

from typing import Any

import torch
from torch import Tensor

from seqcli.core.cells.base import apply, product_dtype

CHUNK = 1 << 23  # outputs at a time


def linear_cross_entropy(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log softmax(W x + b)[target]. x (N, H), weight (V, H), bias (V,), targets (N,) -> scalar."""
    loss: Tensor = apply(_LinearCrossEntropy, x, weight, bias, targets, product_dtype(x))
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        x_d, w_d, b_d = x.to(dtype), weight.to(dtype), bias.to(dtype)
        dx = torch.empty_like(x_d)
        dw, db = torch.zeros_like(w_d), torch.zeros_like(bias)
        total = x.new_zeros((), dtype=bias.dtype)
        rows = max(1, CHUNK // len(weight))
        for start in range(0, len(x), rows):
            part, wanted = x_d[start : start + rows], targets[start : start + rows, None]
            p = torch.addmm(b_d, part, w_d.t())  # (n, V) outputs
            at_target = p.gather(1, wanted).to(bias.dtype)
            top = p.amax(1, keepdim=True)
            p.sub_(top).exp_()
            sums = p.sum(1, keepdim=True, dtype=bias.dtype)
            total += (sums.log() + top - at_target).sum()
            p.mul_((1 / sums / len(x)).to(dtype))  # probabilities, over the number of targets
            p.scatter_add_(1, wanted, p.new_full(wanted.shape, -1 / len(x)))
            dx[start : start + rows] = p @ w_d
            dw.addmm_(p.t(), part)
            db += p.sum(0, dtype=bias.dtype)
        ctx.save_for_backward(dx.to(x.dtype), dw.to(weight.dtype), db)
        return total / len(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        (scale,) = grads
        dx, dw, db = ctx.saved_tensors
        return dx * scale.to(dx.dtype), dw * scale, db * scale, None, None
