"""Rank correlation: how far two rankings agree."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's rank correlation of a and b, -1 to 1. Equal values share the mean of their ranks.

    NaN when all values of a, or all values of b, are equal.
    """
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else float("nan")


def _ranks(values: Sequence[float]) -> NDArray[Any]:
    """Return the rank of each value, from 1; equal values get the mean of their ranks."""
    _, which, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)  # the highest rank of each distinct value
    return ((2 * last - counts + 1) / 2)[which]
