"""Variational dropout: one mask for a whole sequence (Gal and Ghahramani 2016, arXiv:1512.05287).

The mask is drawn once for each row and unit and is the same at all time steps. That suits recurrent networks, and it
takes a T-th of the random numbers.
"""

import numpy as np
import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Set units to zero with probability `rate` and scale the others by 1 / (1 - rate). In evaluation it does nothing.

    Random numbers come from `generator`, which must be set by `hand_down` before training.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout to x (B, T, H). Returns (B, T, H)."""
        if not self.training or self.rate == 0:
            return x
        assert self.generator is not None, "who trains must hand down a generator"
        keep = torch.rand(x.shape[0], 1, x.shape[2], device=x.device, generator=self.generator)  # (B, 1, H)
        return x * (keep >= self.rate).to(x.dtype).div_(1 - self.rate)  # (B, T, H) times (B, 1, H)


def hand_down(network: nn.Module, generator: torch.Generator) -> None:
    """Let every Dropout module of a network draw its random numbers from this generator."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def word_dropout(ids: Tensor, rate: float, unknown: int, seed: tuple[int, int]) -> Tensor:
    """Replace each id with probability `rate` by the id `unknown` (Iyyer 2015), so that a network learns what to do
    with words that it has never seen.

    Returns ids of the same shape. The draws depend on `seed` alone, which is the training's seed and the batch number.
    """
    if not rate:
        return ids
    drawn = np.random.default_rng((*seed, *b"word dropout")).random(tuple(ids.shape))  # (B, T)
    return ids.masked_fill(torch.from_numpy(drawn < rate).to(ids.device), unknown)  # (B, T)
