"""Windows: each number of them against a plain definition, nothing of the future, and series of every kind."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.windows import FARTHEST, LEVEL, MOST, Batch, History, fill

nan = np.nan
DAILY = Frequency("seconds", 86400, pattern="%Y-%m-%d")
C, H = 7, 3


def series(*values: Any, frequency: Frequency = DAILY, future: int = 0, **columns: Any) -> Series:
    """Series of these values, each with so many steps after its end, of which only known columns have anything."""
    arrays = [np.array([*map(float, one), *[nan] * future]) for one in values]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in arrays])]).astype(np.int64)
    ends = np.array([len(one) - future for one in arrays])
    starts = np.array([19_000 + 11 * k for k in range(len(arrays))])
    return Series([*"abcdefgh"[: len(arrays)]], offsets, starts, np.concatenate(arrays), ends, frequency, **columns)


def history(of: Series, season: int = 4) -> History:
    return History.of(of, Covariates.fit(of), season)


def window(of: Series, row: int, end: int, *, past: int = C, horizon: int = H, **how: bool) -> Batch:
    return history(of).windows(np.array([row]), np.array([end]), past, horizon, **how)


def several() -> Series:
    """Two series, the second longer, with gaps and columns of every kind."""
    random = np.random.default_rng(1)
    a, b = random.normal(5, 2, 9), random.normal(-3, 1, 14)
    a[[3, 4]] = b[[0, 6, 7, 13]] = nan
    b[[0, 13]] = 1.5, -2.5
    steps = 9 + 14 + 2 * 2
    return series(
        a, b, future=2,
        known={"price": random.normal(size=steps)}, past={"rain": random.normal(size=steps)},
        static={"size": np.array([1.0, 4.0])},
    )  # fmt: skip


def test_every_number_is_that_of_its_step() -> None:
    of = several()
    made = history(of)
    price, rain = of.known["price"], of.past["rain"]
    assert isinstance(price, np.ndarray) and isinstance(rain, np.ndarray)
    for row, end in ((0, 5), (0, 2), (0, 9), (1, 14), (1, 8), (1, 3)):
        batch = made.windows(np.array([row]), np.array([end]), C, H)
        first, last = int(of.offsets[row]), int(of.ends[row])
        whole = fill(of, 4)[first : first + last]
        seen = [of.values[first + t] for t in range(max(0, end - C), end) if not np.isnan(of.values[first + t])]
        level, scale = np.mean(seen), np.std(seen)
        assert (batch.level.item(), batch.scale.item()) == (pytest.approx(level), pytest.approx(scale))
        for k, t in enumerate(range(end - C, end + H)):
            there = 0 <= t < last
            value = of.values[first + t] if there else nan
            z = batch.z[0, k] if k < C else batch.target[0, k - C]
            real = batch.observed[0, k] if k < C else batch.real[0, k - C]
            assert bool(real) == (not np.isnan(value))
            if k < C:
                assert z.item() == pytest.approx((whole[t] - level) / scale if there else 0.0, rel=1e-5)
            else:
                assert z.item() == pytest.approx(0.0 if np.isnan(value) else (value - level) / scale, rel=1e-5)
            calendar = DAILY.calendar(of.starts[[row]] + t)[0]
            np.testing.assert_allclose(batch.known[0, k, : len(calendar)], calendar, atol=1e-6)
            of_series = 0 <= t < last + 2  # known two steps beyond the end
            wanted = (price[first + t] - price.mean()) / price.std() if of_series else 0.0
            assert batch.known[0, k, len(calendar) :].tolist() == [pytest.approx(wanted, rel=1e-4, abs=1e-6)]
            if k < C:
                wanted = (rain[first + t] - rain.mean()) / rain.std() if there else 0.0
                assert batch.past[0, k].tolist() == [pytest.approx(wanted, rel=1e-4, abs=1e-6)]
        assert batch.static[0].tolist() == [pytest.approx(2 * row - 1)]


def test_windows_together_are_those_alone() -> None:
    made = history(several())
    rows, ends = np.array([1, 0, 1, 0]), np.array([14, 4, 2, 9])
    together = made.windows(rows, ends, C, H)
    for k in range(len(rows)):
        alone = made.windows(rows[k : k + 1], ends[k : k + 1], C, H)
        for name in Batch._fields:
            np.testing.assert_array_equal(getattr(together, name)[k], getattr(alone, name)[0], err_msg=name)


@settings(deadline=None, max_examples=60, database=None)
@given(st.data())
def test_the_past_of_a_window_knows_nothing_of_what_follows(data: st.DataObject) -> None:
    """Neither its values and their scaling nor what gaps are filled with, whatever comes later in any series."""
    value = st.one_of(st.just(nan), st.floats(-1e6, 1e6))
    before = data.draw(st.lists(value, min_size=3, max_size=12))
    before[0] = 1.0
    after, other = (data.draw(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3)) for _ in range(2))
    neighbour = [1.0, 2.0, 3.0]
    season = data.draw(st.sampled_from([1, 2, 5]))
    one, two = (
        history(series(neighbour, before + part, [p * 2 for p in part]), season).windows(
            np.array([1]), np.array([len(before)]), C, H
        )
        for part in (after, other)
    )
    for name in ("z", "observed", "known", "past", "static", "level", "scale"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert all(part.isfinite().all() for part in (one.z, one.target, one.level, one.scale))


def test_series_of_another_length_are_scaled_alike_and_begin_with_nothing() -> None:
    long, short = window(series(np.arange(20.0)), 0, 20), window(series(np.arange(15.0, 20)), 0, 5)
    assert short.observed.tolist() == [[False] * 2 + [True] * 5]
    assert short.z[0, :2].tolist() == [0, 0]
    assert short.level.item() == 17 != long.level.item()
    wide = window(series(np.arange(15.0, 20)), 0, 5, past=C + 6)
    assert wide.observed.sum() == 5 and wide.level == short.level and wide.scale == short.scale
    np.testing.assert_array_equal(wide.z[:, -C:], short.z)


def test_values_are_scaled_whatever_their_unit() -> None:
    y = np.random.default_rng(2).normal(3, 1, 12)
    plain = window(series(y), 0, 9)
    for factor, more in ((1e-200, 0.0), (1e90, 0.0), (-1.0, 0.0), (1.0, -50.0), (1e-3, 1e9)):
        other = window(series(y * factor + more), 0, 9)
        sign, near = np.sign(factor), {"atol": 2e-3 if more == 1e9 else 1e-5}
        np.testing.assert_allclose(other.z, sign * plain.z, **near)
        np.testing.assert_allclose(other.target, sign * plain.target, **near)
        assert other.level.item() == pytest.approx(factor * plain.level.item() + more)
        assert other.scale.item() == pytest.approx(abs(factor) * plain.scale.item(), rel=near["atol"])


@pytest.mark.parametrize("value", [0.1, 5.0, -7e8, 1e-310])
def test_a_constant_past_has_a_part_of_its_level_as_scale(value: float) -> None:
    batch = window(series([value] * 9 + [value * 1.5, value * 4, value * -1e9]), 0, 9)
    assert batch.z.abs().max() < 1e-9
    assert batch.scale.item() == pytest.approx(max(LEVEL * abs(value), 1e-300))
    if abs(value) > 1e-300:
        sign = float(np.sign(value))
        assert batch.target[0].tolist() == pytest.approx([500 * sign, FARTHEST * sign, -FARTHEST * sign])


def test_a_past_of_zeros_keeps_its_unit() -> None:
    batch = window(series([0.0] * 9 + [2, 3, 1e50]), 0, 9)
    assert (batch.level.item(), batch.scale.item()) == (0, 1)
    assert batch.target.tolist() == [[2, 3, FARTHEST]]


def test_an_outlier_is_cut_off_on_its_way_in() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    values[4000] = 1e6
    assert window(series(values), 0, 4990, past=4990).z.max().item() == MOST


def test_a_past_that_is_all_a_gap_is_at_what_it_is_filled_with() -> None:
    """And no window of a long gap asks for a million deviations."""
    of = series([1000.0, 1002, 1004, 1006, *[nan] * 20, 1003, 1004, 1001])
    batch = window(of, 0, 24)
    assert not batch.observed.any() and batch.level.item() == pytest.approx(np.mean(fill(of, 4)[17:24]))
    assert batch.scale.item() == pytest.approx(np.std(fill(of, 4)[17:24]))
    assert batch.z.abs().max() < 3 and batch.target.abs().max() < 3


def test_a_series_that_was_cut_off_in_a_gap_has_numbers_everywhere() -> None:
    of = series([nan, nan, 4.0, 6, 5, 8, 7, 9])
    batch = window(of, 0, 5)
    assert batch.observed.tolist() == [[False] * 4 + [True] * 3]
    assert (batch.level.item(), batch.z[0, :4].abs().sum().item()) == (5, 0)


def test_gaps_at_the_end_of_the_past_are_filled_by_it() -> None:
    of = series([1.0, 2, 3, 4, 1, 2, nan, nan, 1, 9])
    assert fill(of, 4)[6:8].tolist() == [3, 4]
    batch = window(of, 0, 8)
    assert batch.observed[0, -2:].tolist() == [False, False]
    assert (batch.z[0, -2:] * batch.scale + batch.level).tolist() == pytest.approx([3, 4])
    assert batch.real.tolist() == [[True, True, False]]


def test_counts_stay_counts() -> None:
    of = series([0.0, 3, 0, 8, 1, 0, 4, 2, nan, 5])
    batch = window(of, 0, 7, counts=True)
    assert batch.level.item() == 0 and batch.scale.item() == pytest.approx(16 / 7)
    assert (batch.target * batch.scale)[0].tolist() == pytest.approx([2, 0, 5])
    assert window(series([0.0] * 8), 0, 5, counts=True).scale.item() == 1


def test_level_and_scale_stay_where_they_have_64_bits() -> None:
    import torch

    moved = window(several(), 0, 5).to(torch.device("meta"))
    assert {name for name in Batch._fields if getattr(moved, name).device.type == "cpu"} == {"level", "scale"}
    assert moved.level.dtype == moved.scale.dtype == torch.float64
