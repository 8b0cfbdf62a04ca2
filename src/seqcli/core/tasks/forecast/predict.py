"""Forecasts of windows by a trained network: quantiles and means of every step of the horizon."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.network import DirectForecaster, StepForecaster
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.windows import Batch

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
    horizon: int | None = None,
) -> Predicted:
    """Forecast the horizon of windows.

    levels (Q,) are those of the quantiles, between 0 and 1. With --decode sample, `samples` values are drawn for each
    step, and more steps than the trained horizon may be forecast. The same seed gives the same forecast.
    """
    random = np.random.default_rng((seed, *b"forecast"))
    level, scale = batch.level.cpu().numpy()[:, None], batch.scale.cpu().numpy()[:, None]  # (B, 1)
    if isinstance(model, StepForecaster):
        drawn = draw(model, batch, samples, random)  # (B, H, n)
        mean, quantiles = drawn.mean(2), np.moveaxis(np.quantile(drawn, levels, axis=2), 0, -1)
    else:
        raw = model(batch)  # (B, H, P)
        wide = batch.scale[:, None].expand(-1, raw.shape[1])
        mean, quantiles = model.head.mean(raw), model.head.quantiles(raw, levels, wide, random)
    mean = mean * scale + level
    quantiles = quantiles * scale[..., None] + level[..., None]
    if plan.nonnegative or model.head.counts:
        mean, quantiles = np.maximum(mean, 0.0), np.maximum(quantiles, 0.0)
    return Predicted(mean, quantiles)


def draw(model: StepForecaster, batch: Batch, samples: int, random: np.random.Generator) -> Floats:
    """Draw futures step by step, each from the distribution that those before it give. Returns (B, H, samples)."""
    z, there, state = model.read(batch)
    B, C = z.shape
    many = Batch(*(part.repeat_interleave(samples, 0) for part in batch))
    z, there = z.repeat_interleave(samples, 0), there.repeat_interleave(samples, 0)  # (B * n, C)
    state = [type(one)(*(part.repeat_interleave(samples, 0) for part in one)) for one in state]
    scale = many.scale.to(z.dtype)[:, None]  # (B * n, 1)
    for t in range(C, C + model.horizon):
        x, lagged, known = model.inputs(many, z, there, t, t + 1)
        y, state = model.stack.step(x[:, 0], state)  # (B * n, H)
        raw = model.heads(y[:, None], lagged, known)  # (B * n, 1, P)
        new = torch.from_numpy(model.head.draw(raw, scale, random)).to(z)  # (B * n, 1)
        z, there = torch.cat((z, new.clamp(-30, 30)), 1), torch.cat((there, torch.ones_like(new, dtype=torch.bool)), 1)
    return np.asarray(z[:, C:].double().cpu().numpy().reshape(B, samples, -1).transpose(0, 2, 1))
