"""The simple recurrent network (Elman 1990, "Finding Structure in Time"), with tanh.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)

It has no gates, so W_ih is (H, I) and W_hh is (H, H). The output is h_t.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.cells.base import apply, product_dtype
from seqcli.core.cells.fused import FusedCell


class RNNState(NamedTuple):
    """The state of an Elman cell: its hidden state, which is also its output."""

    h: Tensor  # (B, H)


class RNNCell(FusedCell):
    """The Elman cell: h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    gates = 1
    state_type = RNNState
    torch_mode = "RNN_TANH"

    def recur(self, a: Tensor, state: RNNState) -> RNNState:
        return RNNState(torch.tanh(a + F.linear(state.h, self.weight_hh_l0, self.bias_hh_l0)))  # (B, H)

    def through_time(self, a: Tensor, state: RNNState) -> tuple[Tensor, Sequence[Tensor]]:
        a = a + self.bias_hh_l0  # (B, T, H)
        # inside the function time comes first: (T, B, H)
        h = apply(ElmanThroughTime, a.transpose(0, 1), state.h, self.weight_hh_l0, product_dtype(a))
        h = h.transpose(0, 1)  # (B, T, H)
        return h, (h,)


class ElmanThroughTime(torch.autograd.Function):
    """Back-propagation through time written by hand. Time comes first: a is (T, B, H).

    The recursion is dL/da_t = (dL/dy_t + W_hh^T dL/da_(t+1)) (1 - h_t^2), where ^T is the transpose. W_hh serves every
    time step, so its gradient is a sum over the steps, computed as one product at the end. Matrix products run in
    `dtype`.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, h0: Tensor, w: Tensor, dtype: torch.dtype) -> Tensor:
        T, B, H = a.shape
        w_t = w.to(dtype).t()  # (H, H)
        h = a.new_empty(T + 1, B, H, dtype=dtype)  # h[0] is the initial state, h[t + 1] the state after step t
        h[0] = h0
        for t in range(T):
            torch.tanh(torch.addmm(a[t].to(dtype), h[t], w_t), out=h[t + 1])  # (B, H)
        ctx.save_for_backward(h, w)
        ctx.types = a.dtype, h0.dtype
        return h[1:]  # (T, B, H)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        h, w = ctx.saved_tensors
        (dy,) = grads  # (T, B, H)
        w_d = w.to(h.dtype)  # (H, H)
        da = torch.empty_like(h[1:])  # (T, B, H)
        slope = 1 - h[1:] ** 2  # the derivative of tanh, (T, B, H)
        dh = torch.zeros_like(h[0])  # (B, H)
        for t in range(len(da) - 1, -1, -1):
            torch.mul(dh.add_(dy[t]), slope[t], out=da[t])  # (B, H)
            dh = da[t] @ w_d  # (B, H)
        dw = da.flatten(0, 1).t() @ h[:-1].flatten(0, 1)  # (H, H)
        return da.to(ctx.types[0]), dh.to(ctx.types[1]), dw.to(w.dtype), None
