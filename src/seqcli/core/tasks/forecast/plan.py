"""The plan of a forecaster: its options, with horizon, seasons and sizes chosen by the series and the machine."""

import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from seqcli.core.config import Limits, Positive, decided, options
from seqcli.core.tasks.forecast.options import ForecastOptions
from seqcli.core.training.plan import RecurrentPlan, budget, machine, optimization
from seqcli.errors import ConfigError, DataError

if TYPE_CHECKING:
    import torch

DAYS, WEEKS = 5, 2  # how many of the shorter and of the longer season the network sees, beside the horizon
LONGEST = 1000  # steps that it sees at most, unless the user says otherwise
TINY, FEW = 2000, 20_000  # with fewer values than this, networks and steps are smaller
FEW_STEPS = 400  # steps that a training makes at least, unless the user says otherwise
STEPS = 16  # how many steps the recurrent network makes at most over what it sees, if patches can be longer


@options
class ForecastPlan(RecurrentPlan, ForecastOptions):
    """The plan of training a forecaster."""

    task: Literal["forecast"] = decided()
    horizon: Annotated[int, Limits(ge=1, le=10_000)] = decided()
    seasons: str = decided()
    history: Annotated[int, Limits(ge=1, le=100_000)] = decided()
    patch: Positive = decided()
    likelihood: Literal["quantile", "student-t", "normal", "negative-binomial"] = decided()
    batch_size: Positive = decided()

    @property
    def seasons_list(self) -> tuple[int, ...]:
        """The lengths of the seasons in steps, the shortest first."""
        return seasons_in(self.seasons)

    @property
    def season(self) -> int:
        """The length of the shortest season in steps, 1 without seasons."""
        return self.seasons_list[0] if self.seasons_list else 1


class Sizes(NamedTuple):
    """What the plan needs to know about the series."""

    series: int
    values: int  # in all of them
    typical: int  # steps of a typical series: three quarters are at least as long


def names_in(columns: str | None) -> tuple[str, ...]:
    """Return the names of columns in an option like NAME,NAME."""
    return tuple(name.strip() for name in columns.split(",") if name.strip()) if columns else ()


def seasons_in(text: str) -> tuple[int, ...]:
    """Return the seasons in an option like 24,168, the shortest first. Raises ConfigError for anything else."""
    if text.strip() in ("none", "0", "1"):
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,6}", part) for part in parts) or len(parts) > 2:
        raise ConfigError(f"--seasons is {text[:80]!r}, but must be one or two numbers of steps, like 24,168, or none.")
    found = tuple(sorted({int(part) for part in parts}))
    if found[0] < 2:
        raise ConfigError(f"--seasons is {text!r}, but a season has at least 2 steps; none is for series without.")
    return found


def check(options: ForecastOptions) -> None:
    """Raise ConfigError for options that contradict each other."""
    c = options
    if c.decode == "sample" and c.likelihood == "quantile":
        raise ConfigError(
            "--decode sample draws from a distribution, and --likelihood quantile is none: "
            "take student-t, normal or negative-binomial."
        )
    if c.decode == "sample" and c.patch not in (None, 1):
        raise ConfigError("--decode sample reads one value in a step: leave --patch out.")
    if c.decode == "sample" and c.history == 1:
        raise ConfigError("--history is 1, but --decode sample reads a step and the one before it: at least 2.")
    seasons = seasons_in(c.seasons) if c.seasons is not None else ()
    if c.history is not None and seasons and c.history < seasons[0]:
        raise ConfigError(f"--history {c.history} is less than a season of {seasons[0]} steps.")
    if c.history is not None and c.patch is not None and c.history % c.patch:
        raise ConfigError(f"--history {c.history} is no multiple of --patch {c.patch}.")
    columns = [name for option in (c.known, c.past, c.static) for name in names_in(option)]
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise ConfigError(f"The column {twice[0]!r} is named twice among --known, --past and --static.")


def make_plan(
    options: ForecastOptions,
    sizes: Sizes,
    seasons: tuple[int, ...],
    horizon: int,
    device: "torch.device",
    *,
    bounded: bool = True,
) -> ForecastPlan:
    """Make the plan for series of these sizes, with these seasons and this horizon.

    By default the number of epochs has a bound. `bounded` is False for a run that is resumed, whose budget must stay as
    it is. Raises DataError when the series are too short for the horizon.
    """
    c = options
    if sizes.typical < horizon + 2:
        raise DataError(
            f"Most series have less than {horizon + 2} values, too few to learn to forecast {horizon} of them from "
            "those before. Lower --horizon."
        )
    seasons = tuple(season for season in seasons if season <= sizes.typical - horizon)
    history, patch = lengths(c, seasons, horizon, sizes.typical)
    seasons = tuple(season for season in seasons if season <= history)
    kind = c.likelihood or ("quantile" if c.decode == "direct" else "student-t")
    tiny, few = sizes.values < TINY, sizes.values < FEW
    batch_size = c.batch_size or (32 if few else 128)
    steps = -(-sizes.values // (batch_size * horizon))  # in an epoch
    epochs = max(20.0, FEW_STEPS / steps)
    return ForecastPlan(
        **{
            **c.as_dict(),
            **machine(c, device),
            **budget(c, epochs if bounded else None),
            **optimization(c, 0.2 if few else 0.5),  # few values are soon learnt by heart
            "eval_every": c.eval_every or (10 if few else None),
            "horizon": horizon,
            "seasons": ",".join(map(str, seasons)) or "none",
            "history": history,
            "patch": patch,
            "likelihood": kind,
            "hidden": c.hidden or (32 if tiny else 64 if few else 128),
            "dropout": (0.2 if few else 0.1) if c.dropout is None else c.dropout,
            "batch_size": batch_size,
        }
    )


def lengths(options: ForecastOptions, seasons: tuple[int, ...], horizon: int, typical: int) -> tuple[int, int]:
    """Choose how many steps the network sees, and how many values it reads in a step.

    It sees a few seasons beside those that the horizon is long, but no more than a typical series has before its
    horizon. It reads so many values in a step that its steps are not too many, if possible a part of a season.
    """
    c = options
    wanted = 3 * horizon if not seasons else (DAYS + -(-horizon // seasons[0])) * seasons[0]
    if len(seasons) > 1:
        wanted = max(wanted, WEEKS * seasons[1])
    wanted = max(8, min(wanted, LONGEST, typical - horizon))
    if c.decode == "sample":
        return c.history or wanted, 1
    history = c.history or wanted
    patch = c.patch
    if patch is None:
        unit = seasons[0] if seasons else history
        fitting = [p for p in range(1, history + 1) if not (unit % p if seasons else 0) and history // p <= STEPS]
        fitting = [p for p in fitting if c.history is None or not history % p]
        patch = fitting[0] if fitting else 1
    if c.history is None:
        history = max(patch, history // patch * patch)
    return history, patch
