"""The regular distance between the times of a series, as a grid of whole numbers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.cells import MONTHS
from seqcli.errors import DataError

Kind = Literal["integers", "seconds", "business", "months"]
Ints = NDArray[np.int64]
MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800  # in seconds
MONDAY = 4 * DAY  # 1970-01-05, the first Monday of the seconds since 1970
LARGEST = 10**16  # of what a model file may hold, so that no sum of a few of them overflows
PATTERN = re.compile(r"(?:%[YmdHMSpzqb]|%-[mdHI]|%I|[-/., T:Q0])*", re.ASCII)


@dataclass(frozen=True)
class Frequency:
    """The regular distance between times, as a grid: each time on it has a whole number, the next one the next.

    Times are seconds since 1970 in UTC (datetime64[s]), or plain integers. Numbers do not depend on where a series
    begins, so those of two files with the same frequency can be compared.
    """

    kind: Kind
    step: int  # in integers, seconds, business days (always 1) or months
    phase: int = 0  # of integers and seconds: time modulo step; of months: months since 1970 modulo step
    day: int = 1  # of months: the day of the month, or its last day if the month is shorter
    clock: int = 0  # of business days and months: the time of day in seconds
    pattern: str = ""  # how a time is written, like "%Y-%m-%d"; "" for integers
    offset: int = 0  # from UTC to the times that are written, in seconds
    zone: str = ""  # what is written for %z, like Z or +02:00

    @classmethod
    def infer(
        cls,
        times: NDArray[Any],
        offsets: Ints | None = None,
        ids: Sequence[str] = (),
        *,
        pattern: str = "",
        offset: int = 0,
        zone: str = "",
        given: "Frequency | None" = None,
        place: Callable[[int], str] = "row {}".format,
    ) -> "Frequency":
        """Find the frequency of series from the distances between their times.

        times (N,) are datetime64[s] or integers, and increase within each series; series k has those from offsets[k]
        to offsets[k + 1], and the name ids[k]. Gaps do no harm. `pattern`, `offset` and `zone` say how times are
        written. With `given`, only where its grid begins is found. Raises DataError if the times fit no grid, or if
        two series have different frequencies.
        """
        from seqcli.core.tasks.forecast.inference import Search

        if offsets is None:
            offsets = np.array([0, len(times)])
        dated = times.dtype.kind == "M"
        plain: Ints = times.astype("datetime64[s]").astype(np.int64) if dated else times.astype(np.int64)
        written = (pattern or "%Y-%m-%d %H:%M:%S") if dated else ""
        base = cls("seconds" if dated else "integers", 1, pattern=written, offset=offset, zone=zone)
        return Search(plain, offsets, ids, base, place).frequency(given)

    # --- times and numbers ------------------------------------------------------------------------------------------

    def on_grid(self, times: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which of the times (N,) lie on the grid."""
        plain = times.astype(np.int64)
        return np.asarray(self._times(self._numbers(plain)) == plain)

    def numbers(self, times: NDArray[Any]) -> Ints:
        """Return the numbers of times (N,), datetime64[s] or integers. Raises DataError for one between two."""
        plain = times.astype(np.int64)
        numbers = self._numbers(plain)
        off = np.flatnonzero(self._times(numbers) != plain)
        if len(off):
            raise DataError(f"{self.write(plain[off[:1]])[0]} lies between two times of a series that is {self.name}.")
        return numbers

    def _numbers(self, plain: Ints) -> Ints:
        """Return the numbers of times, rounded down to the grid."""
        if self.kind == "months":
            months = (plain + self.offset).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
            return np.asarray((months - self.phase) // self.step)
        if self.kind == "business":
            days = (plain + self.offset) // DAY
            weeks, weekday = np.divmod(days - MONDAY // DAY, 7)
            return np.asarray(weeks * 5 + np.minimum(weekday, 4))
        return np.asarray((plain - self.phase) // self.step)

    def _times(self, numbers: Ints) -> Ints:
        """Return the times of numbers, as seconds or integers."""
        if self.kind == "months":
            months = (numbers * self.step + self.phase).astype("datetime64[M]")
            first = months.astype("datetime64[D]").astype(np.int64)
            length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
            return np.asarray((first + np.minimum(self.day, length) - 1) * DAY + self.clock - self.offset)
        if self.kind == "business":
            weeks, weekday = np.divmod(numbers, 5)
            return np.asarray((weeks * 7 + weekday) * DAY + MONDAY + self.clock - self.offset)
        return np.asarray(numbers * self.step + self.phase)

    def times(self, numbers: Ints) -> NDArray[Any]:
        """Return the times of numbers (n,): datetime64[s] in UTC, or integers."""
        times = self._times(numbers)
        return times if self.kind == "integers" else times.astype("datetime64[s]")

    def texts(self, numbers: Ints) -> list[str]:
        """Return the times of numbers (n,) as texts, written like those of the file."""
        return self.write(self._times(np.asarray(numbers, dtype=np.int64)))

    def write(self, times: NDArray[Any]) -> list[str]:
        """Return times (n,), given as datetime64[s] or integers, as texts."""
        plain = times.astype(np.int64)
        if not self.pattern:
            return [str(time) for time in plain.tolist()]
        local = (plain + self.offset).astype("datetime64[s]")
        months, days = local.astype("datetime64[M]"), local.astype("datetime64[D]")
        month = months.astype(np.int64)
        day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
        seconds = (local - days).astype(np.int64)
        layout = re.sub(r"%(-?)([A-Za-z])", lambda token: _LAYOUT[token[2]][bool(token[1])], self.pattern)
        rows = zip((month // 12 + 1970).tolist(), (month % 12).tolist(), day.tolist(), seconds.tolist(), strict=True)
        return [
            layout.format(
                Y=y, m=m + 1, d=d, H=s // HOUR, I=(s // HOUR - 1) % 12 + 1, M=s // 60 % 60, S=s % 60,
                p="PM" if s >= 12 * HOUR else "AM", q=m // 3 + 1, b=MONTHS[m], z=self.zone,
            )
            for y, m, d, s in rows
        ]  # fmt: skip

    # --- what follows from it ---------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The frequency in words, like "hourly" or "every 15 minutes"."""
        if self.kind == "integers":
            return f"steps of {self.step}"
        if self.kind == "business":
            return "business days"
        if self.kind == "months":
            known = {1: "monthly", 3: "quarterly", 6: "half-yearly", 12: "yearly"}
            years = self.step % 12 == 0
            every = f"every {self.step // 12} years" if years else f"every {self.step} months"
            where = "" if "%d" not in self.pattern.replace("-", "") else self._place()
            return known.get(self.step, every) + where
        unit, many = next((u, n) for u, n in _UNITS if self.step % u == 0)
        count = self.step // unit
        return f"every {count} {many}s" if count > 1 else _SINGLE[many]

    def _place(self) -> str:
        """Where in the month its times are, in words; "" for the first day."""
        return "" if self.day == 1 else ", at month ends" if self.day == 31 else f", on day {self.day}"

    @property
    def seasons(self) -> tuple[int, ...]:
        """The lengths of the seasons that the calendar suggests, in steps, shortest first."""
        if self.kind == "business":
            return (5,)
        if self.kind == "months":
            return (12 // self.step,) if self.step < 12 and 12 % self.step == 0 else ()
        if self.kind == "integers":
            return ()
        if self.step % WEEK == 0:
            weeks = self.step // WEEK
            return (52 // weeks,) if weeks < 52 and 52 % weeks == 0 else ()
        if self.step < MINUTE:
            cycles = [MINUTE, HOUR] if self.step >= 5 else [MINUTE]
        elif self.step < 5 * MINUTE:
            cycles = [HOUR, DAY]
        else:
            cycles = [DAY, WEEK]
        return tuple(cycle // self.step for cycle in cycles if cycle % self.step == 0 and cycle > self.step)

    @property
    def horizon(self) -> int:
        """How many steps are forecast unless the user says otherwise: as many as in the M4 competition."""
        if self.kind == "integers":
            return 12
        if self.kind == "business":
            return 14
        if self.kind == "months":
            return {1: 18, 3: 8}.get(self.step, 6 if self.step >= 6 else 18 // self.step)
        if self.step < HOUR:
            return min(96, DAY // self.step)
        if self.step < DAY:
            return 2 * DAY // self.step
        return 14 if self.step < WEEK else 13

    def calendar(self, numbers: Ints) -> NDArray[np.float32]:
        """Return what the calendar says of the times with these numbers (n,), as (n, K) numbers in [-0.5, 0.5].

        Each cycle that varies from step to step is a pair of a sine and a cosine: the minute, the hour, the day, the
        week, the month, the year. K is the same for all numbers; it is 0 for plain integers and for years.
        """
        cycles = self._cycles()
        out = np.empty((len(numbers), 2 * len(cycles)), dtype=np.float32)
        for k in range(0, len(numbers) if cycles else 0, 1 << 16):  # in parts, so that little memory is needed
            local = self._times(np.asarray(numbers[k : k + (1 << 16)], dtype=np.int64)) + self.offset
            for c, cycle in enumerate(cycles):
                angle = 2 * np.pi * _part(local, cycle)
                out[k : k + len(local), 2 * c] = 0.5 * np.sin(angle)
                out[k : k + len(local), 2 * c + 1] = 0.5 * np.cos(angle)
        return out

    def _cycles(self) -> list[str]:
        """The cycles of the calendar in which the times of this frequency have different places."""
        if self.kind == "integers":
            return []
        if self.kind == "months":
            return ["year"] if self.step % 12 else []
        if self.kind == "business":
            return ["week", "month", "year"]
        lengths = {"minute": MINUTE, "hour": HOUR, "day": DAY, "week": WEEK}
        longest = {"minute": MINUTE, "hour": HOUR, "day": DAY, "week": WEEK}
        fixed = [name for name, length in lengths.items() if self.step % length and self.step < longest[name]]
        return [*fixed, *(["month"] if self.step < 28 * DAY else []), "year"]

    # --- in a model file --------------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """Return it as values for JSON; `of` is the way back."""
        names = ("kind", "step", "phase", "day", "clock", "pattern", "offset", "zone")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of(cls, values: Any) -> "Frequency":
        """Make it from the values of `as_dict`, which may come from anybody. Raises ValueError for any others."""
        if not isinstance(values, dict) or set(values) != set(cls("integers", 1).as_dict()):
            raise ValueError("a frequency is no mapping of its fields")
        numbers = [values[name] for name in ("step", "phase", "day", "clock", "offset")]
        if any(type(number) is not int or abs(number) > LARGEST for number in numbers):
            raise ValueError("a number of a frequency is none")
        if values["kind"] not in get_args(Kind):
            raise ValueError("a frequency is of no known kind")
        texts = [values["pattern"], values["zone"]]
        if not all(isinstance(text, str) and len(text) < 60 for text in texts):
            raise ValueError("how a frequency writes times is no text")
        made = cls(**values)
        made._check()
        return made

    def _check(self) -> None:
        """Raise ValueError unless its numbers and texts are such as `infer` finds."""
        wholesome = (
            self.step >= 1
            and 0 <= self.phase < self.step
            and 1 <= self.day <= 31
            and 0 <= self.clock < DAY
            and abs(self.offset) < DAY
            and (self.kind != "business" or self.step == 1)
            and (self.kind != "months" or self.step <= 12_000)
            and (self.kind == "integers") == (not self.pattern)
            and PATTERN.fullmatch(self.pattern) is not None
            and re.fullmatch(r"Z?| ?[+-]\d\d(?::?\d\d)?", self.zone, re.ASCII) is not None
        )
        if not wholesome:
            raise ValueError("a frequency is impossible")


_UNITS = ((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second"))
_SINGLE = {"week": "weekly", "day": "daily", "hour": "hourly", "minute": "every minute", "second": "every second"}
_LAYOUT = {  # how each field is written: padded, and not
    **{field: (f"{{{field}:02d}}", f"{{{field}}}") for field in "mdHMSI"},
    **{field: (f"{{{field}}}", f"{{{field}}}") for field in "pzqb"},
    "Y": ("{Y:04d}", "{Y}"),
}


def _part(local: Ints, cycle: str) -> NDArray[np.float64]:
    """Return how far in a cycle local times (n,) are, from 0 to 1."""
    if cycle == "week":
        return np.asarray((local - MONDAY) % WEEK / WEEK)
    if cycle in ("minute", "hour", "day"):
        length = {"minute": MINUTE, "hour": HOUR, "day": DAY}[cycle]
        return np.asarray(local % length / length)
    times = local.astype("datetime64[s]")
    unit = "datetime64[M]" if cycle == "month" else "datetime64[Y]"
    start = times.astype(unit)
    begin, end = start.astype("datetime64[s]").astype(np.int64), (start + 1).astype("datetime64[s]").astype(np.int64)
    return np.asarray((local - begin) / (end - begin))
