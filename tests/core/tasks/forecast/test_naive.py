"""The plain forecasts, against numbers worked out by hand and those of other libraries."""

import numpy as np
import pytest

from seqcli.core.tasks.forecast.naive import filled, is_seasonal, naive, naive2, naive_quantiles, seasonal_naive

NAN = float("nan")

SEASONS_OF_4 = np.array([12.0, 20, 31, 17, 14, 22, 35, 18, 13, 25, 36, 21, 16, 27, 39])
SEASONS_OF_3 = np.array([12.0, 20, 31, 14, 22, 35, 13, 25, 36, 16, 27])
AROUND_ZERO = np.array([-3.0, 4, 1, -2, 6, 2, -4, 5, 2, -1, 7])
FLAT = np.array([3.0, 5, 4, 6, 5, 7, 7, 8])


def test_naive_and_seasonal_naive() -> None:
    past = np.array([1.0, 2, 3, 4, 5, 6, 7])
    assert naive(past, 3).tolist() == [7, 7, 7]
    assert seasonal_naive(past, 5, 3).tolist() == [5, 6, 7, 5, 6]
    assert seasonal_naive(past, 2, 3).tolist() == [5, 6]


@pytest.mark.parametrize(
    ("past", "m", "expected"),
    [
        ([1, 2, 3, 4, NAN, 6], 3, [1, 2, 3, 4, 2, 6]),
        ([1, 2, 3, NAN, NAN, 6, NAN, 8, 9], 3, [1, 2, 3, 1, 2, 6, 1, 8, 9]),
        ([1, 2, NAN, 4, 5, NAN], 3, [1, 2, 2, 4, 5, 5]),  # the third season was never observed
        ([NAN, NAN, 3, NAN, 5], 2, [3, 3, 5]),  # what is before the first value is no part of the series
        ([1, NAN, 3], 1, [1, 1, 3]),
        ([NAN, NAN], 2, []),
        ([], 2, []),
    ],
)
def test_gaps_are_filled_from_the_same_season(past: list[float], m: int, expected: list[float]) -> None:
    assert filled(np.array(past), m).tolist() == expected


def test_gaps_and_short_series_are_forecast() -> None:
    gappy = np.array([1.0, 2, 3, 4, NAN, 6, NAN])
    assert naive(gappy, 2).tolist() == [6, 6]
    assert seasonal_naive(gappy, 4, 3).tolist() == [2, 6, 4, 2]
    assert seasonal_naive(np.array([5.0, 7]), 4, 3).tolist() == [7, 5, 7, 7]  # of the first season nothing is known
    assert naive2(np.array([5.0, 7]), 3, 4).tolist() == [7, 7, 7]


@pytest.mark.parametrize("past", [[], [NAN, NAN, NAN]])
def test_nothing_observed_gives_no_number(past: list[float]) -> None:
    values = np.array(past)
    for forecast in (naive(values, 2), seasonal_naive(values, 2, 3), naive2(values, 2, 3)):
        assert forecast.shape == (2,) and np.isnan(forecast).all()
    quantiles = naive_quantiles(values, 2, 3, [0.1, 0.5, 0.9])
    assert quantiles.shape == (2, 3) and np.isnan(quantiles).all()


@pytest.mark.parametrize(
    ("past", "m", "expected"),
    [
        # last value / its index * the step's index, of statsmodels 0.14 seasonal_decompose, as R's decompose
        (SEASONS_OF_4, 4, [20.937404, 15.667798, 26.218457, 39, 20.937404, 15.667798]),
        (SEASONS_OF_3, 3, [40.408231, 16.493026, 27, 40.408231, 16.493026, 27]),
        # the same with model="additive"
        (AROUND_ZERO, 3, [3.444444, -0.888889, 7, 3.444444, -0.888889, 7]),
    ],
)
def test_naive2_has_the_seasons_of_the_classical_decomposition(past: np.ndarray, m: int, expected: list[float]) -> None:
    assert is_seasonal(past, m)
    assert naive2(past, 6, m) == pytest.approx(expected, abs=1e-5)


