"""Where a model is measured, and how good its forecasts are there beside naive ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.metrics.series import DECILES, coverage, mase, msis, owa, scaled_crps, seasonal_mae, smape, wql
from seqcli.core.tasks.forecast.likelihood import LEVELS
from seqcli.core.tasks.forecast.naive import naive2, naive_quantiles
from seqcli.core.tasks.forecast.series import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIDES = ((80, 0.1, 0.9), (95, 0.025, 0.975))  # the percent of an interval, and the levels of its ends


def last_origins(series: Series, horizon: int, since: Ints) -> tuple[Ints, Ints]:
    """Return rows and origins (n,) of the series that have a whole horizon after the step `since` (S,)."""
    ends = np.maximum(since, series.ends - horizon)
    rows = np.flatnonzero((ends >= 2) & (ends < series.ends))
    return rows, ends[rows]


def targets_of(series: Series, rows: Ints, ends: Ints, horizon: int) -> Floats:
    """Return the values that follow the origins `ends` of series `rows` (n,), (n, H); NaN where there are none."""
    steps = (series.offsets[rows] + ends)[:, None] + np.arange(horizon)
    last = (series.offsets[rows] + series.ends[rows])[:, None]
    return np.where(steps < last, series.values[steps.clip(0, len(series.values) - 1)], np.nan)


def distinct(rows: Ints, ends: Ints, horizon: int) -> int:
    """Return how many different steps the horizons after these origins (n,) have; some of them may overlap."""
    if not len(rows):
        return 0
    order = np.lexsort((ends, rows))
    same = np.diff(rows[order]) == 0
    return int(horizon + np.where(same, np.minimum(np.diff(ends[order]), horizon), horizon).sum())


def origins(series: Series, since: Ints, horizon: int, windows: int | None, step: int | None) -> tuple[Ints, Ints]:
    """Return rows and origins (n,) to forecast from; see `Forecaster.evaluate`."""
    apart = step or horizon
    rows, ends = [], []
    for k, (begin, end) in enumerate(zip(since.tolist(), series.ends.tolist(), strict=True)):
        new = end - begin if begin else 0  # steps beyond the training data
        many = windows or max(1, -(-new // apart) if new < horizon else (new - horizon) // apart + 1)
        found = [end - horizon - apart * back for back in range(many)]
        if not windows and 0 < new < horizon:
            found = [begin]  # fewer steps than a horizon go on from the training data
        found = [origin for origin in found if origin >= 2]
        rows += [k] * len(found)
        ends += found
    return np.array(rows, dtype=np.int64), np.array(ends, dtype=np.int64)


def measured(series: Series, rows: Ints, ends: Ints, quantiles: Floats, season: int) -> dict[str, Any]:
    """Return the figures of quantiles (n, H, Q) at LEVELS, forecast for origins (n,), and those of naive forecasts."""
    horizon = quantiles.shape[1]
    targets = targets_of(series, rows, ends, horizon)  # (n, H)
    pasts = [series.of(r)[:e] for r, e in zip(rows.tolist(), ends.tolist(), strict=True)]
    scales = np.array([seasonal_mae(past, season) for past in pasts])

    def figures(made: Floats) -> dict[str, float]:
        """Those of quantiles (n, H, Q)."""
        middle = made[..., LEVELS.index(0.5)]
        at = [LEVELS.index(level) for level in DECILES]
        interval = {share: (made[..., LEVELS.index(low)], made[..., LEVELS.index(high)]) for share, low, high in SIDES}
        return {
            "smape": smape(targets, middle),
            "mase": mase(targets, middle, scales).value,
            "msis": msis(targets, *interval[95], scales).value,
            "wql": wql(targets, made[..., at]),
            "crps": scaled_crps(targets, made, LEVELS),
            **{f"coverage_{share}": coverage(targets, *sides) for share, sides in interval.items()},
        }

    plain = {"naive": np.stack([naive_quantiles(past, horizon, 1, LEVELS) for past in pasts])}
    if season > 1:
        plain["seasonal naive"] = np.stack([naive_quantiles(past, horizon, season, LEVELS) for past in pasts])
    second = np.stack([naive2(past, horizon, season) for past in pasts])
    base = smape(targets, second), mase(targets, second, scales).value
    beside = {name: figures(made) for name, made in plain.items()}
    beside["Naive2"] = {"smape": base[0], "mase": base[1]}
    mine = figures(quantiles)
    for one in (mine, *beside.values()):
        one["owa"] = owa(one["smape"], one["mase"], *base)
    scaleless = mase(targets, second, scales).left_out
    found = {"owa": mine.pop("owa"), **mine}
    return {
        **finite(found),
        "series": len(set(rows.tolist())),
        "windows": len(rows),
        **({"without_scale": scaleless} if scaleless else {}),
        "beside": {name: finite(one) for name, one in beside.items()},
    }


def finite(figures: dict[str, float]) -> dict[str, float]:
    """Return the figures that there are."""
    return {name: float(value) for name, value in figures.items() if np.isfinite(value)}
