"""Sequence to sequence (Sutskever 2014, Cho 2014) with attention (Bahdanau 2015, Luong 2015).

The encoder reads the source; its last states, through a bridge, are the decoder's first states. At each step

    x_t  = [E y_(t-1); h~_(t-1) with input feeding; s with context at every step]
    h_t  = stack(x_t, h_(t-1))
    c_t  = attention of h_t over the encoder's outputs
    h~_t = tanh(W_c [h_t; c_t; s with context at every step])          Luong 2015, equation 5
    p(y_t | y_<t, source) = softmax(W_o h~_t + b_o)

where s is the encoder's last state, the context vector. Without input feeding nothing before h_t depends on h~, so the
whole target is decoded and attended to in parallel when it is known.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.cells.base import State
from seqcli.core.layers import Dropout, Embedding, Network, Projection, Stack
from seqcli.core.layers.attention import Memory, attention_class
from seqcli.core.layers.cross_entropy import linear_cross_entropy
from seqcli.core.layers.start import build
from seqcli.core.tasks.translate.plan import TranslatePlan

SPREAD = 0.25  # of the embeddings: small enough to project by, large enough to be told apart


class Source(NamedTuple):
    """An encoded source: what the decoder needs of it."""

    memory: Memory | None  # to attend to
    context: Tensor  # (B, D*H), the encoder's last state: s above
    state: list[State]  # the decoder's first state, one a layer


class Bridge(nn.Module):
    """From the encoder's last states to the decoder's first: W [forward; backward] + b a layer, with tanh for h.

    With one direction the states fit as they are.
    """

    def __init__(self, hidden: int, layers: int, directions: int, fields: int) -> None:
        super().__init__()
        self.directions = directions
        sizes = range(layers * fields) if directions == 2 else ()
        self.maps = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in sizes)

    def forward(self, states: Sequence[State]) -> list[State]:
        """States of the encoder's cells, layer by layer, forward before backward -> one a layer, in full precision."""
        if self.directions == 2:
            maps, pairs = iter(self.maps), zip(states[::2], states[1::2], strict=True)
            states = [
                type(f)(*(next(maps)(torch.cat(both, dim=1)) for both in zip(f, b, strict=True))) for f, b in pairs
            ]
            states = [type(state)(state[0].tanh(), *state[1:]) for state in states]
        return [type(state)(*(x.to(torch.promote_types(x.dtype, torch.float32)) for x in state)) for state in states]


