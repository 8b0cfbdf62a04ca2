"""Newer values of series joined to what is known of their past: overlapping, gapped, earlier, unknown."""

from typing import Any

import numpy as np
import pytest

from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.joining import joined
from seqcli.core.tasks.forecast.series import Column, Series

nan = np.nan
GAP = 3
STEPS = Frequency("integers", 1)


def series(future: int = 0, **given: tuple[int, list[float]]) -> Series:
    """Series by name, each with the number of its first step and its values, with steps of the future after them."""
    values = [np.array([*numbers, *[nan] * future], dtype=float) for _, numbers in given.values()]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in values])]).astype(np.int64)
    ends = np.array([len(one) - future for one in values])
    starts = np.array([start for start, _ in given.values()])
    return Series(list(given), offsets, starts, np.concatenate(values), ends, STEPS)


def with_columns(of: Series, **columns: Any) -> Series:
    return Series(of.ids, of.offsets, of.starts, of.values, of.ends, of.frequency, **columns)


PAST = series(a=(100, [1, 2, 3, 4, 5]), b=(7, [60, 70, 80]))


@pytest.mark.parametrize(
    ("newer", "start", "values", "since"),
    [
        ((105, [6, 7]), 100, [1, 2, 3, 4, 5, 6, 7], 5),  # it goes on
        ((107, [8]), 100, [1, 2, 3, 4, 5, nan, nan, 8], 5),  # after a gap
        ((108, [9, 10]), 100, [1, 2, 3, 4, 5, nan, nan, nan, 9, 10], 5),  # which is as long as may be
        ((109, [9, 10]), 109, [9, 10], 0),  # and one that is too long
        ((103, [-4, -5, -6]), 100, [1, 2, 3, -4, -5, -6], 5),  # it overlaps, and what is newer is taken
        ((101, [-2, nan, -4]), 100, [1, -2, nan, -4], 4),  # it lies within: known until its end
        ((100, [-1, -2, -3, -4, -5, -6]), 100, [-1, -2, -3, -4, -5, -6], 0),  # it has all of the past itself
        ((90, [5, 6]), 90, [5, 6], 0),  # it is older
    ],
)
def test_a_series_goes_on_from_what_is_known(
    newer: tuple[int, list[float]], start: int, values: list[float], since: int
) -> None:
    made, found = joined(PAST, series(a=newer), GAP)
    assert (made.ids, made.starts.tolist(), found.tolist()) == (["a"], [start], [since])
    np.testing.assert_array_equal(made.of(0), values)
    assert made.offsets.tolist() == [0, len(values)] and made.frequency == STEPS


def test_each_finds_its_own_past() -> None:
    newer = series(future=1, new=(104, [9]), b=(11, [90]), a=(105, [6]))
    made, since = joined(PAST, newer, GAP)
    assert made.ids == ["new", "b", "a"] and since.tolist() == [0, 3, 5] and made.starts.tolist() == [104, 7, 100]
    for k, wanted in enumerate(([9], [60, 70, 80, nan, 90], [1, 2, 3, 4, 5, 6])):
        np.testing.assert_array_equal(made.of(k), wanted)
        assert made.offsets[k + 1] - made.offsets[k] == len(wanted) + 1, "its future stays"
    again, _ = joined(PAST.select([1]), newer, GAP)
    assert again.starts.tolist() == [104, 7, 105], "the last one of the past is no stand-in for an unknown one"


def codes(*names: str | None) -> Column:
    known = list(dict.fromkeys(name for name in names if name))
    return np.array([known.index(name) if name else -1 for name in names], dtype=np.int32), known


def test_columns_are_joined_by_what_they_say() -> None:
    """The past knew two steps of its future, which fill a gap; codes of names are other ones in each file."""
    past = with_columns(
        series(future=2, a=(0, [1, 2, 3])),
        known={"price": np.arange(5.0), "day": codes("mo", "tu", None, "we", "th")},
        past={"rain": np.arange(5.0) * 10},
    )
    newer = with_columns(
        series(a=(5, [6, 7])),
        known={"price": np.array([50.0, 60]), "day": codes("th", "fr"), "new": np.array([1.0, 2])},
        past={"rain": np.array([55.0, nan])},
        static={"size": np.array([4.0])},
    )
    made, since = joined(past, newer, GAP)
    assert since.tolist() == [3]
    np.testing.assert_array_equal(made.of(0), [1, 2, 3, nan, nan, 6, 7])
    np.testing.assert_array_equal(made.known["price"], [0, 1, 2, 3, 4, 50, 60])
    np.testing.assert_array_equal(made.known["new"], [nan] * 5 + [1, 2])
    np.testing.assert_array_equal(made.past["rain"], [0, 10, 20, 30, 40, 55, nan])
    numbers, names = made.known["day"]
    assert [names[k] if k >= 0 else None for k in numbers] == ["mo", "tu", None, "we", "th", "th", "fr"]
    np.testing.assert_array_equal(made.static["size"], [4])


def test_a_column_of_another_kind_is_taken_from_the_newer_file() -> None:
    past = with_columns(series(a=(0, [1, 2])), known={"one": codes("x", "y"), "two": np.arange(2.0)})
    newer = with_columns(series(a=(2, [3])), known={"one": np.array([5.0]), "two": codes("z")})
    made, _ = joined(past, newer, GAP)
    np.testing.assert_array_equal(made.known["one"], [nan, nan, 5])
    numbers, names = made.known["two"]
    assert numbers.tolist() == [-1, -1, 0] and names == ["z"]
