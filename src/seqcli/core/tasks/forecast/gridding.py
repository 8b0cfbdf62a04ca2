"""Putting rows in order and onto the regular grid of their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.core.events import Say
from seqcli.core.tasks.forecast.frequency import Frequency, Ints
from seqcli.core.tasks.forecast.series import Floats, Series
from seqcli.core.tasks.forecast.times import TimeColumn
from seqcli.errors import DataError

EMPTY = 50  # a grid with more than so many steps for each row is refused: it would fill the memory with nothing
SMALL = 1_000_000  # unless it is smaller than this


@dataclass
class Rows:
    """Rows of files in the order in which they were read, of any series."""

    codes: NDArray[np.int32]  # (N,) which series each belongs to
    times: NDArray[np.generic] | None  # (N,) datetime64[s] or integers; None: the rows of a series are its steps
    lines: NDArray[np.uint32]  # (N,) the line of the file
    values: Floats  # (N,)
    ids: list[str]
    files: Sequence[tuple[Path, int]]  # each file, and how many rows were read when it ended
    read: int  # how many rows there were; with a column a series, each makes several of the N

    origin: Ints | None = None  # (N,) which row each was when it was read; None: they are in that order

    def take(self, order: Ints) -> None:
        """Put the rows in another order."""
        self.origin = order if self.origin is None else self.origin[order]
        self.codes, self.lines, self.values = self.codes[order], self.lines[order], self.values[order]
        if self.times is not None:
            self.times = self.times[order]

    def place(self, row: int) -> str:
        """Return where a row comes from, in words."""
        origin = row if self.origin is None else int(self.origin[row])
        path = next(path for path, end in self.files if origin % self.read < end)
        return f"{path}, line {self.lines[row]}"


def on_grid(rows: Rows, column: TimeColumn, given: Frequency | None, say: Say) -> Series:
    """Return rows as series on a regular grid. Raises DataError."""
    if (np.diff(rows.codes) < 0).any():
        rows.take(np.argsort(rows.codes, kind="stable"))
    counts = np.bincount(rows.codes, minlength=len(rows.ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if rows.times is None:
        times: NDArray[np.generic] = np.arange(1, len(rows.codes) + 1) - np.repeat(offsets[:-1], counts)
        frequency = Frequency("integers", 1)
    else:
        _sort(rows, offsets, say)
        times = rows.times
        frequency = Frequency.infer(
            times, offsets, rows.ids, pattern=column.pattern or "", offset=column.offset, zone=column.zone,
            given=given, place=rows.place,
        )  # fmt: skip
    numbers = frequency.numbers(times)
    return _trimmed(rows, offsets, numbers, frequency)


def _sort(rows: Rows, offsets: Ints, say: Say) -> None:
    """Put the rows of each series in the order of their times. Raises DataError if one comes twice."""
    assert rows.times is not None
    steps = np.diff(rows.times.astype(np.int64))
    steps[offsets[1:-1] - 1] = 1
    if backwards := int((steps < 0).sum()):
        rows.take(np.lexsort((rows.times, rows.codes)))
        say(f"{backwards} rows came before earlier ones of their series; they were sorted by time.")
        steps = np.diff(rows.times.astype(np.int64))
        steps[offsets[1:-1] - 1] = 1
    if (steps == 0).any():
        row = int(np.argmax(steps == 0))
        twice = f"{rows.place(row + 1)}: series {rows.ids[rows.codes[row]]!r} has this time twice"
        raise DataError(f"{twice}; the other is in {rows.place(row)}.")


def _trimmed(rows: Rows, offsets: Ints, numbers: Ints, frequency: Frequency) -> Series:
    """Return series from their first observed value on, with gaps filled by NaN."""
    observed = ~np.isnan(rows.values)
    index = np.arange(len(numbers))
    first = np.minimum.reduceat(np.where(observed, index, len(index)), offsets[:-1])
    last = np.maximum.reduceat(np.where(observed, index, -1), offsets[:-1])
    if (last < 0).any():
        raise DataError(f"Series {rows.ids[int(np.argmax(last < 0))]!r} has no value, only gaps; leave it out.")
    starts = numbers[first]
    lengths = numbers[last] - starts + 1
    grid = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.full(int(grid[-1]), np.nan)
    counts = np.diff(offsets)
    inside = (index >= np.repeat(first, counts)) & (index <= np.repeat(last, counts))
    target = numbers - np.repeat(starts - grid[:-1], counts)
    values[target[inside]] = rows.values[inside]
    return Series(rows.ids, grid, starts, values, lengths, frequency)
