"""The recurrent language model (Mikolov 2010): p(x_1 .. x_T) = product over t of p(x_t | x_1 .. x_(t-1))."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.cells.base import State
from seqcli.core.layers import Dropout, Embedding, Network, OneHot, Projection, Stack
from seqcli.core.layers.cross_entropy import linear_cross_entropy
from seqcli.core.layers.start import build
from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.training.speed import steps_per_second

LARGE = 1000  # for a larger vocabulary, computing projection and loss in one operation is worth it


class RecurrentLM(Network):
    """Encoding, stack, dropout, projection: ids (B, T) -> outputs (B, T, V).

    Trained with cross-entropy, the outputs are logits. Trained with the squared error against the one-hot target
    ("mse"), an output estimates the probability itself, because the mean of a one-hot vector is a probability.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        cell: str = "lstm",
        hidden: int = 256,
        layers: int = 1,
        one_hot: bool = False,
        embedding_dim: int = 128,
        tie: bool = False,
        dropout: float = 0.0,
        loss: str = "cross-entropy",
    ) -> None:
        super().__init__()
        self.loss_name = loss
        spread = embedding_dim**-0.5 if tie else 1.0
        self.encoding = OneHot(vocab_size) if one_hot else Embedding(vocab_size, embedding_dim, spread)
        self.stack = Stack(cell, self.encoding.width, hidden, layers, dropout=dropout)
        self.dropout = Dropout(dropout)
        table = self.encoding if tie and isinstance(self.encoding, Embedding) else None
        self.projection = Projection(hidden, vocab_size, table)

    def input_tables(self) -> list[Tensor]:
        return [self.encoding.weight] if isinstance(self.encoding, Embedding) else self.stack.input_weights

    def carry_shapes(self, batch: int) -> list[torch.Size]:
        return [tensor.shape for state in self.stack.initial_state(batch) for tensor in state]

    def features(
        self, ids: Tensor, state: Sequence[State] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """Compute the input of the projection: ids (B, T) -> (B, T, H), and the state after the last token."""
        y, after = self.stack(self.encoding(ids), state, mask)  # (B, T, H)
        return self.dropout(y), after  # (B, T, H)

    def forward(
        self, ids: Tensor, state: Sequence[State] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """Compute the scores of the next tokens: ids (B, T) -> (B, T, V), whose softmax is their distribution.

        state is a list with one state for each cell (None: zero), mask (B, T) is True where a token is real. Returns
        the scores and the state after the last token.
        """
        y, state = self.features(ids, state, mask)  # (B, T, H)
        return self.scores(self.projection(y)), state  # (B, T, V)

    def scores(self, outputs: Tensor) -> Tensor:
        """Turn outputs (..., V) into log-probabilities up to a constant, (..., V)."""
        outputs = outputs.float()
        return outputs if self.loss_name == "cross-entropy" else outputs.clamp(min=1e-9).log()

    def loss(
        self,
        ids: Tensor,
        targets: Tensor,
        state: Sequence[State] | None = None,
        mask: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> tuple[Tensor, list[State]]:
        """Compute the mean loss over all real targets: in nats, or the squared distance from the one-hot vector.

        ids, targets and mask are (B, T), with N real targets. Returns the loss, a scalar, and the state after the last
        token.
        """
        y, state = self.features(ids, state, mask)  # (B, T, H)
        if mask is not None:
            y, targets = y[mask], targets[mask]  # (N, H), (N,)
        else:
            y, targets = y.flatten(0, 1), targets.flatten()  # (N, H), (N,)
        if self.loss_name == "mse":
            outputs = self.projection(y).float()  # (N, V)
            # |p - e|^2 = |p|^2 - 2 p_target + 1, so the one-hot vector e need not be built
            wanted = outputs.gather(1, targets[:, None])  # (N, 1)
            return (outputs.square().sum(1) - 2 * wanted[:, 0] + 1).mean(), state
        if self.projection.out_features > LARGE:
            w, b = self.projection.weight, self.projection.bias
            return linear_cross_entropy(y, w, b, targets, label_smoothing), state
        return F.cross_entropy(self.projection(y).float(), targets, label_smoothing=label_smoothing), state

    @torch.no_grad()
    def target_scores(
        self,
        ids: Tensor,
        targets: Tensor,
        state: Sequence[State] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, list[State]]:
        """Compute the loss of each real target (N,), whether it was the likeliest token (N,), and the state."""
        y, state = self.features(ids, state, mask)  # (B, T, H)
        y = y[mask] if mask is not None else y.flatten(0, 1)  # (N, H)
        targets = targets[mask] if mask is not None else targets.flatten()  # (N,)
        losses, hits = [], []
        size = max(1, (1 << 24) // self.projection.out_features)  # n rows, such that outputs take at most 64 MiB
        for part, wanted in zip(y.split(size), targets.split(size), strict=True):
            outputs = self.projection(part).float()  # (n, V)
            hits.append(outputs.argmax(1) == wanted)  # (n,)
            if self.loss_name == "mse":
                outputs = outputs.square().sum(1) - 2 * outputs.gather(1, wanted[:, None])[:, 0] + 1  # (n,)
                losses.append(outputs)
            else:
                losses.append(F.cross_entropy(outputs, wanted, reduction="none"))  # (n,)
        return torch.cat(losses), torch.cat(hits), state  # (N,), (N,)


def build_lm(plan: LMPlan, vocab_size: int, seed: int | None) -> RecurrentLM:
    """Make the network of a plan. For `seed` and errors see `layers.start.build`."""
    make = partial(
        RecurrentLM,
        vocab_size,
        cell=plan.cell,
        hidden=plan.hidden,
        layers=plan.layers,
        one_hot=plan.one_hot,
        embedding_dim=plan.embedding_dim or 0,  # one-hot vectors need none
        tie=plan.tie,
        dropout=plan.dropout,
        loss=plan.loss,
    )
    return build(make, plan, seed)


def training_speed(plan: LMPlan, vocab_size: int) -> float:
    """Measure how many tokens a second a language model of these sizes learns on this machine."""
    B, T = plan.batch_size, min(plan.window, 64)
    ids = torch.arange(B * T, device=plan.device).remainder(vocab_size).view(B, T)
    steps = steps_per_second(lambda: build_lm(plan, vocab_size, None), lambda model: model.loss(ids, ids)[0], plan)
    return B * T * steps
