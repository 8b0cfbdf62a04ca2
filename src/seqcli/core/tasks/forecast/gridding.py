"""Putting rows in order and onto the regular grid of their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.events import Say
from seqcli.core.tasks.forecast.columns import Asked
from seqcli.core.tasks.forecast.frequency import Frequency, Ints
from seqcli.core.tasks.forecast.series import Column, Floats, Series
from seqcli.core.tasks.forecast.times import TimeColumn
from seqcli.errors import DataError

EMPTY = 50  # a grid with more than so many steps for each row is refused: it would fill the memory with nothing
SMALL = 1_000_000  # unless it is smaller than this


@dataclass
class Rows:
    """N rows of files, in the order in which they were read, of any series."""

    codes: NDArray[np.int32]  # (N,) which series each belongs to
    times: NDArray[Any] | None  # (N,) datetime64[s] or integers; None: the rows of a series are its steps
    lines: NDArray[np.uint32]  # (N,) the line of the file
    values: Floats  # (N,)
    columns: dict[str, Column]  # the covariates by name, (N,)
    ids: list[str]  # (S,) the names of the series
    files: Sequence[tuple[Path, int]]  # each file, and how many rows were read when it ended
    read: int  # how many rows were read; where each column is a series, N is that for every one
    origin: Ints | None = None  # (N,) which row each was when it was read; None: they are in that order

    def take(self, order: Ints) -> None:
        """Put the rows in another order."""
        self.origin = order if self.origin is None else self.origin[order]
        self.codes, self.lines, self.values = self.codes[order], self.lines[order], self.values[order]
        if self.times is not None:
            self.times = self.times[order]
        for name, column in self.columns.items():
            self.columns[name] = (column[0][order], column[1]) if isinstance(column, tuple) else column[order]

    def place(self, row: int) -> str:
        """Return where a row comes from, in words."""
        origin = row if self.origin is None else int(self.origin[row])
        path = next(path for path, end in self.files if origin % self.read < end)
        return f"{path}, line {self.lines[row]}"


def on_grid(rows: Rows, column: TimeColumn, given: Frequency | None, asked: Asked, say: Say) -> Series:
    """Return rows as series on a regular grid. Raises DataError."""
    if (np.diff(rows.codes) < 0).any():
        rows.take(np.argsort(rows.codes, kind="stable"))
    counts = np.bincount(rows.codes, minlength=len(rows.ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if rows.times is None:
        if given is not None and given.kind != "integers":
            raise DataError(f"{rows.files[0][0]} has no column of times, but the model's series are {given.name}.")
        numbers = np.arange(1, len(rows.codes) + 1) - np.repeat(offsets[:-1], counts)
        frequency = given or Frequency("integers", 1)
    else:
        _sort(rows, offsets, column.pattern or "", say)
        frequency = Frequency.infer(
            rows.times, offsets, rows.ids, pattern=column.pattern or "", offset=column.offset, zone=column.zone,
            given=given, place=rows.place,
        )  # fmt: skip
        numbers = frequency.numbers(rows.times)
        rows.times = None  # they are no longer needed, and many
    return _filled(rows, offsets, numbers, frequency, asked)


def _sort(rows: Rows, offsets: Ints, pattern: str, say: Say) -> None:
    """Put the rows of each series in the order of their times. Raises DataError if one comes twice."""
    steps = _steps(rows, offsets)
    if backwards := int((steps < 0).sum()):
        rows.take(np.lexsort((rows.times.astype(np.int64) if rows.times is not None else rows.codes, rows.codes)))
        came = "row comes" if backwards == 1 else "rows come"
        say(f"{backwards:,} {came} after a later time of the same series; the rows were sorted by time.")
        steps = _steps(rows, offsets)
    if (steps == 0).any():
        row = int(np.argmax(steps == 0))
        hint = "Leave one out, or mend its time."
        if ("%H" in pattern or "%-H" in pattern) and "%z" not in pattern:
            hint += " Where clocks are set back, give times in UTC, or with their offset like 2024-10-27T02:30+01:00."
        if len(rows.ids) == 1:
            hint += " If a column names several series, say which: --id-column."
        else:
            hint += " If two columns together name a series, join them into one."
        series = f"series {rows.ids[rows.codes[row]]!r}"
        raise DataError(f"{rows.place(row + 1)}: {series} has the same time in {rows.place(row)}. {hint}")


def _steps(rows: Rows, offsets: Ints) -> Ints:
    """Return the distances between the times of neighbouring rows (N - 1,), 1 between two series."""
    assert rows.times is not None, "rows without times are in order"
    times: Ints = rows.times.astype(np.int64)
    steps = np.diff(times)
    steps[offsets[1:-1] - 1] = 1
    return steps


def _filled(rows: Rows, offsets: Ints, numbers: Ints, frequency: Frequency, asked: Asked) -> Series:
    """Return series from their first observed value on, with gaps filled by NaN.

    They end with their last observed value, or where columns of the future are known, with their last row.
    """
    observed = ~np.isnan(rows.values)
    index = np.arange(len(numbers))
    first = np.minimum.reduceat(np.where(observed, index, len(index)), offsets[:-1])
    observed_last = np.maximum.reduceat(np.where(observed, index, -1), offsets[:-1])
    if (observed_last < 0).any():
        name = rows.ids[int(np.argmax(observed_last < 0))]
        raise DataError(f"Series {name!r} of {rows.files[0][0]} has no value at all, only gaps; leave it out.")
    last = offsets[1:] - 1 if asked.known else observed_last
    starts = numbers[first]
    lengths = numbers[last] - starts + 1
    _check_density(rows, np.diff(offsets), lengths, frequency)
    grid = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    counts = np.diff(offsets)
    inside = (index >= np.repeat(first, counts)) & (index <= np.repeat(last, counts))
    target = (numbers - np.repeat(starts - grid[:-1], counts))[inside]
    del index, observed

    def spread(column: Column) -> Column:
        if isinstance(column, tuple):
            codes = np.full(int(grid[-1]), -1, dtype=np.int32)
            codes[target] = column[0][inside]
            return codes, column[1]
        out = np.full(int(grid[-1]), np.nan)
        out[target] = column[inside]
        return out

    static = {name: _constant(rows, name, offsets) for name in asked.static}
    values = np.full(int(grid[-1]), np.nan)
    values[target] = rows.values[inside]
    known = {name: spread(rows.columns[name]) for name in asked.known}
    past = {name: spread(rows.columns[name]) for name in asked.past}
    return Series(rows.ids, grid, starts, values, numbers[observed_last] - starts + 1, frequency, known, past, static)


def _check_density(rows: Rows, counts: Ints, lengths: Ints, frequency: Frequency) -> None:
    """Raise DataError if the grid has far more steps than there are rows."""
    total = int(lengths.sum())
    if total > max(SMALL, EMPTY * len(rows.codes)):
        k = int(np.argmax(lengths / counts))
        raise DataError(
            f"Series {rows.ids[k]!r} of {rows.files[0][0]} has {counts[k]:,} rows in {lengths[k]:,} steps, as it is "
            f"{frequency.name}: nearly all of it is gaps. Is one of its times wrong?"
        )


def _constant(rows: Rows, name: str, offsets: Ints) -> list[str] | Floats:
    """Return what a column says of each series (S,). Raises DataError if it says two things of one."""
    column = rows.columns[name]
    counts = np.diff(offsets)
    if isinstance(column, tuple):
        codes, names = column
        of = np.maximum.reduceat(codes, offsets[:-1])
        differs = (codes != np.repeat(of, counts)) & (codes >= 0)
    else:
        numbers = np.fmax.reduceat(column, offsets[:-1])
        differs = (column != np.repeat(numbers, counts)) & ~np.isnan(column)
    if differs.any():
        k = int(rows.codes[np.argmax(differs)])
        inside: NDArray[Any] = (codes if isinstance(column, tuple) else column)[offsets[k] : offsets[k + 1]]
        given = np.flatnonzero(inside >= 0 if isinstance(column, tuple) else ~np.isnan(inside))
        row = int(offsets[k] + given[np.argmax(inside[given] != inside[given[0]])])
        raise DataError(
            f"{rows.place(row)}: column {name!r} changes within series {rows.ids[rows.codes[row]]!r}, so it is not "
            "static. Name it by --known if its future is known, else by --past."
        )
    return [names[k] if k >= 0 else "" for k in of.tolist()] if isinstance(column, tuple) else numbers
