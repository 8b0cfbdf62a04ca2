"""A trained forecaster: forecasting series with it and measuring it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from seqcli.core.config import SHORT, nearest, no_others, option_name
from seqcli.core.events import Say, silent
from seqcli.core.tasks.forecast.asked import read
from seqcli.core.tasks.forecast.covariates import Covariates, missing_known
from seqcli.core.tasks.forecast.file import ForecasterFile
from seqcli.core.tasks.forecast.frames import Frame, as_file
from seqcli.core.tasks.forecast.joining import joined
from seqcli.core.tasks.forecast.likelihood import LEVELS
from seqcli.core.tasks.forecast.measuring import measured, origins
from seqcli.core.tasks.forecast.network import DirectForecaster, StepForecaster, build_forecaster, widths
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.predict import Predicted, predict
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.windows import History
from seqcli.core.trained import NetworkTrained
from seqcli.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROWS = 20_000  # windows, times samples, that are forecast at once
BATCH = 256  # and windows
SHARES = (80.0, 95.0)  # the intervals that are forecast unless others are asked for, in percent


@dataclass(frozen=True)
class Forecast:
    """Forecasts of S series, H steps each. It is iterated over as rows."""

    ids: list[str]  # (S,)
    times: list[list[str]]  # (S, H) written as in the file
    mean: Floats  # (S, H)
    median: Floats  # (S, H)
    lower: dict[float, Floats]  # by percent of the interval: (S, H)
    upper: dict[float, Floats]
    past: list[Floats]  # (S,) the last values before the forecast
    past_times: list[list[str]]

    @property
    def columns(self) -> list[str]:
        """The names of what a row has: unique_id, ds, mean, median, lo-80, hi-80, ..."""
        intervals = [f"{side}-{share:g}" for share in self.lower for side in ("lo", "hi")]
        return ["unique_id", "ds", "mean", "median", *intervals]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield a row for each series and step, as plain values in the order of `columns`."""
        numbers = [self.mean, self.median, *(side[share] for share in self.lower for side in (self.lower, self.upper))]
        for k, name in enumerate(self.ids):
            for h, time in enumerate(self.times[k]):
                yield (name, time, *(float(number[k, h]) for number in numbers))

    def __len__(self) -> int:
        return self.mean.size

    def __repr__(self) -> str:
        return f"Forecast({len(self.ids)} series, {self.mean.shape[1]} steps, columns {', '.join(self.columns)})"


