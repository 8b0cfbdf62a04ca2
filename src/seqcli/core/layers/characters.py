"""Vectors of words computed from their characters, so that a word that training never saw has a useful vector too."""

import torch
from torch import Tensor, nn

from seqcli.core.layers.encoding import Embedding
from seqcli.core.layers.stack import Stack

AFFIX = 3  # how many characters `Affixes` reads at each end of a word


class CharacterLSTM(nn.Module):
    """The final states of a bidirectional LSTM over a word's characters, side by side (Ling 2015, arXiv:1508.02096)."""

    def __init__(self, vocab_size: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.embedding = Embedding(vocab_size, dim)
        self.stack = Stack("lstm", dim, hidden, bidirectional=True)
        self.width = 2 * hidden

    def forward(self, characters: Tensor, mask: Tensor) -> Tensor:
        """Compute a vector for each of U words from its C characters.

        characters (U, C) are ids, mask (U, C) is True where a character is real. Returns (U, 2 * hidden).
        """
        _, after = self.stack(self.embedding(characters), mask=mask)  # h and c (U, hidden) of each direction
        return torch.cat([state[0] for state in after], dim=1)  # (U, 2 * hidden)


class Affixes(nn.Module):
    """The embeddings of a word's first three and last three characters, side by side. Much cheaper than an LSTM."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.embedding = Embedding(vocab_size, dim)
        self.width = 2 * AFFIX * dim

    def forward(self, characters: Tensor, mask: Tensor) -> Tensor:
        """Compute a vector for each of U words from its C characters.

        characters (U, C) are ids, mask (U, C) is True where a character is real. Returns (U, 6 * dim). A word with
        fewer than three characters gets the embedding of <pad>, which is id 0, for the missing ones.
        """
        lengths = mask.sum(1, keepdim=True)  # (U, 1)
        k = torch.arange(AFFIX, device=mask.device)[None]  # (1, 3)
        places = torch.cat((k.expand(len(lengths), -1), lengths - 1 - k), dim=1)  # (U, 6)
        real = (places >= 0) & (places < lengths)  # (U, 6)
        ids = characters.gather(1, places.clamp(0, characters.shape[1] - 1)) * real  # (U, 6)
        found: Tensor = self.embedding(ids)  # (U, 6, dim)
        return found.flatten(1)  # (U, 6 * dim)
