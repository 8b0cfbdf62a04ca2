"""The steps of cells in NumPy, for one sample or a few: NumPy starts an operation in a fraction of torch's time.

The equations are those of the cells' own files; a state is (H,) for one sample and (B, H) for B of them, and `...`
stands for either. A cell that is not among STEPS is sampled by its own `step`, in torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
tanh: Callable[[Floats], Floats] = np.tanh
FEW = 8  # rows up to which a product each is faster than one of all: that first copies the matrix into another order
LAYER = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # as in a Layer, below

Times = Callable[[Floats, Floats], Any]  # a product W x with a row x (n,) or rows (B, n), and where it goes


def times(w: Floats, rows: int | None) -> Times:
    """The product with w (m, n): into (m,) from a row (n,) where `rows` is None, else into (rows, m) from (rows, n)."""
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
    """A cell's parameters, for its steps: W_ih (G*H, I), W_hh (G*H, H), b_ih, b_hh (G*H,)."""

    w_ih: Floats
    w_hh: Floats
    b_ih: Floats
    b_hh: Floats


class RNNSteps:
    """The Elman step: from the input's part of the affine map, W_ih x + b_ih, to the output h."""

    gates = 1

    def __init__(self, layer: Layer, rows: int | None) -> None:
        H = layer.w_hh.shape[1]
        self.shape = (H,) if rows is None else (rows, H)
        self.times, self.b_hh = times(layer.w_hh, rows), layer.b_hh
        self.h = np.zeros(self.shape, np.float32)
        self.u = np.empty((*self.shape[:-1], self.gates * H), np.float32)

    @staticmethod
    def prepared(layer: Layer) -> Layer:
        """The parameters as the step wants them: both biases in one."""
        return Layer(layer.w_ih, layer.w_hh, layer.b_ih + layer.b_hh, layer.b_hh)

    def go_on(self, before: Any) -> None:
        """Take the state of one sample's steps, for each row."""
        self.h = np.broadcast_to(before.h, self.shape).copy()

    def __call__(self, a: Floats) -> Floats:
        """The input's part (..., H) -> h (..., H)."""
        u = self.u
        self.times(self.h, u)
        u += a
        self.h = h = tanh(u)
        return h


class GRUSteps(RNNSteps):
    """The GRU step; its candidate needs the second bias apart from the first."""

    gates = 3

    @staticmethod
    def prepared(layer: Layer) -> Layer:
        """The parameters as they are."""
        return layer

    def __init__(self, layer: Layer, rows: int | None) -> None:
        super().__init__(layer, rows)
        H = self.shape[-1]
        self.r_z, self.r, self.z, self.n = (self.u[..., a * H : b * H] for a, b in ((0, 2), (0, 1), (1, 2), (2, 3)))

    def __call__(self, a: Floats) -> Floats:
        """The input's part (..., 3H) -> h (..., H)."""
        H, u, r_z = self.shape[-1], self.u, self.r_z
        self.times(self.h, u)
        u += self.b_hh
        r_z += a[..., : 2 * H]
        r_z *= 0.5  # sigmoid(x) = (tanh(x / 2) + 1) / 2, which never overflows
        np.tanh(r_z, out=r_z)
        r_z += 1.0
        r_z *= 0.5
        n = self.r * self.n
        n += a[..., 2 * H :]
        np.tanh(n, out=n)
        h: Floats = self.h - n
        h *= self.z
        h += n
        self.h = h
        return h


class LSTMSteps(RNNSteps):
    """The LSTM step, in one stretch of memory a row: c, then the gates in the order g, f, i, o.

    So few operations do it: one tanh serves all gates (the affine values of f, i, o come halved, as
    sigmoid(x) = (tanh(x / 2) + 1) / 2), and one product gives both f c and i g.
    """

    gates = 4

    @staticmethod
    def prepared(layer: Layer) -> Layer:
        """The gates in the order g, f, i, o, the last three halved, and both biases in one."""
        i, f, g, o = np.arange(len(layer.b_ih)).reshape(4, -1)
        order = np.concatenate((g, f, i, o))
        half = np.repeat(np.array([1.0, 0.5, 0.5, 0.5], np.float32), len(g))
        bias = (layer.b_ih + layer.b_hh)[order] * half
        return Layer(layer.w_ih[order] * half[:, None], layer.w_hh[order] * half[:, None], bias, bias)

    def __init__(self, layer: Layer, rows: int | None) -> None:
        super().__init__(layer, rows)
        H = self.shape[-1]
        memory = np.zeros((*self.shape[:-1], 5 * H), np.float32)
        parts = ((0, 1), (1, 5), (1, 2), (2, 5), (4, 5), (0, 2), (2, 4))
        self.c, self.u, self.g, self.f_i_o, self.o, self.c_g, self.f_i = (memory[..., a * H : b * H] for a, b in parts)

    def go_on(self, before: Any) -> None:
        """Take the state of one sample's steps, for each row."""
        super().go_on(before)
        self.c[:] = before.c

    def __call__(self, a: Floats) -> Floats:
        """The input's part (..., 4H) -> h (..., H)."""
        gates, f_i_o, c_g, c = self.u, self.f_i_o, self.c_g, self.c
        self.times(self.h, gates)
        gates += a
        np.tanh(gates, out=gates)
        f_i_o += 1.0  # 2 f, 2 i, 2 o
        c_g *= self.f_i
        c += self.g
        c *= 0.5
        self.h = h = tanh(c)
        h *= self.o
        h *= 0.5
        return h


STEPS: dict[str, type[RNNSteps]] = {"rnn": RNNSteps, "gru": GRUSteps, "lstm": LSTMSteps}
