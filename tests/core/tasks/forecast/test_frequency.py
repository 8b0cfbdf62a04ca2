"""Frequencies: found from times with gaps, counted and written back, described; and refused where there is none."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.errors import DataError

DAYS = "%Y-%m-%d"


def every(start: str, step: str, n: int) -> Any:
    """Times from `start` on, `step` apart, like "15m" (numpy's units)."""
    count, unit = int(step[:-1]), step[-1]
    return (np.datetime64(start, unit) + np.arange(n) * np.timedelta64(count, unit)).astype("datetime64[s]")


def month_ends(n: int, step: int = 1) -> Any:
    firsts = np.datetime64("2019-12", "M") + np.arange(1, n + 1) * step
    return (firsts.astype("datetime64[D]") - 1).astype("datetime64[s]")


def weekdays(n: int) -> Any:
    return np.busday_offset("2024-01-01", np.arange(n), roll="forward").astype("datetime64[s]")


KINDS = {  # times; how they are written; the name, the seasons and the horizon
    "integers": (np.arange(3, 60, 2), "", "steps of 2", (), 12),
    "secondly": (every("2024-01-01T00:00:00", "1s", 90), "", "every second", (60,), 96),
    "minutely": (every("2024-01-01T00:00", "1m", 90), "", "every minute", (60, 1440), 96),
    "5 minutes": (every("2024-01-01T00:00", "5m", 90), "", "every 5 minutes", (288, 2016), 96),
    "15 minutes": (every("2024-01-01T00:07", "15m", 90), "", "every 15 minutes", (96, 672), 96),
    "30 minutes": (every("2024-01-01T00:00", "30m", 90), "", "every 30 minutes", (48, 336), 48),
    "hourly": (every("2024-01-01T00", "1h", 90), "", "hourly", (24, 168), 48),
    "2 hours": (every("2024-01-01T01", "2h", 90), "", "every 2 hours", (12, 84), 24),
    "daily": (every("2024-01-01", "1D", 90), DAYS, "daily", (7,), 14),
    "business": (weekdays(60), DAYS, "business days", (5,), 14),
    "weekly": (every("2024-01-03", "1W", 90), DAYS, "weekly", (52,), 13),
    "monthly": (every("2024-01", "1M", 40), DAYS, "monthly", (12,), 18),
    "the 30th": (every("2024-01", "1M", 40) + np.timedelta64(14, "D"), DAYS, "monthly, on day 15", (12,), 18),
    "month ends": (month_ends(40), DAYS, "monthly, at month ends", (12,), 18),
    "months": (every("2024-01", "1M", 40), "%Y-%m", "monthly", (12,), 18),
    "quarters": (every("2024-01", "3M", 40), "%Y-Q%q", "quarterly", (4,), 8),
    "quarterly": (every("2024-02", "3M", 40), DAYS, "quarterly", (4,), 8),
    "quarter ends": (month_ends(40, 3), DAYS, "quarterly, at month ends", (4,), 8),
    "years": (every("1950", "1Y", 40), "%Y", "yearly", (), 6),
    "yearly": (every("1950", "1Y", 40), DAYS, "yearly", (), 6),
    "decades": (every("1500", "10Y", 40), "%Y", "every 10 years", (), 6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gaps", [(), (7,), (5, 6, 7, 20, 25, 26)])
def test_every_kind_is_found_despite_gaps(kind: str, gaps: tuple[int, ...]) -> None:
    times, pattern, name, seasons, horizon = KINDS[kind]
    frequency = Frequency.infer(np.delete(times, gaps), pattern=pattern)
    assert (frequency.name, frequency.seasons, frequency.horizon) == (name, seasons, horizon)
    numbers = frequency.numbers(times)
    assert (np.diff(numbers) == 1).all()
    np.testing.assert_array_equal(frequency.times(numbers), times)
    assert Frequency.of(json.loads(json.dumps(frequency.as_dict()))) == frequency


def test_numbers_do_not_depend_on_where_a_series_begins() -> None:
    for times, pattern, *_ in KINDS.values():
        early, late = Frequency.infer(times[:30], pattern=pattern), Frequency.infer(times[9:], pattern=pattern)
        assert early.numbers(times[9:30]).tolist() == late.numbers(times[9:30]).tolist()


def test_days_without_a_weekend_are_daily_while_no_weekend_is_left_out() -> None:
    assert Frequency.infer(weekdays(5), pattern=DAYS).name == "daily"
    assert Frequency.infer(weekdays(6), pattern=DAYS).name == "business days"
    holidays = np.delete(weekdays(40), [3, 10, 11, 20])
    assert Frequency.infer(holidays, pattern=DAYS).name == "business days"
    assert Frequency.infer(weekdays(40)[::5], pattern=DAYS).name == "weekly"


def test_every_four_weeks_is_no_month() -> None:
    assert Frequency.infer(every("2024-01-03", "4W", 14), pattern=DAYS).name == "every 4 weeks"


def test_short_months_have_their_last_day() -> None:
    frequency = Frequency("months", 1, day=30, pattern=DAYS)
    texts = frequency.texts(np.arange(12 * 53, 12 * 53 + 4))
    assert texts == ["2023-01-30", "2023-02-28", "2023-03-30", "2023-04-30"]
    found = Frequency.infer(frequency.times(np.arange(636, 660)), pattern=DAYS)
    assert (found.day, found.name) == (30, "monthly, on day 30")


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("%Y-%m-%d %H:%M:%S", ["2024-03-09 21:05:00", "2024-03-09 22:05:00"]),
        ("%Y-%m-%dT%H:%M:%S.000%z", ["2024-03-09T21:05:00.000Z", "2024-03-09T22:05:00.000Z"]),
        ("%-d.%-m.%Y %-H:%M", ["9.3.2024 21:05", "9.3.2024 22:05"]),
        ("%m/%d/%Y %I:%M %p", ["03/09/2024 09:05 PM", "03/09/2024 10:05 PM"]),
        ("%Y%m%d", ["20240309", "20240309"]),
        ("%b %Y", ["Mar 2024", "Mar 2024"]),
    ],
)
def test_times_are_written_as_the_file_wrote_them(pattern: str, texts: list[str]) -> None:
    times = every("2024-03-09T21:05", "60m", 30)
    frequency = Frequency.infer(times, pattern=pattern, zone="Z" if "%z" in pattern else "")
    assert frequency.texts(frequency.numbers(times)[:2]) == texts


def test_offsets_from_utc_are_added_when_written() -> None:
    times = every("2024-01-01T23:00", "60m", 30)
    frequency = Frequency.infer(times, pattern="%Y-%m-%d %H:%M%z", offset=7200, zone="+02:00")
    assert frequency.texts(frequency.numbers(times[:1])) == ["2024-01-02 01:00+02:00"]
    assert frequency.calendar(frequency.numbers(times[:1]))[0, 0] == pytest.approx(0.5 * np.sin(2 * np.pi / 24))


# --- what is refused --------------------------------------------------------------------------------------------------


def infer(*series: Any, pattern: str = DAYS) -> Frequency:
    offsets = np.cumsum([0, *map(len, series)])
    ids = [f"series-{k}" for k in range(len(series))]
    return Frequency.infer(np.concatenate(series), offsets, ids, pattern=pattern, place="line {}".format)


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("daily", "hourly", ["daily", "hourly"]),
        ("hourly", "daily", ["hourly", "daily"]),
        ("daily", "month ends", ["daily", "monthly, at month ends"]),
        ("weekly", "monthly", ["weekly", "monthly"]),
        ("monthly", "quarterly", ["monthly", "quarterly"]),
        ("quarterly", "yearly", ["quarterly", "yearly"]),
        ("hourly", "30 minutes", ["hourly", "every 30 minutes"]),
    ],
)
def test_two_frequencies_are_both_named(first: str, second: str, names: list[str]) -> None:
    with pytest.raises(DataError) as error:
        infer(KINDS[first][0], KINDS[second][0], pattern="%Y-%m-%d %H:%M:%S")
    for word in ("different frequencies", "'series-0'", "'series-1'", *names):
        assert word in str(error.value)