def test_naive2_repeats_what_is_exactly_seasonal() -> None:
    past = 10 * np.resize([0.5, 1.5, 1.25, 0.75], 19)
    assert naive2(past, 5, 4) == pytest.approx(10 * np.array([0.75, 0.5, 1.5, 1.25, 0.75]))
    holes = past.copy()
    holes[[2, 9, 17]] = NAN
    assert naive2(holes, 5, 4)[1:] == pytest.approx(10 * np.array([0.5, 1.5, 1.25, 0.75]), rel=0.1)


def test_naive2_is_naive_without_a_season() -> None:
    rising = np.array([1.0, 2, 4, 5, 7, 8, 9, 11, 13, 14, 15, 17])
    for m in (1, 4):
        assert not is_seasonal(rising, m)
        assert naive2(rising, 3, m).tolist() == [17, 17, 17]


def test_the_test_of_seasons_is_that_of_90_percent() -> None:
    # acf of statsmodels: r(4) = .711674 against the limit .582642
    assert is_seasonal(SEASONS_OF_4, 4)
    assert not is_seasonal(SEASONS_OF_4[:11], 4)  # shorter than three seasons
    # r(4) = .509, more than 1.645 / sqrt(24) = .336, but r(1) to r(3) = .875, .751, .628 raise the limit to .708
    assert not is_seasonal(np.arange(24.0), 4)
    # noise: one in ten, if the limit is right
    noise = np.random.default_rng(0).normal(size=(2000, 120))
    assert 0.05 < np.mean([is_seasonal(values, 7) for values in noise]) < 0.13


@pytest.mark.parametrize("value", [0.0, 0.1, 5.0, -1e9])
def test_a_constant_has_no_season(value: float) -> None:
    constant = np.full(30, value)
    assert not is_seasonal(constant, 4)
    assert naive2(constant, 3, 4).tolist() == [value] * 3
    assert naive_quantiles(constant, 3, 4, [0.1, 0.9]) == pytest.approx(np.full((3, 2), value))


def test_quantiles_are_those_of_other_libraries() -> None:
    # statsforecast 2.1.1: Naive() and SeasonalNaive(3), level=[80, 95]
    levels = [0.025, 0.1, 0.5, 0.9, 0.975]
    found = naive_quantiles(FLAT, 4, 1, levels)
    assert found[:, 2].tolist() == [8, 8, 8, 8]
    assert found[:, 1] == pytest.approx([6.124001, 5.346936, 4.750674, 4.248001], abs=1e-5)
    assert found[:, 4] == pytest.approx([10.869093, 12.057511, 12.969416, 13.738187], abs=1e-5)
    found = naive_quantiles(FLAT, 4, 3, levels)
    assert found[:, 2].tolist() == [7, 7, 8, 7]
    assert found[:, 0] == pytest.approx([2.361879, 2.361879, 3.361879, 0.440706], abs=1e-5)
    assert found[:, 3] == pytest.approx([10.032705, 10.032705, 11.032705, 11.288892], abs=1e-5)


def test_quantiles_with_gaps_and_of_short_series() -> None:
    past = np.array([1.0, 2, NAN, 4, 3, NAN, 8])  # three steps before: 4 - 1, 3 - 2, 8 - 4
    spread = naive_quantiles(past, 1, 3, [0.5, 0.8413447])[0]
    assert spread == pytest.approx([3, 3 + np.sqrt((9 + 1 + 16) / 3)], rel=1e-5)
    short = naive_quantiles(np.array([1.0, 2, 4]), 1, 7, [0.5, 0.8413447])[0]
    assert short == pytest.approx([4, 4 + np.sqrt((1 + 4) / 2)], rel=1e-5)
    assert naive_quantiles(np.array([4.0]), 2, 7, [0.1, 0.9]).tolist() == [[4, 4], [4, 4]]
