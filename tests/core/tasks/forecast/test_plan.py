"""Plans of forecasters: lengths that fit together for any series, and options that contradict each other."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.core.tasks.forecast.options import ForecastOptions
from seqcli.core.tasks.forecast.plan import ForecastPlan, Sizes, check, make_plan, names_in, seasons_in
from seqcli.core.tasks.union import build
from seqcli.errors import ConfigError, DataError

CPU = torch.device("cpu")


def options(**given: Any) -> ForecastOptions:
    made = build({"task": "forecast", "files": ("a.csv",), **given})
    assert isinstance(made, ForecastOptions)
    return made


def plan(typical: int = 200, seasons: tuple[int, ...] = (), horizon: int = 5, **given: Any) -> ForecastPlan:
    return make_plan(options(**given), Sizes(3, 3 * typical, typical), seasons, horizon, CPU)


@settings(deadline=None, max_examples=150, database=None)
@given(
    typical=st.integers(3, 3000),
    horizon=st.integers(1, 300),
    seasons=st.sets(st.integers(2, 400), max_size=2),
    decode=st.sampled_from(["direct", "sample"]),
)
def test_whatever_the_series_its_lengths_fit_together(
    typical: int, horizon: int, seasons: set[int], decode: str
) -> None:
    if typical < horizon + 2:
        with pytest.raises(DataError, match="Lower --horizon"):
            plan(typical, tuple(sorted(seasons)), horizon, decode=decode)
        return
    made = plan(typical, tuple(sorted(seasons)), horizon, decode=decode)
    assert made.history % made.patch == 0 and made.history >= 2
    assert made.history <= max(8, typical - horizon)
    assert all(season <= made.history and season + horizon <= typical for season in made.seasons_list)
    assert set(made.seasons_list) <= seasons
    assert made.season == (made.seasons_list or (1,))[0]
    assert decode == "direct" or made.patch == 1
    ForecastPlan(**made.as_dict())  # it can be read again


@pytest.mark.parametrize("history", [1, 7, 24, 100])
@pytest.mark.parametrize("patch", [None, 1])
def test_a_history_that_is_asked_for_is_kept(history: int, patch: int | None) -> None:
    made = plan(seasons=(24,), history=history, patch=patch)
    assert made.history == history and history % made.patch == 0
    assert made.seasons_list == ((24,) if history >= 24 else ())


def test_a_patch_that_is_asked_for_is_kept() -> None:
    for patch in (1, 4, 9, 300):
        made = plan(seasons=(24,), patch=patch)
        assert made.patch == patch and made.history % patch == 0


def test_what_is_not_said_is_chosen() -> None:
    assert plan().likelihood == "quantile"
    assert plan(decode="sample").likelihood == "student-t"
    assert plan(decode="sample", likelihood="normal").likelihood == "normal"
    assert plan(hidden=11, batch_size=13, dropout=0.0).as_dict().items() >= {
        ("hidden", 11), ("batch_size", 13), ("dropout", 0.0)
    }  # fmt: skip
    assert plan(seasons=(7,)).seasons == "7" and plan().seasons == "none"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"decode": "sample", "likelihood": "quantile"}, "--likelihood quantile is none"),
        ({"decode": "sample", "patch": 3}, "leave --patch out"),
        ({"decode": "sample", "history": 1}, "at least 2"),
        ({"seasons": "24", "history": 9}, "--history 9 is less than a season of 24"),
        ({"history": 10, "patch": 3}, "--history 10 is no multiple of --patch 3"),
        ({"known": "a,b", "past": "b"}, "'b' is named twice"),
        ({"seasons": "day"}, "--seasons is 'day'"),
        ({"seasons": "1,24"}, "at least 2 steps"),
        ({"seasons": "2,3,4"}, "one or two"),
        ({"seasons": "-3"}, "one or two"),
    ],
)
def test_options_that_contradict_each_other(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(options(**given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"horizon": 0}, "--horizon is 0"),
        ({"horizon": 10_001}, "--horizon is 10,?001"),
        ({"horizon": 1.5}, "--horizon is 1.5"),
        ({"history": 0}, "--history is 0"),
        ({"likelihood": "gauss"}, "--likelihood is 'gauss'"),
        ({"decode": "beam"}, "--decode is 'beam'"),
        ({"select": "owa"}, "--select is 'owa'"),
        ({"tokens": "char"}, "--tokens"),
    ],
)
def test_options_that_are_none(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        options(**given)


def test_lists_in_options() -> None:
    assert seasons_in(" 168, 24 ") == (24, 168) and seasons_in("7,7") == (7,)
    assert seasons_in("none") == seasons_in("0") == seasons_in("1") == ()
    assert names_in(" price , day off,") == ("price", "day off") and names_in(None) == names_in("") == ()
