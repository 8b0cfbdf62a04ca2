"""A word as its characters: what can be seen of a word that was never met before."""

import torch
from torch import Tensor, nn

from seqcli.core.layers.encoding import Embedding
from seqcli.core.layers.stack import Stack

AFFIX = 3  # characters at each end of a word


class CharacterLSTM(nn.Module):
    """The last states of a bidirectional LSTM over a word's characters (Ling 2015, arXiv:1508.02096)."""

    def __init__(self, vocab_size: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.embedding = Embedding(vocab_size, dim)
        self.stack = Stack("lstm", dim, hidden, bidirectional=True)
        self.width = 2 * hidden

    def forward(self, characters: Tensor, mask: Tensor) -> Tensor:
        """Characters (U, C) with their mask, True = real -> (U, 2 * hidden)."""
        _, after = self.stack(self.embedding(characters), mask=mask)
        return torch.cat([state[0] for state in after], dim=1)


class Affixes(nn.Module):
    """The embeddings of a word's first and last three characters, side by side."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.embedding = Embedding(vocab_size, dim)
        self.width = 2 * AFFIX * dim

    def forward(self, characters: Tensor, mask: Tensor) -> Tensor:
        """Characters (U, C) with their mask, True = real -> (U, 6 * dim); <pad>, which is 0, where a word is short."""
        lengths = mask.sum(1, keepdim=True)
        k = torch.arange(AFFIX, device=mask.device)[None]
        places = torch.cat((k.expand(len(lengths), -1), lengths - 1 - k), dim=1)  # (U, 6)
        real = (places >= 0) & (places < lengths)
        ids = characters.gather(1, places.clamp(0, characters.shape[1] - 1)) * real
        found: Tensor = self.embedding(ids)  # (U, 6, dim)
        return found.flatten(1)
