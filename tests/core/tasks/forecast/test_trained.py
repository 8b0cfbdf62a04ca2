"""Forecasters from Python: what follows series old and new, rolling origins, and what cannot be forecast."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqcli
from seqcli.core import runs
from seqcli.core.metrics.series import seasonal_mae
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.measuring import origins
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.trained import Forecaster, check_levels
from seqcli.core.tasks.union import build
from seqcli.errors import CheckpointError, ConfigError, DataError, TaskError

H = 4
NAMES = ("north", "south", "west")
SMALL: dict[str, Any] = {"task": "forecast", "hidden": 6, "batch_size": 4, "threads": 1, "precision": "fp32"}
SMALL |= {"horizon": H, "steps": 3}


def values(length: int = 60) -> np.ndarray[Any, Any]:
    """Three series (3, T) with a season of seven steps."""
    t = np.arange(length)
    noise = np.random.default_rng(0).normal(0, 1, (3, 400))[:, :length]
    return np.stack([20 * (k + 1) + 5 * np.sin(2 * np.pi * (t + k) / 7) for k in range(3)]) + noise


def table(rows: Any, first: int = 0, names: tuple[str, ...] = NAMES, **columns: Any) -> str:
    """A long table of series (S, T) from day `first` on; columns are given by functions of series and day."""
    day = np.datetime64("2024-01-01")
    lines = [",".join(["name", "day", "y", *columns])]
    for k, row in enumerate(rows):
        for t, y in enumerate(row, first):
            cells = [f"{of(k, t)}" for of in columns.values()]
            lines.append(",".join([names[k], str(day + t), "" if np.isnan(y) else repr(float(y)), *cells]))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with runs: one of each way to decode, and one with columns beside the values."""
    place = tmp_path_factory.mktemp("forecasts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("SEQCLI_CACHE", str(place / "cache"))
        Path("s.csv").write_text(table(values()))
        for decode in ("direct", "sample"):
            list(runs.train(build({**SMALL, "files": (str(place / "s.csv"),), "decode": decode}), run=decode))
        gone = np.concatenate([values(), np.full((3, H), np.nan)], 1)
        Path("c.csv").write_text(
            table(gone, price=lambda k, t: t % 5, rain=lambda k, t: k + t % 3, size=lambda k, t: k * 10)
        )
        columns = {"known": "price", "past": "rain", "static": "size"}
        list(runs.train(build({**SMALL, "files": (str(place / "c.csv"),), **columns}), run="columns"))
    yield place


def load(home: Path, name: str = "direct") -> Forecaster:
    model = runs.load(home / "runs" / name, threads=1)
    assert isinstance(model, Forecaster)
    return model


# --- forecasts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["direct", "sample", "columns"])
def test_rows_are_plain_and_go_on_from_the_last_value(home: Path, name: str) -> None:
    made = load(home, name).forecast(levels=[95, 80, 50])
    assert made.columns == ["unique_id", "ds", "mean", "median", "lo-50", "hi-50", "lo-80", "hi-80", "lo-95", "hi-95"]
    rows = list(made)
    assert len(rows) == len(made) == 3 * H
    places = [("north", f"2024-03-{day:02d}") for day in (1, 2, 3, 4)] + [("south", "2024-03-01")]
    assert [row[:2] for row in rows[:5]] == places
    for row in rows:
        assert [type(cell) for cell in row] == [str, str, *[float] * 8] and np.isfinite(row[2:]).all()
        low, high = row[4::2], row[5::2]
        assert low[0] >= low[1] >= low[2] and high[0] <= high[1] <= high[2] and low[0] <= row[3] <= high[0]
    assert made.mean.shape == made.upper[80].shape == (3, H)
    np.testing.assert_array_equal(made.past[2], values()[2, -3 * H :])
    assert made.past_times[2][-1] == "2024-02-29" and "3 series, 4 steps" in repr(made)


@pytest.mark.parametrize("name", ["direct", "sample"])
def test_the_file_of_the_training_gives_the_forecast_of_the_run(home: Path, name: str) -> None:
    """And so does the same file in another order, and its end alone, which is joined to what is known."""
    model = load(home, name)
    plain = model.forecast(seed=3)
    lines = table(values()).split("\n")
    Path("whole.csv").write_text("\n".join(lines))
    Path("turned.csv").write_text("\n".join([lines[0], *lines[-2:0:-1]]) + "\n")
    Path("end.csv").write_text(table(values()[:, 50:], 50))
    for file in ("whole.csv", "turned.csv", "end.csv"):
        made = model.forecast(file, seed=3)
        assert sorted(made.ids) == sorted(plain.ids)
        order = [made.ids.index(one) for one in plain.ids]
        if order == [0, 1, 2]:
            np.testing.assert_array_equal(made.mean, plain.mean)
            np.testing.assert_array_equal(made.lower[95], plain.lower[95])
        elif name == "direct":
            np.testing.assert_allclose(made.mean[order], plain.mean, rtol=1e-5)


def test_a_forecast_knows_no_more_than_its_past(home: Path) -> None:
    """What follows the origin, in the file that a model is measured on, changes no forecast."""
    model = load(home)
    whole = values(80)
    Path("a.csv").write_text(table(whole))
    other = whole.copy()
    other[:, 70:] = other[:, 70:] * -3 + 1000
    Path("b.csv").write_text(table(other))
    one, two = (model.read(path) for path in ("a.csv", "b.csv"))
    rows, ends = np.arange(3), np.array([70, 70, 70])
    mine, theirs = (model._predicted(series, rows, ends, [0.1, 0.9]) for series in (one, two))
    np.testing.assert_array_equal(mine.quantiles, theirs.quantiles)
    Path("c.csv").write_text(table(whole[:, :70]))
    found = model.forecast("c.csv", levels=[80])
    np.testing.assert_allclose(found.lower[80], mine.quantiles[..., 0])


def test_newer_values_of_a_series_change_its_forecast_and_its_times(home: Path) -> None:
    model = load(home)
    Path("new.csv").write_text(table(values(62)[:1, 60:] + 30, 60))
    made = model.forecast("new.csv")
    assert (made.ids, made.times[0][0]) == (["north"], "2024-03-03")
    assert made.mean[0, 0] > model.forecast(series="north").mean[0, 0]


def test_a_series_that_the_model_has_not_seen(home: Path) -> None:
    model = load(home)
    for length in (1, 2, 50):
        Path("new.csv").write_text(table(values(50)[:1, -length:] * 1000, names=("new",)))
        if length == 1:
            Path("new.csv").write_text("name,day,y\nnew,2024-01-01,5.5\n")
        made = model.forecast("new.csv")
        assert made.ids == ["new"] and np.isfinite(made.mean).all()
    assert 10_000 < made.median.mean() < 30_000


def test_some_of_the_series(home: Path) -> None:
    model = load(home)
    every, some = model.forecast(), model.forecast(series=["west", "north"])
    assert some.ids == ["west", "north"] and model.forecast(series="south").ids == ["south"]
    np.testing.assert_allclose(some.mean, every.mean[[2, 0]], rtol=1e-6)


def test_frames_are_forecast_like_files(home: Path) -> None:
    class Frame:
        def write_csv(self) -> str:
            return table(values())

    np.testing.assert_array_equal(load(home).forecast(Frame()).mean, load(home).forecast().mean)


def test_the_future_of_known_columns_is_wanted(home: Path) -> None:
    model = load(home, "columns")
    columns = {"price": lambda k, t: t % 5, "rain": lambda k, t: 1, "size": lambda k, t: k * 10}
    for steps, said in ((0, "4 times from 2024-03-04 to 2024-03-07"), (3, "at 2024-03-07")):
        rows = np.concatenate([values(63)[:, 60:], np.full((3, steps), np.nan)], 1)
        Path("new.csv").write_text(table(rows, 60, **columns))
        with pytest.raises(DataError, match=said) as caught:
            model.forecast("new.csv")
        assert "'price'" in str(caught.value) and "2 other series" in str(caught.value)
    rows = np.concatenate([values(63)[:, 60:], np.full((3, H), np.nan)], 1)
    Path("new.csv").write_text(table(rows, 60, **columns))
    plain = model.forecast("new.csv")
    Path("new.csv").write_text(table(rows, 60, **{**columns, "price": lambda k, t: t % 5 + 9 * (t == 64)}))
    changed = np.abs(model.forecast("new.csv").mean - plain.mean)
    assert (changed[:, 1] > 0).all() and not changed[:, [0, 2, 3]].any(), (
        "what is planned for a day is told to that day"
    )
    Path("new.csv").write_text(table(rows, 60))
    with pytest.raises(ConfigError, match="price"):
        model.forecast("new.csv")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"levels": [0]}, "--levels has 0"),
        ({"levels": [80, 100]}, "--levels has 100"),
        ({"levels": [-5]}, "--levels has -5"),
        ({"levels": [float("nan")]}, "--levels has nan"),
        ({"levels": ["80"]}, "--levels has '80'"),
        ({"series": ["nord"]}, "no series 'nord'. Did you mean north?"),
        ({"series": [3]}, "no series 3"),
        ({"series": []}, "No series is named"),
        ({"samples": 0}, "--samples is 0"),
        ({"samples": 2.5}, "--samples is 2.5"),
        ({"level": [80]}, "Did you mean levels?"),
    ],
)
def test_what_cannot_be_asked_for(home: Path, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(home).forecast(**how)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("missing.csv", "missing.csv"),
        (3, "is neither"),
        ("hours.csv", "does not fit the others, which are daily"),
        ("steps.csv", "no column of times"),
        ("words.csv", "--id-column"),
    ],
)
def test_what_cannot_be_forecast(home: Path, data: Any, said: str) -> None:
    Path("hours.csv").write_text("name,day,y\n" + "".join(f"a,2024-01-01T{k:02d}:00:00,{k}\n" for k in range(20)))
    Path("steps.csv").write_text("".join(f"{k}\n" for k in range(20)))
    Path("words.csv").write_text("text,label\nhello,good\nworld,bad\n")
    with pytest.raises((DataError, ConfigError)) as caught:
        load(home).forecast(data)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_other_uses_are_told(home: Path) -> None:
    with pytest.raises(TaskError, match=r"model.forecast"):
        load(home).sample("x")
    assert repr(load(home)).startswith("Forecaster(") and "3 daily series, 4 steps ahead" in repr(load(home))
    Path("n.csv").write_text("".join(f"{k % 5}\n" for k in range(40)))
    assert "(lstm 1 x 6, 1 series, 4 steps ahead" in repr(seqcli.fit("n.csv", **SMALL)), "it has no times"


