"""Sampling the next token from scores: pure functions over (B, V) arrays in NumPy, with an explicit generator.

The scores are a model's logits; -inf marks a token that must not be chosen. The filters are applied in this order:
repetition penalty, temperature, top-k, top-p. Then a token is drawn from the softmax of what is left. Temperature 0
means greedy decoding: the token with the highest score is chosen.
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
    """How scores become the distribution that tokens are drawn from. Temperature 0 is greedy; None leaves a filter out.

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
    """Make tokens that were seen before less likely (after Keskar 2019, CTRL, section 4.1).

    scores is (B, V); seen is (B, V) bool. Returns penalized scores (B, V), relative to the mean of each row.

    The paper divides logits by the penalty. But a logit means nothing by itself, since adding a constant to all of them
    changes no probability. Here the mean of each row is therefore subtracted first. Then the score of a seen token is
    divided by `penalty` if it is above the mean, and multiplied if it is below, because dividing a negative number
    would make the token more likely. Log-probabilities would not work in place of these scores: a token that is certain
    has log-probability 0, which no factor changes.
    """
    mean = scores.mean(axis=1, keepdims=True, where=np.isfinite(scores))  # (B, 1)
    centred = scores - mean  # (B, V)
    penalized: Scores = np.where(seen, np.where(centred > 0, centred / penalty, centred * penalty), centred)
    return penalized


def keep_top_k(scores: Scores, k: int) -> Scores:
    """Set all scores (B, V) to -inf except the k highest of each row. Scores equal to the k-th are kept too.

    A k larger than V keeps all.
    """
    if k >= scores.shape[1]:
        return scores
    bar = np.partition(scores, -k, axis=1)[:, -k:].min(axis=1, keepdims=True)  # the k-th highest score, (B, 1)
    return np.where(scores < bar, -np.inf, scores)  # (B, V)


def keep_top_p(scores: Scores, p: float) -> Scores:
    """Set all scores (B, V) outside of the nucleus to -inf (Holtzman 2020).

    The nucleus is the smallest set of the likeliest tokens whose probabilities sum to at least p.
    """
    order = np.argsort(-scores, axis=1, kind="stable")  # (B, V)
    ranked = np.take_along_axis(scores, order, axis=1)  # (B, V), highest first
    probabilities = np.exp(ranked - ranked[:, :1], dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # (B, V)
    before = probabilities.cumsum(axis=1) - probabilities  # the sum over all likelier tokens, (B, V)
    outside = before >= p
    outside[:, 0] = False  # the likeliest token always stays
    kept = np.empty_like(scores)
    np.put_along_axis(kept, order, np.where(outside, -np.inf, ranked), axis=1)  # back into the original order
    return kept  # (B, V)


def filtered(scores: Scores, filters: Filters, seen: NDArray[np.bool_] | None = None) -> Scores:
    """Apply all filters to scores (B, V). Returns scores (B, V) whose softmax is the distribution to draw from.

    seen (B, V) marks the tokens that the repetition penalty applies to. With temperature 0 only the maximum of the
    result counts, so the filters after the temperature are left out.
    """
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
    """Draw standard Gumbel noise (count, V), computed as -log(e) of exponential numbers e.

    argmax(scores + noise) is a draw from softmax(scores) (the Gumbel-max trick). A generator gives its numbers in a
    fixed order, so drawing rows in several calls gives the same noise as drawing them in one.
    """
    e = random.standard_exponential((count, vocab_size))  # (count, V)
    return -np.log(np.maximum(e, 1e-300)).astype(np.float32)


def draw(
    scores: Scores, filters: Filters, noise: NDArray[np.float32], seen: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Choose one token for each row, (B,), from scores (B, V) and Gumbel noise (B, V); see `filtered` for `seen`."""
    scores = filtered(scores, filters, seen)
    found: NDArray[np.int64] = (scores if filters.temperature == 0 else scores + noise).argmax(axis=1)
    return found
