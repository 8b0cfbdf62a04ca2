"""From hidden units to the scores of a vocabulary."""

import torch
from torch import nn

from seqcli.core.layers.encoding import Embedding


class Projection(nn.Linear):
    """W h + b, a score for every token: (..., H) -> (..., V). With a `table`, W is that embedding's (Press and Wolf
    2017, arXiv:1608.05859)."""

    def __init__(self, width: int, vocab_size: int, table: Embedding | None = None) -> None:
        super().__init__(width, vocab_size)
        self.tied = table is not None
        if table is not None:
            self.weight = table.weight

    def initialize(self, generator: torch.Generator) -> None:
        """W uniform by fan-in, unless it is an embedding's; b zero."""
        if not self.tied:
            nn.init.uniform_(self.weight, -(self.in_features**-0.5), self.in_features**-0.5, generator)
        nn.init.zeros_(self.bias)
