"""Reading a column of times: what its cells look like decides how they are written, and then they are read by numpy."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.cells import INTEGER, MONTHS, form_of
from seqcli.core.tasks.forecast.frequency import DAY, HOUR, Ints
from seqcli.errors import DataError

WIDTH = 40  # the longest cell that can be a time
ISO = "Write times like 2024-01-31 or 2024-01-31 13:00:00."


class TimeColumn:
    """Reads the cells of a column of times, chunk by chunk, and turns all of them into times at the end.

    All cells must be written in one way. Where the first of two numbers may be a day or a month, the whole column
    decides.
    """

    def __init__(self) -> None:
        self.pattern: str | None = None  # how the first cell is written
        self.first = ""  # the first cell
        self.integers = False
        self.padded = True
        self.fraction = 0  # how many digits of a second are written
        self.greatest = [0, 0]  # of the two numbers that may be days
        self.digits: set[int] = set()  # how long integers are
        self.zone = ""
        self.offset = 0

    def read(self, cells: Sequence[str]) -> tuple[Ints, dict[int, str]]:
        """Return cells as numbers (n,) to give to `finish`, and what is wrong with those that are wrong."""
        texts = np.array([cell if cell.isascii() else "?" for cell in cells], dtype=f"S{WIDTH}")
        matrix = texts.view(np.uint8).reshape(len(cells), WIDTH)  # (n, WIDTH)
        shapes = np.where((matrix >= 48) & (matrix <= 57), np.uint8(48), matrix)
        values = np.zeros(len(cells), dtype=np.int64)
        wrong: dict[int, str] = {}
        if (shapes == shapes[0]).all():
            groups = [np.arange(len(cells))]
        else:
            _, inverse = np.unique(np.ascontiguousarray(shapes).view(f"S{WIDTH}").ravel(), return_inverse=True)
            order = np.argsort(inverse, kind="stable")
            groups = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
            groups.sort(key=lambda rows: int(rows[0]))
        for rows in groups:
            shape = bytes(shapes[rows[0]]).rstrip(b"\0").decode()
            if problem := self._accept(shape, cells[int(rows[0])]):
                wrong.update((row, problem) for row in rows.tolist())
            elif self.integers:
                values[rows] = [int(cells[row]) for row in rows.tolist()]
                self.digits.add(len(shape) if shape.isdigit() else 0)
            else:
                form = form_of(shape)
                assert form is not None, "accepted"
                values[rows], bad = self._parse(matrix[rows], form[1], shape)
                wrong.update((row, "no date of the calendar") for row in rows[bad].tolist())
        return values, wrong

    def _accept(self, shape: str, cell: str) -> str:
        """Return what is wrong with cells of this shape, "" if nothing; the first cell decides how all are written."""
        integer = INTEGER.fullmatch(shape) is not None
        form = None if integer else form_of(shape)
        if not integer and form is None:
            return f"no time that is understood: {ISO}"
        pattern = form[0] if form else ""
        if self.pattern is None:
            self.pattern, self.first, self.integers = pattern, cell, integer
        if pattern != self.pattern:
            return f"written otherwise than {self.first!r}, the first one"
        if form:
            widths = {name: end - start for name, (start, end) in form[1].items()}
            self.padded &= all(widths.get(name, 2) == 2 for name in "mdabH")
            self.fraction = max(self.fraction, widths.get("f", 0))
        return ""

    def _parse(
        self, matrix: NDArray[np.uint8], parts: dict[str, tuple[int, int]], shape: str
    ) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the times of cells of one shape, given as characters (n, WIDTH), and which of them are impossible."""

        def number(name: str, default: int = 0) -> Ints:
            value = np.full(len(matrix), 0 if name in parts else default, dtype=np.int64)
            for k in range(*parts.get(name, (0, 0))):
                value = value * 10 + matrix[:, k].astype(np.int64) - 48
            return value

        hour, minute, second = number("H"), number("M"), number("S")
        bad = (hour > 23) | (minute > 59) | (second > 59) | (number("f") != 0)
        if "p" in parts:
            bad |= (hour < 1) | (hour > 12)
            hour = hour % 12 + 12 * (matrix[:, parts["p"][0]] == ord("P"))
        clock = hour * HOUR + minute * 60 + second
        if "z" in parts:
            clock -= self._zone(matrix, *parts["z"])
        year = number("Y")
        if "a" in parts:  # the order of day and month is known at the end only
            a, b = number("a"), number("b")
            bad |= (np.minimum(a, b) < 1) | (np.minimum(a, b) > 12) | (np.maximum(a, b) > 31)
            if not bad.all():
                self.greatest = [max(self.greatest[0], int(a[~bad].max())), max(self.greatest[1], int(b[~bad].max()))]
            return ((year * 100 + a) * 100 + b) * 4 * DAY + clock + DAY, bad
        month = number("m", 1)
        if "q" in parts:
            quarter = number("q")
            bad |= (quarter < 1) | (quarter > 4)
            month = quarter * 3 - 2
        if "n" in parts:
            month = np.full(len(matrix), MONTHS.index(shape[slice(*parts["n"])]) + 1)
        days, impossible = days_of(year, month, number("d", 1))
        return days * DAY + clock, bad | impossible

    def _zone(self, matrix: NDArray[np.uint8], start: int, end: int) -> Ints:
        """Return the offsets from UTC of cells, in seconds; the last one is remembered."""
        zones = np.ascontiguousarray(matrix[:, start:end])
        texts = zones.view(f"S{end - start}").ravel()
        offsets = np.zeros(len(matrix), dtype=np.int64)
        for text in np.unique(texts):
            zone = text.decode()
            digits = re.sub(r"\D", "", zone).ljust(4, "0")
            seconds = (-1 if "-" in zone else 1) * (int(digits[:2]) * HOUR + int(digits[2:]) * 60)
            offsets[texts == text] = seconds
        self.zone = texts[-1].decode()
        self.offset = int(offsets[-1])
        return offsets

    def finish(self, values: Ints) -> NDArray[np.generic]:
        """Return the values of all chunks (N,) as times: datetime64[s] in UTC, or integers.

        `pattern` then says how they are written. Raises DataError if the order of day and month remains open.
        """
        if self.integers:
            return self._dates_in_digits(values)
        pattern = self.pattern or ""
        if "%a" in pattern:
            values, pattern = self._ordered(values, pattern)
        if not self.padded:
            pattern = re.sub(r"%([mdHI])", r"%-\1", pattern)
        self.pattern = pattern.replace("%f", "0" * self.fraction)
        return values.astype("datetime64[s]")

    def _ordered(self, values: Ints, pattern: str) -> tuple[Ints, str]:
        """Decide which of two numbers is the day, and return the times and how they are written."""
        dates, clock = np.divmod(values, 4 * DAY)
        first, second = dates // 100 % 100, dates % 100
        if min(self.greatest) > 12 or max(self.greatest) <= 12:
            both = min(self.greatest) > 12
            why = "the day is first in some and second in others" if both else "no day is greater than 12"
            raise DataError(
                f"Times like {self.first!r} have a day and a month in an order that cannot be seen: {why}. {ISO}"
            )
        day_first = self.greatest[0] > 12
        day, month = (first, second) if day_first else (second, first)
        days, bad = days_of(dates // 10_000, month, day)
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"{first[row]}/{second[row]}/{dates[row] // 10_000} is no date of the calendar. {ISO}")
        order = ("%d", "%m") if day_first else ("%m", "%d")
        return days * DAY + clock - DAY, pattern.replace("%a", order[0]).replace("%B", order[1])

    def _dates_in_digits(self, values: Ints) -> NDArray[np.generic]:
        """Return integers as they are, or as dates if all of them are like 20240131, 202401 or 1999."""
        day, month = values % 100, values // 100 % 100
        if self.digits == {8}:
            days, bad = days_of(values // 10_000, month, day)
            if not bad.any() and _usual(values // 10_000):
                self.pattern = "%Y%m%d"
                return (days * DAY).astype("datetime64[s]")
        if self.digits == {6} and _usual(values // 100):
            days, bad = days_of(values // 100, day, np.ones_like(day))
            if not bad.any():
                self.pattern = "%Y%m"
                return (days * DAY).astype("datetime64[s]")
        if self.digits == {4} and _usual(values):
            self.pattern = "%Y"
            return (days_of(values, np.ones_like(day), np.ones_like(day))[0] * DAY).astype("datetime64[s]")
        self.pattern = ""
        return values


def _usual(years: Ints) -> bool:
    """Return whether all numbers are years of which there are records."""
    return bool((years >= 1500).all() and (years < 2200).all())


def days_of(year: Ints, month: Ints, day: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return dates as days since 1970 (n,), and which of them are not in the calendar."""
    bad = (month < 1) | (month > 12) | (day < 1)
    months = ((year - 1970) * 12 + np.where(bad, 1, month) - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    return first + day - 1, bad | (day > length)
