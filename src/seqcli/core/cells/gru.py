"""The gated recurrent unit (Cho 2014), in the variant of torch and cuDNN.

    r   = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        reset gate
    z   = sigmoid(W_iz x + b_iz + W_hz h + b_hz)        update gate
    n   = tanh(W_in x + b_in + r * (W_hn h + b_hn))     candidate
    h'  = (1 - z) * n + z * h

In this variant the reset gate is applied after the matrix product, r * (W_hn h + b_hn); version 1 of arXiv:1406.1078
applies it before, W_hn (r * h). W_ih (3H, I) and W_hh (3H, H) hold the gates in the order r, z, n. The output is h'.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.cells.base import apply, product_dtype
from seqcli.core.cells.fused import FusedCell


class GRUState(NamedTuple):
    """The state of a GRU: its hidden state, which is also its output."""

    h: Tensor  # (B, H)


class GRUCell(FusedCell):
    """The GRU cell: h' = (1 - z) * n + z * h, with gates r, z and candidate n (equations above)."""

    gates = 3
    state_type = GRUState
    torch_mode = "GRU"

    def recur(self, a: Tensor, state: GRUState) -> GRUState:
        a_r, a_z, a_n = a.chunk(3, dim=-1)  # (B, H) each, from (B, 3H)
        u_r, u_z, u_n = F.linear(state.h, self.weight_hh_l0, self.bias_hh_l0).chunk(3, dim=-1)  # (B, H) each
        r = torch.sigmoid(a_r + u_r)  # (B, H)
        z = torch.sigmoid(a_z + u_z)  # (B, H)
        n = torch.tanh(a_n + r * u_n)  # (B, H)
        return GRUState((1 - z) * n + z * state.h)  # (B, H)

    def through_time(self, a: Tensor, state: GRUState) -> tuple[Tensor, Sequence[Tensor]]:
        # inside the function time comes first: (T, B, 3H) -> (T, B, H)
        h = apply(GRUThroughTime, a.transpose(0, 1), state.h, self.weight_hh_l0, self.bias_hh_l0, product_dtype(a))
        h = h.transpose(0, 1)  # (B, T, H)
        return h, (h,)


class GRUThroughTime(torch.autograd.Function):
    """Back-propagation through time written by hand. Time comes first: a is (T, B, 3H).

    With a = W_ih x + b_ih, u = W_hh h + b_hh and h' = n + z (h - n), the gradients of the loss, written d, are:

    dn = dh' (1 - z)          da_n = dn (1 - n^2)           du_n = da_n r
    dz = dh' (h - n)          da_z = dz z (1 - z)           du_z = da_z
    dr = da_n u_n             da_r = dr r (1 - r)           du_r = da_r
    dh = dh' z + W_hh^T du

    Matrix products run in `dtype`.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, h0: Tensor, w: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
        T, B, H = a.shape[0], a.shape[1], h0.shape[1]
        w_t, b_d = w.to(dtype).t(), b.to(dtype)  # (H, 3H), (3H,)
        h = a.new_empty(T + 1, B, H, dtype=dtype)  # h[0] is the initial state, h[t + 1] the state after step t
        gates = a.new_empty(T, B, 4 * H, dtype=dtype)  # r, z, n, u_n, kept for the backward pass
        h[0] = h0
        for t in range(T):
            u, a_t = torch.addmm(b_d, h[t], w_t), a[t].to(dtype)  # (B, 3H) each
            torch.sigmoid(a_t[:, : 2 * H] + u[:, : 2 * H], out=gates[t, :, : 2 * H])  # r and z, (B, 2H)
            r, z, n, u_n = gates[t].split(H, dim=1)  # (B, H) each; views, so writing to n and u_n fills `gates`
            u_n.copy_(u[:, 2 * H :])  # (B, H)
            n.copy_(torch.addcmul(a_t[:, 2 * H :], r, u_n).tanh_())  # (B, H)
            torch.lerp(n, h[t], z, out=h[t + 1])  # h' = n + z (h - n), (B, H)
        ctx.save_for_backward(h, gates, w, b)
        ctx.types = a.dtype, h0.dtype
        return h[1:]  # (T, B, H)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        h, gates, w, b = ctx.saved_tensors
        (dy,) = grads  # (T, B, H)
        T, H = len(gates), h.shape[2]
        w_d = w.to(h.dtype)  # (3H, H)
        r, z, n, u_n = gates.split(H, dim=2)  # (T, B, H) each
        # What does not depend on the gradient is computed for all time steps at once, (T, B, H) each:
        to_n = (1 - z) * (1 - n * n)  # da_n / dh'
        to_z = (h[:-1] - n) * z * (1 - z)  # da_z / dh'
        to_r = u_n * r * (1 - r)  # da_r / da_n
        da = h.new_empty(T, h.shape[1], 3 * H)  # (T, B, 3H)
        du = torch.empty_like(da)  # (T, B, 3H)
        dh = torch.zeros_like(h[0])  # (B, H)
        for t in range(T - 1, -1, -1):
            dh.add_(dy[t])  # (B, H), from the next step and from this step's output
            da_r, da_z, da_n = da[t].split(H, dim=1)  # (B, H) each; views, so writing to them fills `da`
            da_n.copy_(dh * to_n[t])
            da_z.copy_(dh * to_z[t])
            da_r.copy_(da_n * to_r[t])
            du[t, :, : 2 * H] = da[t, :, : 2 * H]
            du[t, :, 2 * H :] = da_n * r[t]
            dh = torch.addmm(dh * z[t], du[t], w_d)  # (B, H)
        flat = du.flatten(0, 1)  # (T*B, 3H)
        # W_hh serves every time step, so its gradient is a sum over the steps: one product at the end.
        dw = flat.t() @ h[:-1].flatten(0, 1)  # (3H, H)
        return da.to(ctx.types[0]), dh.to(ctx.types[1]), dw.to(w.dtype), flat.sum(0, dtype=b.dtype), None
