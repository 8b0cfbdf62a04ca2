"""Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers 2000) and without peepholes.

    i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)      input gate
    f = sigmoid(W_if x + b_if + W_hf h + b_hf)      forget gate
    g = tanh   (W_ig x + b_ig + W_hg h + b_hg)      candidate
    o = sigmoid(W_io x + b_io + W_ho h + b_ho)      output gate
    c' = f * c + i * g
    h' = o * tanh(c')

One affine map computes all four: W_ih (4H, I) and W_hh (4H, H) hold the gates in the order i, f, g, o. The cell state c
stays inside the layer; the output is h'. The bias of the forget gate is initialized to 1 (Jozefowicz 2015).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.cells.base import apply, last_real, product_dtype
from seqcli.core.cells.fused import FusedCell

SHUT = 1e4  # sigmoid(-SHUT) is exactly 0 and sigmoid(SHUT) exactly 1 in every float type


class LSTMState(NamedTuple):
    """The state of an LSTM: its hidden state, which is also its output, and its cell state."""

    h: Tensor  # (B, H)
    c: Tensor  # (B, H)


class LSTMCell(FusedCell):
    """The LSTM cell: c' = f * c + i * g and h' = o * tanh(c'), with gates i, f, o and candidate g (equations above)."""

    gates = 4
    state_type = LSTMState
    torch_mode = "LSTM"

    def recur(self, a: Tensor, state: LSTMState) -> LSTMState:
        gates = a + F.linear(state.h, self.weight_hh_l0, self.bias_hh_l0)  # (B, 4H)
        i, f, g, o = gates.chunk(4, dim=-1)  # (B, H) each
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)  # (B, H)
        return LSTMState(torch.sigmoid(o) * torch.tanh(c), c)  # (B, H) each

    def through_time(self, a: Tensor, state: LSTMState) -> tuple[Tensor, Sequence[Tensor]]:
        a = a + self.bias_hh_l0  # (B, T, 4H)
        # inside the function time comes first: (T, B, 4H) -> (T, B, H) each
        h, c = apply(LSTMThroughTime, a.transpose(0, 1), state.h, state.c, self.weight_hh_l0, product_dtype(a))
        h, c = h.transpose(0, 1), c.transpose(0, 1)  # (B, T, H)
        return h, (h, c)

    def fused(self, x: Tensor, state: LSTMState, mask: Tensor | None) -> tuple[Tensor, LSTMState]:
        """Run torch's kernel on x (B, T, I), whose rows may be padded. Returns outputs (B, T, H) and the last state.

        Torch's kernel returns c only after the last column, so c must not change on padding. To achieve that, the
        input gets one more column, which is 1 on padding and 0 elsewhere. Its weights close the input gate and open
        the forget gate, so that on padding c' = 1 * c + 0 * g exactly.
        """
        if mask is None:
            return self.kernel(x, state)
        padding = (~mask)[..., None].to(x.dtype)  # (B, T, 1)
        H, w = self.hidden_size, self.weight_ih_l0
        column = torch.cat((w.new_full((H, 1), -SHUT), w.new_full((H, 1), SHUT), w.new_zeros(2 * H, 1)))  # (4H, 1)
        y, last = self.kernel(torch.cat((x, padding), dim=2), state, w_ih=torch.cat((w, column), dim=1))  # (B, T, H)
        return y * mask[..., None], LSTMState(last_real(y, mask, state.h), last.c)  # (B, T, H), (B, H) each

    def initialize(self, generator: torch.Generator | None) -> None:
        """Set the initial weights as `FusedCell.initialize` does, with a forget gate bias of 1."""
        super().initialize(generator)
        with torch.no_grad():
            self.bias_ih_l0[self.hidden_size : 2 * self.hidden_size] = 1.0


