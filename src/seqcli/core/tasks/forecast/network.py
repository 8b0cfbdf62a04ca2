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
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.cells.base import State
from seqcli.core.layers import Dropout, Network, Stack
from seqcli.core.layers.start import build
from seqcli.core.tasks.forecast.candidates import candidates, candidates_of, mixture, preferences, steps_back
from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.likelihood import DISTRIBUTIONS, LIKELIHOODS
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.windows import MOST, Batch

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
        self.head = DISTRIBUTIONS[plan.likelihood]()
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
