"""Windows: some past of a series and the steps that follow it, scaled, as a network reads them.

The past is C steps long, the horizon H. The past of a short series begins with steps that were never observed. Every
window is scaled by itself, z = (y - level) / scale, with the mean and the standard deviation of its past, so that
series of any size look alike (Salinas 2020, section 3.3).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.naive import filled
from seqcli.core.tasks.forecast.series import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 30.0  # scaled values are cut off here on their way into the network: an outlier tells no more than that
FARTHEST = 1000.0  # and targets here, which a past of equal values would otherwise put beyond all bounds
EXACT = 1e-13  # a deviation below this part of the level is no more than rounding: the past is constant
LEVEL = 1e-3  # the scale of a constant past, as a part of its level


class Batch(NamedTuple):
    """Windows as tensors. B windows, C steps of the past, H of the horizon."""

    z: Tensor  # (B, C) the past, scaled; gaps are filled
    observed: Tensor  # (B, C) bool, False in gaps and before the series begins
    known: Tensor  # (B, C + H, K) what is known of every step: calendar and covariates
    past: Tensor  # (B, C, P) covariates of the past
    static: Tensor  # (B, S) covariates of the series
    target: Tensor  # (B, H) the values to forecast, scaled; 0 where there are none
    real: Tensor  # (B, H) bool, whether there is one
    level: Tensor  # (B,) of 64 bits and on the CPU always, for values like 1e9 + 0.001
    scale: Tensor  # (B,) likewise

    def to(self, device: torch.device) -> "Batch":
        """Return the same on a device, but for level and scale: not every device has numbers of 64 bits."""
        return self._replace(**{name: getattr(self, name).to(device) for name in self._fields[:-2]})


@dataclass(frozen=True)
class History:
    """Series as windows are cut from them."""

    series: Series
    filled: Floats  # (N,) the values without gaps
    known: NDArray[np.float32]  # (N, K)
    past: NDArray[np.float32]  # (N, P)
    static: NDArray[np.float32]  # (S, Q)

    @classmethod
    def of(cls, series: Series, covariates: Covariates, season: int) -> "History":
        """Make it from series, with the covariates as numbers. Gaps are filled by the past alone: see `fill`."""
        return cls(
            series,
            fill(series, season),
            covariates.known(series),
            covariates.past(series),
            covariates.static(series),
        )

    def windows(self, rows: Ints, ends: Ints, past: int, horizon: int, *, counts: bool = False) -> Batch:
        """Cut windows from the series `rows` (B,), whose past ends before step `ends` (B,) of its series.

        With `counts` the level is left at 0, and the scale is the mean of the values and at least 1.
        """
        s = self.series
        first, last = s.offsets[rows], s.offsets[rows] + s.ends[rows]  # (B,)
        steps = (first + ends)[:, None] + np.arange(-past, horizon)  # (B, C + H)
        inside = steps >= first[:, None]
        there = inside & (steps < last[:, None])
        clipped = steps.clip(0, max(0, len(s.values) - 1))
        there &= ~np.isnan(self.filled[clipped])  # a series that was cut off may begin with a gap
        values = np.where(there, self.filled[clipped], 0.0)
        observed = there & ~np.isnan(s.values[clipped])
        seen = observed[:, :past]
        seen = np.where(seen.any(1)[:, None], seen, there[:, :past])  # where all is a gap, by what it is filled with
        level, scale = scaling(values[:, :past], seen, counts)
        z = np.where(there, (values - level[:, None]) / scale[:, None], 0.0)  # steps without a value are at the level
        own = steps < s.offsets[rows + 1][:, None]  # the future of covariates may be there without a value
        known = np.where((inside & own)[..., None], self.known[clipped], 0.0).astype(np.float32)
        times = (s.starts[rows] + ends)[:, None] + np.arange(-past, horizon)  # (B, C + H)
        calendar = s.frequency.calendar(times.ravel()).reshape(*times.shape, -1)
        before = np.where(inside[:, :past, None], self.past[clipped[:, :past]], 0.0).astype(np.float32)
        return Batch(
            torch.from_numpy(z[:, :past].clip(-MOST, MOST).astype(np.float32)),
            torch.from_numpy(observed[:, :past]),
            torch.from_numpy(np.concatenate([calendar, known], 2)),
            torch.from_numpy(before),
            torch.from_numpy(self.static[rows]),
            torch.from_numpy((z[:, past:] * observed[:, past:]).clip(-FARTHEST, FARTHEST).astype(np.float32)),
            torch.from_numpy(observed[:, past:]),
            torch.from_numpy(level),
            torch.from_numpy(scale),
        )


def scaling(values: Floats, seen: NDArray[np.bool_], counts: bool) -> tuple[Floats, Floats]:
    """Return level and scale (B,) of pasts (B, C): mean and standard deviation of the values that are `seen`.

    A constant has a part of its level as scale, and zeros have a scale of 1.
    """
    many = seen.sum(1).clip(1)
    mean = (values * seen).sum(1) / many
    if counts:
        return np.zeros(len(mean)), np.maximum(1.0, np.abs(mean))
    away = np.abs(values - mean[:, None]) * seen
    most = away.max(1, initial=0.0)  # divided by it, no square is too large or too small for a number
    deviation = most * np.sqrt(((away / np.where(most > 0, most, 1.0)[:, None]) ** 2).sum(1) / many)
    size = np.abs(mean)
    constant = np.where(size > 0, np.maximum(LEVEL * size, 1e-300), 1.0)
    return mean, np.where(deviation > EXACT * size, deviation, constant)


def fill(series: Series, season: int) -> Floats:
    """Fill the gaps of all series (N,) from the past alone: with the last value observed a whole number of seasons
    ago, or else with the last value observed. Steps before the first value stay NaN."""
    values = series.values.copy()
    for k in np.unique(np.searchsorted(series.offsets, np.flatnonzero(np.isnan(values)), side="right") - 1).tolist():
        past, end = series.of(k), series.offsets[k] + series.ends[k]
        found = filled(past, season)
        values[end - len(found) : end] = found
    return values