class LSTMThroughTime(torch.autograd.Function):
    """Back-propagation through time written by hand. Time comes first: a is (T, B, 4H).

    With d for the gradient of the loss, and di, df, dg, do for those of the gates' affine values before the sigmoid or
    tanh, the backward pass is:

    dc = dh' o (1 - tanh(c')^2) + dc'       dc_(t-1) = dc f
    di = dc g i (1 - i)      df = dc c f (1 - f)      dg = dc i (1 - g^2)      do = dh' tanh(c') o (1 - o)
    dh_(t-1) = W_hh^T (di, df, dg, do)

    Matrix products run in `dtype`; c and its gradient stay in the dtype of a.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, h0: Tensor, c0: Tensor, w: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        T, B, H = a.shape[0], a.shape[1], h0.shape[1]
        w_t = w.to(dtype).t()  # (H, 4H)
        h = a.new_empty(T + 1, B, H, dtype=dtype)  # h[0] is the initial state, h[t + 1] the state after step t
        c = a.new_empty(T + 1, B, H)
        gates = a.new_empty(T, B, 4 * H)  # i, f, g, o, kept for the backward pass
        tanh_c = a.new_empty(T, B, H)
        h[0], c[0] = h0, c0
        for t in range(T):
            torch.add(a[t], h[t] @ w_t, out=gates[t])  # (B, 4H)
            i, f, g, o = gates[t].split(H, dim=1)  # (B, H) each; views, so what follows changes `gates` in place
            gates[t, :, : 2 * H].sigmoid_()  # i and f
            g.tanh_()
            o.sigmoid_()
            torch.addcmul(f * c[t], i, g, out=c[t + 1])  # (B, H)
            torch.tanh(c[t + 1], out=tanh_c[t])  # (B, H)
            torch.mul(o, tanh_c[t], out=h[t + 1]) if dtype == a.dtype else h[t + 1].copy_(o * tanh_c[t])  # (B, H)
        ctx.save_for_backward(h, c, gates, tanh_c, w)
        ctx.types = a.dtype, h0.dtype, c0.dtype
        return h[1:], c[1:]  # (T, B, H) each

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        h, c, gates, tanh_c, w = ctx.saved_tensors
        dy, dc_out = grads  # (T, B, H) each
        T, H = len(gates), c.shape[2]
        i, f, g, o = gates.split(H, dim=2)  # (T, B, H) each
        # What does not depend on the gradient is computed for all time steps at once. The slopes are the derivatives of
        # c' by the affine values of i, f, g, and of h' by that of o: (T, B, 4H).
        slopes = torch.cat((g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)), dim=2)
        to_c = o * (1 - tanh_c * tanh_c)  # dh' / dc', (T, B, H)
        w_d = w.to(h.dtype)  # (4H, H)
        da = torch.empty_like(gates)  # (T, B, 4H)
        dh, dc = torch.zeros_like(c[0]), torch.zeros_like(c[0])  # (B, H) each
        for t in range(T - 1, -1, -1):
            dh = dh + dy[t]  # (B, H), from the next step and from this step's output
            dc = torch.addcmul(dc + dc_out[t], dh, to_c[t])  # (B, H)
            parts, slope = da[t].view(-1, 4, H), slopes[t].view(-1, 4, H)  # (B, 4, H) each
            torch.mul(slope[:, :3], dc[:, None], out=parts[:, :3])  # di, df, dg: (B, 3, H)
            torch.mul(slope[:, 3], dh, out=parts[:, 3])  # do: (B, H)
            dh = (da[t].to(h.dtype) @ w_d).to(c.dtype)  # (B, H)
            dc = dc * f[t]  # (B, H)
        # W_hh serves every time step, so its gradient is a sum over the steps: one product at the end.
        dw = da.flatten(0, 1).to(h.dtype).t() @ h[:-1].flatten(0, 1)  # (4H, H)
        return da.to(ctx.types[0]), dh.to(ctx.types[1]), dc.to(ctx.types[2]), dw.to(w.dtype), None
