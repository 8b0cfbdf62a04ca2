"""One time step of each cell in NumPy, for generating one sample or a few.

At such small sizes most of the time goes into starting operations, and NumPy starts one in a fraction of torch's time.
The equations are in the cells' own files (rnn.py, gru.py, lstm.py). A state is (H,) for one sample and (B, H) for B of
them; `...` in a shape stands for either. A cell without an entry in STEPS is sampled with its own `step`, in torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
tanh: Callable[[Floats], Floats] = np.tanh
# Up to this many rows, one matrix-vector product for each row is faster than one product for all of them, which would
# first copy the matrix into another memory order.
FEW = 8
LAYER = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # names of the parameters, in the order of `Layer`'s fields

Times = Callable[[Floats, Floats], Any]  # times(x, out) writes W x into `out`; x is (n,), or (B, n) for B rows


def times(w: Floats, rows: int | None) -> Times:
    """Return a function times(x, out) that multiplies by w (m, n) and writes the result into `out`.

    With `rows` None, x is (n,) and out is (m,). Otherwise x is (rows, n) and out is (rows, m).
    """
    if rows is None:
        return partial(np.dot, w)
    if rows <= FEW:

        def each(x: Floats, out: Floats) -> None:
            for row, to in zip(x, out, strict=True):
                np.dot(w, row, to)

        return each
    w_t = np.ascontiguousarray(w.T)
    return lambda x, out: np.matmul(x, w_t, out=out)


@dataclass(frozen=True)
class Layer:
    """The parameters of one cell: W_ih (G*H, I), W_hh (G*H, H), b_ih and b_hh (G*H,)."""

    w_ih: Floats
    w_hh: Floats
    b_ih: Floats
    b_hh: Floats


class RNNSteps:
    """The step of the Elman cell, and the base of the other steps. The object holds the state and changes it.

    Call it with the input's part of the affine map, W_ih x + b_ih, to get the output h. `rows` is the number of samples
    made side by side, or None for a single one without a batch dimension.
    """

    gates = 1  # G, the number of H-wide slices in the weight matrices

    def __init__(self, layer: Layer, rows: int | None) -> None:
        H = layer.w_hh.shape[1]
        self.shape = (H,) if rows is None else (rows, H)
        self.times, self.b_hh = times(layer.w_hh, rows), layer.b_hh
        self.h = np.zeros(self.shape, np.float32)
        self.u = np.empty((*self.shape[:-1], self.gates * H), np.float32)

    @staticmethod
    def prepared(layer: Layer) -> Layer:
        """Return the parameters in the form that the step needs. Here both biases are added into b_ih."""
        return Layer(layer.w_ih, layer.w_hh, layer.b_ih + layer.b_hh, layer.b_hh)

    def go_on(self, before: Any) -> None:
        """Continue, in every row, from the state of `before`, which has made the steps of a single sample."""
        self.h = np.broadcast_to(before.h, self.shape).copy()  # (..., H)

    def __call__(self, a: Floats) -> Floats:
        """Make one step with a = W_ih x + b_ih (..., H). Returns h (..., H)."""
        u = self.u  # (..., H)
        self.times(self.h, u)
        u += a
        self.h = h = tanh(u)
        return h


class GRUSteps(RNNSteps):
    """The step of the GRU. Its candidate multiplies b_hh by the reset gate, so the two biases cannot be added up."""

    gates = 3

    @staticmethod
    def prepared(layer: Layer) -> Layer:
        """Return the parameters unchanged."""
        return layer

    def __init__(self, layer: Layer, rows: int | None) -> None:
        super().__init__(layer, rows)
        H = self.shape[-1]
        # views of u (..., 3H), so that changing u in place changes them too
        self.r_z, self.r, self.z, self.n = (self.u[..., a * H : b * H] for a, b in ((0, 2), (0, 1), (1, 2), (2, 3)))

    def __call__(self, a: Floats) -> Floats:
        """Make one step with a = W_ih x + b_ih (..., 3H). Returns h (..., H)."""
        H, u, r_z = self.shape[-1], self.u, self.r_z  # u: (..., 3H), r_z: (..., 2H)
        self.times(self.h, u)
        u += self.b_hh  # W_hh h + b_hh
        r_z += a[..., : 2 * H]
        r_z *= 0.5  # sigmoid(x) = (tanh(x / 2) + 1) / 2, which never overflows
        np.tanh(r_z, out=r_z)
        r_z += 1.0
        r_z *= 0.5
        n = self.r * self.n  # (..., H)
        n += a[..., 2 * H :]
        np.tanh(n, out=n)
        h: Floats = self.h - n  # h' = n + z (h - n), (..., H)
        h *= self.z
        h += n
        self.h = h
        return h


class LSTMSteps(RNNSteps):
    """The step of the LSTM, arranged so that it takes few NumPy operations.

    Each row has one contiguous block of memory that holds c, g, f, i, o, each H wide. One tanh then serves all gates:
    sigmoid(x) = (tanh(x / 2) + 1) / 2, and `prepared` has halved the weights of f, i and o. One elementwise product of
    (c, g) with (f, i) gives both f c and i g.
    """

    gates = 4

    @staticmethod
    def prepared(layer: Layer) -> Layer:
        """Return the parameters with the gates in the order g, f, i, o, the last three halved, and the biases added."""
        i, f, g, o = np.arange(len(layer.b_ih)).reshape(4, -1)
        order = np.concatenate((g, f, i, o))
        half = np.repeat(np.array([1.0, 0.5, 0.5, 0.5], np.float32), len(g))
        bias = (layer.b_ih + layer.b_hh)[order] * half
        return Layer(layer.w_ih[order] * half[:, None], layer.w_hh[order] * half[:, None], bias, bias)

    def __init__(self, layer: Layer, rows: int | None) -> None:
        super().__init__(layer, rows)
        H = self.shape[-1]
        memory = np.zeros((*self.shape[:-1], 5 * H), np.float32)  # c, g, f, i, o
        # (from, to) in units of H, of each view into that memory
        parts = ((0, 1), (1, 5), (1, 2), (2, 5), (4, 5), (0, 2), (2, 4))
        self.c, self.u, self.g, self.f_i_o, self.o, self.c_g, self.f_i = (memory[..., a * H : b * H] for a, b in parts)

    def go_on(self, before: Any) -> None:
        """Continue, in every row, from the state of `before`, which has made the steps of a single sample."""
        super().go_on(before)
        self.c[:] = before.c

    def __call__(self, a: Floats) -> Floats:
        """Make one step with a (..., 4H), the input's part as `prepared` arranges it. Returns h (..., H)."""
        gates, f_i_o, c_g, c = self.u, self.f_i_o, self.c_g, self.c  # (..., 4H), (..., 3H), (..., 2H), (..., H)
        self.times(self.h, gates)
        gates += a
        np.tanh(gates, out=gates)
        f_i_o += 1.0  # now 2 f, 2 i, 2 o
        c_g *= self.f_i  # now 2 f c and 2 i g
        c += self.g
        c *= 0.5  # c' = f c + i g
        self.h = h = tanh(c)  # (..., H)
        h *= self.o
        h *= 0.5  # h' = o tanh(c')
        return h


STEPS: dict[str, type[RNNSteps]] = {"rnn": RNNSteps, "gru": GRUSteps, "lstm": LSTMSteps}