class Forecaster(NetworkTrained):
    """A trained forecaster, to forecast series with and to measure."""

    file: ClassVar = ForecasterFile
    plan: ForecastPlan
    measured_with: ClassVar = ("skip_bad_lines", "windows", "step")
    model: DirectForecaster | StepForecaster

    def __init__(
        self,
        model: DirectForecaster | StepForecaster,
        plan: ForecastPlan,
        covariates: Covariates,
        series: Series,
        spread: float = 1.0,
        figures: dict[str, float] | None = None,
    ) -> None:
        self.model, self.plan, self.covariates, self.series = model, plan, covariates, series
        self.spread, self.figures = spread, figures or {}

    @classmethod
    def network(cls, about: ForecasterFile) -> DirectForecaster | StepForecaster:
        return build_forecaster(about.config, *widths(about.covariates, about.series.frequency), None)

    @classmethod
    def of(cls, model: DirectForecaster | StepForecaster, about: ForecasterFile) -> "Forecaster":
        model.trust = about.trust
        return cls(model, about.config, about.covariates, about.series, about.spread, about.figures)

    def facts(self) -> dict[str, str]:
        often = "" if self.series.frequency.kind == "integers" else f" {self.series.frequency.name}"
        return {"series": f"{len(self.series):,}{often}", "steps ahead": f"{self.plan.horizon}"}

    def examples(self) -> list[str]:
        return ["list(model.forecast())", 'model.evaluate("newer.csv")["mase"]']

    # --- forecasts ------------------------------------------------------------------------------------------------

    def forecast(
        self,
        data: "str | Path | Frame | None" = None,
        *,
        levels: Sequence[float] = SHARES,
        samples: int = 100,
        seed: int = 1,
        series: Sequence[str] | str | None = None,
        skip_bad_lines: bool = False,
        say: Say = silent,
        **others: NoReturn,
    ) -> Forecast:
        """Forecast what follows the series that the model was trained on, or those of a file or data frame.

        Newer values of a series that the model was trained on go on from there; any other series must come with its own
        past. `levels` are the percent that intervals hold. With --decode sample, `samples` futures are drawn. `series`
        are the names of those to forecast, all by default. Raises ConfigError for a wrong level or an unknown series,
        DataError for data that cannot be read.
        """
        no_others(others, ("data", "levels", "samples", "seed", "series", "skip_bad_lines", "say"))
        shares = check_levels(levels)
        check_count("samples", samples)
        found, _ = self._joined(data, skip_bad_lines, say)
        if series is not None:
            series = [series] if isinstance(series, str) else series
            found = found.select(rows_of(found, series))
        if complaint := missing_known(found, self.plan.horizon):
            raise DataError(complaint)
        rows, ends = np.arange(len(found)), found.ends
        lower, upper = [(50 - s / 2) / 100 for s in shares], [(50 + s / 2) / 100 for s in shares]
        made = self._predicted(found, rows, ends, [0.5, *lower, *upper], samples, seed)
        n, shown = len(shares), 3 * self.plan.horizon  # steps of the past that a picture shows
        steps = np.arange(self.plan.horizon)
        return Forecast(
            found.ids,
            [found.frequency.texts(start + end + steps) for start, end in zip(found.starts, ends, strict=True)],
            made.mean,
            made.quantiles[..., 0],
            {share: made.quantiles[..., 1 + k] for k, share in enumerate(shares)},
            {share: made.quantiles[..., 1 + n + k] for k, share in enumerate(shares)},
            [found.of(k)[-shown:] for k in range(len(found))],
            [
                found.frequency.texts(found.starts[k] + np.arange(max(0, end - shown), end))
                for k, end in enumerate(ends.tolist())
            ],
        )

    def _joined(self, data: "str | Path | Frame | None", skip_bad_lines: bool, say: Say) -> tuple[Series, Ints]:
        """Return the series of a file with what is known of their past, and where they go on beyond that (S,)."""
        if data is None:
            return self.series, self.series.ends
        newer = self.read(data, skip_bad_lines=skip_bad_lines, say=say)
        return joined(self.series, newer, self.plan.horizon)

    def read(self, data: "str | Path | Frame", *, skip_bad_lines: bool = False, say: Say = silent) -> Series:
        """Read the series of a file or of a data frame, like those that the model was trained on."""
        with as_file(data) as path:
            return read(self.plan.with_(skip_bad_lines=skip_bad_lines), [path], self.series.frequency, say=say)

    def _predicted(
        self, series: Series, rows: Ints, ends: Ints, levels: Sequence[float], samples: int = 100, seed: int = 1
    ) -> Predicted:
        """Forecast what follows step `ends` (n,) of the series `rows` (n,)."""
        history = History.of(series, self.covariates, self.plan.season)
        at_once = max(1, min(BATCH, ROWS // samples)) if self.plan.decode == "sample" else BATCH
        parts = []
        counts = self.model.head.counts
        with self.in_precision():
            for k in range(0, len(rows), at_once):
                r, e = rows[k : k + at_once], ends[k : k + at_once]
                batch = history.windows(r, e, self.plan.history, self.plan.horizon, counts=counts).to(self.device)
                how: dict[str, Any] = {"samples": samples, "seed": seed, "spread": self.spread}
                parts.append(predict(self.model, batch, levels, self.plan, **how))
        return Predicted(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    # --- figures --------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        path: "str | Path | Frame",
        *,
        say: Say = silent,
        skip_bad_lines: bool = False,
        windows: int | None = None,
        step: int | None = None,
        **others: NoReturn,
    ) -> dict[str, Any]:
        """Figures of a file, by rolling origin and without training again, beside those of naive forecasts.

        Each series is forecast from `windows` origins, `step` steps apart (the horizon, by default), the last one a
        horizon before its end. By default, what goes on from the training data is forecast as often as there are whole
        horizons in it, and other series once. The figures are those of the M4 competition, see core.metrics.series;
        under "beside" are those of the naive, the seasonal naive and the Naive2 forecasts.
        """
        self.takes_no(others)
        for name, count in (("windows", windows), ("step", step)):
            check_count(name, count)
        series, since = self._joined(path, skip_bad_lines, say)
        rows, ends = origins(series, since, self.plan.horizon, windows, step)
        if not len(rows):
            raise DataError(
                f"No series of {path if isinstance(path, (str, Path)) else 'the data'} has a past of 2 values and a "
                f"value after it: there is nothing to measure a forecast of {self.plan.horizon} steps on."
            )
        made = self._predicted(series, rows, ends, LEVELS)
        return measured(series, rows, ends, made.quantiles, self.plan.season)


def check_levels(levels: Sequence[float]) -> list[float]:
    """Return the percent that intervals hold, in ascending order. Raises ConfigError for what is no percentage."""
    found = [levels] if isinstance(levels, (int, float)) else list(levels)
    for level in found:
        if not isinstance(level, (int, float)) or not 0 < level < 100:
            raise ConfigError(f"--levels has {SHORT.repr(level)}, but an interval holds between 0 and 100 percent.")
    return sorted({float(level) for level in found})


def check_count(name: str, count: int | None) -> None:
    """Raise ConfigError for a count that is none."""
    if count is not None and (type(count) is not int or count < 1):
        raise ConfigError(f"{option_name(name)} is {SHORT.repr(count)}, but must be a whole number from 1 on.")


def rows_of(series: Series, names: Sequence[str]) -> list[int]:
    """Return the numbers of the series with these names. Raises ConfigError for an unknown one."""
    number = {name: k for k, name in enumerate(series.ids)}
    if not len(names):
        raise ConfigError("No series is named, so there is nothing to forecast.")
    for name in names:
        if name not in number:
            raise ConfigError(f"There is no series {SHORT.repr(name)}.{nearest(str(name)[:100], number)}")
    return [number[name] for name in names]
