"""Token after token from a language model. One stream on a processor steps through tables in NumPy; see FastStep."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.cells import Cell, GRUCell, LSTMCell, RNNCell
from seqcli.core.decoding.sampling import Filters, draw, gumbel_noise
from seqcli.core.layers import Embedding
from seqcli.core.models.lm import RecurrentLM
from seqcli.core.tokenizers import BOS, PAD, UNK

NOISE = 64  # tokens for which noise is drawn ahead,
MOST_NOISE = 1 << 22  # but no more numbers at a time
Floats = NDArray[np.float32]


class Generator:
    """Iterates over the tokens drawn at each step, a list of B ids; goes on for ever.

    The prime (ids) runs through the network once, for all B samples. <pad>, <bos> and <unk> are never drawn, nor is
    <eos> unless `ends`.
    """

    def __init__(
        self,
        model: RecurrentLM,
        prime: list[int],
        batch: int,
        filters: Filters,
        random: torch.Generator,
        *,
        ends: bool,
    ) -> None:
        self.model, self.prime, self.batch = model, prime, batch
        self.filters, self.random, self.ends = filters, random, ends

    def __iter__(self) -> Iterator[list[int]]:
        device = next(self.model.parameters()).device
        training = self.model.training
        self.model.eval()
        try:
            ids = torch.tensor([self.prime], device=device)
            with torch.no_grad():  # not around the whole generator: it would be left and entered at every token
                scores, state = self.model(ids)
        finally:
            self.model.train(training)
        scores = scores[:, -1].cpu().expand(self.batch, -1)  # (B, V)
        V = scores.shape[1]
        banned = torch.zeros(V)
        banned[[PAD, UNK, BOS] if self.ends else [PAD, UNK, BOS, BOS + 1]] = -torch.inf
        seen = torch.zeros(self.batch, V, dtype=torch.bool)
        seen[:, self.prime] = True
        step = (
            FastStep(self.model, state)
            if self.batch == 1 and device.type == "cpu"
            else Step(self.model, state, self.batch)
        )
        plain = self.filters.temperature > 0 and self.filters == Filters(self.filters.temperature)
        while True:
            ahead = max(1, min(NOISE, MOST_NOISE // (self.batch * V)))
            noise = gumbel_noise(ahead * self.batch, V, self.random).view(ahead, self.batch, V)
            if isinstance(step, FastStep) and plain:
                # nothing to filter: the whole step stays in NumPy
                perturbed = (noise[:, 0] * self.filters.temperature + banned).numpy().astype(np.float32)
                row = scores[0].numpy()
                for extra in perturbed:
                    id = int((row + extra).argmax())
                    yield [id]
                    row = step.scores(id)
                scores = torch.from_numpy(row)[None]
                continue
            for k in range(ahead):
                chosen = draw(scores + banned, self.filters, noise[k], seen)
                seen.scatter_(1, chosen[:, None], True)
                yield chosen.tolist()
                scores = step(chosen)


class Step:
    """One token further for B samples, by the model itself."""

    def __init__(self, model: RecurrentLM, state: list[Any], batch: int) -> None:
        self.model = model
        self.state = [type(s)(*(t.expand(batch, -1).contiguous() for t in s)) for s in state]

    @torch.no_grad()
    def __call__(self, ids: Tensor) -> Tensor:
        """Ids (B,) -> scores (B, V) of the next token."""
        training = self.model.training
        self.model.eval()
        device = next(self.model.parameters()).device
        scores, self.state = self.model(ids[:, None].to(device), self.state)
        self.model.train(training)
        out: Tensor = scores[:, 0].cpu()
        return out


class FastStep:
    """One token further for one sample: the cells' `recur` on single rows, in NumPy, which starts an operation in a
    fraction of torch's time. The first layer's input projections are a table with a row per token, when it fits.
    """

    TABLE = 1 << 26  # numbers; a larger table would cost more to make than it saves

    def __init__(self, model: RecurrentLM, state: list[Any]) -> None:
        self.cells = [FAST[type(cell)](cell, before) for cell, before in zip(model.stack.cells, state, strict=True)]
        first, encoding = self.cells[0], model.encoding
        self.rows = as_array(encoding.weight) if isinstance(encoding, Embedding) else None
        self.table: Floats | None = None
        if self.rows is None:
            self.table = np.ascontiguousarray(first.w_ih.T + first.b_ih)
        elif len(self.rows) * len(first.b_ih) <= self.TABLE:
            self.table = self.rows @ first.w_ih.T + first.b_ih
        self.w, self.b = as_array(model.projection.weight), as_array(model.projection.bias)
        self.probabilities = model.loss_name == "mse"

    def scores(self, id: int) -> Floats:
        """The scores (V,) after token `id`."""
        first = self.cells[0]
        if self.table is not None:
            h = first(self.table[id])
        else:
            assert self.rows is not None
            h = first(first.w_ih @ self.rows[id] + first.b_ih)
        for cell in self.cells[1:]:
            h = cell(cell.w_ih @ h + cell.b_ih)
        out: Floats = self.w @ h
        out += self.b
        return np.log(np.maximum(out, 1e-9)) if self.probabilities else out

    def __call__(self, ids: Tensor) -> Tensor:
        """As Step, for B = 1."""
        return torch.from_numpy(self.scores(int(ids[0])))[None]


def as_array(t: Tensor) -> Floats:
    """A tensor's numbers, of its own, in float32."""
    return t.detach().to(torch.float32, copy=True).contiguous().numpy()


