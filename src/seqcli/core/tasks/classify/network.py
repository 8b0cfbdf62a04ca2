"""The recurrent classifier: it reads a whole text and gives a score to each of K labels."""

from functools import partial

from torch import Tensor, nn

from seqcli.core.layers import Dropout, Embedding, Network, OneHot, Stack
from seqcli.core.layers.pooling import Pooling
from seqcli.core.layers.start import build
from seqcli.core.tasks.classify.plan import ClassifyPlan


class RecurrentClassifier(Network):
    """Encoding, stack, pooling, projection: ids (B, T) -> scores of K labels (B, K), whose softmax is p(label)."""

    def __init__(
        self,
        vocab_size: int,
        labels: int,
        *,
        cell: str = "gru",
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = True,
        one_hot: bool = False,
        embedding_dim: int = 128,
        pool: str = "mean-max",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoding = OneHot(vocab_size) if one_hot else Embedding(vocab_size, embedding_dim, spread=0.1)
        self.stack = Stack(cell, self.encoding.width, hidden, layers, bidirectional=bidirectional, dropout=dropout)
        self.pool = Pooling(pool, hidden * self.stack.directions, self.stack.directions)
        self.dropout = Dropout(dropout)
        self.projection = nn.Linear(self.pool.width, labels)

    def input_tables(self) -> list[Tensor]:
        return [self.encoding.weight] if isinstance(self.encoding, Embedding) else self.stack.input_weights

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute the scores of all labels for ids (B, T) with mask (B, T), True = real.

        Returns the scores (B, K) and, with attention pooling, the weights of the tokens (B, T), otherwise None.
        """
        x = self.encoding(ids)  # (B, T, E); ids (B, T) for one-hot vectors
        if x.is_floating_point():
            x = self.dropout(x)
        y, _ = self.stack(x, mask=mask)  # (B, T, D * H) for D directions
        vector, weights = self.pool(y, mask)  # (B, width), (B, T)
        scores: Tensor = self.projection(self.dropout(vector[:, None])[:, 0]).float()  # (B, K)
        return scores, weights


def build_classifier(plan: ClassifyPlan, vocab_size: int, labels: int, seed: int | None) -> RecurrentClassifier:
    """Make the network of a plan. For `seed` and errors see `layers.start.build`."""
    make = partial(
        RecurrentClassifier,
        vocab_size,
        labels,
        cell=plan.cell,
        hidden=plan.hidden,
        layers=plan.layers,
        bidirectional=plan.bidirectional,
        one_hot=plan.one_hot,
        embedding_dim=plan.embedding_dim or 0,  # one-hot vectors need none
        pool=plan.pool,
        dropout=plan.dropout,
    )
    return build(make, plan, seed)