# --- figures ----------------------------------------------------------------------------------------------------------


def some_series(*lengths: int) -> Series:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = [f"s{k}" for k in range(len(lengths))]
    values = np.arange(float(offsets[-1]))
    return Series(ids, offsets, offsets[:-1] * 0, values, np.array(lengths), Frequency("integers", 1))


@pytest.mark.parametrize(
    ("length", "since", "windows", "step", "found"),
    [
        (20, 0, None, None, [16]),  # an unknown series: once
        (20, 8, None, None, [16, 12, 8]),  # as often as whole horizons follow
        (21, 8, None, None, [17, 13, 9]),
        (20, 8, None, 2, [16, 14, 12, 10, 8]),
        (20, 17, None, None, [17]),  # less than a horizon
        (20, 20, None, None, [16]),  # nothing new
        (20, 8, 2, 3, [16, 13]),
        (20, 0, 9, 4, [16, 12, 8, 4]),  # as far as there is a past of two
        (5, 0, None, None, []),
        (6, 0, None, None, [2]),
    ],
)
def test_origins(length: int, since: int, windows: int | None, step: int | None, found: list[int]) -> None:
    rows, ends = origins(some_series(3, length), np.array([0, since]), H, windows, step)
    assert rows.tolist() == [1] * len(found) and ends.tolist() == found
    assert not len(ends) or ends.max() < length