class FastRNN:
    """The Elman step on one row: from the input's part of the affine map, bias included, to the output."""

    def __init__(self, cell: Cell, before: Any) -> None:
        self.w_ih, self.w_hh = as_array(cell.weight_ih_l0), as_array(cell.weight_hh_l0)
        self.b_ih = as_array(cell.bias_ih_l0) + as_array(cell.bias_hh_l0)
        self.h = as_array(before.h[0])

    def __call__(self, a: Floats) -> Floats:
        """The input's part (H,) -> h (H,)."""
        h: Floats = self.w_hh @ self.h
        h += a
        self.h = np.tanh(h, out=h)
        return h


class FastGRU(FastRNN):
    """The GRU step on one row; its candidate needs the second bias apart from the first."""

    def __init__(self, cell: Cell, before: Any) -> None:
        super().__init__(cell, before)
        self.b_ih, self.b_hh = as_array(cell.bias_ih_l0), as_array(cell.bias_hh_l0)

    def __call__(self, a: Floats) -> Floats:
        """The input's part (3H,) -> h (H,)."""
        H = len(self.h)
        u = self.w_hh @ self.h
        u += self.b_hh
        gates = u[: 2 * H]
        gates += a[: 2 * H]
        gates *= 0.5  # sigmoid(x) = (tanh(x / 2) + 1) / 2, which never overflows
        np.tanh(gates, out=gates)
        gates += 1.0
        gates *= 0.5
        n = gates[:H] * u[2 * H :]
        n += a[2 * H :]
        np.tanh(n, out=n)
        self.h = n + gates[H:] * (self.h - n)
        return self.h


class FastLSTM(FastRNN):
    """The LSTM step on one row, in one stretch of memory: c, then the gates in the order g, f, i, o.

    So few operations do it: one tanh serves all gates (the affine values of f, i, o come halved, as
    sigmoid(x) = (tanh(x / 2) + 1) / 2), and one product gives both f c and i g.
    """

    def __init__(self, cell: Cell, before: Any) -> None:
        super().__init__(cell, before)
        H = len(self.h)
        i, f, g, o = np.arange(4 * H).reshape(4, H)
        order = np.concatenate((g, f, i, o))
        half = np.repeat(np.array([1.0, 0.5, 0.5, 0.5], np.float32), H)
        self.w_ih = self.w_ih[order] * half[:, None]
        self.w_hh = self.w_hh[order] * half[:, None]
        self.b_ih = self.b_ih[order] * half
        memory = np.empty(5 * H, np.float32)
        self.c, self.gates = memory[:H], memory[H:]
        self.c[:] = as_array(before.c[0])
        self.g, self.f_i_o, self.o = memory[H : 2 * H], memory[2 * H :], memory[4 * H :]
        self.c_g, self.f_i = memory[: 2 * H], memory[2 * H : 4 * H]

    def __call__(self, a: Floats) -> Floats:
        """The input's part (4H,) -> h (H,)."""
        gates, f_i_o, c_g, c = self.gates, self.f_i_o, self.c_g, self.c
        np.dot(self.w_hh, self.h, out=gates)
        gates += a
        np.tanh(gates, out=gates)
        f_i_o += 1.0  # 2 f, 2 i, 2 o
        c_g *= self.f_i
        c += self.g
        c *= 0.5
        self.h = h = np.tanh(c)
        h *= self.o
        h *= 0.5
        return h


FAST: dict[type[Cell], type[FastRNN]] = {RNNCell: FastRNN, GRUCell: FastGRU, LSTMCell: FastLSTM}
