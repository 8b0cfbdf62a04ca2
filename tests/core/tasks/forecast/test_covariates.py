"""Covariates: what numbers, categories and missing cells become, and what of a model file is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.core.tasks.forecast.covariates import MOST, Covariates, missing_known
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.series import Column, Series
from seqcli.errors import ConfigError, DataError

nan = np.nan


def codes(*names: str | None) -> Column:
    known = [name for name in dict.fromkeys(names) if name is not None]
    return np.array([-1 if name is None else known.index(name) for name in names], dtype=np.int32), known


def series(ends: tuple[int, int] = (2, 3), **columns: Any) -> Series:
    """Two series of two and three steps, with one step after each."""
    return Series(
        ["a", "b"], np.array([0, 3, 7]), np.array([5, 8]), np.arange(7.0), np.array(ends),
        Frequency("integers", 1), **columns,
    )  # fmt: skip


PRICE = np.array([1.0, 3, nan, 5, 7, nan, 9])
TRAIN = series(
    known={"promo": codes("no", "yes", "no", None, "yes", "sale", "no"), "price": PRICE},
    past={"rain": np.arange(7.0) * 3},
    static={"town": ["Ulm", ""], "size": np.array([10.0, 30.0])},
)


def test_numbers_are_standardized_and_missing_ones_flagged() -> None:
    covariates = Covariates.fit(TRAIN)
    known = covariates.known(TRAIN)
    assert (known.shape, known.dtype) == ((7, 5), np.float32)
    np.testing.assert_allclose(known[:, 3], np.nan_to_num((PRICE - 5) / np.sqrt(8)), rtol=1e-6)
    np.testing.assert_array_equal(known[:, 4], np.isnan(PRICE))
    past = covariates.past(TRAIN)
    assert past.shape == (7, 1), "nothing is missing, so there is no flag"
    np.testing.assert_allclose([past.mean(), past.std()], [0, 1], atol=1e-6)


def test_categories_become_one_number_each() -> None:
    covariates = Covariates.fit(TRAIN)
    expected = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    np.testing.assert_array_equal(covariates.known(TRAIN)[:, :3], expected)
    np.testing.assert_allclose(covariates.static(TRAIN), [[1, -1], [0, 1]])
    assert [covariates.width(place) for place in ("known", "past", "static")] == [5, 1, 2]


def test_unseen_categories_are_none_and_said_once() -> None:
    said: list[str] = []
    covariates = Covariates.fit(TRAIN, said.append)
    new = series(
        known={"price": PRICE + 1, "promo": codes("gift", "no", "gift", "free", None, "yes", "no")},
        static={"town": ["Bonn", "Ulm"], "size": np.array([10.0, 30.0])},
    )
    for _ in range(2):
        np.testing.assert_array_equal(
            covariates.known(new)[[0, 1, 3, 5], :3], [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]]
        )
    np.testing.assert_array_equal(covariates.static(new)[:, 0], [0, 1])
    assert len(said) == 2
    assert "'promo' has 'free'" in said[0]
    assert "'town' has 'Bonn'" in said[1]


def test_columns_of_one_value_and_without_any() -> None:
    odd = series(past={"same": np.full(7, 4.0), "none": np.full(7, nan), "blank": codes(*[None] * 7)})
    covariates = Covariates.fit(odd)
    np.testing.assert_array_equal(covariates.past(odd), np.zeros((7, 2)))
    assert covariates.known(odd).shape == (7, 0)
    assert covariates.static(odd).shape == (2, 0)


def test_numbers_that_are_far_away_stay_finite() -> None:
    covariates = Covariates.fit(series(past={"x": np.arange(7.0), "y": np.full(7, 1e17) + np.arange(7) % 2 * 16}))
    past = covariates.past(series(past={"x": np.array([1e308, -1e308, 3, 3, 3, 3, 3]), "y": np.full(7, 1e17)}))
    np.testing.assert_array_equal(past[:3, 0], [1e6, -1e6, 0])
    np.testing.assert_allclose(past[:, 1], past[0, 1])
    assert np.abs(past[:, 1]).max() < 100, "what differs by rounding only is not made large"


def test_what_does_not_fit_the_model_is_named() -> None:
    covariates = Covariates.fit(TRAIN)
    with pytest.raises(DataError, match=r"the column 'promo' \(--known\)"):
        covariates.known(series(known={"price": PRICE}))
    with pytest.raises(DataError, match=r"'rain' had numbers.*now has 'wet'"):
        covariates.past(series(past={"rain": codes(*["wet"] * 7)}))
    numbers = Covariates.fit(series(known={"code": codes("1", "2", "x", "1", "1", "2", "2")}))
    np.testing.assert_array_equal(  # a file may by chance have only such categories as are numbers
        numbers.known(series(known={"code": np.array([1.0, 2, nan, 2, 1, 1, 1])}))[:4],
        [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]],
    )


def test_too_many_categories() -> None:
    many = [f"c{k}" for k in range(MOST + 1)]
    wide = Series(["a"], np.array([0, 51]), np.array([0]), np.zeros(51), np.array([51]), Frequency("integers", 1),
                  known={"item": codes(*many)})  # fmt: skip
    with pytest.raises(ConfigError, match=r"'item' has 51 categories; at most 50"):
        Covariates.fit(wide)
    with pytest.raises(DataError, match="too large"):
        Covariates.fit(series(past={"x": np.array([1e308, 1e308, 1e308, 1, 1, 1, 1])}))


def test_a_round_trip_through_json() -> None:
    covariates = Covariates.fit(TRAIN)
    again = Covariates.of(json.loads(json.dumps(covariates.as_dict())))
    assert again == covariates
    for place in ("known", "past", "static"):
        np.testing.assert_array_equal(getattr(again, place)(TRAIN), getattr(covariates, place)(TRAIN))


# --- the future of known covariates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "horizon", "words"),
    [
        ({}, 9, None),
        ({"x": np.arange(7.0)}, 1, None),
        ({"x": np.arange(7.0)}, 2, ["'a'", "'x' at 8", "1 other series"]),
        ({"x": np.arange(7.0)}, 4, ["'a'", "at 3 times from 8 to 10"]),
        ({"y": np.arange(7.0), "x": codes("a", "b", None, "a", "b", "a", "b")}, 1, ["'a'", "'x' at 7:"]),
        ({"x": np.array([0, 0, 1, 1, 1, 1, nan])}, 1, ["'b'", "'x' at 11:"]),
    ],
)
def test_missing_known(known: dict[str, Column], horizon: int, words: list[str] | None) -> None:
    sentence = missing_known(series(known=known), horizon)
    if words is None:
        assert sentence is None
    else:
        assert sentence is not None
        assert all(word in sentence for word in words), sentence


# --- from a model file ------------------------------------------------------------------------------------------------

GOOD = Covariates.fit(TRAIN).as_dict()
NUMBER = GOOD["past"][0]


@pytest.mark.parametrize(
    "values",
    [
        None, [], {}, {**GOOD, "future": []}, {**GOOD, "past": {}}, {**GOOD, "past": [None]}, {**GOOD, "past": ["x"]},
        {**GOOD, "past": [NUMBER, NUMBER]}, {**GOOD, "past": [NUMBER] * 10**4}, {**GOOD, "past": [{"name": "x"}]},
        *({**GOOD, "past": [{**NUMBER, **change}]} for change in (
            {"name": 3}, {"mean": nan}, {"mean": "1"}, {"mean": True}, {"mean": 10**400}, {"std": 0}, {"std": -1.0},
            {"std": float("inf")}, {"flag": 1}, {"more": 1},
        )),
        *({**GOOD, "known": [{"name": "x", "categories": names}]} for names in (
            "abc", ["a", "a"], ["a", 1], [["a"]], ["a"] * 99, None,
        )),
    ],
)  # fmt: skip
def test_hostile_values_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="covariate"):
        Covariates.of(values)


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "x"]) | st.just([])


@given(st.dictionaries(st.sampled_from(["name", "mean", "std", "flag", "categories"]), ANY))
def test_of_raises_nothing_but_value_error(changes: dict[str, Any]) -> None:
    try:
        covariates = Covariates.of({**GOOD, "past": [{**NUMBER, **changes}]})
    except ValueError:
        return
    assert covariates.width("past") in (1, 2)
