"""The networks that forecast series: one for all steps of the horizon at once, one that goes step by step.

Both see a window (see windows.py): C steps of the past, scaled, and what is known of the H steps to forecast. Both mix
the naive forecasts that the past offers for a step, such as the value one season before it, and learn what is to be
added to the mixture.

- `DirectForecaster`: the recurrent network reads the past, a patch of values in a step, and one small network that all
  steps of the horizon share makes quantiles of its last output (Wen 2017, "A multi-horizon quantile recurrent
  forecaster", arXiv:1711.11053; patches as in Nie 2023, arXiv:2211.14730).
- `StepForecaster`: the recurrent network reads the value before, those of some seasons ago, and what is known of the
  step, and gives the distribution of its value; to forecast, values are drawn one after the other (Salinas 2020,
  "DeepAR", arXiv:1704.04110).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.cells.base import State
from seqcli.core.layers import Dropout, Network, Stack
from seqcli.core.layers.start import build
from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.likelihood import LIKELIHOODS
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.windows import MOST, Batch

NEVER = -1e4  # added to the score of a candidate that there is not
SEASONS = (7, 3)  # how many seasons back candidates come from, for the shorter season and for the longer one
POWER = 4.0  # with this power of their errors candidates weigh less at the beginning
SMALL = 0.05  # levels below this, in units of the scale, make no ratio
LARGE = 1e6  # no naive forecast grows by more than this
WIDTH = 64  # units of the small network for each step of the horizon


class Forecasting(Network):
    """The base of both networks.

    `trust`, from 0 to 1, is how much of what was learnt counts beside what the network began with. Training sets it by
    how many separate windows there are to validate on, since a few windows cannot tell what was learnt from what was
    learnt by heart. It has no effect while the network is trained.
    """

    trust = 1.0

    def counted(self, learnt: Tensor) -> Tensor:
        """Return what was learnt, as far as it counts."""
        return learnt if self.training else learnt * self.trust


class DirectForecaster(Forecasting):
    """All steps of the horizon at once.

    h = the last output of the stack over the patches of the past, each with its values, which of them were observed,
        and its covariates
    c_j,1 .. c_j,J = candidates for step j, the naive forecasts: see `candidates`
    m_j = sum_k softmax_k(W h + b_j)_k c_j,k                               their mixture
    u_j = silu(A h + B (c_j - m_j) + C known_j + p_j),  v_j = u_j + silu(D u_j)
    parameters of step j: those of the likelihood, V v_j + a_j, with their middle at m_j
    """

    def __init__(self, plan: ForecastPlan, known: int, past: int, static: int) -> None:
        super().__init__()
        self.head = LIKELIHOODS[plan.likelihood]()
        self.patch, self.horizon, self.history = plan.patch, plan.horizon, plan.history
        self.seasons = plan.seasons_list
        self.back = steps_back(plan.horizon, self.seasons, plan.history)  # (H, J')
        J = candidates_of(self.back.shape[1], self.seasons)
        H, D = plan.hidden, WIDTH
        inputs = plan.patch * (2 + past) + 2 * known + static + 2
        self.stack = Stack(plan.cell, inputs, H, plan.layers, dropout=plan.dropout)
        self.dropout = Dropout(plan.dropout)
        self.choice = FromZero(H, J)
        self.choice_at = nn.Parameter(torch.empty(plan.horizon, J))
        self.from_state = nn.Linear(H, D)
        self.from_candidates = nn.Linear(2 * J, D, bias=False)
        self.from_known = nn.Linear(known + static, D, bias=False) if known + static else None
        self.at = nn.Parameter(torch.empty(plan.horizon, D))
        self.deeper = nn.Linear(D, D)
        self.out = FromZero(D, self.head.size)
        self.begin = nn.Parameter(torch.empty(plan.horizon, self.head.size))

    def initialize(self, generator: torch.Generator) -> None:
        """Set what belongs to the network itself: no candidate is preferred, and steps differ a little."""
        nn.init.zeros_(self.choice_at)
        nn.init.normal_(self.at, std=0.1, generator=generator)
        self.begin.copy_(self.head.start())

    @torch.no_grad()
    def start_from(self, batch: Batch) -> None:
        """Let the network begin, before it is trained, as a mean of the naive forecasts, in which those that are good
        for these windows weigh most, and with the errors of that mean as its uncertainty."""
        c, there = candidates(batch, torch.from_numpy(self.back).to(batch.z.device), self.seasons)
        self.choice_at.copy_(preferences(c, there, batch.target, batch.real))
        errors = batch.target - mixture(self.choice_at, c, there)  # (B, H)
        self.begin.copy_(self.head.start_from(errors, batch.real))

    def forward(self, batch: Batch) -> Tensor:
        """Compute the parameters (B, H, P) of the likelihood for every step of the horizon."""
        B, C = batch.z.shape
        N = C // self.patch
        values = torch.stack((batch.z, batch.observed.to(batch.z.dtype)), 2)  # (B, C, 2)
        values = torch.cat((values, batch.past), 2).reshape(B, N, -1)  # (B, N, patch * (2 + past))
        known = batch.known[:, :C].reshape(B, N, self.patch, -1)  # (B, N, patch, K)
        known = torch.cat((known[:, :, -1], known.mean(2)), 2)  # (B, N, 2K) of the last step, and of the patch
        about = torch.cat((signature(batch), batch.static), 1)  # (B, 2 + S)
        x = torch.cat((values, known, about[:, None].expand(-1, N, -1)), 2)  # (B, N, I)
        y, _ = self.stack(x)  # (B, N, H)
        h = self.dropout(y[:, -1:])[:, 0]  # (B, H)
        back = torch.from_numpy(self.back).to(h.device)
        c, there = candidates(batch, back, self.seasons)  # (B, H, J) each
        m = mixture(self.counted(self.choice(h))[:, None] + self.choice_at, c, there)  # (B, H)
        beside = torch.cat(((c - m[..., None]) * there, there), 2)  # (B, H, 2J)
        u = self.from_state(h)[:, None] + self.from_candidates(beside) + self.at  # (B, H, D)
        if self.from_known is not None:
            future = torch.cat((batch.known[:, C:], batch.static[:, None].expand(-1, self.horizon, -1)), 2)
            u = u + self.from_known(future)  # (B, H, D)
        u = F.silu(u)  # (B, H, D)
        v = u + F.silu(self.deeper(u))  # (B, H, D)
        return self.head.centred(self.counted(self.out(v)).float() + self.begin, m.float())  # (B, H, P)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the loss (B, H) of every target, and which of them are real (B, H)."""
        scale = batch.scale.to(batch.z)[:, None].expand(-1, self.horizon)
        return self.head.loss(self(batch), batch.target, scale), batch.real


