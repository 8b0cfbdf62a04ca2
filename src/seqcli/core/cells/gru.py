"""The gated recurrent unit (Cho 2014), in the variant of torch and cuDNN: the reset gate comes after the matrix product
(version 1 of arXiv:1406.1078 reads r * h before it).

    r   = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z   = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n   = tanh(W_in x + b_in + r * (W_hn h + b_hn))
    h'  = (1 - z) * n + z * h

W_ih (3H, I) and W_hh (3H, H) hold the slices in the order r, z, n. The output is h'.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.cells.base import apply, product_dtype
from seqcli.core.cells.fused import FusedCell


class GRUState(NamedTuple):
    h: Tensor  # (B, H)


class GRUCell(FusedCell):
    """h' = (1 - z) * n + z * h, with gates r, z and candidate n."""

    gates = 3
    state_type = GRUState
    torch_mode = "GRU"

    def recur(self, a: Tensor, state: GRUState) -> GRUState:
        a_r, a_z, a_n = a.chunk(3, dim=-1)
        u_r, u_z, u_n = F.linear(state.h, self.weight_hh_l0, self.bias_hh_l0).chunk(3, dim=-1)
        r = torch.sigmoid(a_r + u_r)
        z = torch.sigmoid(a_z + u_z)
        n = torch.tanh(a_n + r * u_n)
        return GRUState((1 - z) * n + z * state.h)

    def through_time(self, a: Tensor, state: GRUState) -> tuple[Tensor, Sequence[Tensor]]:
        h = apply(GRUThroughTime, a.transpose(0, 1), state.h, self.weight_hh_l0, self.bias_hh_l0, product_dtype(a))
        h = h.transpose(0, 1)  # (B, T, H)
        return h, (h,)


class GRUThroughTime(torch.autograd.Function):
    """Back-propagation through time by hand. With u = W_hh h + b_hh and h' = n + z (h - n):

    dn = dh' (1 - z)          da_n = dn (1 - n^2)           du_n = da_n r
    dz = dh' (h - n)          da_z = dz z (1 - z)           du_z = da_z
    dr = da_n u_n             da_r = dr r (1 - r)           du_r = da_r
    dh = dh' z + W_hh' du
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, h0: Tensor, w: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
        T, B, H = a.shape[0], a.shape[1], h0.shape[1]
        w_t, b_d = w.to(dtype).t(), b.to(dtype)
        h = a.new_empty(T + 1, B, H, dtype=dtype)
        gates = a.new_empty(T, B, 4 * H, dtype=dtype)  # r, z, n, u_n
        h[0] = h0
        for t in range(T):
            u, a_t = torch.addmm(b_d, h[t], w_t), a[t].to(dtype)
            torch.sigmoid(a_t[:, : 2 * H] + u[:, : 2 * H], out=gates[t, :, : 2 * H])
            r, z, n, u_n = gates[t].split(H, dim=1)
            u_n.copy_(u[:, 2 * H :])
            n.copy_(torch.addcmul(a_t[:, 2 * H :], r, u_n).tanh_())
            torch.lerp(n, h[t], z, out=h[t + 1])
        ctx.save_for_backward(h, gates, w, b)
        ctx.types = a.dtype, h0.dtype
        return h[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        h, gates, w, b = ctx.saved_tensors
        (dy,) = grads
        T, H = len(gates), h.shape[2]
        w_d = w.to(h.dtype)
        r, z, n, u_n = gates.split(H, dim=2)
        to_n = (1 - z) * (1 - n * n)  # da_n / dh'
        to_z = (h[:-1] - n) * z * (1 - z)  # da_z / dh'
        to_r = u_n * r * (1 - r)  # da_r / da_n
        da = h.new_empty(T, h.shape[1], 3 * H)
        du = torch.empty_like(da)
        dh = torch.zeros_like(h[0])
        for t in range(T - 1, -1, -1):
            dh.add_(dy[t])
            da_r, da_z, da_n = da[t].split(H, dim=1)
            da_n.copy_(dh * to_n[t])
            da_z.copy_(dh * to_z[t])
            da_r.copy_(da_n * to_r[t])
            du[t, :, : 2 * H] = da[t, :, : 2 * H]
            du[t, :, 2 * H :] = da_n * r[t]
            dh = torch.addmm(dh * z[t], du[t], w_d)
        flat = du.flatten(0, 1)
        dw = flat.t() @ h[:-1].flatten(0, 1)
        return da.to(ctx.types[0]), dh.to(ctx.types[1]), dw.to(w.dtype), flat.sum(0, dtype=b.dtype), None
