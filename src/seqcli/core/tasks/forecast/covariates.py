"""Covariates: how the columns beside the values become numbers for the network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcli.core.events import Say, silent
from seqcli.core.tasks.forecast.series import Column, Series
from seqcli.errors import ConfigError, DataError

MOST = 50  # categories of a column; each takes a number of the network's input
FARTHEST = 1e6  # standard deviations from the mean; what is farther away counts as that
COLUMNS = 1000  # and columns of a model file
Place = Literal["known", "past", "static"]
PLACES: tuple[Place, ...] = ("known", "past", "static")
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: they are standardized by the mean and the standard deviation of the training data.

    A missing number becomes 0, which is the mean. If the training data lack some, one more column says where.
    """

    mean: float
    std: float
    flag: bool  # whether a column says which numbers are missing

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return 1 + self.flag

    def fill(self, out: Matrix, column: NDArray[np.float64]) -> None:
        """Write a column (n,) into out (n, width)."""
        missing = np.isnan(column)
        with np.errstate(over="ignore"):
            standard = np.clip((column - self.mean) / self.std, -FARTHEST, FARTHEST)
        out[:, 0] = np.where(missing, 0.0, standard)
        if self.flag:
            out[:, 1] = missing


@dataclass(frozen=True)
class Categories:
    """A column of categories: each of the training data has a number that is 1 where the column says so, and else 0.

    A missing category, and one that the training data lack, is all zeros.
    """

    names: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return len(self.names)

    def fill(self, out: Matrix, codes: NDArray[np.int32], names: Sequence[str]) -> set[str]:
        """Write a column, given as codes (n,) of names (-1: none), into out (n, width); return the unseen names."""
        numbers = {name: k for k, name in enumerate(self.names)}
        place = np.array([numbers.get(name, -1) for name in names] + [-1], dtype=np.int64)[codes]  # (n,)
        out[:] = 0
        rows = np.flatnonzero(place >= 0)
        out[rows, place[rows]] = 1
        used = np.bincount(codes[codes >= 0], minlength=len(names))
        return {name for name, count in zip(names, used, strict=True) if count and name not in numbers}


@dataclass
class Covariates:
    """What becomes of the known, past and static columns of series, by their names in this order."""

    columns: dict[Place, dict[str, Numeric | Categories]]
    say: Say = field(default=silent, compare=False, repr=False)
    told: set[str] = field(default_factory=set, compare=False, repr=False)  # columns whose unseen categories were said

    @classmethod
    def fit(cls, series: Series, say: Say = silent) -> "Covariates":
        """Learn from training data what their columns become. Raises ConfigError for one with too many categories."""
        columns: dict[Place, dict[str, Numeric | Categories]] = {
            place: {name: _learnt(name, column) for name, column in _columns(series, place).items()} for place in PLACES
        }
        return cls(columns, say)

    def width(self, place: Place) -> int:
        """Return how many numbers the columns of a place become."""
        return sum(column.width for column in self.columns[place].values())

    def known(self, series: Series) -> Matrix:
        """Return the known columns as (N, K) numbers. Raises DataError if one is missing, or of another kind."""
        return self._matrix(series, "known", len(series.values))

    def past(self, series: Series) -> Matrix:
        """Return the past columns as (N, P) numbers. Raises DataError as `known` does."""
        return self._matrix(series, "past", len(series.values))

    def static(self, series: Series) -> Matrix:
        """Return the static columns as (S, Q) numbers. Raises DataError as `known` does."""
        return self._matrix(series, "static", len(series))

    def _matrix(self, series: Series, place: Place, rows: int) -> Matrix:
        """Return the columns of a place as numbers (rows, width)."""
        out: Matrix = np.zeros((rows, self.width(place)), dtype=np.float32)
        given = _columns(series, place)
        at = 0
        for name, how in self.columns[place].items():
            if name not in given:
                raise DataError(f"The model was trained with the column {name!r} (--{place}), which these series lack.")
            part, column = out[:, at : at + how.width], given[name]
            at += how.width
            if isinstance(how, Numeric):
                if isinstance(column, tuple):
                    raise DataError(
                        f"Column {name!r} had numbers when the model was trained, and now has {_some(column)}."
                    )
                how.fill(part, column)
                continue
            codes, names = column if isinstance(column, tuple) else _as_codes(column)
            unseen = sorted(how.fill(part, codes, names))
            if unseen and name not in self.told:
                self.told.add(name)
                self.say(
                    f"Column {name!r} has {unseen[0]!r}, unknown to the model; it counts as none of those it knows."
                )
        return out

    # --- in a model file --------------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """Return it as values for JSON; `of` is the way back."""
        return {
            place: [
                {"name": name, "categories": list(column.names)}
                if isinstance(column, Categories)
                else {"name": name, "mean": column.mean, "std": column.std, "flag": column.flag}
                for name, column in self.columns[place].items()
            ]
            for place in PLACES
        }

    @classmethod
    def of(cls, values: Any, say: Say = silent) -> "Covariates":
        """Make it from the values of `as_dict`, which may come from anybody. Raises ValueError for any others."""
        if not isinstance(values, Mapping) or set(values) != set(PLACES):
            raise ValueError("covariates are no mapping of known, past and static ones")
        columns: dict[Place, dict[str, Numeric | Categories]] = {}
        for place in PLACES:
            if not isinstance(values[place], list) or len(values[place]) > COLUMNS:
                raise ValueError(f"the {place} covariates are no list")
            made = dict(map(_column_of, values[place]))
            if len(made) != len(values[place]):
                raise ValueError(f"two {place} covariates have one name")
            columns[place] = made
        return cls(columns, say)


