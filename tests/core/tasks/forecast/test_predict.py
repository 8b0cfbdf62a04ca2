"""Forecasts of windows: in the units of the series, the same for the same seed, counts for counts."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.likelihood import LEVELS
from seqcli.core.tasks.forecast.network import build_forecaster
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.predict import Predicted, best_spread, predict
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.windows import Batch, History

SMALL: dict[str, Any] = {
    "task": "forecast", "device": "cpu", "precision": "fp32", "lr": 0.1, "weight_decay": 0.0, "hidden": 6,
    "dropout": 0.0, "batch_size": 2, "cell": "gru", "horizon": 5, "history": 12, "patch": 1, "seasons": "none",
    "likelihood": "quantile",
}  # fmt: skip
HOW = [("direct", "quantile"), ("direct", "student-t"), ("direct", "normal"), ("direct", "negative-binomial")]
HOW += [("sample", "student-t"), ("sample", "normal"), ("sample", "negative-binomial")]


def made(**changes: Any) -> tuple[Any, ForecastPlan]:
    """A network with random weights, and its plan."""
    plan = ForecastPlan(**{**SMALL, **changes})
    model = build_forecaster(plan, 0, 0, 0, 1).eval()
    g = torch.Generator().manual_seed(2)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3, generator=g)
    return model, plan


def window(*values: Any, counts: bool = False) -> Batch:
    arrays = [np.asarray(one, dtype=np.float64) for one in values]
    ends = np.array([len(one) for one in arrays])
    offsets = np.concatenate([[0], np.cumsum(ends)])
    of = Series([*"abc"[: len(ends)]], offsets, ends * 0, np.concatenate(arrays), ends, Frequency("integers", 1))
    return History.of(of, Covariates.fit(of), 1).windows(np.arange(len(ends)), ends, 12, 5, counts=counts)


Y = np.random.default_rng(1).normal(10, 3, 12)
COUNTS = np.array([0.0, 0, 4, 0, 1, 0, 0, 9, 0, 0, 2, 0])


def forecast(values: Any, *, samples: int = 20, levels: Any = (0.1, 0.5, 0.9), **how: Any) -> Predicted:
    model, plan = made(**how)
    return predict(model, window(values, counts=model.head.counts), levels, plan, samples=samples)


@pytest.mark.parametrize(("decode", "likelihood"), HOW)
def test_the_same_seed_is_the_same_forecast(decode: str, likelihood: str) -> None:
    model, plan = made(decode=decode, likelihood=likelihood)
    given = window(COUNTS, COUNTS[3:] + 1, counts=model.head.counts)
    torch.manual_seed(1)
    once = predict(model, given, (0.1, 0.5, 0.9), plan, samples=20, seed=3)
    torch.manual_seed(2)
    again = predict(model, given, (0.1, 0.5, 0.9), plan, samples=20, seed=3)
    np.testing.assert_array_equal(once.mean, again.mean)
    np.testing.assert_array_equal(once.quantiles, again.quantiles)
    assert once.mean.shape == (2, 5) and once.quantiles.shape == (2, 5, 3)
    assert (np.diff(once.quantiles, axis=-1) >= 0).all()
    if decode == "sample":
        other = predict(model, given, (0.1, 0.5, 0.9), plan, samples=20, seed=4)
        assert (other.mean != once.mean).any()


@pytest.mark.parametrize(("decode", "likelihood"), [how for how in HOW if how[1] != "negative-binomial"])
@pytest.mark.parametrize("seasons", ["none", "4"])
def test_a_series_in_another_unit_has_the_same_forecast_in_it(decode: str, likelihood: str, seasons: str) -> None:
    """y times a is forecast as a times the forecast of y, to the bit where a is a power of two."""
    how = {"decode": decode, "likelihood": likelihood, "seasons": seasons}
    plain = forecast(Y, **how)
    for factor in (4.0, 2.0**-40, 2.0**60):
        found = forecast(Y * factor, **how)
        np.testing.assert_array_equal(found.mean, plain.mean * factor)
        np.testing.assert_array_equal(found.quantiles, plain.quantiles * factor)
    np.testing.assert_allclose(forecast(Y * 3.7, **how).quantiles, plain.quantiles * 3.7, rtol=1e-4)


@pytest.mark.parametrize(("decode", "likelihood"), [("direct", "quantile"), ("sample", "normal")])
def test_only_the_level_in_the_input_tells_where_zero_is(decode: str, likelihood: str) -> None:
    """Without it, and without seasons, whose ratios depend on it, y + b is forecast as the forecast of y, plus b."""
    model, plan = made(decode=decode, likelihood=likelihood)
    alone, moved = window(Y), window(Y + 64)
    plain, other = (predict(model, given, (0.1, 0.5), plan) for given in (alone, moved))
    assert np.abs(other.mean - 64 - plain.mean).max() > 1e-3
    level = 2 if decode == "direct" else 2 * len(model.lags)  # where it is in the input, behind values and flags
    with torch.no_grad():
        model.stack.input_weights[0][:, level] = 0
    plain, other = (predict(model, given, (0.1, 0.5), plan) for given in (alone, moved))
    np.testing.assert_allclose(other.mean - 64, plain.mean, rtol=1e-4)
    np.testing.assert_allclose(other.quantiles - 64, plain.quantiles, rtol=1e-4)


@pytest.mark.parametrize(("decode", "likelihood"), HOW)
@pytest.mark.parametrize(
    "values",
    [[7.0], [0.0] * 12, [5.0] * 12, [1e9 + k % 3 for k in range(12)], [1, np.nan, np.nan, 2, np.nan, 3], [0, 1e6]],
)
def test_every_series_has_numbers_for_a_forecast(decode: str, likelihood: str, values: list[float]) -> None:
    found = forecast(values, decode=decode, likelihood=likelihood, samples=5)
    assert np.isfinite(found.mean).all() and np.isfinite(found.quantiles).all()


def test_large_values_that_hardly_vary_are_forecast_where_they_are() -> None:
    found = forecast(1e9 + Y * 1e-2, decode="direct", likelihood="normal")
    plain = forecast(Y * 1e-2, decode="direct", likelihood="normal")
    assert np.abs(found.mean - 1e9).max() < 3 * np.abs(plain.mean).max()


@pytest.mark.parametrize("decode", ["direct", "sample"])
def test_quantiles_of_counts_are_counts(decode: str) -> None:
    model, plan = made(decode=decode, likelihood="negative-binomial")
    given = window(COUNTS + 2, counts=True)
    for spread in (1.0, 0.7, 1.9):
        found = predict(model, given, (0.05, 0.5, 0.77, 0.99), plan, spread=spread).quantiles
        assert (found == np.round(found)).all() and (found >= 0).all()


def test_rare_counts_may_be_large() -> None:
    """Thirty deviations of a series of zeros are only thirty; what is drawn is not cut off there."""
    model, plan = made(decode="sample", likelihood="negative-binomial")
    nn.init.zeros_(model.out.weight)
    with torch.no_grad():
        model.out.bias.copy_(torch.tensor([200.0, 0.0]))
    assert 100 < predict(model, window([0.0] * 12, counts=True), (0.5,), plan).mean.mean() < 400


@pytest.mark.parametrize(("decode", "likelihood"), [("direct", "quantile"), ("sample", "normal")])
def test_nothing_is_below_zero_where_that_is_asked_for(decode: str, likelihood: str) -> None:
    how: dict[str, Any] = {"decode": decode, "likelihood": likelihood, "levels": (0.001, 0.5)}
    assert forecast(Y - 10, **how).quantiles.min() < 0
    found = forecast(Y - 10, nonnegative=True, **how)
    assert found.quantiles.min() == 0 and found.mean.min() >= 0


def test_the_spread_moves_intervals_and_no_median() -> None:
    model, plan = made()
    plain, wide = (predict(model, window(Y), (0.1, 0.5, 0.9), plan, spread=spread) for spread in (1.0, 2.0))
    np.testing.assert_array_equal(plain.mean, wide.mean)
    np.testing.assert_array_equal(plain.quantiles[..., 1], wide.quantiles[..., 1])
    np.testing.assert_allclose(np.diff(wide.quantiles, axis=-1), 2 * np.diff(plain.quantiles, axis=-1), rtol=1e-6)


@pytest.mark.parametrize("wide", [0.5, 1.0, 2.0])
def test_the_best_spread_makes_intervals_hold_what_they_should(wide: float) -> None:
    from statistics import NormalDist

    random = np.random.default_rng(2)
    scales = np.array([1.0, 1e6, 1e-3] * 100)
    middle = random.normal(size=(300, 4)) * scales[:, None]
    quantiles = middle[..., None] + scales[:, None, None] * np.array([NormalDist().inv_cdf(a) for a in LEVELS])
    targets = middle + wide * scales[:, None] * random.normal(size=middle.shape)
    targets[:50, 1] = np.nan
    assert best_spread(quantiles, targets, LEVELS, scales) == pytest.approx(wide, rel=0.2)