def test_figures_are_those_of_forecasts_from_the_origins(home: Path) -> None:
    """One origin after the other is forecast from a file that ends there, and the errors are averaged by hand."""
    model = load(home)
    whole = values(72)
    Path("new.csv").write_text(table(whole[:, 60:], 60))
    found = model.evaluate("new.csv")
    assert (found["windows"], found["series"]) == (9, 3)
    smapes, scaled, inside = [], [], []
    for origin in (60, 64, 68):
        Path("past.csv").write_text(table(whole[:, :origin]))
        made = model.forecast("past.csv", levels=[95])
        y = whole[:, origin : origin + H]
        smapes.append(200 * np.abs(y - made.median) / (np.abs(y) + np.abs(made.median)))
        scales = [[seasonal_mae(past, 7)] for past in whole[:, :origin]]
        scaled.append(np.abs(y - made.median) / scales)
        inside.append((made.lower[95] <= y) & (y <= made.upper[95]))
    assert found["smape"] == pytest.approx(np.mean(smapes), rel=1e-4)
    assert found["mase"] == pytest.approx(np.mean(scaled), rel=1e-4)
    assert found["coverage_95"] == pytest.approx(np.mean(inside))
    beside = found["beside"]
    assert set(beside) == {"naive", "seasonal naive", "Naive2"} and beside["Naive2"]["owa"] == pytest.approx(1)
    last = np.stack([whole[:, origin - 7 : origin - 7 + H] for origin in (60, 64, 68)])
    y = np.stack([whole[:, origin : origin + H] for origin in (60, 64, 68)])
    assert beside["seasonal naive"]["smape"] == pytest.approx(np.mean(200 * abs(y - last) / (abs(y) + abs(last))))