class Seq2Seq(Network):
    """Encoder, bridge, decoder, attention, projection. Sources and targets are ids, padded at the end.

    `share` gives both sides one embedding (they need one vocabulary), `tie` the output projection the target's.
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        *,
        cell: str = "lstm",
        hidden: int = 256,
        layers: int = 1,
        bidirectional: bool = True,
        embedding_dim: int = 256,
        attention: str = "general",
        context: str = "first",
        input_feeding: bool = False,
        share: bool = False,
        tie: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_feeding, self.every_step = input_feeding, context == "every-step"
        self.dropout = Dropout(dropout)
        self.target_embedding = Embedding(target_vocab, embedding_dim, SPREAD)
        self.source_embedding = self.target_embedding if share else Embedding(source_vocab, embedding_dim, SPREAD)
        self.encoder = Stack(cell, embedding_dim, hidden, layers, bidirectional=bidirectional, dropout=dropout)
        width = hidden * self.encoder.directions  # of the encoder's outputs and of the context vector
        self.width = embedding_dim if tie else hidden  # of h~
        fed = embedding_dim + self.width * input_feeding + width * self.every_step
        self.decoder = Stack(cell, fed, hidden, layers, dropout=dropout)
        self.bridge = Bridge(hidden, layers, self.encoder.directions, len(self.encoder.cells[0].state_type._fields))
        self.attention = None if attention == "none" else attention_class(attention)(hidden, width)
        seen = hidden + width * (self.attention is not None) + width * self.every_step
        self.combine = nn.Linear(seen, self.width, bias=False) if seen != self.width else None
        self.projection = Projection(self.width, target_vocab, self.target_embedding if tie else None)

    def input_tables(self) -> list[Tensor]:
        return [self.source_embedding.weight, self.target_embedding.weight]

    # --- the two sides ----------------------------------------------------------------------------------------

    def encode(self, ids: Tensor, mask: Tensor) -> Source:
        """Source ids (B, S), mask (B, S)."""
        x = self.dropout(self.source_embedding(ids))
        y, states = self.encoder(x, None, None if bool(mask.all()) else mask)
        memory = self.attention.remember(y, mask) if self.attention is not None else None
        last = states[-self.encoder.directions :]
        return Source(memory, torch.cat([s[0] for s in last], dim=1), self.bridge(states))

    def attend(self, h: Tensor, source: Source) -> tuple[Tensor, Tensor | None]:
        """Decoder outputs h (B, T, H) -> h~ (B, T, W), and the attention (B, T, S) if there is any."""
        seen, weights = [h], None
        if self.attention is not None:
            assert source.memory is not None
            value, weights = self.attention(h, source.memory)
            seen.append(value)
        if self.every_step:
            seen.append(source.context[:, None].expand(-1, h.shape[1], -1).to(h.dtype))
        if self.combine is None:
            return h, weights
        return torch.tanh(self.combine(torch.cat(seen, dim=2))), weights

    def embed(self, ids: Tensor, context: Tensor) -> Tensor:
        """What the decoder reads of target ids (B, T) and the context vector, without input feeding: (B, T, I)."""
        x: Tensor = self.dropout(self.target_embedding(ids))
        if self.every_step:
            x = torch.cat((x, context[:, None].expand(-1, x.shape[1], -1).to(x.dtype)), dim=2)
        return x

    def step(
        self, x: Tensor, feed: Tensor | None, state: Sequence[State], source: Source
    ) -> tuple[Tensor, Tensor | None, list[State]]:
        """One decoder step: x (B, I) as `embed` makes it, feed (B, W) the h~ before -> h~ (B, W), attention (B, S)."""
        if feed is not None:
            x = torch.cat((x, feed.to(x.dtype)), dim=1)
        h, state = self.decoder.step(x, state)
        out, weights = self.attend(h[:, None], source)
        return out[:, 0], None if weights is None else weights[:, 0], state

    # --- training ---------------------------------------------------------------------------------------------

    def features(
        self, source: Source, inputs: Tensor, *, own: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """h~ (B, T, W) and attention (B, T, S) over target inputs (B, T), which begin with <bos>.

        `own` is the probability with which an input is replaced by the model's own likeliest prediction of it
        (scheduled sampling, Bengio 2015), drawn from `generator` for each token.
        """
        x = self.embed(inputs, source.context)
        if not self.input_feeding and own == 0:
            h, _ = self.decoder(x, source.state)
            return self.attend(h, source)
        B, T = inputs.shape
        replaced = torch.rand(B, T, generator=generator) < own if own else None
        state: Sequence[State] = source.state
        feed = x.new_zeros(B, self.width) if self.input_feeding else None
        outs: list[Tensor] = []
        weights: list[Tensor] = []
        for t in range(T):
            now = x[:, t]
            if replaced is not None and t and bool(replaced[:, t].any()):
                with torch.no_grad():
                    guess = self.projection(outs[-1]).argmax(1)
                mine = self.embed(guess[:, None], source.context)[:, 0]
                now = torch.where(replaced[:, t, None].to(now.device), mine, now)
            out, weight, state = self.step(now, feed, state, source)
            feed = out if self.input_feeding else None
            outs.append(out)
            if weight is not None:
                weights.append(weight)
        return torch.stack(outs, dim=1), torch.stack(weights, dim=1) if weights else None

    def loss(
        self,
        source_ids: Tensor,
        source_mask: Tensor,
        inputs: Tensor,
        targets: Tensor,
        mask: Tensor,
        *,
        label_smoothing: float = 0.0,
        own: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean cross-entropy (nats) of the real targets (B, T), mask (B, T); inputs are the targets one step before."""
        source = self.encode(source_ids, source_mask)
        out, _ = self.features(source, inputs, own=own, generator=generator)
        y = self.dropout(out)[mask]  # (N, W)
        return linear_cross_entropy(y, self.projection.weight, self.projection.bias, targets[mask], label_smoothing)

    @torch.no_grad()
    def target_scores(
        self, source_ids: Tensor, source_mask: Tensor, inputs: Tensor, targets: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of every real target (N,), and whether it was the likeliest token (N,)."""
        out, _ = self.features(self.encode(source_ids, source_mask), inputs)
        outputs = self.projection(out[mask]).float()
        wanted = targets[mask]
        return F.cross_entropy(outputs, wanted, reduction="none"), outputs.argmax(1) == wanted


def build_seq2seq(plan: TranslatePlan, source_vocab: int, target_vocab: int, seed: int | None) -> Seq2Seq:
    """The model of a plan; `seed` and errors as in `start.build`."""
    c = plan
    make = partial(
        Seq2Seq,
        source_vocab,
        target_vocab,
        cell=c.cell,
        hidden=c.hidden,
        layers=c.layers,
        bidirectional=c.bidirectional,
        embedding_dim=c.embedding_dim,
        attention=c.attention,
        context=c.context,
        input_feeding=c.input_feeding,
        share=c.joint_tokens,
        tie=c.tie,
        dropout=c.dropout,
    )
    return build(make, c, seed)
