"""Metrics of forecasts, against numbers worked out by hand and those of other libraries."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from seqcli.core.metrics.series import (
    DECILES,
    coverage,
    mase,
    msis,
    owa,
    scaled_crps,
    scaled_crps_of_samples,
    seasonal_mae,
    smape,
    wql,
)

NAN = float("nan")

# Three series, their past and the four values that followed; forecasts, and the widths of normal distributions around.
PAST = np.array([[3.0, 5, 4, 6, 5, 7, 7, 8], [10, 9, 12, 8, 9, 13, 10, 11], [2, 2, 4, 1, 3, 2, 5, 2]])
TARGETS = np.array([[8.0, 9, 9, 11], [12, 9, 10, 14], [1, 3, 2, 4]])
FORECASTS = np.array([[7.0, 9, 10, 10], [11, 10, 10, 12], [2, 2, 2, 3]])
WIDTHS = np.array([1.0, 2.0, 0.5])[:, None]
SCALES = np.array([seasonal_mae(past, 2) for past in PAST])
SCORES = np.array([NormalDist().inv_cdf(level) for level in DECILES])
QUANTILES = FORECASTS[..., None] + WIDTHS[..., None] * SCORES
LOWER, UPPER = FORECASTS - 1.96 * WIDTHS, FORECASTS + 1.96 * WIDTHS


def with_gap(targets: np.ndarray) -> np.ndarray:
    """The same targets, a fifth column of which nothing was observed, and a fourth series of the same kind."""
    wider = np.concatenate([targets, np.full((3, 1), NAN)], axis=1)
    return np.concatenate([wider, np.full((1, 5), NAN)])


def padded(values: np.ndarray, fill: float) -> np.ndarray:
    """Any values (3, 4, ...) with a fifth column and a fourth series of this number."""
    pads = [(0, 1), (0, 1), *[(0, 0)] * (values.ndim - 2)]
    return np.pad(values, pads, constant_values=fill)


def test_the_scale_is_the_mean_step_over_a_season() -> None:
    past = np.array([1.0, 4, 2, 8])
    assert seasonal_mae(past, 1) == pytest.approx((3 + 2 + 6) / 3)
    assert seasonal_mae(past, 2) == pytest.approx((1 + 4) / 2)
    assert seasonal_mae(np.array([1.0, NAN, 2, 8]), 1) == 6
    assert math.isnan(seasonal_mae(past, 4))
    with pytest.raises(ValueError, match="at least 1 step"):
        seasonal_mae(past, 0)


def test_smape_by_hand() -> None:
    targets, forecasts = np.array([[1.0, -3], [0, 5]]), np.array([[3.0, 3], [0, 5]])
    assert smape(targets, forecasts) == pytest.approx(((200 * 2 / 4 + 200) / 2 + 0) / 2)


def test_an_average_is_over_series_not_over_values() -> None:
    targets, forecasts = np.array([[1.0, NAN, NAN], [1, 1, 1]]), np.array([[3.0, 3, 3], [1, 1, 1]])
    assert smape(targets, forecasts) == pytest.approx((100 + 0) / 2)
    assert mase(targets, forecasts, np.array([1.0, 1.0])).value == pytest.approx((2 + 0) / 2)


def test_figures_of_other_libraries() -> None:
    # 200 * smape, mase with seasonality 2, coverage at 95 and 2 * mqloss * 12 / sum|y| of utilsforecast 0.2.17
    assert smape(TARGETS, FORECASTS) == pytest.approx(16.935678102726158)
    assert mase(TARGETS, FORECASTS, SCALES) == (pytest.approx(0.5714285714285714), 0)
    assert coverage(TARGETS, LOWER, UPPER) == pytest.approx(0.75)
    assert wql(TARGETS, QUANTILES) == pytest.approx(0.08715522191143163)


def test_msis_by_hand() -> None:
    targets, lower, upper = np.array([[5.0, 1, 12]]), np.array([[4.0, 4, 4]]), np.array([[10.0, 10, 10]])
    by_hand = ((6) + (6 + 2 / 0.1 * 3) + (6 + 2 / 0.1 * 2)) / 3 / 1.5
    assert msis(targets, lower, upper, np.array([1.5]), alpha=0.1) == (pytest.approx(by_hand), 0)


def test_owa_is_the_ratio_of_averages() -> None:
    assert owa(13.912, 1.193, 18.383, 2.395) == pytest.approx(0.627, abs=5e-4)  # seasonal naive on M4's hourly series
    assert owa(7, 3, 7, 3) == 1
    assert math.isnan(owa(1, 1, 0, 1))


@pytest.mark.parametrize("scale", [0.0, NAN])
def test_a_series_without_a_scale_is_left_out_and_counted(scale: float) -> None:
    scales = np.array([SCALES[0], scale, SCALES[2]])
    two = [0, 2]
    assert mase(TARGETS, FORECASTS, scales) == (mase(TARGETS[two], FORECASTS[two], SCALES[two]).value, 1)
    assert msis(TARGETS, LOWER, UPPER, scales) == (msis(TARGETS[two], LOWER[two], UPPER[two], SCALES[two]).value, 1)
    value, left_out = mase(TARGETS, FORECASTS, np.full(3, scale))
    assert math.isnan(value) and left_out == 3


@pytest.mark.parametrize("fill", [7.0, NAN])
def test_what_was_not_observed_does_not_count(fill: float) -> None:
    targets, forecasts, quantiles = with_gap(TARGETS), padded(FORECASTS, fill), padded(QUANTILES, fill)
    lower, upper, scales = padded(LOWER, fill), padded(UPPER, fill), np.append(SCALES, 0.0)
    assert smape(targets, forecasts) == smape(TARGETS, FORECASTS)
    assert mase(targets, forecasts, scales) == mase(TARGETS, FORECASTS, SCALES)
    assert msis(targets, lower, upper, scales) == msis(TARGETS, LOWER, UPPER, SCALES)
    assert coverage(targets, lower, upper) == coverage(TARGETS, LOWER, UPPER)
    assert wql(targets, quantiles) == wql(TARGETS, QUANTILES)
    assert scaled_crps(targets, quantiles, DECILES) == scaled_crps(TARGETS, QUANTILES, DECILES)
    assert scaled_crps_of_samples(targets, quantiles) == scaled_crps_of_samples(TARGETS, QUANTILES)


def test_a_forecast_that_is_not_a_number_is_not_hidden() -> None:
    forecasts = FORECASTS.copy()
    forecasts[1, 2] = NAN
    quantiles = QUANTILES.copy()
    quantiles[1, 2, 3] = NAN
    assert math.isnan(smape(TARGETS, forecasts)) and math.isnan(mase(TARGETS, forecasts, SCALES).value)
    assert math.isnan(wql(TARGETS, quantiles)) and math.isnan(scaled_crps(TARGETS, quantiles, DECILES))


def test_nothing_observed_gives_no_number() -> None:
    targets = np.full((3, 4), NAN)
    assert math.isnan(smape(targets, FORECASTS)) and math.isnan(coverage(targets, LOWER, UPPER))
    assert mase(targets, FORECASTS, SCALES).left_out == 0
    assert math.isnan(wql(np.zeros((3, 4)), QUANTILES))


def test_wql_by_hand() -> None:
    targets, quantiles = np.array([[4.0, -2]]), np.array([[[3.0, 5], [0, 1]]])
    at_10 = 2 * (0.1 * 1 + 0.9 * 2) / 6
    at_50 = 2 * (0.5 * 1 + 0.5 * 3) / 6
    assert wql(targets, quantiles, [0.1, 0.5]) == pytest.approx((at_10 + at_50) / 2)


def test_the_crps_of_a_point_is_its_error() -> None:
    points = np.repeat(FORECASTS[..., None], 5, axis=-1)
    error = np.abs(TARGETS - FORECASTS).sum() / TARGETS.sum()
    assert scaled_crps(TARGETS, points, [0.05, 0.1, 0.5, 0.8, 0.9]) == pytest.approx(error)
    assert scaled_crps_of_samples(TARGETS, points) == pytest.approx(error)


def crps_of_normal() -> float:
    """The CRPS of the normal distributions around FORECASTS, scaled, in closed form (Gneiting and Raftery 2007)."""
    z = (TARGETS - FORECASTS) / WIDTHS
    cdf, pdf = np.vectorize(NormalDist().cdf)(z), np.vectorize(NormalDist().pdf)(z)
    return float((WIDTHS * (z * (2 * cdf - 1) + 2 * pdf - 1 / math.sqrt(math.pi))).sum() / TARGETS.sum())


def test_crps_of_many_quantiles_is_that_of_the_distribution() -> None:
    levels = np.linspace(0.002, 0.998, 499)
    scores = np.array([NormalDist().inv_cdf(level) for level in levels])
    quantiles = FORECASTS[..., None] + WIDTHS[..., None] * scores
    assert scaled_crps(TARGETS, quantiles, levels.tolist()) == pytest.approx(crps_of_normal(), rel=1e-3)
    # levels that are not evenly spread: the integral does not mind, the mean does
    uneven = [0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
    quantiles = FORECASTS[..., None] + WIDTHS[..., None] * np.array([NormalDist().inv_cdf(level) for level in uneven])
    assert scaled_crps(TARGETS, quantiles, uneven) == pytest.approx(crps_of_normal(), rel=0.02)
    assert wql(TARGETS, quantiles, uneven) < 0.9 * crps_of_normal()


def test_crps_of_samples_is_that_of_all_pairs() -> None:
    samples = np.random.default_rng(3).normal(FORECASTS[..., None], WIDTHS[..., None], (3, 4, 11))
    to_target = np.abs(samples - TARGETS[..., None]).mean(-1)
    to_each_other = np.abs(samples[..., :, None] - samples[..., None, :]).mean((-1, -2))
    expected = (to_target - to_each_other / 2).sum() / TARGETS.sum()
    assert scaled_crps_of_samples(TARGETS, samples) == pytest.approx(expected)
