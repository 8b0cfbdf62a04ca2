"""The output layer: from hidden units to one score for each token of the vocabulary."""

import torch
from torch import nn

from seqcli.core.layers.encoding import Embedding


class Projection(nn.Linear):
    """W h + b, the logits of the next token: (..., H) -> (..., V).

    With a `table`, W is the weight matrix of that embedding: tied embeddings (Press and Wolf 2017, arXiv:1608.05859).
    """

    def __init__(self, width: int, vocab_size: int, table: Embedding | None = None) -> None:
        super().__init__(width, vocab_size)
        self.tied = table is not None
        if table is not None:
            self.weight = table.weight

    def initialize(self, generator: torch.Generator) -> None:
        """Set W uniform in +-1/sqrt(H), unless it belongs to an embedding, and b to zero."""
        if not self.tied:
            nn.init.uniform_(self.weight, -(self.in_features**-0.5), self.in_features**-0.5, generator)
        nn.init.zeros_(self.bias)