class StepForecaster(Forecasting):
    """One step after the other.

    x_t = the value before, values some seasons before t, which of them there are, the covariates of t
    h_t, state = the stack's step for x_t
    m_t = sum_k softmax_k(W h_t)_k of the value before and those of seasons ago
    parameters of z_t: those of the likelihood, V h_t + a, with their middle at m_t
    """

    def __init__(self, plan: ForecastPlan, known: int, past: int, static: int) -> None:
        super().__init__()
        self.head = LIKELIHOODS[plan.likelihood]()
        self.horizon, self.history = plan.horizon, plan.history
        self.lags = lags(plan.seasons_list, plan.history)
        self.reading = reading(plan.seasons_list, plan.history)  # steps of the past that are read before the horizon
        inputs = 2 * len(self.lags) + known + past + static + 2
        self.stack = Stack(plan.cell, inputs, plan.hidden, plan.layers, dropout=plan.dropout)
        self.dropout = Dropout(plan.dropout)
        self.choice = FromZero(plan.hidden, len(self.lags))
        self.out = FromZero(plan.hidden, self.head.size)
        self.begin = nn.Parameter(torch.empty(self.head.size))

    def initialize(self, generator: torch.Generator) -> None:
        """Set what belongs to the network itself: the parameters that the likelihood begins with."""
        self.begin.copy_(self.head.start())

    @torch.no_grad()
    def start_from(self, batch: Batch) -> None:
        """Let the network begin as a mean of the values before, as `DirectForecaster.start_from` does."""
        values, there, targets, real = self.sequence(batch)
        _, lagged, known = self.inputs(batch, values, there, batch.z.shape[1] - self.reading, values.shape[1])
        lagged, known = lagged.flatten(0, 1)[:, None], known.flatten(0, 1)[:, None]  # (B * T, 1, lags) each
        targets, real = targets.flatten()[:, None], real.flatten()[:, None]  # (B * T, 1) each
        self.choice.bias.copy_(preferences(lagged, known, targets, real)[0])
        errors = targets - mixture(self.choice.bias, lagged, known)  # (B * T, 1)
        self.begin.copy_(self.head.start_from(errors, real)[0])

    def inputs(self, batch: Batch, z: Tensor, there: Tensor, first: int, last: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return x (B, T, I) for the steps `first` to `last` of a window, and the lagged values with whether there are
        such (B, T, lags). z and there (B, steps) are the values up to the step before `last`."""
        t = torch.arange(first, last, device=z.device)[:, None] - torch.tensor(self.lags, device=z.device)  # (T, lags)
        lagged, known = z[:, t], there[:, t].to(z.dtype)  # (B, T, lags) each
        T = last - first
        C = batch.z.shape[1]
        before = torch.arange(first - 1, last - 1, device=z.device).clamp(max=C - 1)
        about = torch.cat((signature(batch), batch.static), 1)  # (B, 2 + S)
        past = batch.past[:, before]  # (B, T, P); in the horizon the last ones that are known
        x = torch.cat((lagged, known, batch.known[:, first:last], past, about[:, None].expand(-1, T, -1)), 2)
        return x, lagged, known

    def heads(self, y: Tensor, lagged: Tensor, there: Tensor) -> Tensor:
        """Return the parameters (B, T, P) from the outputs (B, T, H) and the lagged values (B, T, lags)."""
        y = self.dropout(y)
        m = mixture(self.choice(y), lagged, there)  # (B, T)
        return self.head.centred(self.counted(self.out(y)).float() + self.begin, m.float())  # (B, T, P)

    def sequence(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the values of windows with their horizons and which there are (B, C + H), and the targets among them
        with which are real (B, T)."""
        first = batch.z.shape[1] - self.reading
        values = torch.cat((batch.z, batch.target.clamp(-MOST, MOST)), 1)  # (B, C + H)
        there = torch.cat((batch.observed, batch.real), 1)  # (B, C + H)
        return values, there, torch.cat((batch.z[:, first:], batch.target), 1), there[:, first:]

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the loss (B, T) of every value from those before it, and which of them are real (B, T)."""
        values, there, targets, real = self.sequence(batch)
        x, lagged, known = self.inputs(batch, values, there, batch.z.shape[1] - self.reading, values.shape[1])
        y, _ = self.stack(x)  # (B, T, H)
        scale = batch.scale.to(values)[:, None].expand_as(targets)
        return self.head.loss(self.heads(y, lagged, known), targets, scale), real

    def read(self, batch: Batch) -> tuple[Tensor, Tensor, list[State]]:
        """Read the past. Returns its values (B, C) with which there are, and the state before the first forecast."""
        C = batch.z.shape[1]
        x, _, _ = self.inputs(batch, batch.z, batch.observed, C - self.reading, C)
        _, state = self.stack(x)
        return batch.z, batch.observed, state


class FromZero(nn.Linear):
    """A linear layer that begins as zero, so that an untrained network forecasts the mean of the naive forecasts."""

    def initialize(self, generator: torch.Generator) -> None:
        """Set weights and biases to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


def signature(batch: Batch) -> Tensor:
    """Return what scaling took away (B, 2): the level in units of the scale, and whether there is any history."""
    level = (batch.level / batch.scale).to(batch.z)  # (B,)
    return torch.stack((level.sign() * level.abs().log1p(), batch.observed.to(batch.z.dtype).mean(1)), 1)


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


def lags(seasons: Sequence[int], history: int) -> list[int]:
    """Return how many steps before a step the values lie that `StepForecaster` reads, the step before first."""
    found = [1, 2, 3]
    for season, most in zip(seasons, (3, 2), strict=False):
        found += [season * k for k in range(1, most + 1)] + [season + 1, season - 1]
    room = history - reading(seasons, history)
    return sorted({lag for lag in found if 1 <= lag <= max(1, room)})


def reading(seasons: Sequence[int], history: int) -> int:
    """Return how many steps of the past `StepForecaster` reads: two seasons, but at most half of the history."""
    wanted = 2 * seasons[0] if seasons else history // 2
    return max(1, min(wanted, history // 2))


def widths(covariates: Covariates, frequency: Frequency) -> tuple[int, int, int]:
    """Return how many numbers are known of every step, of a step of the past, and of a series."""
    calendar = frequency.calendar(np.zeros(1, np.int64)).shape[1]
    return calendar + covariates.width("known"), covariates.width("past"), covariates.width("static")


def build_forecaster(
    plan: ForecastPlan, known: int, past: int, static: int, seed: int | None
) -> "DirectForecaster | StepForecaster":
    """Make the network of a plan. For `seed` and errors see `layers.start.build`."""
    if plan.decode == "direct":
        return build(partial(DirectForecaster, plan, known, past, static), plan, seed)
    return build(partial(StepForecaster, plan, known, past, static), plan, seed)
