"""Metrics of forecasts: of points, of intervals and of quantiles, as the M4 competition and GluonTS define them.

In all functions `targets` (S, H) are the H values that followed each of S series; NaN where nothing was observed, and
such values are left out everywhere. `forecasts`, `lower` and `upper` are (S, H), `quantiles` (S, H, Q) and `samples`
(S, H, N). Lower is better, except for coverage. A series without any observed target is left out; where nothing is
left, the result is NaN.

M4: Makridakis, Spiliotis and Assimakopoulos, The M4 competition: 100,000 time series and 61 forecasting methods,
International Journal of Forecasting 36 (2020).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class ScaledError(NamedTuple):
    """An error in units of each series' own scale, averaged over the series that have a scale."""

    value: float
    left_out: int  # how many series with observed targets have none: it is 0, or there was nothing to compute it from


def seasonal_mae(insample: Floats, m: int) -> float:
    """Return the scale of MASE and MSIS: how far, on average, the values of one series lie from those a season before.

        scale = mean over t of |y_t - y_(t-m)|

    insample (n,) is what was known of the series when it was forecast, and m the period of its season in steps; 1 if it
    has none. Pairs with an unobserved value are left out. NaN if no pair is left, as in a series not longer than m.
    """
    if m < 1:
        raise ValueError(f"a season has at least 1 step, not {m}")
    differences = np.abs(insample[m:] - insample[:-m])
    observed = ~np.isnan(differences)
    return float(differences[observed].mean()) if observed.any() else float("nan")


def smape(targets: Floats, forecasts: Floats) -> float:
    """Return the symmetric mean absolute percentage error of M4, 0 to 200: the mean over the series of

        200 / H  sum over h of |y_h - f_h| / (|y_h| + |f_h|)

    Where target and forecast are both 0, the error is 0. (M4's own code divides by 0 there; its series are positive.)
    """
    sizes = np.abs(targets) + np.abs(forecasts)
    return _mean(_by_series(200 * np.abs(targets - forecasts) / np.where(sizes == 0, 1, sizes), targets))


def mase(targets: Floats, forecasts: Floats, scales: Floats) -> ScaledError:
    """Return the mean absolute scaled error (Hyndman and Koehler 2006), as M4 averages it: the mean over the series of

        1 / H  sum over h of |y_h - f_h| / scale

    scales (S,) are the `seasonal_mae` of each series. Series whose scale is 0 or NaN are left out and counted.
    """
    return _scaled(np.abs(targets - forecasts), targets, scales)


def owa(smape: float, mase: float, smape_of_naive2: float, mase_of_naive2: float) -> float:
    """Return M4's overall weighted average, by which it ranked its entries; 1 for a method as good as Naive2:

        (sMAPE / sMAPE of Naive2 + MASE / MASE of Naive2) / 2

    All four are averages over the same series: the ratio of averages, not the average of ratios. NaN if Naive2 has no
    error at all.
    """
    if smape_of_naive2 == 0 or mase_of_naive2 == 0:
        return float("nan")
    return (smape / smape_of_naive2 + mase / mase_of_naive2) / 2


def msis(targets: Floats, lower: Floats, upper: Floats, scales: Floats, alpha: float = 0.05) -> ScaledError:
    """Return M4's mean scaled interval score (Gneiting and Raftery 2007) of intervals that should hold 1 - alpha of all
    values: the mean over the series of

        1 / H  sum over h of ((u_h - l_h) + 2/alpha max(0, l_h - y_h) + 2/alpha max(0, y_h - u_h)) / scale

    It is the width of the intervals, with a penalty for every value outside. scales (S,) are as for `mase`.
    """
    missed = np.maximum(0, lower - targets) + np.maximum(0, targets - upper)
    return _scaled(upper - lower + 2 / alpha * missed, targets, scales)


def coverage(targets: Floats, lower: Floats, upper: Floats) -> float:
    """Return the share of all observed targets that lie within their intervals, ends included, 0 to 1."""
    observed = ~np.isnan(targets)
    inside = (lower <= targets) & (targets <= upper)
    return _mean(inside[observed])


