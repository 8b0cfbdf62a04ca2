"""Learning to forecast: what is trained and validated on, a killed run that goes on to the same bits, and bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqcli
from seqcli.core import catalogue, runs
from seqcli.core.events import Evaluated, Finished, Saved
from seqcli.core.tasks.forecast.bars import bars
from seqcli.core.tasks.forecast.job import ForecastJob, weights
from seqcli.core.tasks.forecast.measuring import distinct, last_origins, targets_of
from seqcli.core.tasks.forecast.series import Series, read_series
from seqcli.core.tasks.union import build
from seqcli.core.training.checkpoint import read
from seqcli.errors import ConfigError, DataError, SeqcliError

nan = np.nan
SMALL: dict[str, Any] = {"task": "forecast", "hidden": 6, "batch_size": 4, "threads": 1, "precision": "fp32"}


def wide(*values: Any) -> str:
    """A table with a column for each series, which end where they like, and a column of days."""
    days = np.datetime64("2024-01-01") + np.arange(max(map(len, values)))
    lines = ["day," + ",".join(f"s{k}" for k in range(len(values)))]
    for t, day in enumerate(days):
        cells = ["" if t >= len(one) or np.isnan(one[t]) else repr(float(one[t])) for one in values]
        lines.append(f"{day}," + ",".join(cells))
    return "\n".join(lines) + "\n"


def waves(count: int = 1, length: int = 60, seed: int = 0) -> list[Any]:
    """Series with a season of seven steps and some noise."""
    random = np.random.default_rng(seed)
    t = np.arange(length)
    return [20 + 5 * np.sin(2 * np.pi * (t + 2 * k) / 7) + random.normal(0, 1, length) for k in range(count)]


def job(text: str, said: list[str] | None = None, /, **options: Any) -> ForecastJob:
    Path("s.csv").write_text(text)
    made = build({**SMALL, "files": ("s.csv",), "horizon": 4, **options})
    return ForecastJob(made, said.append if said is not None else lambda text: None)


def train(text: str, run: str = "r", **options: Any) -> list[Any]:
    Path("s.csv").write_text(text)
    return list(runs.train(build({**SMALL, "files": ("s.csv",), "horizon": 4, "steps": 3, **options}), run=run))


# --- what is trained on, and what is validated on -----------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[40], [10], [9], [6], [14, 40, 25], [40] * 24, [10, 11, *[30] * 22], [9] * 20])
@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("split", [0.0, 0.1, 0.6])
def test_no_step_is_both_trained_and_validated_on(lengths: list[int], horizon: int, split: float) -> None:
    """No window reaches beyond its series, and each has at least two steps of the past."""
    made = job(wide(*(np.arange(n) % 5 + 1.0 for n in lengths)), horizon=horizon, valid_split=split)
    rows, origins = made._origins
    validated: list[set[int]] = [set() for _ in lengths]
    for k, origin in zip(rows.tolist(), origins.tolist(), strict=True):
        validated[k] |= set(range(origin, origin + horizon))
    assert all(steps <= set(range(2, n)) for steps, n in zip(validated, lengths, strict=True))
    assert bool(len(rows)) == bool(split and max(lengths) >= 2 * horizon + 2)
    assert made.valid_tokens == len(rows) * horizon
    for k, n in enumerate(lengths):
        ends = made._first[k] + np.arange(made._count[k])
        trained = {t for e in ends.tolist() for t in range(e, e + horizon)}
        assert not len(ends) or (ends.min() >= 2 and max(trained) < n)
        assert not trained & validated[k]
        if n >= 2 * horizon + 2:
            assert trained, "every series that is long enough is learnt from"
            assert max(trained) == (min(validated[k]) if validated[k] else n) - 1, "up to what is kept"


def test_batches_are_windows_of_every_series_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    made = job(wide(*(np.arange(n) % 5 + 1.0 for n in (12, 30, 21))), valid_split=0, batch_size=64, dropout=0.0)
    seen: list[tuple[int, int]] = []
    plain = made.history.windows
    monkeypatch.setattr(
        type(made.history),
        "windows",
        lambda self, rows, ends, *a, **k: (
            seen.extend(zip(rows.tolist(), ends.tolist(), strict=True)) or plain(rows, ends, *a, **k)
        ),
    )
    losses = [made.loss(number, [], 0.0)[0].item() for number in range(12)]
    possible = {(k, int(e)) for k in range(3) for e in made._first[k] + np.arange(made._count[k])}
    assert set(seen) == possible, "each of them, and no other"
    again = [made.loss(number, [], 0.0)[0].item() for number in range(12)]
    assert again == losses, "the same batch has the same windows"


def test_gaps_are_no_part_of_the_loss() -> None:
    values = waves(1, 60)[0]
    values[[20, 21, 33, 40]] = nan
    for how in ({"decode": "direct"}, {"decode": "sample"}):
        made = job(wide(values), valid_split=0, **how)
        made.model.eval()
        batch = made.history.windows(np.array([0, 0]), np.array([19, 38]), made.plan.history, 4)
        losses, real = made.model.loss(batch)
        assert 0 < real[:, -4:].sum() < 8
        found = made._mean(losses, real, None, batch.scale)
        assert torch.equal(found, made._mean(torch.where(real, losses, 1e9), real, None, batch.scale))
        wanted = [losses[k][real[k]].mean().item() for k in range(2)]
        assert found.tolist() == pytest.approx(wanted, rel=1e-5)


def test_series_of_any_size_weigh_about_the_same() -> None:
    y = waves(1, 80)[0]
    Path("s.csv").write_text(wide(y, y * 1e6, y * 1e-6, y + 3, -y))
    found = weights(read_series([Path("s.csv")]), 7)
    np.testing.assert_allclose(found[:3] * [1, 1e6, 1e-6], found[0], rtol=1e-6)
    assert found[4] == pytest.approx(found[0]) and found[3] < found[0], "less where an error is relatively less"


@pytest.mark.parametrize(
    "values", [[5.0] * 9, [0.0] * 9, [1e-310] * 9, [0.0] * 8 + [4], [1, *[nan] * 8, 1], [1e99, -1e99] * 4, [3, nan, 4]]
)
def test_strange_series_have_a_weight(values: list[float]) -> None:
    of = np.array([*values, *waves(1, 30)[0]])
    offsets = np.array([0, len(values), len(of)])
    made = Series(["a", "b"], offsets, offsets[:2] * 0, of, np.diff(offsets), read_frequency())
    for one in (made, made.select([0])):
        found = weights(one, 7)
        assert np.isfinite(found).all() and (found > 0).all()


def read_frequency() -> Any:
    Path("f.csv").write_text("1\n2\n3\n")
    return read_series([Path("f.csv")]).frequency


def test_small_parts() -> None:
    Path("s.csv").write_text(wide([1, 2, 3, nan, 5], [6, 7, 8]))
    of = read_series([Path("s.csv")])
    found = targets_of(of, np.array([0, 1, 1]), np.array([2, 1, 3]), 3)
    np.testing.assert_array_equal(found, [[3, nan, 5], [7, 8, nan], [nan] * 3])
    rows, ends = last_origins(of, 2, np.array([0, 3]))
    assert (rows.tolist(), ends.tolist()) == ([0], [3]), "the second has nothing beyond what is known"
    rows, ends = last_origins(of, 9, np.array([4, 2]))
    assert (rows.tolist(), ends.tolist()) == ([0, 1], [4, 2])
    assert distinct(np.array([0, 0, 1, 0]), np.array([5, 7, 5, 20]), 4) == 4 + 2 + 4 + 4
    assert distinct(rows[:0], ends[:0], 4) == 0
    assert bars([0, nan, 7.0, 3.5], 0, 7, "·") == "▁·█▅" and bars([2.0], 2, 2) == "▁"


# --- going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"decode": "sample"}, {"likelihood": "negative-binomial", "average": 2}])
def test_a_killed_run_goes_on_to_the_same_bits(how: dict[str, Any]) -> None:
    options = {"steps": 9, "save_every": 2, "eval_every": 3, "log_every": 2, "dropout": 0.2, **how}
    text = wide(*(np.round(one) for one in waves(3)))
    whole = train(text, "whole", **options)
    assert sum(isinstance(event, Evaluated) for event in whole) >= 3
    events = runs.train(build({**SMALL, "files": ("s.csv",), "horizon": 4, **options}), run="killed")
    for event in events:
        if isinstance(event, Saved) and event.step == 4:
            break
    del events
    list(runs.resume("killed"))
    for name in ("best.safetensors", "checkpoints/step-00000009/model.safetensors"):
        a, b = (read(Path("runs") / run / name) for run in ("whole", "killed"))
        assert a.tensors.keys() == b.tensors.keys()
        assert all(torch.equal(a.tensors[key], b.tensors[key]) for key in a.tensors)
        assert a.metadata["spread"] == b.metadata["spread"]
        np.testing.assert_array_equal(a.metadata["series"], b.metadata["series"])
    points = [catalogue.read_run(Path("runs") / run).points for run in ("whole", "killed")]
    for point in (*points[0], *points[1]):
        point.pop("seconds", None), point.pop("tokens_per_s", None)
    assert points[0] == points[1]
    forecasts = [runs.load(run, task="forecast").forecast(seed=2) for run in ("whole", "killed")]
    np.testing.assert_array_equal(forecasts[0].mean, forecasts[1].mean)
    np.testing.assert_array_equal(forecasts[0].upper[95], forecasts[1].upper[95])


def test_a_resumed_run_knows_the_width_of_its_intervals() -> None:
    """Until it is validated again, it is what was found before."""
    train(wide(*waves(2)), steps=4, eval_every=2, save_every=4)
    before = read(Path("runs/r/checkpoints/step-00000004/model.safetensors")).metadata["spread"]
    assert before != 1
    list(runs.resume("r", {"steps": 5, "eval_every": 100, "save_every": 1}))
    options = catalogue.read_run(Path("runs/r")).options
    stored = read(Path("runs/r/checkpoints/step-00000004/model.safetensors")).metadata
    assert ForecastJob(options, lambda text: None, stored).spread == before


def test_the_same_seed_is_the_same_training() -> None:
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(wide(*waves(2)), run, seed=seed)
    a, b, c = (read(Path(f"runs/{run}/best.safetensors")).tensors for run in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a) and not all(torch.equal(a[key], c[key]) for key in a)


# --- what is learnt ---------------------------------------------------------------------------------------------------


def test_a_noisy_season_is_learnt_better_than_it_repeats_itself() -> None:
    """Its mean over many cycles is nearer to what follows than the last cycle, whose noise is as large again."""
    whole = waves(1, 400)[0]
    train(wide(whole[:330]), steps=150, hidden=16, horizon=14, batch_size=32, lr=0.005)
    Path("whole.csv").write_text(wide(whole))
    found = runs.load("r", task="forecast").evaluate("whole.csv", windows=5)
    assert found["mase"] < 0.92 * found["beside"]["seasonal naive"]["mase"]
    assert found["wql"] < 0.92 * found["beside"]["seasonal naive"]["wql"]
    assert found["mase"] < 0.7 * found["beside"]["naive"]["mase"]
    assert 0.8 < found["coverage_95"] <= 1


def test_rare_demand_is_forecast_in_counts() -> None:
    random = np.random.default_rng(3)
    values = [random.poisson(4, 80) * (random.random(80) < 0.3) for _ in range(5)]
    train(wide(*values), steps=60, likelihood="negative-binomial", seasons="none")
    made = runs.load("r", task="forecast").forecast(levels=[50, 80, 95])
    for quantiles in (made.median, *made.lower.values(), *made.upper.values()):
        assert (quantiles == np.round(quantiles)).all() and (quantiles >= 0).all()
    assert (made.mean > 0).all() and np.median(made.upper[95]) < 40
    assert made.upper[95].mean() > made.upper[50].mean()


def test_a_series_that_is_constant_is_forecast_as_such() -> None:
    for value in (5.0, 0.0, -2e9):
        train(wide([value] * 40), f"r{value:g}", seasons="7")
        made = runs.load(f"r{value:g}", task="forecast").forecast()
        np.testing.assert_allclose(made.median, value, rtol=1e-3, atol=1e-3)


# --- validation files, and none -------------------------------------------------------------------------------------


def test_a_validation_file_goes_on_from_the_training() -> None:
    values = waves(2, 60)
    Path("v.csv").write_text(wide(*values).split("\n")[0] + "\n" + "\n".join(wide(*values).split("\n")[51:]))
    made = job(wide(*(one[:50] for one in values)), valid="v.csv")
    assert made._origins[0].tolist() == [0, 1] and made._origins[1].tolist() == [56, 56]
    np.testing.assert_allclose(made._truth.of(0), values[0])
    assert not made._held.any() and (made._first + made._count - 1 == 46).all(), "all is trained on"
    made.model.eval()
    with torch.no_grad():
        figures = made.evaluate()
    assert figures is not None and set(figures) == {"loss", "smape", "mase", "coverage"}
    Path("v.csv").write_text("\n".join(wide(*values).split("\n")[:1] + wide(*values).split("\n")[51:54]) + "\n")
    made = job(wide(*(one[:50] for one in values)), valid="v.csv")
    assert made._origins[1].tolist() == [50, 50], "fewer steps than a horizon"
    assert np.isnan(targets_of(made._truth, *made._origins, 4)).sum() == 2
    made.model.eval()
    with torch.no_grad():
        assert made.evaluate() is not None


def test_all_values_are_trained_on_without_validation() -> None:
    train(wide(*waves(2, 40)), valid_split=0)
    model = runs.load("r", task="forecast")
    assert (model.spread, model.figures) == (1.0, {})
    assert job(wide(*waves(2, 40)), valid_split=0).evaluate() is None


@pytest.mark.parametrize("select", ["smape", "mase"])
def test_the_best_is_chosen_by_what_is_said(select: str) -> None:
    events = train(wide(*waves(2)), select=select, eval_every=1, steps=4)
    found = [event.figures[select] for event in events if isinstance(event, Evaluated)]
    (last,) = [event for event in events if isinstance(event, Finished)]
    assert last.best_step == 1 + int(np.argmin(found)) and last.best == min(found)
    best = catalogue.read_run(Path("runs/r")).best
    assert best is not None and best["step"] == last.best_step
    assert len({round(figure, 12) for figure in found}) > 1


# --- bad input --------------------------------------------------------------------------------------------------------

ENOUGH = wide(np.arange(30) % 4)


@pytest.mark.parametrize(
    ("text", "options", "error", "said"),
    [
        (wide(np.arange(5.0)), {}, DataError, "less than 6 values"),
        (wide(*[np.arange(5.0)] * 30), {}, DataError, "less than 6 values"),
        ("3.5\n", {"horizon": 1}, DataError, "less than 3 values"),
        ("value\n\n\n\n", {}, DataError, "."),
        ("day,y\n2024-01-01,\n2024-01-02,\n2024-01-03,NA\n", {}, DataError, "."),
        (wide([1.0] * 20, [nan] * 20), {}, DataError, "only gaps"),
        (ENOUGH, {"horizon": 0}, ConfigError, "--horizon is 0"),
        (ENOUGH, {"horizon": 29}, DataError, "less than 31 values"),
        (wide([1.0, -2] * 10), {"likelihood": "negative-binomial"}, ConfigError, "has -2 at 2024-01-02"),
        (wide([1.0, 2.5] * 10), {"likelihood": "negative-binomial"}, ConfigError, "has 2.5 at 2024-01-02"),
        (wide([5.0] * 30), {"select": "mase"}, ConfigError, "--select mase"),
        (ENOUGH, {"valid": "v.csv"}, DataError, "v.csv has nothing to validate on"),
        (ENOUGH, {"valid": "minus.csv", "likelihood": "negative-binomial"}, ConfigError, "has -7"),
        (wide([1.0, 2, 3e200] * 5), {}, DataError, "beyond 1e100"),
        (ENOUGH, {"known": "price"}, ConfigError, "price"),
        (ENOUGH, {"decode": "sample", "history": 1}, ConfigError, "--history is 1"),
        (wide(np.arange(7.0)), {"select": "smape"}, ConfigError, "nothing to validate on"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from(text: str, options: dict[str, Any], error: type[Exception], said: str) -> None:
    Path("v.csv").write_text("\n".join([ENOUGH.split("\n")[0], *ENOUGH.split("\n")[11:21]]) + "\n")
    Path("minus.csv").write_text("day,s0\n" + "".join(f"2024-01-{day},{-7 if day == 31 else 1}\n" for day in (30, 31)))
    with pytest.raises(error, match=said) as caught:
        train(text, **options)
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "?", ":"))
    assert isinstance(caught.value, SeqcliError)
    assert not Path("runs").exists()


def test_series_that_are_too_short_are_said_and_left_out() -> None:
    said: list[str] = []
    made = job(wide(*waves(5, 40), [1, 2, 3.0]), said)
    assert any("1 series, like 's5', are too short" in text for text in said)
    assert made._count[5] == 0


def test_series_too_short_to_validate_on_are_said_to_be_trained_on_whole() -> None:
    for length, split, told in ((8, 0.1, True), (8, 0.0, False), (40, 0.1, False)):
        said: list[str] = []
        job(wide(*waves(1, length)), said, valid_split=split)
        assert any("too short to keep some" in sentence for sentence in said) == told


def test_the_start_of_a_far_horizon_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    made = job("".join(f"{t % 9}\n" for t in range(6100)), horizon=3000, seasons="none", history=6, patch=1)
    plain = type(made.history).windows

    def recorded(self: Any, rows: Any, *others: Any, **how: Any) -> Any:
        sizes.append(len(rows))
        return plain(self, rows, *others, **how)

    monkeypatch.setattr(type(made.history), "windows", recorded)
    assert made.model.begin.isfinite().all()
    assert 50 <= sum(sizes) <= 200


@pytest.mark.parametrize("horizon", [1, 50, 120])
def test_any_horizon_can_be_learnt(horizon: int) -> None:
    """Shorter than a step of the season, longer than seven of them, and longer than all that is left before it."""
    train(wide(*waves(2, 130)), horizon=horizon, seasons="7")
    made = seqcli.load("r").forecast()
    assert made.mean.shape == (2, horizon) and np.isfinite(made.mean).all()
