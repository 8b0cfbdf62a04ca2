"""The plain forecasts that a model is always shown beside: naive, seasonal naive, and Naive2 of the M4 competition.

In all functions `past` (n,) are the values of one series, NaN where nothing was observed, `horizon` how many steps to
forecast, and m the period of the season in steps, 1 for none. All forecasts are (H,), and NaN if nothing was observed.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CRITICAL = 1.645  # of the normal distribution: 90 % lie within


def filled(past: NDArray[Any], m: int) -> Floats:
    """Return the series from its first observed value on, (n,) or shorter, with its gaps filled from what came before.

    An unobserved value becomes the last observed one of the same season (m, 2m, 3m, ... steps before), or, if there is
    none, the last value.
    """
    if m < 1:
        raise ValueError(f"a season has at least 1 step, not {m}")
    values = np.asarray(past, dtype=np.float64)
    observed = np.flatnonzero(~np.isnan(values))
    if not len(observed):
        return values[:0]
    values = values[observed[0] :]
    if len(observed) == len(values):
        return values
    cycles = np.concatenate([values, np.full(-len(values) % m, np.nan)]).reshape(-1, m)
    return _last_observed(_last_observed(cycles).reshape(-1, 1))[: len(values), 0]


def naive(past: NDArray[Any], horizon: int) -> Floats:
    """Return the last observed value, for every step."""
    return seasonal_naive(past, horizon, 1)


def seasonal_naive(past: NDArray[Any], horizon: int, m: int) -> Floats:
    """Return for every step the last observed value of the same season; the last value where a season is not known."""
    values = filled(past, m)
    if not len(values):
        return np.full(horizon, np.nan)
    season = np.concatenate([np.full(max(0, m - len(values)), values[-1]), values[-m:]])
    return np.resize(season, horizon)


def naive2(past: NDArray[Any], horizon: int, m: int) -> Floats:
    """Return M4's Naive2: the last value without its season, for every step, with the season of that step.

    As the competition's benchmarks compute it in R ("Benchmarks and Evaluation.R", M4-methods): if `is_seasonal`, each
    value is divided by the index of its season from the classical multiplicative decomposition, R's `decompose`: the
    mean ratio of the season's values to a centred moving average over one period, all indices divided by their mean. If
    not, this is the naive forecast.

    The script decomposes by ratios whatever the values; those of M4 are positive. Here, where any value is 0 or less,
    for which ratios have no meaning, differences take the place of ratios (R's additive decomposition).
    """
    values = filled(past, m)
    if not is_seasonal(values, m):
        return naive(values, horizon)
    index = _seasonal_index(values, m)
    last = len(values) - 1
    seasons = (last + 1 + np.arange(horizon)) % m
    if _multiplicative(values):
        return np.asarray(values[last] / index[last % m] * index[seasons])
    return np.asarray(values[last] - index[last % m] + index[seasons])


def naive_quantiles(past: NDArray[Any], horizon: int, m: int, levels: Sequence[float]) -> Floats:
    """Return quantiles (H, Q) of the seasonal naive forecast at the Q levels, each within (0, 1); of naive if m is 1.

    They are those of a normal distribution around the forecast of step h (Hyndman and Athanasopoulos, Forecasting:
    Principles and Practice, 3rd edition, section 5.5), with

        sigma_h = sigma sqrt(k)        k = floor((h - 1) / m) + 1        sigma^2 = mean over t of (y_t - y_(t-m))^2

    over all observed pairs. If there are none, as in a series not longer than m, pairs of neighbours take their place,
    and without any of these, too, all quantiles are the forecast.
    """
    values = np.asarray(past, dtype=np.float64)
    sigma = 0.0
    for lag in (m, 1):
        squares = (values[lag:] - values[:-lag]) ** 2
        if not np.isnan(squares).all():
            sigma = float(np.sqrt(np.nanmean(squares)))
            break
    spread = sigma * np.sqrt(np.arange(horizon) // m + 1)  # (H,)
    scores = np.array([NormalDist().inv_cdf(level) for level in levels])  # (Q,)
    return np.asarray(seasonal_naive(values, horizon, m)[:, None] + spread[:, None] * scores)


def is_seasonal(values: NDArray[Any], m: int) -> bool:
    """Return whether a series without gaps has the season m, by M4's test of its autocorrelation r at 90 %:

        |r(m)| > 1.645 / sqrt(n) sqrt(1 + 2 (r(1)^2 + ... + r(m-1)^2))        and n >= 3 m

    In the competition's script R's `acf` stops at lag 10 log10(n), so that seasons longer than this are never found. No
    series of M4 has one, and this function has no such limit.
    """
    n = len(values)
    if m < 2 or n < 3 * m:
        return False
    centred = values - values.mean()
    power = float(centred @ centred)
    if not power > 1e-18 * n * float(np.abs(values).max()) ** 2:  # constant: what is left is rounding
        return False
    r = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, m + 1)]) / power
    limit = CRITICAL / np.sqrt(n) * np.sqrt(1 + 2 * float(r[:-1] @ r[:-1]))
    return bool(abs(r[-1]) > limit)


def _multiplicative(values: Floats) -> bool:
    """Return whether the series can be decomposed by ratios: all values are positive."""
    return bool((values > 0).all())


def _seasonal_index(values: Floats, m: int) -> Floats:
    """Return the seasonal indices (m,) of the classical decomposition; that of values[t] is at t % m.

    Their mean is 1 where all values are positive, and 0 otherwise.
    """
    weights = np.full(m, 1 / m) if m % 2 else np.array([0.5, *[1.0] * (m - 1), 0.5]) / m
    trend = np.convolve(values, weights, mode="valid")
    start = len(weights) // 2  # the first value that has half a period before it
    inner = values[start : start + len(trend)]
    parts = inner / trend if _multiplicative(values) else inner - trend
    place = (start + np.arange(len(trend))) % m
    index: Floats = np.bincount(place, parts, m) / np.bincount(place, minlength=m)
    return np.asarray(index / index.mean() if _multiplicative(values) else index - index.mean())


def _last_observed(columns: Floats) -> Floats:
    """Return the columns with every NaN replaced by the value last observed above it, where there is one."""
    rows = np.where(np.isnan(columns), 0, np.arange(len(columns))[:, None])
    last: Floats = np.take_along_axis(columns, np.maximum.accumulate(rows, axis=0), axis=0)
    return last
