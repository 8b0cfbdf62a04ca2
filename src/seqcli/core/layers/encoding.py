"""How token ids enter the network: as rows of a learned embedding table, or as one-hot vectors."""

import torch
from torch import Tensor, nn


class Embedding(nn.Embedding):
    """A learned vector for each token: ids (B, T) -> (B, T, E).

    The initial values are normal with standard deviation `spread`.
    """

    def __init__(self, vocab_size: int, dim: int, spread: float = 1.0) -> None:
        self.width, self.spread, self.frozen = dim, spread, False
        super().__init__(vocab_size, dim)

    def reset_parameters(self) -> None:
        """Set the initial values when torch's constructor calls this, except on the meta device.

        Networks are first made there, without memory, and initialized later (see layers.start).
        """
        if not self.weight.is_meta:
            self.initialize(None)

    def initialize(self, generator: torch.Generator | None) -> None:
        """Set the initial values.

        Random numbers come from `generator`. None uses torch's default generator, for an embedding that is made outside
        of a network.
        """
        nn.init.normal_(self.weight, std=self.spread, generator=generator)

    def freeze_rows(self, rows: Tensor) -> None:
        """Keep these rows (n,) exactly as they are during training; the other rows are trained.

        A hook sets the gradient of the rows to zero from the first step on. So the optimizer's moments of these rows
        stay zero, and every optimizer's update of them is exactly zero. Weight decay does not depend on the gradient,
        so it is switched off for an embedding that is `frozen` (see training.optimizer). Nothing but the weights needs
        to be stored, so a run resumed from a checkpoint gives the same bits.
        """
        learns = torch.ones(len(self.weight), 1, dtype=torch.bool)  # (V, 1)
        learns[rows] = False
        self.frozen = True
        self.weight.register_hook(lambda gradient: gradient * learns.to(gradient.device))


class OneHot(nn.Module):
    """One-hot vectors of width V. The first cell looks up its input weights by id, so the vectors are never built."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.width = vocab_size

    def forward(self, ids: Tensor) -> Tensor:
        """Return the ids (B, T) unchanged: a cell takes an integer id for its one-hot vector."""
        return ids  # (B, T)
