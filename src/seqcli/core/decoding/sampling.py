"""From scores to a token: pure functions over (B, V) scores in NumPy, with an explicit generator.

The order is: repetition penalty, temperature, top-k, top-p; then a draw from the softmax of what is left. Greedy is
temperature 0. Blind to what made the scores. -inf stands for a token that must not come.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.errors import ConfigError

Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Filters:
    """How scores become a distribution. Temperature 0 is greedy; None leaves a filter out.

    Raises ConfigError for numbers that are negative or not finite, and for a repetition penalty of 0.
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
        if self.repetition_penalty == 0:
            raise ConfigError("--repetition-penalty is 0, but must be above 0; 1 changes nothing.")


def penalize_repetition(scores: Scores, seen: NDArray[np.bool_], penalty: float) -> Scores:
    """Make the seen tokens less likely (Keskar 2019, CTRL, section 4.1): what favours them is divided by `penalty`.

    scores (B, V), seen (B, V) bool. The paper divides logits, but a logit says nothing by itself: adding a constant to
    all of them changes no probability. So a score is measured from the mean of its row. What is above the mean is
    divided; what is below is multiplied, because dividing would make it likelier. Log-probabilities in place of these
    scores would do nothing where it matters most: that of a token that is sure to come is 0, whatever it is multiplied
    by.
    """
    mean = scores.mean(axis=1, keepdims=True, where=np.isfinite(scores))
    centred = scores - mean
    penalized: Scores = np.where(seen, np.where(centred > 0, centred / penalty, centred * penalty), centred)
    return penalized


def keep_top_k(scores: Scores, k: int) -> Scores:
    """-inf for all but the k best of each row; k beyond V keeps all. Ties with the k-th stay."""
    if k >= scores.shape[1]:
        return scores
    bar = np.partition(scores, -k, axis=1)[:, -k:].min(axis=1, keepdims=True)
    return np.where(scores < bar, -np.inf, scores)


def keep_top_p(scores: Scores, p: float) -> Scores:
    """-inf outside the nucleus (Holtzman 2020): the fewest best tokens whose probabilities reach p together."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    probabilities = np.exp(ranked - ranked[:, :1], dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    before = probabilities.cumsum(axis=1) - probabilities  # what the better ones sum to
    outside = before >= p
    outside[:, 0] = False  # the best one always stays
    kept = np.empty_like(scores)
    np.put_along_axis(kept, order, np.where(outside, -np.inf, ranked), axis=1)
    return kept


def filtered(scores: Scores, filters: Filters, seen: NDArray[np.bool_] | None = None) -> Scores:
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


def gumbel_noise(count: int, vocab_size: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Standard Gumbel noise (count, V): -log(e), e exponential. argmax(scores + noise) is a draw from softmax(scores).

    The numbers of a generator come in order, so it does not matter in how many calls they are drawn.
    """
    e = random.standard_exponential((count, vocab_size))
    return -np.log(np.maximum(e, 1e-300)).astype(np.float32)


def draw(
    scores: Scores, filters: Filters, noise: NDArray[np.float32], seen: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """One token a row, (B,), from scores (B, V) and Gumbel noise (B, V)."""
    scores = filtered(scores, filters, seen)
    found: NDArray[np.int64] = (scores if filters.temperature == 0 else scores + noise).argmax(axis=1)
    return found
