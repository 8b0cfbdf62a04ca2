"""Reading a column of times: what its cells look like says how they are written, and then numpy reads them."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.cells import INTEGER, ISO, MONTHS, form_of
from seqcli.core.tasks.forecast.frequency import DAY, HOUR, Ints
from seqcli.errors import DataError

WIDTH = 40  # the longest cell that can be a time
ZONES = 1 << 17  # more than there are seconds in the offsets from UTC, which are less than a day either way
Bytes = NDArray[np.uint8]


class TimeColumn:
    """Reads the cells of a column of times, chunk by chunk, and turns all of them into times at the end.

    All cells must be written in one way. Where the first of two numbers may be a day or a month, the whole column
    decides, and so it does whether whole numbers are dates.
    """

    def __init__(self, plain: bool = False) -> None:
        """With `plain`, whole numbers are steps, and never dates like 20240131 or years."""
        self.plain = plain
        self.pattern: str | None = None  # how the first cell is written
        self.first = ""  # the first cell, and where it is
        self.integers = False
        self.padded = True  # whether all days, months and hours have two digits
        self.fraction = 0  # how many digits of a second are written
        self.greatest = [0, 0]  # of the two numbers that may be days
        self.digits: set[int] = set()  # how long the whole numbers are
        self.zones: dict[int, str] = {}  # the offsets from UTC in seconds, and how they are written
        self.offset, self.zone = 0, ""  # those of the latest time

    # --- chunk by chunk ---------------------------------------------------------------------------------------------

    def read(self, cells: Sequence[str], place: Callable[[int], str]) -> tuple[Ints, dict[int, str]]:
        """Return cells as numbers (n,) to give to `finish`, and what is wrong with those that are wrong.

        `place` says where each cell is.
        """
        cells = [cell.strip() for cell in cells]
        texts = np.array([cell if cell.isascii() else "?" for cell in cells], dtype=f"S{WIDTH}")
        matrix = texts.view(np.uint8).reshape(len(cells), WIDTH)  # (n, WIDTH)
        shapes = np.where((matrix >= ord("0")) & (matrix <= ord("9")), np.uint8(ord("0")), matrix)
        values = np.zeros(len(cells), dtype=np.int64)
        wrong: dict[int, str] = {}
        for rows in _alike(shapes):
            shape = bytes(shapes[rows[0]]).rstrip(b"\0").decode()
            k = int(rows[0])
            if problem := self._accept(shape, cells[k], place(k)):
                wrong.update((row, problem) for row in rows.tolist())
            elif self.integers:
                values[rows] = [int(cells[row].partition(".")[0]) for row in rows.tolist()]
                self.digits.add(len(shape) if shape.isdigit() else 0)
                if "." in shape:
                    tenths = [row for row in rows.tolist() if not cells[row].endswith(".0")]
                    wrong.update((row, "a step that is no whole number") for row in tenths)
            else:
                form = form_of(shape)
                assert form is not None, "it was accepted"
                values[rows], bad = self._parse(matrix[rows], form[1], shape)
                wrong.update((row, "no date of the calendar, or parts of a second") for row in rows[bad].tolist())
        return values, wrong

    def _accept(self, shape: str, cell: str, place: str) -> str:
        """Return what is wrong with cells of this shape, "" if nothing. The first cell decides how all are written."""
        integer = INTEGER.fullmatch(shape) is not None
        form = None if integer else form_of(shape)
        if not integer and form is None:
            return "an empty time" if not cell else f"no time that is understood ({ISO[:-1]})"
        pattern = form[0] if form else ""
        if self.pattern is None:
            self.pattern, self.first, self.integers = pattern, f"{cell!r} in {place}", integer
        if pattern != self.pattern:
            if pattern.replace("%z", "").strip() == self.pattern.replace("%z", "").strip():
                has = "an offset from UTC" if "%z" in pattern else "no offset from UTC"
                return f"a time with {has}, unlike {self.first}"
            return f"a time in another format than {self.first}"
        if form:
            widths = {name: end - start for name, (start, end) in form[1].items()}
            self.padded &= all(widths.get(name, 2) == 2 for name in "mdabH")
            self.fraction = max(self.fraction, widths.get("f", 0))
        return ""

    def _parse(self, matrix: Bytes, parts: dict[str, tuple[int, int]], shape: str) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the times of cells of one shape, given as characters (n, WIDTH), and which of them are impossible.

        Times with an offset from UTC are packed into one number with it.
        """

        def number(name: str, default: int = 0) -> Ints:
            value = np.full(len(matrix), 0 if name in parts else default, dtype=np.int64)
            for k in range(*parts.get(name, (0, 0))):
                value = value * 10 + matrix[:, k].astype(np.int64) - ord("0")
            return value

        hour, minute, second = number("H"), number("M"), number("S")
        bad = (hour > 23) | (minute > 59) | (second > 59) | (number("f") != 0)
        if "p" in parts:
            bad |= (hour < 1) | (hour > 12)
            hour = hour % 12 + 12 * (matrix[:, parts["p"][0]] == ord("P"))
        clock = hour * HOUR + minute * 60 + second
        year, month = number("Y"), number("m", 1)
        if "a" in parts:  # whether that is the day or the month is known at the end only
            a, b = number("a"), number("b")
            bad |= (np.minimum(a, b) < 1) | (np.minimum(a, b) > 12) | (np.maximum(a, b) > 31)
            if not bad.all():
                self.greatest = [max(self.greatest[0], int(a[~bad].max())), max(self.greatest[1], int(b[~bad].max()))]
            days = (year * 10_000 + a * 100 + b) * 4 + 1  # so far apart that an offset from UTC changes no date
        else:
            if "q" in parts:
                bad |= (number("q") < 1) | (number("q") > 4)
                month = number("q") * 3 - 2
            if "n" in parts:
                month = np.full(len(matrix), MONTHS.index(shape[slice(*parts["n"])]) + 1)
            days, impossible = days_of(year, month, number("d", 1))
            bad |= impossible
        if "z" not in parts:
            return days * DAY + clock, bad
        offsets = self._offsets(matrix, *parts["z"])
        bad |= np.abs(offsets) >= DAY
        return (days * DAY + clock - offsets) * ZONES + offsets + ZONES // 2, bad

    def _offsets(self, matrix: Bytes, start: int, end: int) -> Ints:
        """Return the offsets from UTC (n,), in seconds, that stand between two columns of characters."""
        texts = np.ascontiguousarray(matrix[:, start:end]).view(f"S{end - start}").ravel()
        offsets = np.zeros(len(matrix), dtype=np.int64)
        for text in np.unique(texts):
            zone = text.decode()
            digits = re.sub(r"\D", "", zone).ljust(4, "0")
            offset = (-1 if "-" in zone else 1) * (int(digits[:2]) * HOUR + int(digits[2:]) * 60)
            offsets[texts == text] = offset
            self.zones.setdefault(offset, zone)
        return offsets

    # --- at the end -------------------------------------------------------------------------------------------------

    def finish(self, values: Ints) -> NDArray[Any]:
        """Return the values of all chunks (N,) as times: datetime64[s] in UTC, or integers.

        `pattern`, `offset` and `zone` then say how they are written. Raises DataError if the order of day and month
        remains open.
        """
        if self.integers:
            values, self.pattern = (values, "") if self.plain else self._dates_in_digits(values)
            return values.astype("datetime64[s]") if self.pattern else values
        offsets = None
        if self.zones:
            values, offsets = np.divmod(values, ZONES)
            offsets -= ZONES // 2
        pattern = self.pattern or ""
        if "%a" in pattern:
            values, pattern = self._ordered(values, pattern)
        if not self.padded:
            pattern = re.sub(r"%([mdHI])", r"%-\1", pattern)
        self.pattern = pattern.replace("%f", "0" * self.fraction)
        if offsets is not None:
            values = self._latest(values, offsets)
        return values.astype("datetime64[s]")

    def _latest(self, values: Ints, offsets: Ints) -> Ints:
        """Keep the offset from UTC of the latest time, and return the times.

        Times that are at one time of the day where they were taken, but not in UTC, are days that begin there. They
        are put a whole number of days apart: to the same time of the day at the latest offset.
        """
        self.offset = int(offsets[np.argmax(values)])
        self.zone = self.zones[self.offset]
        if len(self.zones) > 1:
            clocks = (values + offsets) % DAY
            if (clocks == clocks[0]).all():
                values = values + offsets - self.offset
        return values

    def _ordered(self, values: Ints, pattern: str) -> tuple[Ints, str]:
        """Decide which of two numbers is the day, and return the times and how they are written."""
        dates, clock = np.divmod(values, 4 * DAY)
        first, second = dates // 100 % 100, dates % 100
        if min(self.greatest) > 12 or max(self.greatest) <= 12:
            both = min(self.greatest) > 12
            why = "some have the day first, and some have it second" if both else "no day is greater than 12"
            raise DataError(f"Whether {self.first} begins with a day or a month cannot be seen: {why}. {ISO}")
        day, month = (first, second) if self.greatest[0] > 12 else (second, first)
        days, bad = days_of(dates // 10_000, month, day)
        if bad.any():
            row = int(np.argmax(bad))
            date = f"{dates[row] // 10_000:04d}-{month[row]:02d}-{day[row]:02d}"
            raise DataError(f"{date} is no date of the calendar; {self.first} is written like it. {ISO}")
        order = ("%d", "%m") if self.greatest[0] > 12 else ("%m", "%d")
        return days * DAY + clock - DAY, pattern.replace("%a", order[0]).replace("%B", order[1])

    def _dates_in_digits(self, values: Ints) -> tuple[Ints, str]:
        """Return whole numbers as they are, or as dates if all of them are like 20240131, 202401 or 1999."""
        forms = {8: ("%Y%m%d", 10_000, 100, 1), 6: ("%Y%m", 100, 1, 0), 4: ("%Y", 1, 0, 0)}
        form = forms.get(min(self.digits)) if len(self.digits) == 1 else None
        if form is None:
            return values, ""
        pattern, year, month, day = form
        years, one = values // year, np.ones_like(values)
        days, bad = days_of(years, values // month % 100 if month else one, values % 100 if day else one)
        if bad.any() or (years < 1500).any() or (years >= 2200).any():
            return values, ""
        return days * DAY, pattern


def _alike(shapes: Bytes) -> list[NDArray[np.intp]]:
    """Return groups of rows that are the same in shapes (n, WIDTH), the first row's first."""
    if (shapes == shapes[0]).all():
        return [np.arange(len(shapes))]
    _, inverse = np.unique(np.ascontiguousarray(shapes).view(f"S{WIDTH}").ravel(), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
    return sorted(groups, key=lambda rows: int(rows[0]))


def days_of(year: Ints, month: Ints, day: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return dates as days since 1970 (n,), and which of them are not in the calendar."""
    bad = (month < 1) | (month > 12) | (day < 1)
    months = ((year - 1970) * 12 + np.where(bad, 1, month) - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    return first + day - 1, bad | (day > length)
