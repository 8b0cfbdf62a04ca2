"""The job of training a forecaster: reading its series, the loss of a batch, the evaluation."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.config import and_
from seqcli.core.events import Say, silent
from seqcli.core.metrics.series import coverage, mase, seasonal_mae, smape
from seqcli.core.tasks.forecast.asked import read
from seqcli.core.tasks.forecast.bars import bars
from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.joining import joined
from seqcli.core.tasks.forecast.likelihood import LEVELS, LIKELIHOODS
from seqcli.core.tasks.forecast.measuring import distinct, last_origins, targets_of
from seqcli.core.tasks.forecast.network import DirectForecaster, StepForecaster, build_forecaster, widths
from seqcli.core.tasks.forecast.options import ForecastOptions
from seqcli.core.tasks.forecast.plan import ForecastPlan, Sizes, check, make_plan, seasons_in
from seqcli.core.tasks.forecast.predict import best_spread, predict
from seqcli.core.tasks.forecast.seasons import detect_seasons
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.stored import stored, tail
from seqcli.core.tasks.forecast.windows import Batch, History
from seqcli.core.training.device import pick_device, set_threads
from seqcli.errors import ConfigError, DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MANY = 20  # with at least so many series, some are validated on; otherwise the last steps of each
ENOUGH = 32  # of which at least so many, or all
LONGEST = 1500  # steps of the longest season that is looked for
FIRST = 2000  # windows by which the network is set before it is trained
FIRST_STEPS = 500_000  # and steps of their horizons at most, so that a far horizon does not fill the memory
BATCH = 256  # windows that are evaluated at once
MOST_VALID = 2000  # windows that are validated on at most
SAMPLES = 50  # futures that are drawn to validate with --decode sample
PREVIEW = 60  # steps of the past that a preview draws


class ForecastJob:
    """What the training loop needs to train a forecaster (see training.job.Job)."""

    def __init__(self, options: ForecastOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        check(options)
        set_threads(options.threads)
        self.device = pick_device(options.device)
        series = read(options, options.files, say=say)
        horizon = options.horizon or series.frequency.horizon
        seasons = choose_seasons(options, series, say)
        sizes = Sizes(len(series), int((~np.isnan(series.values)).sum()), int(np.quantile(series.ends, 0.25)))
        self.plan = plan = make_plan(options, sizes, seasons, horizon, self.device, bounded=metadata is None)
        self.covariates = (
            Covariates.fit(series, say) if metadata is None else Covariates.of(metadata["covariates"], say)
        )
        check_values(plan, series)
        season = plan.season
        self.history = History.of(series, self.covariates, season)
        self._held, self._origins = self._validation(series)
        self._valid, self._truth = self.history, series
        if options.valid is not None:
            newer = read(options, [options.valid], series.frequency, say=say)
            self._truth, since = joined(series, newer, plan.horizon)
            check_values(plan, self._truth)
            self._valid = History.of(self._truth, self.covariates, season)
            self._held = np.zeros(len(series), bool)
            self._origins = last_origins(self._truth, plan.horizon, since)
            if not len(self._origins[0]):
                raise DataError(
                    f"{options.valid} has nothing to validate on: no series in it goes on beyond those that are "
                    "trained on, or has a past of 2 values and a value after it."
                )
        rows, ends = self._origins
        if len(rows) > MOST_VALID:
            some = np.sort(np.random.default_rng((plan.seed, *b"validation")).permutation(len(rows))[:MOST_VALID])
            self._origins = rows, ends = rows[some], ends[some]
        self._apart = max(1.0, distinct(rows, ends, horizon) / horizon)
        pasts = (self._truth.of(r)[:e] for r, e in zip(rows.tolist(), ends.tolist(), strict=True))
        self._scales = np.array([seasonal_mae(past, season) for past in pasts])  # (n,)
        if plan.chosen_by == "mase" and len(rows) and not (self._scales > 0).any():
            raise ConfigError(
                "--select mase divides by how much the values of a season differ from those of the season before, and "
                "those that are validated on do not differ at all: take loss or smape."
            )
        self._prepare(series, say)
        self.train_tokens = sizes.values
        self.valid_tokens = len(rows) * plan.horizon
        self.steps_per_epoch = max(1, -(-self.train_tokens // (plan.batch_size * plan.horizon)))
        self.vocab_size = 0
        self._resumed = metadata is not None
        self.guessing = None
        self.spread = 1.0 if metadata is None else float(metadata["spread"])
        found = f"Seasons of {and_(map(str, plan.seasons_list))} steps" if plan.seasons_list else "No season"
        say(f"{found}; {plan.horizon} steps are forecast from the {plan.history} before.")
        self._stored = stored(tail(series, plan))

    def _prepare(self, series: Series, say: Say) -> None:
        """Find the windows to train on, and how much each series weighs. Raises DataError if there are none."""
        horizon = self.plan.horizon
        self._first, self._count = self._trained_on(series)
        if not self._count.sum():
            raise DataError(
                f"No series has {2 * horizon + 2} values, which are needed to train on and to validate with --horizon "
                f"{horizon}. Lower it, or train on all values: --valid-split 0."
            )
        if short := int((self._count == 0).sum()):
            name = series.ids[int(np.flatnonzero(self._count == 0)[0])]
            say(f"{short} series, like {name!r}, are too short for --horizon {horizon} and are not trained on.")
        self._total = np.cumsum(self._count)
        self._weights = weights(series, self.plan.season)
        if self.plan.valid_split and not len(self._origins[0]):
            say("The series are too short to keep some of their steps for validation: all are trained on.")

    @cached_property
    def model(self) -> DirectForecaster | StepForecaster:
        """The network, with its initial weights."""
        plan, counts = self.plan, LIKELIHOODS[self.plan.likelihood].counts
        sizes = widths(self.covariates, self._series.frequency)
        made = build_forecaster(plan, *sizes, plan.seed).to(self.device)
        made.trust = self._apart / (self._apart + 2) if self.valid_tokens else 0.5
        if not self._resumed:
            count = min(FIRST, 1 + FIRST_STEPS // plan.horizon)
            rows, ends = self._drawn(count, np.random.default_rng((plan.seed, *b"first windows")))
            batch = self.history.windows(rows, ends, plan.history, plan.horizon, counts=counts)
            made.start_from(batch.to(self.device))
        return made

    def _drawn(self, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw windows to train on: their series and their origins, (count,) each."""
        drawn = random.integers(self._total[-1], size=count)
        rows = np.searchsorted(self._total, drawn, side="right")
        return rows, self._first[rows] + drawn - (self._total[rows] - self._count[rows])

    def _validation(self, series: Series) -> tuple[NDArray[np.bool_], tuple[Ints, Ints]]:
        """Choose what to validate on. Returns which series are held out at their end (S,), and rows and origins (n,).

        Of many series some are chosen, of which the last steps are never trained on, so that the newest values of all
        others are. Of a few series, it is the last part of each, forecast from several origins.
        """
        plan, H = self.plan, self.plan.horizon
        nothing = np.zeros(len(series), bool), (np.zeros(0, np.int64), np.zeros(0, np.int64))
        if not plan.valid_split or plan.valid is not None:
            return nothing
        able = np.flatnonzero(series.ends >= 2 * H + 2)
        if not len(able):
            return nothing
        held = np.zeros(len(series), bool)
        if len(series) >= MANY:
            count = min(len(able), max(ENOUGH, round(plan.valid_split * len(able))))
            chosen = np.sort(np.random.default_rng((plan.seed, *b"series")).permutation(able)[:count])
            held[chosen] = True
            return held, (chosen, series.ends[chosen] - H)
        held[able] = True
        rows, ends = [], []
        for k in able.tolist():
            part = self._kept(int(series.ends[k]))
            origins = np.arange(series.ends[k] - part, series.ends[k] - H + 1)
            rows.append(np.full(len(origins), k))
            ends.append(origins)
        return held, (np.concatenate(rows).astype(np.int64), np.concatenate(ends).astype(np.int64))

    def _kept(self, steps: int) -> int:
        """Return how many of the last steps of a series are kept for validation, if it has so many steps."""
        H = self.plan.horizon
        if len(self._series) >= MANY:
            return H
        return min(max(H, round(self.plan.valid_split * steps) + H // 2), steps - H - 2)

    @property
    def _series(self) -> Series:
        return self.history.series

    def _trained_on(self, series: Series) -> tuple[Ints, Ints]:
        """Return, for each series, where the past of its first window ends, and how many windows it has, (S,) each."""
        H = self.plan.horizon
        season = max(2, self.plan.season)
        ends = series.ends.tolist()
        kept = np.array([self._kept(end) if held else 0 for held, end in zip(self._held, ends, strict=True)])
        last = series.ends - kept - H  # the last origin
        leading = np.array([int(np.argmax(~np.isnan(series.of(k)))) for k in range(len(series))])
        first = np.maximum(2, np.minimum(season, last)) + leading
        return first, np.maximum(0, last - first + 1)

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        plan = self.plan
        random = np.random.default_rng((plan.seed, number, *b"windows"))
        rows, ends = self._drawn(plan.batch_size, random)  # (B,) each
        counts = self.model.head.counts
        batch = self.history.windows(rows, ends, plan.history, plan.horizon, counts=counts).to(self.device)
        losses, real = self.model.loss(batch)  # (B, T), (B, T)
        return self._mean(losses, real, rows, batch.scale).mean(), int(batch.real.sum()), []

    def evaluate(self) -> dict[str, float] | None:
        rows, ends = self._origins
        if not len(rows):
            return None
        plan, H = self.plan, self.plan.horizon
        losses, parts, sizes = [], [], []
        for k in range(0, len(rows), BATCH):
            r = rows[k : k + BATCH]
            batch = self._windows(r, ends[k : k + BATCH])
            found, real = (part[:, -H:] for part in self.model.loss(batch))  # (B, H) each
            losses.append(self._mean(found, real, None if plan.valid else r, batch.scale).double().cpu().numpy())
            parts.append(predict(self.model, batch, LEVELS, plan, samples=SAMPLES, seed=plan.seed).quantiles)
            sizes.append(batch.scale.numpy())
        made, targets = np.concatenate(parts), targets_of(self._truth, rows, ends, H)  # (n, H, Q), (n, H)
        factor, n = best_spread(made, targets, LEVELS, np.concatenate(sizes)), self._apart
        # few windows say little of how wide intervals should be, and should make them wider for that
        self.spread = factor ** (n / (n + 2)) * (1 + 0.5 / n)
        middle = made[..., LEVELS.index(0.5)]
        lower, upper = (middle + self.spread * (made[..., LEVELS.index(a)] - middle) for a in (0.025, 0.975))
        figures = {
            "loss": float(np.concatenate(losses).mean()),
            "smape": smape(targets, middle),
            "mase": mase(targets, middle, self._scales).value,
            "coverage": coverage(targets, lower, upper),
        }
        return {name: value for name, value in figures.items() if name == "loss" or np.isfinite(value)}

    def _windows(self, rows: Ints, ends: Ints) -> Batch:
        """Cut windows to validate on."""
        plan, counts = self.plan, self.model.head.counts
        return self._valid.windows(rows, ends, plan.history, plan.horizon, counts=counts).to(self.device)

    def _mean(self, losses: Tensor, real: Tensor, rows: Ints | None, scale: Tensor) -> Tensor:
        """Return the mean losses (B,) of windows from those of their targets (B, T), weighted by their series."""
        each: Tensor = (losses * real).sum(1) / real.sum(1).clamp(min=1)  # (B,)
        if self.plan.likelihood == "quantile" and rows is not None:
            weight = torch.from_numpy(self._weights[rows]) * scale
            each = each * weight.clamp(0.05, 20).to(each)
        return each

    def preview(self, step: int) -> str | None:
        rows, ends = self._origins
        if not len(rows):
            return None
        k = step % len(rows)
        r, e = rows[k : k + 1], ends[k : k + 1]
        plan = self.plan
        made = predict(self.model, self._windows(r, e), (0.5,), plan, samples=SAMPLES, seed=plan.seed).quantiles[
            0, :, 0
        ]
        truth = targets_of(self._truth, r, e, plan.horizon)[0]
        before = self._truth.of(int(r[0]))[: int(e[0])][-PREVIEW:]
        low, high = np.nanmin([*before, *truth, *made]), np.nanmax([*before, *truth, *made])
        gap = len(before) * " "
        return (
            f"{self._truth.ids[int(r[0])]}: the past and what followed, and below it the forecast\n"
            f"{bars([*before, *truth], low, high, '·')}\n{gap}{bars(made, low, high)}"
        )

    def metadata(self) -> dict[str, Any]:
        return {
            "task": self.plan.task,
            "config": self.plan.as_dict(),
            "covariates": self.covariates.as_dict(),
            "series": self._stored,
            "spread": self.spread,
            "trust": self.model.trust,
        }


def choose_seasons(options: ForecastOptions, series: Series, say: Say) -> tuple[int, ...]:
    """Return the seasons: those of --seasons, those that the calendar suggests, or those found in the values.

    Of two that the calendar suggests, like a day and a week, the longer one is kept only where it is found as well.
    """
    if options.seasons is not None:
        return seasons_in(options.seasons)
    suggested = series.frequency.seasons
    if len(suggested) == 1:
        return suggested
    longest = max(2, min(LONGEST, int(series.ends.max()) // 3))
    found = detect_seasons([series.of(k)[-20 * longest :] for k in range(len(series))], longest)
    if not suggested:
        return found
    confirmed = any(abs(season - suggested[1]) < suggested[0] for season in found)
    return suggested if confirmed else suggested[:1]


def check_values(plan: ForecastPlan, series: Series) -> None:
    """Raise ConfigError if values are to be counts and some are not."""
    if plan.likelihood != "negative-binomial":
        return
    bad = np.flatnonzero((series.values < 0) | (series.values != np.round(series.values)) & ~np.isnan(series.values))
    if len(bad):
        k = int(np.searchsorted(series.offsets, bad[0], side="right")) - 1
        time = series.times(k)[int(bad[0] - series.offsets[k])]
        raise ConfigError(
            f"--likelihood negative-binomial is for counts, and {series.ids[k]!r} has {series.values[bad[0]]:g} at "
            f"{time}. Take another, like student-t."
        )


def weights(series: Series, season: int) -> Floats:
    """Return by what the losses of a series' windows, in its own units, are multiplied (S,).

    A relative error and one in units of the seasonal differences weigh the same, so that the loss is near both sMAPE
    and MASE: w = a / mean |y| + b / mean |y_t - y_(t-m)|, where a and b are such that both have a mean of 1/2 over a
    window of standard size.
    """
    size, differences, spread = (np.full(len(series), np.nan) for _ in range(3))
    for k in range(len(series)):
        values = series.of(k)
        if (~np.isnan(values)).sum() > 1:
            size[k], spread[k] = np.nanmean(np.abs(values)), np.nanstd(values)
            differences[k] = seasonal_mae(values, season)
    spread = np.where(spread > 0, spread, np.nan)
    parts = []
    for scale in (size, differences):
        least = np.fmax(scale, 1e-2 * spread)
        relative = spread / np.where(least > 0, least, np.nan)
        mean = np.nanmean(relative) if np.isfinite(relative).any() else 1.0
        parts.append(np.divide(0.5, least * mean, out=np.zeros(len(series)), where=least * mean > 1e-300))
    return np.where(sum(parts) > 0, sum(parts), 1.0)
