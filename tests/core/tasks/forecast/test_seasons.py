"""Seasons that are there are found, and none where there are none, in series made for it."""

from collections.abc import Callable

import numpy as np
import pytest

from seqcli.core.tasks.forecast.seasons import detect_seasons

Generator = np.random.Generator
Made = list[np.ndarray]

DAY = np.exp(1.2 * np.sin(2 * np.pi * (np.arange(24) - 9) / 24))  # quiet at night, one peak
WEEK = np.array([1, 1, 1, 1, 0.95, 0.4, 0.3])
SHOP = np.array([1, 1.05, 1.1, 1.05, 1.3, 2, 0.4])
YEAR = np.array([-4.0, -6, 1, 0, 1, 5, 9, 9, 2, -2, -6, -1])


def wave(n: int, period: int) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(n) / period)


def over_days(pattern: np.ndarray, n: int, steps: int = 24) -> np.ndarray:
    return np.resize(np.repeat(pattern, steps), n)


def autoregressive(g: Generator, n: int, *weights: float) -> np.ndarray:
    values = g.normal(size=n + 200)
    for t in range(len(weights), n + 200):
        values[t] += sum(weight * values[t - 1 - lag] for lag, weight in enumerate(weights))
    return values[200:]


def with_gaps(g: Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(g.random(len(values)) < share, np.nan, values)


# name: how to make the series, the longest period to look for
WITHOUT: dict[str, tuple[Callable[[Generator], Made], int]] = {
    "noise": (lambda g: [g.normal(size=500)], 200),
    "short noise": (lambda g: [g.normal(size=60)], 30),
    "many noises": (lambda g: [g.normal(size=g.integers(50, 400)) for _ in range(50)], 200),
    "random walk": (lambda g: [g.normal(size=500).cumsum()], 200),
    "many random walks": (lambda g: [g.normal(size=g.integers(50, 400)).cumsum() for _ in range(50)], 200),
    "random walk with drift": (lambda g: [(g.normal(size=300) + 0.5).cumsum()], 100),
    "random walk in noise": (lambda g: [0.3 * g.normal(size=500).cumsum() + g.normal(size=500)], 160),
    "straight line": (lambda g: [3 + 2.5 * np.arange(300)], 100),
    "parabola": (lambda g: [3 + 0.01 * np.arange(300) ** 2.0], 100),
    "growth": (lambda g: [np.exp(0.02 * np.arange(300))], 100),
    "line in noise": (lambda g: [3 + 2.0 * np.arange(300) + 10 * g.normal(size=300)], 100),
    "parabola in noise": (lambda g: [0.01 * np.arange(300) ** 2 + 10 * g.normal(size=300)], 100),
    "AR(1), .5": (lambda g: [autoregressive(g, 500, 0.5)], 160),
    "AR(1), .9": (lambda g: [autoregressive(g, 500, 0.9)], 160),
    "AR(1), -.7": (lambda g: [autoregressive(g, 500, -0.7)], 160),
    "many AR(1), .95": (lambda g: [autoregressive(g, 200, 0.95) for _ in range(30)], 60),
    "AR(2), cycles that come and go": (lambda g: [autoregressive(g, 500, 1.46, -0.81)], 160),
    "moving average": (lambda g: [np.convolve(g.normal(size=505), np.ones(6), "valid")], 160),
    "constant": (lambda g: [np.full(100, 0.1)], 30),
    "zeros": (lambda g: [np.zeros(100)], 30),
    "nothing": (lambda g: [np.array([]), np.full(9, np.nan), np.array([1.0])], 30),
    "every other one observed": (lambda g: [np.where(np.arange(60) % 2, g.normal(size=60), np.nan)], 20),
    "few counts": (lambda g: [g.poisson(0.2, size=300).astype(float)], 100),
    "many series of few sales": (lambda g: [(g.random(200) < 0.1) * g.lognormal(1, 1, 200) for _ in range(40)], 60),
    "two spikes": (lambda g: [g.normal(size=500) + 100 * np.isin(np.arange(500), (100, 200))], 160),
    "a step": (lambda g: [10.0 * (np.arange(300) > 150) + g.normal(size=300)], 100),
    "heavy tails": (lambda g: [g.standard_t(2, size=500)], 160),
    "two seasons long": (lambda g: [10 * wave(24, 12) + g.normal(size=24)], 12),
    "two and a half seasons long": (lambda g: [10 * wave(250, 100) + g.normal(size=250)], 100),
}

# name: the same, and the seasons
WITH: dict[str, tuple[Callable[[Generator], Made], int, tuple[int, ...]]] = {
    "years of months": (
        lambda g: [100 + np.arange(144) + 3 * np.resize(YEAR, 144) + 5 * g.normal(size=144)],
        48,
        (12,),
    ),
    "growing years of months": (
        lambda g: [np.exp(4.7 + 0.01 * np.arange(144) + 0.03 * np.resize(YEAR, 144) + 0.05 * g.normal(size=144))],
        48,
        (12,),
    ),
    "quarters": (
        lambda g: [10 * np.resize([1, 2, 4, 3], 40) + np.arange(40) + 3 * g.normal(size=40)],
        13,
        (4,),
    ),
    "many short quarters": (
        lambda g: [10 * np.resize(g.normal(size=4), 16) + 5 * g.normal(size=16) for _ in range(30)],
        8,
        (4,),
    ),
    "every other one": (lambda g: [10 * np.resize([0, 1], 60) + 3 * g.normal(size=60)], 20, (2,)),
    "weeks of sales": (lambda g: [g.poisson(20 * np.resize(SHOP, 365)).astype(float)], 120, (7,)),
    "weeks of few sales": (
        lambda g: [g.poisson(np.resize([0.1, 0.1, 0.1, 0.1, 0.5, 1.5, 0.1], 400)).astype(float)],
        130,
        (7,),
    ),
    "weeks with gaps": (
        lambda g: [with_gaps(g, g.poisson(20 * np.resize(SHOP, 365)).astype(float), 0.3)],
        120,
        (7,),
    ),
    "weeks in every third series": (
        lambda g: [np.resize(g.normal(size=7), 200) * (k % 3 == 0) + g.normal(size=200) for k in range(60)],
        66,
        (7,),
    ),
    "weeks and years": (
        lambda g: [100 * np.resize(SHOP, 1456) + 60 * wave(1456, 364) + 10 * g.normal(size=1456)],
        400,
        (7, 364),
    ),
    "waves": (lambda g: [wave(300, 24)], 100, (24,)),
    "waves on a random walk": (lambda g: [3 * wave(300, 12) + g.normal(size=300).cumsum()], 100, (12,)),
    "four days of hours": (lambda g: [10 * np.resize(DAY, 96) + 3 * g.normal(size=96)], 48, (24,)),
    "days without weeks": (lambda g: [100 * np.resize(DAY, 1000) + 10 * autoregressive(g, 1000, 0.9)], 330, (24,)),
    "days that change slowly": (
        lambda g: [(20 * DAY + g.normal(size=(40, 24)).cumsum(0)).ravel()],
        320,
        (24,),
    ),
    "weeks of hours": (
        lambda g: [100 * np.resize(DAY, 700) * over_days(WEEK, 700) + 10 * g.normal(size=700)],
        230,
        (24, 168),
    ),
    "weeks of half hours": (
        lambda g: [100 * np.resize(np.repeat(DAY, 2), 1680) * over_days(WEEK, 1680, 48) + 3 * g.normal(size=1680)],
        500,
        (48, 336),
    ),
    "many series of hours": (
        lambda g: [
            50 * np.resize(DAY, n) + 30 * over_days(WEEK, n) + 10 * g.normal(size=n)
            for n in g.integers(300, 900, size=20)
        ],
        250,
        (24, 168),
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_no_season_is_found_where_there_is_none(name: str) -> None:
    make, longest = WITHOUT[name]
    found = [detect_seasons(make(np.random.default_rng(seed)), longest) for seed in range(4)]
    assert found.count(()) >= 3, found  # by chance, one in some hundred has one


@pytest.mark.parametrize("name", WITH)
def test_seasons_are_found(name: str) -> None:
    make, longest, seasons = WITH[name]
    found = [detect_seasons(make(np.random.default_rng(seed)), longest) for seed in range(4)]
    assert found.count(seasons) >= 3, found


def test_gaps_make_no_seasons_of_their_own() -> None:
    for seed in range(12):
        g = np.random.default_rng(seed)
        values = with_gaps(g, 20 * np.resize(SHOP, 365) + 2 * g.normal(size=365), 0.4)
        assert detect_seasons([values], 120) == (7,)


def test_no_longer_season_is_found_than_was_asked_for() -> None:
    make, _, _ = WITH["weeks of hours"]
    series = make(np.random.default_rng(0))
    assert detect_seasons(series, 167) == (24,)
    assert detect_seasons(series, 168) == (24, 168)
    assert detect_seasons(series, 23) == ()
    assert detect_seasons(series, 1) == () and detect_seasons([], 100) == ()


def test_neither_scale_nor_shift_nor_infinity_matter() -> None:
    make, longest, seasons = WITH["years of months"]
    (values,) = make(np.random.default_rng(0))
    values[30] = np.inf
    assert detect_seasons([1e-9 * values], longest) == detect_seasons([1e6 + values], longest) == seasons