def test_gaps_are_no_other_frequency() -> None:
    days = every("2024-01-01", "1D", 90)
    assert infer(days, days[::7][:4]).name == "daily"  # too few rows to tell
    random = np.random.default_rng(3)
    sparse = [days[np.sort(random.permutation(90)[:30])] for _ in range(40)]
    assert infer(*sparse, days[[3, 5, 7, 9, 11, 13]]).name == "daily"  # among series that have gaps themselves


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (
            np.append(every("2024-01-01", "1D", 30), np.datetime64("2024-02-02T05:00")),
            ["2024-02-02", "line 30", "daily"],
        ),
        (np.array([0, 1, 5, 100, 1000, 20_011, 3_000_000]), ["no regular distance", "from 0 to 1", "from 1 to 5"]),
        (np.array(["2024-01-01"], dtype="datetime64[s]"), ["single time"]),
    ],
)
def test_times_that_fit_no_grid(times: Any, words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        infer(times.astype("datetime64[s]") if times.dtype.kind == "M" else times)
    assert all(word in str(error.value) for word in words), error.value


def test_a_time_between_two_is_named() -> None:
    frequency = Frequency.infer(every("2024-01-01T00", "1h", 5))
    with pytest.raises(DataError, match="2024-01-01 00:30:00 lies between"):
        frequency.numbers(np.array(["2024-01-01T00:30"], dtype="datetime64[s]"))


def test_a_given_frequency_begins_where_the_times_do() -> None:
    given = Frequency.infer(every("2024-01-01", "1W", 9), pattern=DAYS)
    sundays = every("2024-01-01", "1W", 9) + np.timedelta64(3, "D")
    found = Frequency.infer(sundays, pattern="%d.%m.%Y", given=given)
    assert (found.step, found.name) == (given.step, "weekly")
    assert found.texts(found.numbers(sundays[:1])) == [sundays[0].astype(object).strftime("%d.%m.%Y")]
    np.testing.assert_array_equal(np.diff(found.numbers(sundays)), 1)
    with pytest.raises(DataError, match=r"plain integers, but the model's are weekly"):
        Frequency.infer(np.arange(5), given=given)
    with pytest.raises(DataError, match=r"are every 2 weeks, but the model's are weekly"):
        Frequency.infer(every("2024-01-01", "2W", 9), pattern=DAYS, given=given)
    with pytest.raises(DataError, match="does not fit"):
        Frequency.infer(every("2024-01-01", "1D", 9), pattern=DAYS, given=given)


def test_gaps_do_not_contradict_a_given_frequency() -> None:
    given = Frequency.infer(every("2024-01-01", "1D", 9), pattern=DAYS)
    days = every("2024-01-01", "1D", 60)[np.cumsum([0, 2, 3, 2, 5, 2, 7, 3])]
    assert Frequency.infer(days, pattern=DAYS, given=given).name == "daily"


def test_two_months_are_enough() -> None:
    assert Frequency.infer(every("2023-02", "1M", 2), pattern="%Y-%m").name == "monthly"
    assert Frequency.infer(every("2023-02", "1M", 2), pattern=DAYS).name == "monthly"


def test_one_time_is_enough_for_a_given_frequency() -> None:
    given = Frequency.infer(month_ends(20), pattern=DAYS)
    one = np.array(["2024-02-29"], dtype="datetime64[s]")
    assert Frequency.infer(one, pattern=DAYS, given=given).name == "monthly, at month ends"


# --- the calendar -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_calendar_is_small_and_always_as_wide(kind: str) -> None:
    times, pattern, *_ = KINDS[kind]
    frequency = Frequency.infer(times, pattern=pattern)
    features = frequency.calendar(frequency.numbers(times))
    assert features.dtype == np.float32
    assert features.shape == (len(times), frequency.calendar(np.array([], dtype=np.int64)).shape[1])
    assert np.abs(features).max(initial=0) <= 0.5
    far = frequency.calendar(np.arange(0, 10**8, 99_991))
    pairs = far.reshape(len(far), -1, 2).std(0).max(-1)
    assert (pairs > 0.1).all()  # what does not vary tells nothing


@pytest.mark.parametrize(
    ("kind", "width"), [("integers", 0), ("yearly", 0), ("monthly", 2), ("weekly", 4), ("daily", 6), ("hourly", 8)]
)
def test_cycles_of_the_calendar(kind: str, width: int) -> None:
    times, pattern, *_ = KINDS[kind]
    frequency = Frequency.infer(times, pattern=pattern)
    assert frequency.calendar(frequency.numbers(times)).shape[1] == width


def test_the_calendar_repeats_with_its_cycles() -> None:
    frequency = Frequency.infer(every("2024-01-01T00", "1h", 9))
    features = frequency.calendar(np.arange(24 * 7 * 2))
    np.testing.assert_allclose(features[:144, :2], features[24:168, :2], atol=1e-6)  # the hour of the day
    np.testing.assert_allclose(features[:168, 2:4], features[168:, 2:4], atol=1e-6)  # and of the week
    assert not np.allclose(features[:144, 2:4], features[24:168, 2:4], atol=1e-2)


# --- from a model file ------------------------------------------------------------------------------------------------

GOOD = Frequency.infer(every("2024-01-01T00", "1h", 5)).as_dict()


@pytest.mark.parametrize(
    "values",
    [
        None, [], {}, "hourly", 3, {**GOOD, "more": 1}, {**GOOD, "kind": "lunar"}, {**GOOD, "kind": ["seconds"]},
        {**GOOD, "step": 0}, {**GOOD, "step": -3600}, {**GOOD, "step": 3600.0}, {**GOOD, "step": True},
        {**GOOD, "step": 10**30}, {**GOOD, "step": None}, {**GOOD, "phase": 3600}, {**GOOD, "phase": -1},
        {**GOOD, "day": 0}, {**GOOD, "day": 32}, {**GOOD, "clock": 86400}, {**GOOD, "offset": 10**9},
        {**GOOD, "pattern": "%Y{Y.__class__}"}, {**GOOD, "pattern": "%"}, {**GOOD, "pattern": ""},
        {**GOOD, "pattern": "\x1b[2J"}, {**GOOD, "pattern": "%Y" * 1000}, {**GOOD, "pattern": 7},
        {**GOOD, "zone": "{0}"}, {**GOOD, "zone": "x" * 10**6}, {**GOOD, "zone": None},
        {**GOOD, "kind": "business"}, {**GOOD, "kind": "integers"}, {**GOOD, "kind": "months", "step": 10**9},
    ],
)  # fmt: skip
def test_hostile_values_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="frequency"):
        Frequency.of(values)


TEXTS = st.text("%YmdHMSz-: 0{}x", max_size=12)
ANY = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), ANY))
def test_of_raises_nothing_but_value_error(changes: dict[str, Any]) -> None:
    try:
        frequency = Frequency.of({**GOOD, **changes})
    except ValueError:
        return
    frequency.texts(np.array([0, 5]))
    assert frequency.name
    assert all(season > 1 for season in frequency.seasons)
    assert frequency.horizon >= 1
    assert np.isfinite(frequency.calendar(np.array([0, 5]))).all()
