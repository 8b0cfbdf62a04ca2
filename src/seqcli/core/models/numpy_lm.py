"""The recurrent language model in NumPy, a token at a time: what writes text on a processor, without torch.

NumPy starts an operation in a fraction of torch's time, which is what counts for products of one row or a few. The
equations are those of core/cells; a state is (H,) for one sample and (B, H) for B of them, and `...` stands for either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.config import Config
from seqcli.core.weights import check_shapes

Floats = NDArray[np.float32]

tanh: Callable[[Floats], Floats] = np.tanh
FEW = 8  # rows up to which a product each is faster than one of all: that first copies the matrix into another order
CACHE = 1 << 26  # numbers of the first layer's inputs that are kept


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


def weight_shapes(config: Config, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a RecurrentLM's weights by their names, as torch's network has them."""
    V, H = vocab_size, config.hidden or 0
    E = V if config.encoding == "one-hot" else config.embedding_dim or 0
    G = STEPS[config.cell].gates * H
    shapes: dict[str, tuple[int, ...]] = {} if config.encoding == "one-hot" else {"encoding.weight": (V, E)}
    for k in range(config.layers):
        of_layer = (G, H if k else E), (G, H), (G,), (G,)
        shapes |= {f"stack.layers.{k}.{name}_l0": shape for name, shape in zip(LAYER, of_layer, strict=True)}
    if not config.tie:
        shapes["projection.weight"] = V, H
    return shapes | {"projection.bias": (V,)}


class NumpyLM:
    """A language model whose cell has steps in NumPy, from its weights by their names in RecurrentLM.

    Raises CheckpointError where the weights do not fit the configuration and vocabulary.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], config: Config, vocab_size: int) -> None:
        check_shapes(weights, weight_shapes(config, vocab_size))

        def weight(name: str) -> Floats:
            return np.ascontiguousarray(weights[name], np.float32)

        self.steps, self.V = STEPS[config.cell], vocab_size
        self.rows = None if config.encoding == "one-hot" else weight("encoding.weight")
        self.layers = []
        for k in range(config.layers):
            given = (weight(f"stack.layers.{k}.{name}_l0") for name in LAYER)
            self.layers.append(self.steps.prepared(Layer(*given)))
        self.w = weight("encoding.weight" if config.tie else "projection.weight")
        self.b = weight("projection.bias")
        self.probabilities = config.loss == "mse"
        self._inputs: dict[int, Floats] = {}
        self._most = CACHE // max(len(self.layers[0].b_ih), 1)

    def input(self, id: int) -> Floats:
        """W_ih x + b_ih of the first layer for a token, (G*H,). Those of tokens that have come before are kept."""
        found = self._inputs.get(id)
        if found is None:
            first = self.layers[0]
            found = first.w_ih[:, id] if self.rows is None else first.w_ih @ self.rows[id]
            found = found + first.b_ih
            if len(self._inputs) < self._most:
                self._inputs[id] = found
        return found

    def after(self, prime: Sequence[int], batch: int) -> "NumpySteps":
        """What goes on after a prime (ids, at least one), for `batch` samples: the prime runs through once."""
        one = NumpySteps(self, None)
        for id in prime:
            h = one.run(self.input(id))
        one.scores = one.outputs(h)
        return one if batch == 1 else one.spread(batch)


class NumpySteps:
    """The state after some tokens, and `scores` of the next one: (V,) for one sample, (B, V) for B."""

    def __init__(self, lm: NumpyLM, rows: int | None) -> None:
        self.lm, self.one = lm, rows is None
        self.shape = (lm.V,) if rows is None else (rows, lm.V)
        self.scores = np.zeros(self.shape, np.float32)
        self.first, *upper = (lm.steps(layer, rows) for layer in lm.layers)
        self.upper = [
            (times(layer.w_ih, rows), layer.b_ih, np.empty_like(cell.u), cell)
            for layer, cell in zip(lm.layers[1:], upper, strict=True)
        ]
        self.project = times(lm.w, rows)

    def spread(self, rows: int) -> "NumpySteps":
        """The same state for several samples, (rows, ...)."""
        many = NumpySteps(self.lm, rows)
        many.scores[:] = self.scores
        many.first.go_on(self.first)
        for (*_, cell), (*_, before) in zip(many.upper, self.upper, strict=True):
            cell.go_on(before)
        return many

    def run(self, a: Floats) -> Floats:
        """All layers, from the first one's input part (..., G*H) to the output h (..., H)."""
        h = self.first(a)
        for product, bias, part, cell in self.upper:
            product(h, part)
            np.add(part, bias, out=part)
            h = cell(part)
        return h

    def outputs(self, h: Floats) -> Floats:
        """The scores (..., V) for the output h."""
        out = np.empty(self.shape, np.float32)
        self.project(h, out)
        out += self.lm.b
        return np.log(np.maximum(out, 1e-9)) if self.lm.probabilities else out

    def __call__(self, ids: Sequence[int]) -> Floats:
        """Go on by a token a sample: the scores after it."""
        input_of = self.lm.input
        return self.outputs(self.run(input_of(ids[0]) if self.one else np.stack([input_of(id) for id in ids])))
