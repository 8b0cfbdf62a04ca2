"""Token after token from a language model. One stream on a processor steps through tables in NumPy; see FastStep."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.cells import LSTMCell
from seqcli.core.cells.gru import GRUCell
from seqcli.core.decoding.sampling import Filters, draw, gumbel_noise
from seqcli.core.layers import Embedding
from seqcli.core.models.lm import RecurrentLM
from seqcli.core.tokenizers import BOS, PAD, UNK

NOISE = 64  # tokens for which noise is drawn ahead
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

    @torch.no_grad()
    def __iter__(self) -> Iterator[list[int]]:
        device = next(self.model.parameters()).device
        training = self.model.training
        self.model.eval()
        try:
            ids = torch.tensor([self.prime], device=device)
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
            noise = gumbel_noise(NOISE * self.batch, V, self.random).view(NOISE, self.batch, V)
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
            for k in range(NOISE):
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
        def array(t: Tensor) -> Floats:
            return np.ascontiguousarray(t.detach().float().numpy())

        self.layers = []
        for k, cell in enumerate(model.stack.cells):
            run = fast_lstm if isinstance(cell, LSTMCell) else fast_gru if isinstance(cell, GRUCell) else fast_rnn
            bias_in, bias_out = array(cell.bias_ih_l0), array(cell.bias_hh_l0)
            if run is not fast_gru:  # only the GRU needs the second bias inside
                bias_in = bias_in + bias_out
            parts = [array(s)[0].copy() for s in state[k]]
            self.layers.append((run, array(cell.weight_ih_l0), bias_in, array(cell.weight_hh_l0), bias_out, parts))
        first = self.layers[0]
        encoding = model.encoding
        self.rows: Floats | None = None
        self.table: Floats | None = None
        if isinstance(encoding, Embedding):
            self.rows = array(encoding.weight)
            if encoding.num_embeddings * len(first[2]) <= self.TABLE:
                self.table = self.rows @ first[1].T + first[2]
        else:
            self.table = np.ascontiguousarray(first[1].T + first[2])
        self.w, self.b = array(model.projection.weight), array(model.projection.bias)
        self.probabilities = model.loss_name == "mse"

    def scores(self, id: int) -> Floats:
        """The scores (V,) after token `id`."""
        h: Any = None  # the output of the layer before
        for run, w_ih, b_ih, w_hh, b_hh, state in self.layers:
            if h is not None:
                a = w_ih @ h + b_ih
            elif self.table is not None:
                a = self.table[id]
            else:
                assert self.rows is not None
                a = w_ih @ self.rows[id] + b_ih
            h = run(a, state, w_hh, b_hh)
        out: Floats = self.w @ h + self.b
        return np.log(np.maximum(out, 1e-9)) if self.probabilities else out

    def __call__(self, ids: Tensor) -> Tensor:
        """As Step, for B = 1."""
        return torch.from_numpy(self.scores(int(ids[0])))[None]


def _sigmoid(x: Floats) -> Floats:
    """In place, and never overflowing: sigmoid(x) = (tanh(x / 2) + 1) / 2."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1.0
    x *= 0.5
    return x


def fast_rnn(a: Floats, state: list[Floats], w: Floats, b: Floats) -> Floats:
    """The Elman step on one row."""
    h = w @ state[0]
    h += a
    state[0] = np.tanh(h, out=h)
    return h


def fast_gru(a: Floats, state: list[Floats], w: Floats, b: Floats) -> Floats:
    """The GRU step on one row."""
    h = state[0]
    H = len(h)
    u = w @ h
    u += b
    gates = _sigmoid(a[: 2 * H] + u[: 2 * H])
    n = gates[:H] * u[2 * H :]
    n += a[2 * H :]
    np.tanh(n, out=n)
    state[0] = n + gates[H:] * (h - n)
    return state[0]


def fast_lstm(a: Floats, state: list[Floats], w: Floats, b: Floats) -> Floats:
    """The LSTM step on one row."""
    h, c = state
    H = len(h)
    gates = w @ h
    gates += a
    g = np.tanh(gates[2 * H : 3 * H])
    _sigmoid(gates)
    c *= gates[H : 2 * H]
    g *= gates[:H]
    c += g
    h = np.tanh(c)
    h *= gates[3 * H :]
    state[0] = h
    return h