def missing_known(series: Series, horizon: int) -> str | None:
    """Return a sentence that says for which series and times known covariates lack their future, else None.

    The future is the `horizon` steps after the last observed value of each series. A cell without a value counts as
    missing.
    """
    if not series.known:
        return None
    lacking: list[int] = []  # the series
    first: tuple[int, str, list[int]] | None = None  # the first of them, a column that it lacks, and at which steps
    for k in range(len(series)):
        steps = np.arange(series.ends[k], series.ends[k] + horizon)
        length = int(series.offsets[k + 1] - series.offsets[k])
        inside = series.offsets[k] + np.minimum(steps, length - 1)
        for name, column in series.known.items():
            empty = column[0][inside] < 0 if isinstance(column, tuple) else np.isnan(column[inside])
            if (gone := empty | (steps >= length)).any():
                lacking.append(k)
                first = first or (k, name, steps[gone].tolist())
                break
    if first is None:
        return None
    k, name, steps_gone = first
    times = series.frequency.texts(series.starts[k] + np.array([steps_gone[0], steps_gone[-1]]))
    when = times[0] if len(steps_gone) == 1 else f"{len(steps_gone)} times from {times[0]} to {times[1]}"
    others = f" {len(lacking) - 1} other series lack some too." if len(lacking) > 1 else ""
    return (
        f"Series {series.ids[k]!r} lacks the future of {name!r} at {when}: add rows with it and an empty value.{others}"
    )


def _columns(series: Series, place: Place) -> dict[str, Column]:
    """Return the columns of a place by name, the texts of static ones as codes."""
    if place != "static":
        return series.known if place == "known" else series.past
    out: dict[str, Column] = {}
    for name, column in series.static.items():
        if isinstance(column, list):
            names = [text for text in dict.fromkeys(column) if text]
            numbers = {text: k for k, text in enumerate(names)}
            out[name] = np.array([numbers.get(text, -1) for text in column], dtype=np.int32), names
        else:
            out[name] = column
    return out


def _learnt(name: str, column: Column) -> Numeric | Categories:
    """Return what a column of the training data becomes."""
    if isinstance(column, tuple):
        used = np.bincount(column[0][column[0] >= 0], minlength=len(column[1]))
        names = tuple(text for text, count in zip(column[1], used, strict=True) if count)
        if len(names) > MOST:
            raise ConfigError(
                f"Column {name!r} has {len(names):,} categories; at most {MOST} are possible, so join some."
            )
        return Categories(names)
    observed = column[~np.isnan(column)]
    if not len(observed):
        return Numeric(0.0, 1.0, False)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(observed.mean()), float(observed.std())
    if not (math.isfinite(mean) and math.isfinite(std)):
        raise DataError(f"The numbers of column {name!r} are too large to take their mean.")
    same = std <= 1e-9 * abs(mean)  # but for rounding
    return Numeric(mean, 1.0 if same else std, len(observed) < len(column))


def _as_codes(column: NDArray[np.float64]) -> tuple[NDArray[np.int32], list[str]]:
    """Return numbers (n,) as categories: a file may by chance have only such categories as are numbers."""
    distinct, codes = np.unique(column, return_inverse=True)
    names = [f"{number:g}" for number in distinct.tolist()]
    return np.where(np.isnan(column), -1, codes).astype(np.int32), names


def _some(column: tuple[NDArray[np.int32], list[str]]) -> str:
    """Return one of the texts of a column that has some, quoted."""
    return repr(column[1][0]) if column[1] else "none"


def _column_of(values: Any) -> tuple[str, Numeric | Categories]:
    """Return a column from its values in a model file. Raises ValueError."""
    if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
        raise ValueError("a covariate has no name")
    name = values["name"]
    if set(values) == {"name", "categories"}:
        names = values["categories"]
        if not isinstance(names, list) or len(names) > MOST or not all(isinstance(text, str) for text in names):
            raise ValueError("the categories of a covariate are no list of texts")
        if len(set(names)) != len(names):
            raise ValueError("a covariate has a category twice")
        return name, Categories(tuple(names))
    if set(values) != {"name", "mean", "std", "flag"} or not isinstance(values["flag"], bool):
        raise ValueError("a covariate is neither numbers nor categories")
    numbers = [values["mean"], values["std"]]
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        raise ValueError("the mean of a covariate is no number")
    try:
        mean, std = map(float, numbers)
    except OverflowError:
        raise ValueError("the mean of a covariate is too large") from None
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise ValueError("the mean of a covariate is not finite, or its deviation not positive")
    return name, Numeric(mean, std, values["flag"])
