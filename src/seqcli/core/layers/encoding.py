"""How token ids enter the network: as rows of a learnt table, or as indicator vectors."""

import torch
from torch import Tensor, nn


class Embedding(nn.Embedding):
    """A learnt row per token: ids (B, T) -> (B, T, E). Its numbers start with a standard deviation of `spread`."""

    def __init__(self, vocab_size: int, dim: int, spread: float = 1.0) -> None:
        self.width, self.spread, self.frozen = dim, spread, False
        super().__init__(vocab_size, dim)

    def reset_parameters(self) -> None:
        """What torch's constructor calls. A network is made without memory, and started afterwards."""
        if not self.weight.is_meta:
            self.initialize(None)

    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw all rows, from this generator or, alone outside of a network, from torch's own."""
        nn.init.normal_(self.weight, std=self.spread, generator=generator)

    def freeze_rows(self, rows: Tensor) -> None:
        """Keep these rows (n,) as they are, to the bit, in any training; the other rows learn.

        Their gradient is zero from the first step on, so that every moment of theirs stays zero and every optimizer's
        update is exactly zero; and weight decay, which needs no gradient, leaves a `frozen` embedding out (see
        training.optimizer). Nothing is kept beside the weights, so a checkpoint goes on to the same bits.
        """
        learns = torch.ones(len(self.weight), 1, dtype=torch.bool)
        learns[rows] = False
        self.frozen = True
        self.weight.register_hook(lambda gradient: gradient * learns.to(gradient.device))


class OneHot(nn.Module):
    """Indicator vectors of width V. The first cell looks its weights up by id, so the vectors are never built."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.width = vocab_size

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, T) unchanged: to a cell, an integer is its one-hot vector."""
        return ids
