"""The naive forecasts that the past of a window offers for a step, as tensors, and their mixture."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.tasks.forecast.windows import MOST, Batch

NEVER = -1e4  # added to the score of a candidate that there is not
SEASONS = (7, 3)  # how many seasons back candidates come from, for the shorter season and for the longer one
POWER = 4.0  # with this power of their errors candidates weigh less at the beginning
SMALL = 0.05  # levels below this, in units of the scale, make no ratio
LARGE = 1e6  # no naive forecast grows by more than this


def mixture(scores: Tensor, values: Tensor, there: Tensor) -> Tensor:
    """Return sum_k softmax(scores)_k values_k over the last dimension, leaving out the values that are not there."""
    weights = (scores + (there - 1) * -NEVER).softmax(-1)
    return (weights * values).sum(-1)


def preferences(values: Tensor, there: Tensor, targets: Tensor, real: Tensor) -> Tensor:
    """Return scores (H, J) by which `mixture` weighs candidates (B, H, J) by their mean absolute errors to a power.

    there (B, H, J) says which candidates there are, as 0 and 1, and real (B, H) which targets (B, H) there are.
    """
    counted = there * real[..., None]  # (B, H, J)
    errors = ((targets[..., None] - values).abs() * counted).sum(0) / counted.sum(0).clamp(min=1)  # (H, J)
    errors = torch.where(counted.sum(0) > 0, errors, torch.inf)
    best = errors.amin(1, keepdim=True)  # (H, 1)
    found = -POWER * (errors.clamp(min=1e-6) / best.clamp(min=1e-6)).log()
    return torch.where(best.isfinite(), found, 0.0).clamp(min=-POWER * 5.0)


def steps_back(horizon: int, seasons: Sequence[int], history: int) -> NDArray[np.int64]:
    """Return how many steps before the first forecast the candidates for each step of the horizon lie, (H, J).

    For step j these are the last step of the past, and the steps that are whole seasons before j.
    """
    rows = []
    for j in range(horizon):
        row = [1]
        for season, most in zip(seasons, SEASONS, strict=False):
            nearest = j // season + 1  # seasons back to the first step that is in the past
            count = max(1, min(most, history // season))
            row += [season * (nearest + k) - j for k in range(count)]
        rows.append(row)
    return np.array(rows)


def candidates_of(values: int, seasons: Sequence[int]) -> int:
    """Return how many candidates `candidates` makes of so many values."""
    return 3 * values + 4 if seasons else values + 1


def candidates(batch: Batch, back: Tensor, seasons: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the naive forecasts (B, H, J) for every step of the horizon, and which of them there are, as 0 and 1.

    back (H, J') says where in the past values are taken from. With seasons, each is offered as it is, moved by how much
    the mean of the last season differs from that of its own season, and multiplied by the ratio of the two, where both
    are positive. The value of the last season is also offered with the change from the season before it going on, as a
    sum and as a ratio, and moved by how far the last value, or the last quarter of a season, is from where it was a
    season before. Without seasons, the line of least squares through the past is offered, from the last value on.
    """
    C = batch.z.shape[1]
    values, there = batch.z[:, C - back], batch.observed[:, C - back].to(batch.z.dtype)  # (B, H, J')
    there = torch.cat((torch.ones_like(there[..., :1]), there[..., 1:]), 2)  # the last value is filled if it is missing
    if not seasons:
        line = values[..., 0] + slope(batch)[:, None] * torch.arange(1, len(back) + 1, device=back.device)  # (B, H)
        values = torch.cat((values, line[..., None]), 2).clamp(-MOST, MOST)
        return values, torch.cat((there, torch.ones_like(there[..., :1])), 2)
    means, known = levels(batch, seasons[0])  # (B, M), the last season first
    which = ((back - 1) // seasons[0]).clamp(max=means.shape[1] - 1)  # (H, J') the season that a value lies in
    own, last = means[:, which], means[:, :1, None]  # (B, H, J'), (B, 1, 1)
    comparable = there * known[:, which] * known[:, :1, None]
    level = (batch.level / batch.scale).to(batch.z)[:, None, None]  # (B, 1, 1)
    ratio, positive = quotient(last + level, own + level)
    grown = (values + level) * ratio - level
    found = [values, values - own + last, grown], [there, comparable, comparable * positive]
    if means.shape[1] > 1:
        ahead = torch.arange(len(back), device=back.device)[:, None] // seasons[0] + 1  # (H, 1) seasons to the step
        before = means[:, 1:2, None]  # (B, 1, 1)
        ratio, positive = quotient(last + level, before + level)
        nearest, real = values[..., 1:2], there[..., 1:2] * known[:, :1, None] * known[:, 1:2, None]  # (B, H, 1)
        growth = (ratio**ahead).clamp(max=LARGE)  # over many seasons it has no end, and 0 times infinity is no number
        found[0].extend((nearest + ahead * (last - before), (nearest + level) * growth - level))
        found[1].extend((real, real * positive))
        for steps in (1, max(1, seasons[0] // 4)):
            moved, known = lately(batch, seasons[0], steps)  # (B,) each
            found[0].append(nearest + moved[:, None, None])
            found[1].append(there[..., 1:2] * known[:, None, None])
    else:
        found[0].append(torch.zeros_like(values[..., :1]).expand(-1, -1, 4))
        found[1].append(torch.zeros_like(values[..., :1]).expand(-1, -1, 4))
    return torch.cat(found[0], 2).clamp(-MOST, MOST), torch.cat(found[1], 2)


def levels(batch: Batch, season: int) -> tuple[Tensor, Tensor]:
    """Return the means of the seasons of the past (B, M), the last one first, and which have any value, as 0 and 1."""
    C = batch.z.shape[1]
    many = C // season
    real = batch.observed[:, C - many * season :].reshape(-1, many, season).to(batch.z.dtype)
    z = batch.z[:, C - many * season :].reshape(-1, many, season) * real
    counted = real.sum(2).flip(1)  # (B, M)
    return z.sum(2).flip(1) / counted.clamp(min=1), (counted > 0).to(z.dtype)


def lately(batch: Batch, season: int, steps: int) -> tuple[Tensor, Tensor]:
    """Return how far the last `steps` values are, on average, from those a season before, and whether that is known, as
    0 and 1, (B,) each."""
    C = batch.z.shape[1]
    now, before = slice(C - steps, C), slice(C - steps - season, C - season)
    both = (batch.observed[:, now] & batch.observed[:, before]).to(batch.z.dtype)  # (B, steps)
    away = (batch.z[:, now] - batch.z[:, before]) * both
    return away.sum(1) / both.sum(1).clamp(min=1), both.amax(1)


def quotient(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return a / b, from 1/4 to 4, and where both are positive enough for it to mean anything, as 0 and 1."""
    found = (a / b.clamp(min=SMALL)).clamp(0.25, 4)
    return found, ((a > SMALL) & (b > SMALL)).to(found.dtype)


def slope(batch: Batch) -> Tensor:
    """Return the slopes (B,) of the lines of least squares through the observed past, per step."""
    real = batch.observed.to(batch.z.dtype)  # (B, C)
    t = torch.arange(real.shape[1], device=real.device, dtype=real.dtype)
    away = (t - ((real * t).sum(1) / real.sum(1).clamp(min=1))[:, None]) * real  # (B, C)
    return (away * batch.z).sum(1) / (away * away).sum(1).clamp(min=1e-6)
