"""Dropout with one mask for a whole sequence (Gal and Ghahramani 2016, arXiv:1512.05287).

The mask is drawn once a row and unit and kept over time: what recurrent networks want, and T times cheaper to draw.
"""

import numpy as np
import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Zeroes units with probability `rate`, scales the rest by 1 / (1 - rate); nothing in evaluation.

    Draws from `generator`, which whoever trains hands down (see `hand_down`).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, H) -> (B, T, H)."""
        if not self.training or self.rate == 0:
            return x
        assert self.generator is not None, "who trains must hand down a generator"
        keep = torch.rand(x.shape[0], 1, x.shape[2], device=x.device, generator=self.generator)
        return x * (keep >= self.rate).to(x.dtype).div_(1 - self.rate)  # (B, 1, H) over (B, T, H)


def hand_down(network: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout of a network draw from this generator."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def word_dropout(ids: Tensor, rate: float, unknown: int, seed: tuple[int, int]) -> Tensor:
    """Ids of which some, by chance, have become `unknown`, so that a network learns what to do with words that it has
    never seen (Iyyer 2015). The draws depend on `seed` alone: that of the training, and the number of the batch."""
    if not rate:
        return ids
    drawn = np.random.default_rng((*seed, *b"word dropout")).random(tuple(ids.shape))
    return ids.masked_fill(torch.from_numpy(drawn < rate).to(ids.device), unknown)
