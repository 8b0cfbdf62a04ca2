"""The Elman network (Elman 1990, "Finding Structure in Time"), with tanh.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)

One slice, so W_ih is (H, I) and W_hh (H, H). The output is h_t.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.cells.base import apply, product_dtype
from seqcli.core.cells.fused import FusedCell


class RNNState(NamedTuple):
    h: Tensor  # (B, H)


class RNNCell(FusedCell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    gates = 1
    state_type = RNNState
    torch_mode = "RNN_TANH"

    def recur(self, a: Tensor, state: RNNState) -> RNNState:
        return RNNState(torch.tanh(a + F.linear(state.h, self.weight_hh_l0, self.bias_hh_l0)))

    def through_time(self, a: Tensor, state: RNNState) -> tuple[Tensor, Sequence[Tensor]]:
        a = a + self.bias_hh_l0
        h = apply(ElmanThroughTime, a.transpose(0, 1), state.h, self.weight_hh_l0, product_dtype(a))
        h = h.transpose(0, 1)  # (B, T, H)
        return h, (h,)


class ElmanThroughTime(torch.autograd.Function):
    """Back-propagation through time: dL/da_t = (dL/dy_t + W_hh' dL/da_(t+1)) (1 - h_t^2).

    The same W_hh serves every step, so its gradient is the sum over steps: one product at the end.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, h0: Tensor, w: Tensor, dtype: torch.dtype) -> Tensor:
        T, B, H = a.shape
        w_t = w.to(dtype).t()
        h = a.new_empty(T + 1, B, H, dtype=dtype)
        h[0] = h0
        for t in range(T):
            torch.tanh(torch.addmm(a[t].to(dtype), h[t], w_t), out=h[t + 1])
        ctx.save_for_backward(h, w)
        ctx.types = a.dtype, h0.dtype
        return h[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        h, w = ctx.saved_tensors
        (dy,) = grads
        w_d = w.to(h.dtype)
        da = torch.empty_like(h[1:])
        slope = 1 - h[1:] ** 2
        dh = torch.zeros_like(h[0])
        for t in range(len(da) - 1, -1, -1):
            torch.mul(dh.add_(dy[t]), slope[t], out=da[t])
            dh = da[t] @ w_d
        dw = da.flatten(0, 1).t() @ h[:-1].flatten(0, 1)
        return da.to(ctx.types[0]), dh.to(ctx.types[1]), dw.to(w.dtype), None
