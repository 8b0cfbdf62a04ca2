"""Which seasons series have, when their times do not tell: found in the autocorrelation of the values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_SERIES = 200  # so many are looked at, evenly chosen: more hardly change the mean
MOST_VALUES = 10_000  # so many of each, the newest, or ten times the longest season, if that is more
LEAST_CYCLES = 3  # a season counts only where a series is at least so many times as long
LEAST_HEIGHT = 0.08  # the least autocorrelation at a season's lags
NEARLY = 0.72  # a peak that has this part of the highest one's height is nearly as high
SURE = 4.0  # how many standard deviations a peak must stand out, in terms of the normal distribution


def detect_seasons(series: Sequence[NDArray[Any]], longest: int) -> tuple[int, ...]:
    """Return the seasonal periods of these series in steps, shortest first: at most two, and none where none is sure.

    Each series is an array (n,), NaN where nothing was observed; the lengths may differ. A period is at least 2 and at
    most `longest`, and some series must be three times as long.

    The autocorrelation r(k) of all series together stays high at the lags p, 2p, 3p, ... if they have the season p,
    while it dies away with noise, trends, random walks and autoregressive processes. The first season is the shortest
    period whose peak is nearly as high as the highest one. A second season is a multiple of the first whose lags stand
    out among the multiples of the first: the week among the days.

    Steep spectra hide seasons, so a straight line is subtracted from each series, and x_t - a x_(t-1) is looked at, a
    being the autocorrelation at lag 1 (Box, Jenkins and Reinsel 2015, prewhitening): with random walks these are about
    the differences, with noise the values. Only where that finds nothing are the values looked at themselves, as a
    smooth season in few noisy values would otherwise be lost. Where only one season is found, the means of its cycles
    are looked at in the same way: weeks may show in the means of days, though they are lost in the noise of hours.
    """
    chosen = series[:: max(1, -(-len(series) // MOST_SERIES))]
    newest = [np.asarray(values, dtype=np.float64)[-max(MOST_VALUES, 10 * longest) :] for values in chosen]
    found = _seasons(newest, longest, whiten=True) or _seasons(newest, longest, whiten=False)
    if len(found) != 1:
        return found
    means = [_means_of_cycles(values, found[0]) for values in newest]
    return *found, *(found[0] * period for period in _seasons(means, longest // found[0], whiten=True)[:1])


def _seasons(series: list[Floats], longest: int, whiten: bool) -> tuple[int, ...]:
    """Return the seasons found in the series with their straight lines subtracted, made white before or not."""
    found = (_standardized(values, whiten) for values in series)
    usable = [values for values in found if values is not None]
    longest = min(longest, max((len(values) + 1 for values in usable), default=0) // LEAST_CYCLES)
    if longest < 2:
        return ()
    products, pairs = _pooled_products(usable, 6 * longest)
    first = _best_period(products, pairs, longest, len(usable), 1.0)
    if first is None:
        return ()
    # each multiple of the first season is one step now, and what noise does within a season still widens the limits
    second = _best_period(
        products[:: first.period],
        pairs[:: first.period],
        longest // first.period,
        len(usable) * first.period,
        first.noise,
    )
    return (first.period,) if second is None else (first.period, first.period * second.period)


def _means_of_cycles(values: Floats, period: int) -> Floats:
    """Return the mean of the observed values of every whole cycle; NaN where less than half of one was observed."""
    cycles = values[len(values) % period :].reshape(-1, period)
    seen = np.isfinite(cycles)
    counts = seen.sum(1)
    means: Floats = np.where(seen, cycles, 0).sum(1) / np.maximum(1, counts)
    return np.where(2 * counts >= period, means, np.nan)


def _standardized(values: Floats, whiten: bool) -> Floats | None:
    """Return the values less their straight line, with mean 0 and variance 1; None where too little is left of them."""
    observed = np.flatnonzero(np.isfinite(values))
    if len(observed) < 2 * LEAST_CYCLES:
        return None
    values = np.where(np.isfinite(values), values, np.nan)[observed[0] : observed[-1] + 1]
    values = values - np.nanmean(values)
    size = np.nanmax(np.abs(values))
    if not size > 0:
        return None  # constant
    values, size = values / size, 1.0  # so that no square of it is too small for a number
    time = np.arange(len(values)) - (observed - observed[0]).mean()
    seen = ~np.isnan(values)
    values = values - (time[seen] @ values[seen]) / (time[seen] @ time[seen]) * time
    products = values[1:] * values[:-1]
    if not np.nanmax(np.abs(values)) > 1e-9 * size or np.isnan(products).all():
        return None  # constant, a straight line, or no two neighbours
    if whiten:
        values = values[1:] - np.clip(np.nanmean(products) / np.nanmean(values**2), 0, 1) * values[:-1]
        values = values - np.nanmean(values)
    spread = np.sqrt(np.nanmean(values**2))
    return values / spread if spread > 0 else None


def _pooled_products(series: list[Floats], longest: int) -> tuple[Floats, Floats]:
    """Return, for every lag k from 0 up to `longest`, the sums of all x_t x_(t-k), and of (x_t^2 + x_(t-k)^2) / 2.

    Their ratio is the autocorrelation: 1 for values that repeat exactly, whichever of them were observed. As the values
    have variance 1, the second sum is about the number of pairs. Lags longer than two thirds of a series are left out
    for that series, as few values overlap. The sums of all lags at once are inverse Fourier transforms of products of
    spectra (Wiener-Khinchin), with zeros behind the values, so that the end does not meet the start.
    """
    products, pairs = np.zeros(longest + 1), np.zeros(longest + 1)
    for values in series:
        lags = min(longest, 2 * len(values) // LEAST_CYCLES)
        length = 1 << (len(values) + lags).bit_length()
        seen = ~np.isnan(values)
        zeroed = np.where(seen, values, 0.0)
        signal, squares, mask = (np.fft.rfft(each, length) for each in (zeroed, zeroed**2, seen.astype(np.float64)))
        products[: lags + 1] += np.fft.irfft(np.abs(signal) ** 2, length)[: lags + 1]
        pairs[: lags + 1] += np.fft.irfft((squares * mask.conj()).real, length)[: lags + 1]
    pairs = np.where(pairs > 1e-6 * pairs[0], pairs, 0.0)  # what is less is rounding: no two values have this lag
    end = np.flatnonzero(pairs)[-1] + 1
    return products[:end], pairs[:end]


@dataclass(frozen=True)
class _Peak:
    """How the autocorrelation at the lags p, 2p, 3p, ... stands out from that at all other lags."""

    period: int
    mean: float  # the mean over the lags p, 2p, 3p, ..., less the mean over all other lags
    height: float  # the same of the odd or the even multiples, which is lower; 1 for values that repeat exactly
    noise: float  # by how much autocorrelation that dies away widens the variance of a mean of products; 1 for noise
    sureness: float  # the standard deviations by which it stands out


def _best_period(products: Floats, pairs: Floats, longest: int, series: int, noise: float) -> _Peak | None:
    """Return the peak of the shortest period up to `longest` that is nearly as high as the highest of all sure ones."""
    peaks = {
        period: _peak(products, pairs, period, series, noise)
        for period in range(2, longest + 2)  # one more, as the last one has a neighbour, too
        if 2 * period < len(pairs) and pairs[2 * period]
    }
    means = {period: peak.mean for period, peak in peaks.items()}
    sure = [
        peak
        for period, peak in peaks.items()
        if period <= longest
        and means.get(period - 1, -np.inf) < peak.mean >= means.get(period + 1, -np.inf)
        and peak.height > LEAST_HEIGHT
        and peak.sureness > SURE
    ]
    highest = max((peak.height for peak in sure), default=0.0)
    return next((peak for peak in sure if peak.height >= NEARLY * highest), None)


def _peak(products: Floats, pairs: Floats, period: int, series: int, noise: float) -> _Peak:
    """Return the peak of this period, seen in the products and pairs of all lags.

    Under Bartlett's formula the variance of a mean of n products is (1 + 2 sum of r(j)^2) / n, where r(j) is what dies
    away: r(j) less its mean at the lags j + p, j + 2p, .... The mean at p, 2p, ... is distributed as chi-squared with
    p - 1 degrees of freedom for each series, which has a long tail for short periods; Wilson and Hilferty's cube root
    (1931) makes it normal.
    """
    rows = len(products) // period + 1  # lags by cycle and by place in it: the season's own lags are column 0
    sums = np.zeros((2, rows * period))
    sums[:, : len(products)] = products, pairs
    sums[:, 0] = 0  # lag 0
    cycles = sums.reshape(2, rows, period)
    base = _mean(cycles[:, :, 1:])
    mean = _mean(cycles[:, 1:, 0]) - base
    height = min(_mean(cycles[:, 1::2, 0]), _mean(cycles[:, 2::2, 0])) - base
    rest = max(1e-9, 1 - base)
    lasting = cycles[0, 1:, 1:].sum(0) / _at_least_some(cycles[1, 1:, 1:].sum(0))
    dying = (cycles[0, 0, 1:] / _at_least_some(cycles[1, 0, 1:]) - lasting) / rest
    widened = noise * (1 + 2 * float(dying @ dying))
    z = mean / rest * np.sqrt(cycles[1, 1:, 0].sum() / widened * (period - 1) / period)
    freedom = series * (period - 1) / widened
    cube = max(0.0, 1 + z * np.sqrt(2 / freedom)) ** (1 / 3)
    sureness = (cube - (1 - 2 / (9 * freedom))) / np.sqrt(2 / (9 * freedom))
    return _Peak(period, mean, height / rest, widened, float(sureness))


def _mean(cycles: Floats) -> float:
    """Return the mean of the products of these lags, given as (2, ...): the sums of products, and how many they are."""
    return float(cycles[0].sum() / _at_least_some(cycles[1].sum()))


def _at_least_some(pairs: Floats) -> Floats:
    """Return the numbers of pairs, to divide by: 1 where there are none."""
    return np.where(pairs > 0, pairs, 1.0)
