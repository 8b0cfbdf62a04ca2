"""Finding the frequency of series from the distances between their times; called by `Frequency.infer`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.frequency import DAY, MONDAY, Frequency, Ints
from seqcli.errors import DataError

EVIDENCE = 4  # a series with as many distances, all alike and longer than those of the others, has another frequency
SURE = 20  # as EVIDENCE, if the others have gaps themselves
FULL = 0.95  # which they have if a smaller part of their distances is the usual one
MOSTLY = 0.9  # if more of the distances fit one grid, the others are called wrong, and no finer grid is looked for
SPARSE = 0.2  # a grid finer than most distances, of which a smaller part is observed, is none
EMPTY = 0.02  # and so is any grid, of which a smaller part is observed, if few distances are alike
MEND = "Give times at equal distances; where a value is missing, leave its row out or its cell empty."


@dataclass(frozen=True)
class Search:
    """The times of series, in which a frequency is looked for."""

    times: Ints  # (N,) seconds since 1970 in UTC, or integers, increasing within each series
    offsets: Ints  # (S + 1,) series k has the times from offsets[k] to offsets[k + 1]
    ids: Sequence[str]
    base: Frequency  # how times are written; whether they are integers
    place: Callable[[int], str]  # where a row comes from, in words

    def frequency(self, given: Frequency | None) -> Frequency:
        """Return the frequency of all series, or where the grid of a given one begins. Raises DataError."""
        if given is not None:
            return self._as(given)
        if not len(self.distances(self.times)):
            raise DataError(
                "Every series has a single time, so the distance between times cannot be seen. Give series of at least "
                "two rows."
            )
        found = self._months() if self._could_be_months() else None
        if found is None and self._could_be_months() and len(self.offsets) > 2:
            self._name_other_day()
        if found is None:
            found = replace(self.base, step=self._step(self.times))
            if self._are_business_days(found.step):
                found = replace(found, kind="business", step=1)
        return self._anchored(found)

    def distances(self, values: Ints) -> Ints:
        """Return the distances between neighbours (n,), those between two series left out."""
        return np.delete(np.diff(values), self.offsets[1:-1] - 1)

    # --- the step ---------------------------------------------------------------------------------------------------

    def _step(self, values: Ints) -> int:
        """Return the distance of a grid that all values lie on. Raises DataError if there is none."""
        distances = self.distances(values)
        step = _most_common(distances)
        fits = distances % step == 0
        if fits.all():
            self._check_alike(distances, step)
            if (distances == step).mean() < 0.5 and self._observed(values, step) < EMPTY:
                self._irregular()
            return step
        self._name_two()
        if fits.mean() >= MOSTLY:
            self._name_misfit(replace(self.base, step=step), values % step)
        finest = int(np.gcd.reduce(distances))
        if self._observed(values, finest) < SPARSE:
            self._irregular()
        return finest

    def _observed(self, values: Ints, step: int) -> float:
        """Return which part of a grid is observed, from the first to the last time of each series."""
        spans = values[self.offsets[1:] - 1] - values[self.offsets[:-1]]
        return float(len(values) / (spans // step + 1).sum())

    def _check_alike(self, distances: Ints, step: int) -> None:
        """Raise DataError if the distances of some series are all longer than the step in the same way."""
        many, least, most = self._per_series(distances)
        regular = (most == least) | self._like_months(least, most)
        other = regular & (least > step) & (many >= EVIDENCE)
        if not other.any():
            return
        among = np.repeat(~other, many)
        if among.any() and (distances[among] == step).mean() < FULL:
            other &= many >= SURE
        if other.any() and not other.all():
            usual = (least == step) & ~other
            self._name(int(np.argmax(usual)) if usual.any() else int(np.argmin(other)), int(np.argmax(other)))

    def _per_series(self, distances: Ints) -> tuple[Ints, Ints, Ints]:
        """Return for each series (S,) how many distances it has, and its shortest and longest (0 if it has none)."""
        many = np.diff(self.offsets) - 1
        least, most = np.zeros_like(many), np.zeros_like(many)
        begins = (np.cumsum(many) - many)[many > 0]
        least[many > 0] = np.minimum.reduceat(distances, begins)
        most[many > 0] = np.maximum.reduceat(distances, begins)
        return many, least, most

    def _like_months(self, least: Ints, most: Ints) -> NDArray[np.bool_]:
        """Return for which series the distances are like those of months, quarters or years."""
        dated = self.base.kind != "integers"
        return np.asarray((least >= 28 * DAY) & (most - least <= 3 * DAY)) & dated

    def _name_two(self) -> None:
        """Raise DataError naming two series, if each has a frequency, but not the same."""
        many, least, most = self._per_series(self.distances(self.times))
        regular = (many > 1) & ((most == least) | self._like_months(least, most))
        first = int(np.argmax(regular))
        other = regular & (np.abs(least - least[first]) > np.where(self._like_months(least, most), 3 * DAY, 0))
        if regular.any() and other.any():
            self._name(first, int(np.argmax(other)))

    def _name(self, a: int, b: int) -> NoReturn:
        """Raise DataError for two series of different frequencies."""
        names = [f"{self.id(k)!r} is {self._alone(k).frequency(None).name}" for k in (a, b)]
        raise DataError(
            f"The series have different frequencies: {names[0]}, and {names[1]}. Train them apart, from a file each."
        )

    def _alone(self, k: int) -> "Search":
        """Return the search in series k only."""
        begin, end = int(self.offsets[k]), int(self.offsets[k + 1])
        offsets = np.array([0, end - begin])
        return Search(self.times[begin:end], offsets, [self.id(k)], self.base, lambda row: self.place(begin + row))

    def id(self, k: int) -> str:
        """Return the name of series k."""
        return self.ids[k] if k < len(self.ids) else str(k)

    def _name_misfit(self, frequency: Frequency, phases: Ints) -> NoReturn:
        """Raise DataError for the first row that has another phase than most."""
        self._misfit(frequency, int(np.argmax(phases != _most_common(phases))))

    def _misfit(self, frequency: Frequency, row: int) -> NoReturn:
        """Raise DataError for a row whose time is not on the grid."""
        k = int(np.searchsorted(self.offsets, row, side="right")) - 1
        time = self.base.write(self.times[row : row + 1])[0]
        raise DataError(
            f"{self.place(row)}: the time {time} of series {self.id(k)!r} does not fit the others, which are "
            f"{frequency.name}. {MEND}"
        )

    def _irregular(self) -> NoReturn:
        """Raise DataError for times at changing distances."""
        inside = np.delete(np.arange(len(self.times) - 1), self.offsets[1:-1] - 1)
        distances = np.diff(self.times)[inside]
        a = int(inside[0])
        b = int(inside[np.argmax(distances != distances[0])])
        texts = self.base.write(self.times[[a, a + 1, b, b + 1]])
        monthly = self.base.kind != "integers" and distances.min() >= 28 * DAY
        months = " If the day of the month does not matter, write months like 2024-01." if monthly else ""
        raise DataError(
            f"{self.place(b + 1)}: the times have no regular distance: from {texts[0]} to {texts[1]}, then from "
            f"{texts[2]} to {texts[3]}. {MEND}{months}"
        )

    # --- the calendar -----------------------------------------------------------------------------------------------

    def _local(self) -> Ints:
        return self.times + self.base.offset

    def _could_be_months(self) -> bool:
        """Return whether all distances are those of a month or more."""
        if self.base.kind == "integers":
            return False
        return not _has_day(self.base.pattern) or int(self.distances(self.times).min()) >= 28 * DAY

    def _months(self) -> Frequency | None:
        """Return the frequency in months, or None if the times are not at one day of the month, or at its end."""
        found = self._at_months(replace(self.base, kind="months", step=1))
        if not found.on_grid(self.times).all():
            return None
        months = (self._local() // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        unit = 12 if found.pattern == "%Y" else 3 if "%q" in found.pattern else 1
        distances = self.distances(months // unit)
        step = _most_common(distances)
        if (distances % step == 0).all():
            self._check_alike(distances, step)
        return replace(found, step=unit * int(np.gcd.reduce(distances)))

    def _name_other_day(self) -> None:
        """Raise DataError if the first series is in months, so that another one is on other days of them."""
        found = self._alone(0)._months() if self.offsets[1] > 2 else None
        if found is not None:
            self._misfit(found, int(np.argmax(~found.on_grid(self.times))))

    def _at_months(self, found: Frequency) -> Frequency:
        """Return a frequency of months with the day of the month and the time of day at which the times are."""
        days = (self._local() // DAY).astype("datetime64[D]")
        months = days.astype("datetime64[M]")
        day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
        ends = ((days + 1).astype("datetime64[M]") > months).all()
        return replace(found, day=31 if ends else int(day.max()), clock=int(self._local()[0] % DAY))

    def _are_business_days(self, step: int) -> bool:
        """Return whether times a day apart leave out all weekends, of which there is at least one."""
        if self.base.kind == "integers" or step != DAY:
            return False
        weeks, weekday = np.divmod((self._local() - MONDAY) // DAY, 7)
        if (weekday > 4).any() or not (self.distances(weeks) > 0).any():
            return False
        return len(weeks) >= 20 or self._observed(weeks * 5 + weekday, 1) >= 0.8  # few days may avoid them by chance

    def _anchored(self, found: Frequency) -> Frequency:
        """Return the frequency with its grid beginning where the times are. Raises DataError if some lie beside it."""
        if found.kind == "business":
            found = replace(found, clock=int(self._local()[0] % DAY))
        elif found.kind == "months":
            months = (self._local() // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
            found = replace(found, phase=_most_common(months % found.step))
        else:
            found = replace(found, phase=_most_common(self.times % found.step))
        off = ~found.on_grid(self.times)
        if off.any():
            self._misfit(found, int(np.argmax(off)))
        return found

    def _as(self, given: Frequency) -> Frequency:
        """Return a given frequency, with its grid beginning where the times are, and written as they are."""
        if (given.kind == "integers") != (self.base.kind == "integers"):
            now = "plain integers" if self.base.kind == "integers" else "dates"
            raise DataError(f"{self.place(0)}: the times are {now}, but the model's are {given.name}.")
        found = replace(self.base, kind=given.kind, step=given.step)
        if given.kind == "months":
            found = self._at_months(found)
        found = self._anchored(found)
        distances = self.distances(found.numbers(self.times))
        many, least, _ = self._per_series(distances)
        if len(many) and (many >= EVIDENCE).any() and least[many >= EVIDENCE].min() > 1:
            try:
                own = self.frequency(None)
            except DataError:  # they have no frequency of their own, but all are on the grid
                return found
            if (own.kind, own.step) != (given.kind, given.step):
                raise DataError(f"{self.place(0)}: the times are {own.name}, but the model's are {given.name}.")
        return found


def _has_day(pattern: str) -> bool:
    """Return whether times written so have a day of the month."""
    return "%d" in pattern or "%-d" in pattern


def _most_common(values: Ints) -> int:
    """Return the most common one of values (n,), the least of several."""
    if (values == values[0]).all():
        return int(values[0])
    distinct, counts = np.unique(values, return_counts=True)
    return int(distinct[np.argmax(counts)])
