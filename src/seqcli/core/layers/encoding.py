"""How token ids enter the network: as rows of a learnt table, or as indicator vectors."""

from torch import Tensor, nn


class Embedding(nn.Embedding):
    """A learnt row per token: ids (B, T) -> (B, T, E)."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__(vocab_size, dim)
        self.width = dim


class OneHot(nn.Module):
    """Indicator vectors of width V. The first cell looks its weights up by id, so the vectors are never built."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.width = vocab_size

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, T) unchanged: to a cell, an integer is its one-hot vector."""
        return ids
