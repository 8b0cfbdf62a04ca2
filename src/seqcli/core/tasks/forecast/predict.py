"""Forecasts of windows by a trained network: quantiles and means of every step of the horizon."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.network import DirectForecaster, StepForecaster
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.windows import MOST, Batch

Floats = NDArray[np.float64]


class Predicted(NamedTuple):
    """What is forecast for B windows, in the units of the series."""

    mean: Floats  # (B, H)
    quantiles: Floats  # (B, H, Q)


@torch.no_grad()
def predict(
    model: DirectForecaster | StepForecaster,
    batch: Batch,
    levels: Sequence[float],
    plan: ForecastPlan,
    *,
    samples: int = 100,
    seed: int = 1,
    spread: float = 1.0,
) -> Predicted:
    """Forecast the horizon of windows.

    levels (Q,) are those of the quantiles, between 0 and 1. With --decode sample, `samples` values are drawn for each
    step; the same seed gives the same forecast. Quantiles are moved away from the median by the factor `spread`, which
    a training finds by what it validates on.
    """
    random = np.random.default_rng((seed, *b"forecast"))
    every = [0.5, *levels]  # the median, by which the others are spread, first
    if isinstance(model, StepForecaster):
        drawn = draw(model, batch, samples, random)  # (B, H, n)
        mean, quantiles = drawn.mean(2), np.moveaxis(np.quantile(drawn, every, axis=2), 0, -1)
    else:
        raw = model(batch).cpu()  # (B, H, P)
        wide = batch.scale[:, None].expand(-1, raw.shape[1])
        mean, quantiles = model.head.mean(raw), model.head.quantiles(raw, every, wide, random)
    quantiles = quantiles[..., :1] + spread * (quantiles[..., 1:] - quantiles[..., :1])  # (B, H, Q)
    level, scale = batch.level.numpy()[:, None], batch.scale.numpy()[:, None]  # (B, 1)
    mean = mean * scale + level
    quantiles = quantiles * scale[..., None] + level[..., None]
    if model.head.counts:
        quantiles = np.round(quantiles)
    if plan.nonnegative or model.head.counts:
        mean, quantiles = np.maximum(mean, 0.0), np.maximum(quantiles, 0.0)
    return Predicted(mean, quantiles)


def best_spread(quantiles: Floats, targets: Floats, levels: Sequence[float], scales: Floats) -> float:
    """Find the factor that makes intervals as wide as they should be, 1/4 to 4.

    quantiles (n, H, Q) at `levels`, moved away from their medians by it, have the lowest mean pinball loss of targets
    (n, H), each divided by the scale (n,) of its window. It never changes a median.
    """
    a, middle = np.asarray(levels), quantiles[..., list(levels).index(0.5), None]
    away, error = (quantiles - middle) / scales[:, None, None], (targets[..., None] - middle) / scales[:, None, None]
    factors = np.logspace(-2, 2, 41, base=2.0)
    losses = []
    for factor in factors:
        missed = error - factor * away
        losses.append(np.nanmean(np.maximum(a * missed, (a - 1) * missed)))
    return float(factors[int(np.argmin(losses))])


def draw(model: StepForecaster, batch: Batch, samples: int, random: np.random.Generator) -> Floats:
    """Draw futures step by step, each from the distribution that those before it give. Returns (B, H, samples)."""
    z, there, state = model.read(batch)
    B, C = z.shape
    many = Batch(*(part.repeat_interleave(samples, 0) for part in batch))
    z, there = z.repeat_interleave(samples, 0), there.repeat_interleave(samples, 0)  # (B * n, C)
    state = [type(one)(*(part.repeat_interleave(samples, 0) for part in one)) for one in state]
    scale, drawn = many.scale[:, None], []  # (B * n, 1)
    for t in range(C, C + model.horizon):
        x, lagged, known = model.inputs(many, z, there, t, t + 1)
        y, state = model.stack.step(x[:, 0], state)  # (B * n, H)
        raw = model.heads(y[:, None], lagged, known)  # (B * n, 1, P)
        drawn.append(model.head.draw(raw.cpu(), scale, random))  # (B * n, 1)
        new = torch.from_numpy(drawn[-1].clip(-MOST, MOST)).to(z)  # (B * n, 1)
        z, there = torch.cat((z, new), 1), torch.cat((there, torch.ones_like(new, dtype=torch.bool)), 1)
    return np.concatenate(drawn, 1).reshape(B, samples, -1).transpose(0, 2, 1)