def wql(targets: Floats, quantiles: Floats, levels: Sequence[float] = DECILES) -> float:
    """Return the weighted quantile loss, as GluonTS and GIFT-Eval compute it (`mean_weighted_sum_quantile_loss`):

        mean over q of  2 sum of pinball_q(y - f_q) / sum of |y|        pinball_q(e) = max(q e, (q - 1) e)

    The sums run over all observed targets of all series, so that series of large values weigh more. levels (Q,) are
    those of the quantiles, the nine deciles unless told otherwise. NaN if all targets are 0.
    """
    losses = 2 * _pinball(targets, quantiles, np.asarray(levels))
    return _over_size(losses.mean(-1), targets)


def scaled_crps(targets: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Return the continuous ranked probability score of quantiles, summed over all targets, divided by sum of |y|:

        CRPS = 2 * integral over q from 0 to 1 of pinball_q(y - f_q)

    (Gneiting and Ranjan 2011). The integral is taken by trapezoids between the levels (Q,), which are ascending; below
    the first and above the last the quantile stays as it is. So it differs from `wql` over the same levels in two ways:
    `wql` weighs every level the same, however far apart they are, and it leaves out what lies outside the outermost
    ones: with deciles it does not see the tails, and it is no integral. With many levels both come close.
    """
    ends = np.concatenate([quantiles[..., :1], quantiles, quantiles[..., -1:]], axis=-1)
    grid = np.array([0.0, *levels, 1.0])  # (Q + 2,)
    losses = _pinball(targets, ends, grid)
    areas = (losses[..., 1:] + losses[..., :-1]) / 2 * np.diff(grid)
    return _over_size(2 * areas.sum(-1), targets)


def scaled_crps_of_samples(targets: Floats, samples: Floats) -> float:
    """Return the continuous ranked probability score of samples, summed over all targets, divided by sum of |y|:

        CRPS = E|X - y| - E|X - X'| / 2 = 2 / N^2  sum over i of (x_i - y) (N [y < x_i] - i + 1/2)

    with x_1 <= ... <= x_N the sorted samples (Laio and Tamea 2007): the exact score of the N samples as a distribution.
    On average it is E|X - X'| / (2 N) higher than that of the distribution they were drawn from.
    """
    N = samples.shape[-1]
    ordered = np.sort(samples, axis=-1)
    y = targets[..., None]
    weights = N * (y < ordered) - np.arange(1, N + 1) + 0.5  # (S, H, N)
    return _over_size(2 / N**2 * ((ordered - y) * weights).sum(-1), targets)


def _pinball(targets: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Return the pinball loss of every quantile, (S, H, Q)."""
    errors = targets[..., None] - quantiles
    return np.maximum(levels * errors, (levels - 1) * errors)


def _over_size(errors: Floats, targets: Floats) -> float:
    """Return the sum of the errors (S, H) of observed targets, divided by the sum of the targets' sizes."""
    observed = ~np.isnan(targets)
    size = float(np.abs(targets[observed]).sum())
    return float(errors[observed].sum()) / size if size else float("nan")


def _scaled(errors: Floats, targets: Floats, scales: Floats) -> ScaledError:
    """Return the mean over the series of their mean errors in units of their scales, and how many have no scale."""
    usable = np.isfinite(scales) & (scales > 0)
    seen = ~np.isnan(targets).all(1)
    kept = usable & seen
    value = _mean(_by_series(errors[kept], targets[kept]) / scales[kept])
    return ScaledError(value, int((seen & ~usable).sum()))


def _by_series(errors: Floats, targets: Floats) -> Floats:
    """Return the mean error of each series that has an observed target; NaN where a forecast of one is NaN."""
    observed = ~np.isnan(targets)
    counts = observed.sum(1)
    sums = np.where(observed, errors, 0).sum(1)
    means: Floats = sums[counts > 0] / counts[counts > 0]
    return means


def _mean(values: NDArray[Any]) -> float:
    """Return the mean of all values; NaN if there are none."""
    return float(values.mean()) if values.size else float("nan")
