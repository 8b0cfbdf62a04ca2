"""The recurrent tagger (Plank 2016, arXiv:1604.05529): a tag for every word, from the words on both sides of it."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.layers import Dropout, Embedding, Network, Stack
from seqcli.core.layers.characters import Affixes, CharacterLSTM
from seqcli.core.layers.crf import CRF
from seqcli.core.layers.start import build
from seqcli.core.tasks.tag.plan import TagPlan

CHARACTER_DIM = 50  # the width of character embeddings, and the hidden size of the LSTM over characters


class RecurrentTagger(Network):
    """Words and their characters, stack, projection: sentences (B, T) -> scores of K tags (B, T, K).

    With a CRF the scores are its emissions. Without one, their softmax is the distribution of each word's tag.
    """

    def __init__(
        self,
        words: int,
        characters: int,
        tags: int,
        *,
        cell: str = "lstm",
        hidden: int = 150,
        layers: int = 1,
        bidirectional: bool = True,
        embedding_dim: int = 100,
        spelling: str = "lstm",
        crf: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoding = Embedding(words, embedding_dim, spread=0.1)
        self.spelling: CharacterLSTM | Affixes | None = None
        if spelling == "lstm":
            self.spelling = CharacterLSTM(characters, CHARACTER_DIM, CHARACTER_DIM)
        elif spelling == "affixes":
            self.spelling = Affixes(characters, CHARACTER_DIM // 2)
        width = embedding_dim + (self.spelling.width if self.spelling else 0)
        self.stack = Stack(cell, width, hidden, layers, bidirectional=bidirectional, dropout=dropout)
        self.dropout = Dropout(dropout)
        self.projection = nn.Linear(hidden * self.stack.directions, tags)
        self.crf = CRF(tags) if crf else None

    def input_tables(self) -> list[Tensor]:
        return [self.encoding.weight, *([self.spelling.embedding.weight] if self.spelling else [])]

    def spell(self, characters: Tensor, mask: Tensor) -> Tensor | None:
        """Compute vectors (U, W) of U distinct words from their characters (U, C) with mask (U, C).

        Returns None for a model that does not read characters.
        """
        spelled: Tensor | None = self.spelling(characters, mask) if self.spelling else None
        return spelled

    def forward(self, words: Tensor, mask: Tensor, spelled: Tensor | None, forms: Tensor) -> Tensor:
        """Compute the scores of all tags (B, T, K).

        words (B, T) are ids, mask (B, T) is True for real words, spelled (U, W) is the result of `spell`, and forms
        (B, T) says which of its rows belongs to each word.
        """
        x = self.encoding(words)  # (B, T, E)
        if spelled is not None:
            x = torch.cat((x, F.embedding(forms, spelled.to(x.dtype))), dim=2)  # (B, T, E + W)
        y, _ = self.stack(self.dropout(x), mask=mask)  # (B, T, D * H) for D directions
        scores: Tensor = self.projection(self.dropout(y)).float()  # (B, T, K)
        return scores

    def losses(self, scores: Tensor, tags: Tensor, mask: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Compute the loss of the correct tags (B, T) for scores (B, T, K): a scalar in nats, summed over all words."""
        if self.crf is not None:
            with torch.autocast(scores.device.type, enabled=False):
                return self.crf.loss(scores, tags, mask)
        return F.cross_entropy(scores[mask], tags[mask], label_smoothing=label_smoothing, reduction="sum")

    def best(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Return the likeliest tags (B, T): with a CRF the likeliest sequence, otherwise the best tag of each word."""
        return self.crf.viterbi(scores, mask) if self.crf is not None else scores.argmax(2)


def build_tagger(plan: TagPlan, words: int, characters: int, tags: int, seed: int | None) -> RecurrentTagger:
    """Make the network of a plan. For `seed` and errors see `layers.start.build`."""
    make = partial(
        RecurrentTagger,
        words,
        characters,
        tags,
        cell=plan.cell,
        hidden=plan.hidden,
        layers=plan.layers,
        bidirectional=plan.bidirectional,
        embedding_dim=plan.embedding_dim,
        spelling=plan.characters,
        crf=plan.crf,
        dropout=plan.dropout,
    )
    return build(make, plan, seed)
