"""Sequence to sequence (Sutskever 2014, Cho 2014) with attention (Bahdanau 2015, Luong 2015).

The encoder reads the source. Its last states, passed through a bridge, are the initial states of the decoder. At each
step t the decoder computes

    x_t  = [E y_(t-1); h~_(t-1) with input feeding; s with context at every step]
    h_t  = stack(x_t, h_(t-1))
    c_t  = attention of h_t over the encoder's outputs
    h~_t = tanh(W_c [h_t; c_t; s with context at every step])          Luong 2015, equation 5
    p(y_t | y_<t, source) = softmax(W_o h~_t + b_o)

where s is the encoder's last state, called the context vector. Without input feeding h_t does not depend on any h~. So
when the target is known, as in training, the decoder processes it as one sequence and all steps attend in parallel.

Shapes: B batch, S source, T target, E embedding, H hidden, D directions of the encoder, W width of h~, V vocabulary.
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
from seqcli.core.tasks.translate.plan import Sizes, TranslatePlan
from seqcli.core.training.speed import steps_per_second

# The standard deviation of the initial embeddings: small enough for a tied output projection, and large enough for
# tokens to be told apart.
SPREAD = 0.25


class Source(NamedTuple):
    """An encoded source: everything that the decoder needs of it."""

    memory: Memory | None  # what attention looks at; None without attention
    context: Tensor  # the encoder's last state, s above: (B, D * H)
    state: list[State]  # the initial state of each layer of the decoder, (B, H)


class Bridge(nn.Module):
    """Turns the encoder's last states into the decoder's initial states.

    For a bidirectional encoder it is W [forward; backward] + b for each layer and each part of the state, with a tanh
    for h. With one direction the states are used as they are.
    """

    def __init__(self, hidden: int, layers: int, directions: int, fields: int) -> None:
        super().__init__()
        self.directions = directions
        sizes = range(layers * fields) if directions == 2 else ()
        self.maps = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in sizes)

    def forward(self, states: Sequence[State]) -> list[State]:
        """Compute the decoder's initial states, one for each layer, (B, H) each and at least float32.

        states are those of the encoder's cells, layer by layer, the forward direction before the backward one.
        """
        if self.directions == 2:
            maps, pairs = iter(self.maps), zip(states[::2], states[1::2], strict=True)
            states = [  # (B, 2H) to (B, H), for each part of the state
                type(f)(*(next(maps)(torch.cat(both, dim=1)) for both in zip(f, b, strict=True))) for f, b in pairs
            ]
            states = [type(state)(state[0].tanh(), *state[1:]) for state in states]
        return [type(state)(*(x.to(torch.promote_types(x.dtype, torch.float32)) for x in state)) for state in states]


class Seq2Seq(Network):
    """Encoder, bridge, decoder, attention, projection. Sources and targets are ids, padded at the end.

    With `share` both sides have the same embedding, and so need the same vocabulary. With `tie` the output projection
    uses the weights of the target embedding.
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
        width = hidden * self.encoder.directions  # D * H, the width of the encoder's outputs and of the context vector
        self.width = embedding_dim if tie else hidden  # W, the width of h~
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
        """Encode source ids (B, S) with mask (B, S), True = real."""
        x = self.dropout(self.source_embedding(ids))  # (B, S, E)
        y, states = self.encoder(x, None, None if bool(mask.all()) else mask)  # (B, S, D * H), states of (B, H)
        memory = self.attention.remember(y, mask) if self.attention is not None else None
        last = states[-self.encoder.directions :]  # the states of the top layer
        return Source(memory, torch.cat([s[0] for s in last], dim=1), self.bridge(states))  # the context: (B, D * H)

    def attend(self, h: Tensor, source: Source) -> tuple[Tensor, Tensor | None]:
        """Compute h~ (B, T, W) from the decoder outputs h (B, T, H).

        Returns it with the attention weights (B, T, S), or None for a model without attention.
        """
        seen, weights = [h], None
        if self.attention is not None:
            assert source.memory is not None
            value, weights = self.attention(h, source.memory)  # (B, T, D * H), (B, T, S)
            seen.append(value)
        if self.every_step:
            seen.append(source.context[:, None].expand(-1, h.shape[1], -1).to(h.dtype))  # (B, T, D * H)
        if self.combine is None:
            return h, weights
        return torch.tanh(self.combine(torch.cat(seen, dim=2))), weights  # (B, T, W), (B, T, S)

    def embed(self, ids: Tensor, context: Tensor) -> Tensor:
        """Compute the decoder's input for target ids (B, T), except for the part that comes from input feeding.

        context (B, D * H) is the context vector. Returns (B, T, I), where I is E, or E + D * H with context at every
        step.
        """
        x: Tensor = self.dropout(self.target_embedding(ids))  # (B, T, E)
        if self.every_step:
            x = torch.cat((x, context[:, None].expand(-1, x.shape[1], -1).to(x.dtype)), dim=2)  # (B, T, E + D * H)
        return x

    def step(
        self, x: Tensor, feed: Tensor | None, state: Sequence[State], source: Source
    ) -> tuple[Tensor, Tensor | None, list[State]]:
        """Compute one decoder step.

        x (B, I) comes from `embed`, and feed (B, W) is h~ of the previous step, or None without input feeding. Returns
        h~ (B, W), the attention weights (B, S) or None, and the next states.
        """
        if feed is not None:
            x = torch.cat((x, feed.to(x.dtype)), dim=1)  # (B, I + W)
        h, state = self.decoder.step(x, state)  # (B, H)
        out, weights = self.attend(h[:, None], source)  # (B, 1, W), (B, 1, S)
        return out[:, 0], None if weights is None else weights[:, 0], state  # (B, W), (B, S)

    # --- training ---------------------------------------------------------------------------------------------

    def features(
        self, source: Source, inputs: Tensor, *, own: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute h~ (B, T, W) and the attention weights (B, T, S) for target inputs (B, T), which begin with <bos>.

        With probability `own`, drawn for each token from `generator`, an input is replaced by the model's own likeliest
        prediction of it (scheduled sampling, Bengio 2015).
        """
        x = self.embed(inputs, source.context)  # (B, T, I)
        if not self.input_feeding and own == 0:
            h, _ = self.decoder(x, source.state)  # (B, T, H)
            return self.attend(h, source)  # (B, T, W), (B, T, S)
        B, T = inputs.shape
        replaced = torch.rand(B, T, generator=generator) < own if own else None  # (B, T)
        state: Sequence[State] = source.state
        feed = x.new_zeros(B, self.width) if self.input_feeding else None  # (B, W)
        outs: list[Tensor] = []
        weights: list[Tensor] = []
        for t in range(T):
            now = x[:, t]  # (B, I)
            if replaced is not None and t and bool(replaced[:, t].any()):
                with torch.no_grad():
                    guess = self.projection(outs[-1]).argmax(1)  # (B,)
                mine = self.embed(guess[:, None], source.context)[:, 0]  # (B, I)
                now = torch.where(replaced[:, t, None].to(now.device), mine, now)  # (B, I)
            out, weight, state = self.step(now, feed, state, source)  # (B, W), (B, S)
            feed = out if self.input_feeding else None
            outs.append(out)
            if weight is not None:
                weights.append(weight)
        return torch.stack(outs, dim=1), torch.stack(weights, dim=1) if weights else None  # (B, T, W), (B, T, S)

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
        """Compute the mean cross-entropy over all real targets: a scalar, in nats.

        source_ids and source_mask are (B, S); inputs, targets and mask are (B, T). The inputs are the targets shifted
        by one step, with <bos> in front. For `own` and `generator` see `features`.
        """
        source = self.encode(source_ids, source_mask)
        out, _ = self.features(source, inputs, own=own, generator=generator)  # (B, T, W)
        y = self.dropout(out)[mask]  # (N, W), for N real targets
        return linear_cross_entropy(y, self.projection.weight, self.projection.bias, targets[mask], label_smoothing)

    @torch.no_grad()
    def target_scores(
        self, source_ids: Tensor, source_mask: Tensor, inputs: Tensor, targets: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the cross-entropy of each real target (N,), in nats, and whether it was the likeliest token (N,)."""
        out, _ = self.features(self.encode(source_ids, source_mask), inputs)  # (B, T, W)
        outputs = self.projection(out[mask]).float()  # (N, V)
        wanted = targets[mask]  # (N,)
        return F.cross_entropy(outputs, wanted, reduction="none"), outputs.argmax(1) == wanted  # (N,), (N,)


def build_seq2seq(plan: TranslatePlan, source_vocab: int, target_vocab: int, seed: int | None) -> Seq2Seq:
    """Make the network of a plan. For `seed` and errors see `layers.start.build`."""
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


def training_speed(plan: TranslatePlan, rows: int, sizes: Sizes) -> float:
    """Measure how many target tokens a second a translation model learns on this machine.

    The model has the sizes in the plan; a batch has `rows` pairs of mean length.
    """
    S, T = (max(1, round(length)) for length in sizes.lengths)
    source = torch.arange(rows * S, device=plan.device).remainder(sizes.vocabulary[0]).view(rows, S)
    target = torch.arange(rows * T, device=plan.device).remainder(sizes.vocabulary[1]).view(rows, T)
    real = torch.ones_like(source, dtype=torch.bool), torch.ones_like(target, dtype=torch.bool)
    steps = steps_per_second(
        lambda: build_seq2seq(plan, *sizes.vocabulary, None),
        lambda model: model.loss(source, real[0], target, target, real[1], label_smoothing=0.1),
        plan,
    )
    return rows * T * steps
