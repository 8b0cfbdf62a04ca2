"""The recurrent language model in NumPy, one token at a time: it generates text on a CPU, without torch.

For products of one row or a few, most of the time goes into starting operations, and NumPy starts one in a fraction of
torch's time. The equations are in core/cells, and the steps in cells/numpy_steps.py. A state is (H,) for one sample and
(B, H) for B of them; `...` in a shape stands for either.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.cells.numpy_steps import LAYER, STEPS, Floats, Layer, times
from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.weights import check_shapes

CACHE = 1 << 26  # how many numbers of the first layer's inputs are kept at most


def weight_shapes(plan: LMPlan, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights by name, as the torch network RecurrentLM has them."""
    V, H = vocab_size, plan.hidden
    E = V if plan.one_hot else plan.embedding_dim or 0
    G = STEPS[plan.cell].gates * H
    shapes: dict[str, tuple[int, ...]] = {} if plan.one_hot else {"encoding.weight": (V, E)}
    for k in range(plan.layers):
        of_layer = (G, H if k else E), (G, H), (G,), (G,)
        shapes |= {f"stack.layers.{k}.{name}_l0": shape for name, shape in zip(LAYER, of_layer, strict=True)}
    if not plan.tie:
        shapes["projection.weight"] = V, H
    return shapes | {"projection.bias": (V,)}


class NumpyLM:
    """A language model made from its weights, by their names in RecurrentLM. Its cell must have steps in NumPy.

    Raises CheckpointError when the weights do not fit the plan and the vocabulary.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], plan: LMPlan, vocab_size: int) -> None:
        check_shapes(weights, weight_shapes(plan, vocab_size))

        def weight(name: str) -> Floats:
            return np.ascontiguousarray(weights[name], np.float32)

        self.steps, self.V = STEPS[plan.cell], vocab_size
        self.rows = None if plan.one_hot else weight("encoding.weight")
        self.layers = []
        for k in range(plan.layers):
            given = (weight(f"stack.layers.{k}.{name}_l0") for name in LAYER)
            self.layers.append(self.steps.prepared(Layer(*given)))
        self.w = weight("encoding.weight" if plan.tie else "projection.weight")
        self.b = weight("projection.bias")
        self.probabilities = plan.loss == "mse"
        self._inputs: dict[int, Floats] = {}
        self._most = CACHE // max(len(self.layers[0].b_ih), 1)

    def input(self, id: int) -> Floats:
        """Return W_ih x + b_ih of the first layer for a token, (G*H,). Results are kept for later."""
        found = self._inputs.get(id)
        if found is None:
            first = self.layers[0]
            found = first.w_ih[:, id] if self.rows is None else first.w_ih @ self.rows[id]  # (G*H,)
            found = found + first.b_ih  # (G*H,)
            if len(self._inputs) < self._most:
                self._inputs[id] = found
        return found

    def after(self, prime: Sequence[int], batch: int) -> "NumpySteps":
        """Feed a prime of at least one id. Returns the steps that continue it, for `batch` samples.

        The prime runs through the network only once, whatever the number of samples.
        """
        one = NumpySteps(self, None)
        for id in prime:
            h = one.run(self.input(id))  # (H,)
        one.scores = one.outputs(h)  # (V,)
        return one if batch == 1 else one.spread(batch)


class NumpySteps:
    """The state of the network after some tokens, and the `scores` of the next one: (V,), or (B, V) for B samples."""

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
        """Return the steps of `rows` samples that all continue from this state, which is that of one sample."""
        many = NumpySteps(self.lm, rows)
        many.scores[:] = self.scores
        many.first.go_on(self.first)
        for (*_, cell), (*_, before) in zip(many.upper, self.upper, strict=True):
            cell.go_on(before)
        return many

    def run(self, a: Floats) -> Floats:
        """Run all layers for one token, from the first layer's input part (..., G*H) to the output h (..., H)."""
        h = self.first(a)  # (..., H)
        for product, bias, part, cell in self.upper:
            product(h, part)  # part: (..., G*H)
            np.add(part, bias, out=part)
            h = cell(part)  # (..., H)
        return h

    def outputs(self, h: Floats) -> Floats:
        """Compute the scores (..., V) from the output h (..., H)."""
        out = np.empty(self.shape, np.float32)  # (..., V)
        self.project(h, out)
        out += self.lm.b
        return np.log(np.maximum(out, 1e-9)) if self.lm.probabilities else out

    def __call__(self, ids: Sequence[int]) -> Floats:
        """Feed one token for each sample. Returns the scores of the next tokens, (..., V)."""
        input_of = self.lm.input
        return self.outputs(self.run(input_of(ids[0]) if self.one else np.stack([input_of(id) for id in ids])))
