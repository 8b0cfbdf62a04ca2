"""From scores to a token: pure functions over (B, V) scores, with an explicit generator.

The order is: repetition penalty, temperature, top-k, top-p; then a draw from the softmax of what is left. Greedy is
temperature 0. Blind to what made the scores.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcli.errors import ConfigError


@dataclass(frozen=True)
class Filters:
    """How scores become a distribution. Temperature 0 is greedy; None leaves a filter out.

    Raises ConfigError for numbers that are negative or not finite.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p", "repetition_penalty"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"--{name.replace('_', '-')} is {value}, but must be a finite number from 0.")


def penalize_repetition(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make seen tokens less likely (Keskar 2019, CTRL section 4.1): their log-probability is multiplied.

    scores (B, V), seen (B, V) bool. Scores are made log-probabilities first, so that the sign is always the same.
    """
    log_p = scores.log_softmax(1)
    return torch.where(seen, log_p * penalty, log_p)


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """-inf for all but the k best of each row; k beyond V keeps all. Ties with the k-th stay."""
    if k >= scores.shape[1]:
        return scores
    bar = scores.topk(k, dim=1).values[:, -1:]
    return scores.masked_fill(scores < bar, -torch.inf)


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """-inf outside the nucleus (Holtzman 2020): the fewest best tokens whose probabilities reach p together."""
    ranked, order = scores.sort(dim=1, descending=True)
    probabilities = ranked.softmax(1)
    before = probabilities.cumsum(1) - probabilities  # what the better ones sum to
    outside = before >= p
    outside[:, 0] = False  # the best one always stays
    ranked = ranked.masked_fill(outside, -torch.inf)
    return torch.empty_like(scores).scatter_(1, order, ranked)


def filtered(scores: Tensor, filters: Filters, seen: Tensor | None = None) -> Tensor:
    """Scores (B, V) whose softmax is the distribution to draw from; for greedy, whose maximum counts."""
    if filters.repetition_penalty != 1.0 and seen is not None:
        scores = penalize_repetition(scores, seen, filters.repetition_penalty)
    if filters.temperature == 0:
        return scores
    scores = scores / filters.temperature
    if filters.top_k:
        scores = keep_top_k(scores, filters.top_k)
    if filters.top_p is not None and filters.top_p < 1:
        scores = keep_top_p(scores, filters.top_p)
    return scores


def gumbel_noise(count: int, vocab_size: int, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise (count, V): -log(-log u). argmax(scores + noise) is a draw from softmax(scores)."""
    u = torch.rand(count, vocab_size, generator=generator, dtype=torch.float64).numpy()
    # logarithms in NumPy: torch would wake its threads for them, and those would then get in the way of BLAS's
    return torch.from_numpy(-np.log(-np.log(np.maximum(u, 1e-300))))


def draw(scores: Tensor, filters: Filters, noise: Tensor, seen: Tensor | None = None) -> Tensor:
    """One token a row, (B,), from scores (B, V) and Gumbel noise (B, V)."""
    scores = filtered(scores, filters, seen)
    return (scores if filters.temperature == 0 else scores + noise).argmax(1)