def test_short_continuations_are_measured_as_far_as_they_go(home: Path) -> None:
    Path("new.csv").write_text(table(values(62)[:, 60:], 60))
    found = load(home).evaluate("new.csv")
    assert found["windows"] == 3 and 0 < found["smape"] < 200
    Path("old.csv").write_text(table(values()[:, 50:], 50))
    assert load(home).evaluate("old.csv")["windows"] == 3, "nothing is new: the last horizon, once"


def test_constant_series_have_no_scale_but_figures(home: Path) -> None:
    Path("new.csv").write_text(table(np.full((2, 30), 7.0), names=("one", "two")))
    found = load(home).evaluate("new.csv")
    assert found["without_scale"] == 2 and "mase" not in found and "owa" not in found and found["smape"] >= 0


@pytest.mark.parametrize("how", [{"windows": 0}, {"windows": -1}, {"step": 0}, {"step": 1.5}, {"windows": "3"}])
def test_origins_that_are_none(home: Path, how: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a whole number from 1"):
        load(home).evaluate(home / "s.csv", **how)


def test_too_little_to_measure_on(home: Path) -> None:
    Path("new.csv").write_text("name,day,y\n" + "".join(f"new,2024-01-0{k},{k}\n" for k in range(1, 6)))
    with pytest.raises(DataError, match="nothing to measure"):
        load(home).evaluate("new.csv")


@pytest.mark.parametrize("levels", [80, 80.0, (95, 80, 80)])
def test_levels(levels: Any) -> None:
    assert check_levels(levels) == sorted({80.0, float(np.max(levels))})


# --- model files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("spread", 0.0, "spread"), ("spread", float("nan"), "spread"), ("spread", "1", "spread"),
        ("spread", 1e9, "spread"),
        ("series", np.zeros(3, np.uint8), "series"), ("series", None, "series"), ("covariates", {}, "covariates"),
        ("covariates", {"known": [{"name": "x"}], "past": [], "static": []}, "covariates"),
        ("horizon", 0, "--horizon"), ("horizon", None, "--horizon"), ("seasons", "x", "--seasons"),
        ("seasons", "500", "season of 500"), ("patch", 5, "multiple"), ("history", 10**9, "--history"),
        ("history", 1000, "shape|fit"), ("horizon", 5, "shape|fit"), ("likelihood", "normal", "shape|fit"),
        ("decode", "sample", "draws from quantiles"), ("hidden", 7, "shape|fit"), ("task", "tag", "task"),
    ],
)  # fmt: skip
def test_model_files_that_say_what_is_not_so(home: Path, key: str, value: Any, said: str) -> None:
    from seqcli.core.training.stored import Stored, read

    stored = read(home / "runs/direct/best.safetensors")
    metadata = dict(stored.metadata)
    if key in metadata and key != "task":
        metadata[key] = value
    else:
        metadata["config"] = {**metadata["config"], key: value}
    if (key, value) == ("history", 1000):
        metadata["config"]["patch"] = 500
    with pytest.raises(CheckpointError, match=said) as caught:
        Forecaster.open(Stored(stored.tensors, metadata), "cpu")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_model_file_alone_is_enough(home: Path) -> None:
    Path("m.safetensors").write_bytes((home / "runs/columns/best.safetensors").read_bytes())
    np.testing.assert_array_equal(seqcli.load("m.safetensors").forecast().mean, load(home, "columns").forecast().mean)
