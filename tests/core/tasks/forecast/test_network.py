"""Both networks against their definition, window by window and step by step; what they know, and what they do not."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqcli.core.cells import CELLS
from seqcli.core.tasks.forecast import predict as predicting
from seqcli.core.tasks.forecast.candidates import candidates, steps_back
from seqcli.core.tasks.forecast.likelihood import LEVELS, LIKELIHOODS
from seqcli.core.tasks.forecast.network import (
    DirectForecaster,
    StepForecaster,
    build_forecaster,
    lags,
    reading,
)
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.windows import MOST, Batch

DECIDED: dict[str, Any] = {"task": "forecast", "device": "cpu", "precision": "fp32", "lr": 0.1, "weight_decay": 0.0}
SMALL: dict[str, Any] = {**DECIDED, "hidden": 6, "dropout": 0.0, "batch_size": 2, "cell": "gru"}
B, C, H, KNOWN, PAST, STATIC = 5, 12, 7, 3, 2, 1


def plan(**changes: Any) -> ForecastPlan:
    sizes = {"horizon": H, "history": C, "patch": 3, "seasons": "none", "likelihood": "quantile"}
    return ForecastPlan(**{**SMALL, **sizes, **changes})


def network(**changes: Any) -> Any:
    """A network of 64 bits with random weights everywhere."""
    made = build_forecaster(plan(**changes), KNOWN, PAST, STATIC, 1).double().eval()
    g = torch.Generator().manual_seed(3)
    for p in made.parameters():
        nn.init.normal_(p, std=0.4, generator=g)
    return made


def batch(*, whole: bool = False, seed: int = 0) -> Batch:
    """Windows with gaps, and some that begin within them, or without gaps."""
    g = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    observed, real = torch.rand(B, C, generator=g) < 0.8, torch.rand(B, H, generator=g) < 0.8
    observed[1, :5] = observed[2, 1:] = observed[3, 4:8] = False
    if whole:
        observed, real = torch.ones_like(observed), torch.ones_like(real)
    z, target = drawn(B, C), drawn(B, H) * real
    z[1, :5] = 0
    level, scale = torch.tensor([3.0, -2, 0.1, 40, 0]).double(), torch.tensor([1.0, 2, 0.5, 3, 1]).double()
    of = (drawn(B, C + H, KNOWN), drawn(B, C, PAST), drawn(B, STATIC))
    return Batch(z, observed, *of, target, real, level, scale)


# --- the naive forecasts ----------------------------------------------------------------------------------------------


def season_mean(z: list[float], there: list[bool], season: int, back: int) -> float | None:
    """The mean of what was observed in the season that is so many whole seasons before the end of the past."""
    end = len(z) - back * season
    values = [z[t] for t in range(end - season, end) if there[t]]
    return sum(values) / len(values) if values else None


def ratio_of(a: float, b: float) -> float | None:
    return min(4.0, max(0.25, a / b)) if a > 0.05 and b > 0.05 else None


def naive_forecasts(
    z: list[float], there: list[bool], level: float, j: int, seasons: tuple[int, ...]
) -> list[float | None]:
    """The candidates of step j of the horizon, by their definition; None for one that there is not."""
    n = len(z)
    if not seasons:
        t = [k for k in range(n) if there[k]]
        middle = sum(t) / len(t)
        spread = sum((k - middle) ** 2 for k in t)
        slope = sum((k - middle) * z[k] for k in t) / spread if spread else 0.0
        return [z[-1], max(-MOST, min(MOST, z[-1] + slope * (j + 1)))]
    places = [n - 1]
    for season, most in zip(seasons, (7, 3), strict=False):
        latest = n + j
        while latest >= n:
            latest -= season
        places += [latest - season * k for k in range(max(1, min(most, n // season)))]
    first, kept = seasons[0], n // seasons[0]
    means = [season_mean(z, there, first, k) for k in range(kept)]
    plain, moved, grown = [], [], []
    for number, place in enumerate(places):
        here = there[place] or number == 0
        own, last = means[min(kept - 1, (n - 1 - place) // first)], means[0]
        plain.append(z[place] if here else None)
        moved.append(z[place] - own + last if here and own is not None and last is not None else None)
        ratio = ratio_of(last + level, own + level) if own is not None and last is not None else None
        grown.append((z[place] + level) * ratio - level if here and ratio is not None else None)
    going_on: list[float | None] = [None, None, None, None]
    if kept > 1 and there[places[1]] and means[0] is not None and means[1] is not None:
        ahead, nearest = j // first + 1, z[places[1]]
        ratio = ratio_of(means[0] + level, means[1] + level)
        going_on[0] = nearest + ahead * (means[0] - means[1])
        going_on[1] = (nearest + level) * ratio**ahead - level if ratio is not None else None
    for number, steps in enumerate((1, max(1, first // 4)), 2):
        pairs = [(k, k - first) for k in range(n - steps, n) if kept > 1 and there[k] and there[k - first]]
        if kept > 1 and there[places[1]] and pairs:
            going_on[number] = z[places[1]] + sum(z[a] - z[b] for a, b in pairs) / len(pairs)
    return [None if one is None else max(-MOST, min(MOST, one)) for one in [*plain, *moved, *grown, *going_on]]


@pytest.mark.parametrize("seasons", [(), (4,), (12,), (3, 6), (5,), (2,), (4, 12)])
def test_the_naive_forecasts_are_what_they_are_said_to_be(seasons: tuple[int, ...]) -> None:
    given = batch()
    found, there = candidates(given, torch.from_numpy(steps_back(H, seasons, C)), seasons)
    assert found.shape == there.shape
    missing = 0
    for b in range(B):
        level = (given.level[b] / given.scale[b]).item()
        for j in range(H):
            wanted = naive_forecasts(given.z[b].tolist(), given.observed[b].tolist(), level, j, seasons)
            assert [one is not None for one in wanted] == [bool(one) for one in there[b, j].tolist()]
            for mine, one in zip(found[b, j].tolist(), wanted, strict=True):
                assert one is None or mine == pytest.approx(one, rel=1e-9, abs=1e-9)
            missing += wanted.count(None)
    assert missing or not seasons


@pytest.mark.parametrize("seasons", [(), (2,), (3, 12), (12,)])
def test_candidates_are_of_the_past_alone(seasons: tuple[int, ...]) -> None:
    back = steps_back(40, seasons, C)
    assert back.min() >= 1 and back.max() <= C
    for j, row in enumerate(back.tolist()):
        places = row[1:]
        assert row[0] == 1
        assert all(any((place + j) % season == 0 for season in seasons) for place in places)
        assert len(places) == sum(max(1, min(most, C // s)) for s, most in zip(seasons, (7, 3), strict=False))


@pytest.mark.parametrize("seasons", [(2,), ()])
def test_naive_forecasts_of_a_far_horizon_are_numbers(seasons: tuple[int, ...]) -> None:
    """Zeros that grow fourfold in each of a thousand seasons, and a steep line."""
    z = torch.zeros(1, C, dtype=torch.float32)
    z[0, -1], z[0, -2] = 20.0, 0.0
    far = 2000
    nothing = torch.zeros(1, C + far, 0)
    one = torch.ones(1, dtype=torch.float64)
    real = torch.ones(1, far, dtype=torch.bool)
    observed = torch.ones(1, C, dtype=torch.bool)
    empty = nothing[:, :C], nothing[:, 0]
    given = Batch(z, observed, nothing, *empty, real * 0.0, real, one * 0, one)
    found, there = candidates(given, torch.from_numpy(steps_back(far, seasons, C)), seasons)
    assert found.isfinite().all() and found.abs().max() <= MOST and there.isfinite().all()


# --- the direct network -----------------------------------------------------------------------------------------------


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def direct_by_definition(model: DirectForecaster, given: Batch, b: int, j: int, seasons: tuple[int, ...]) -> Tensor:
    """The parameters (P,) of step j for window b, from the equations in the docstring."""
    level, scale = given.level[b].item(), given.scale[b].item()
    about = [math.copysign(math.log1p(abs(level / scale)), level), given.observed[b].double().mean().item()]
    rows = []
    for first in range(0, C, model.patch):
        steps = range(first, first + model.patch)
        row = [
            n for t in steps for n in (given.z[b, t].item(), float(given.observed[b, t]), *given.past[b, t].tolist())
        ]
        known = [*given.known[b, steps[-1]].tolist(), *given.known[b, list(steps)].mean(0).tolist()]
        rows.append([*row, *known, *about, *given.static[b].tolist()])
    y, _ = model.stack(torch.tensor([rows], dtype=torch.float64))
    h = y[0, -1]
    z, there = given.z[b].tolist(), given.observed[b].tolist()
    c = naive_forecasts(z, there, level / scale, j, seasons)
    scores = (model.choice.weight @ h + model.choice.bias + model.choice_at[j]).tolist()
    total = sum(math.exp(score) for score, one in zip(scores, c, strict=True) if one is not None)
    m = sum(math.exp(score) / total * one for score, one in zip(scores, c, strict=True) if one is not None)
    beside = torch.tensor([0.0 if one is None else one - m for one in c] + [float(one is not None) for one in c])
    u = (
        model.from_state.weight @ h
        + model.from_state.bias
        + model.from_candidates.weight @ beside.double()
        + model.at[j]
    )
    assert model.from_known is not None
    u = silu(u + model.from_known.weight @ torch.cat((given.known[b, C + j], given.static[b])))
    v = u + silu(model.deeper.weight @ u + model.deeper.bias)
    raw = model.out.weight @ v + model.out.bias + model.begin[j]
    return raw + m if model.head.size == 15 else torch.cat((raw[:1] + m, raw[1:]))


@pytest.mark.parametrize("seasons", ["none", "4", "3,6"])
@pytest.mark.parametrize("likelihood", ["quantile", "student-t"])
def test_the_direct_network_computes_its_equations(seasons: str, likelihood: str) -> None:
    made, given = network(seasons=seasons, likelihood=likelihood), batch()
    found = made(given)
    assert found.shape == (B, H, made.head.size)
    with torch.no_grad():
        for b in range(B):
            for j in range(H):
                wanted = direct_by_definition(made, given, b, j, made.seasons)
                np.testing.assert_allclose(found[b, j].detach(), wanted, rtol=2e-5, atol=2e-5)


def test_the_direct_network_does_not_see_what_it_forecasts() -> None:
    made, given = network(seasons="4"), batch()
    other = given._replace(target=given.target * 7 - 3, real=~given.real)
    assert torch.equal(made(given), made(other))
    changed = given.known.clone()
    changed[:, C + 2] += 1
    steps = (made(given) != made(given._replace(known=changed))).any(-1).any(0)
    assert steps.tolist() == [j == 2 for j in range(H)], "what is known of a step is told to this step"


@pytest.mark.parametrize("decode", ["direct", "sample"])
@pytest.mark.parametrize("seasons", ["none", "4"])
def test_an_untrained_network_forecasts_the_mean_of_the_naive_forecasts(decode: str, seasons: str) -> None:
    made: Any = build_forecaster(
        plan(decode=decode, seasons=seasons, likelihood="normal"), KNOWN, PAST, STATIC, 1
    ).double().eval()  # fmt: skip
    nn.init.zeros_(made.choice.weight)
    nn.init.zeros_(made.choice.bias)
    given = batch(whole=True)
    if isinstance(made, DirectForecaster):
        found, there = candidates(given, torch.from_numpy(made.back), made.seasons)
        middle, wanted = made(given)[..., 0], (found * there).sum(2) / there.sum(2)
    else:
        x, lagged, known = made.inputs(given, given.z, given.observed, C - made.reading, C)
        middle, wanted = made.heads(made.stack(x)[0], lagged, known)[..., 0], lagged.mean(2)
    np.testing.assert_allclose(middle.detach(), wanted, rtol=1e-5, atol=1e-5)


# --- step by step -----------------------------------------------------------------------------------------------------


def steps_by_definition(model: StepForecaster, given: Batch, b: int) -> list[Tensor]:
    """The parameters (P,) of every step that is read or forecast, for window b."""
    z = [*given.z[b].tolist(), *given.target[b].clamp(-MOST, MOST).tolist()]
    there = [*given.observed[b].tolist(), *given.real[b].tolist()]
    level, scale = given.level[b].item(), given.scale[b].item()
    about = [math.copysign(math.log1p(abs(level / scale)), level), given.observed[b].double().mean().item()]
    state, found = None, []
    for t in range(C - model.reading, C + H):
        assert all(t - lag >= 0 for lag in model.lags)
        lagged, known = [z[t - lag] for lag in model.lags], [float(there[t - lag]) for lag in model.lags]
        past = given.past[b, min(t - 1, C - 1)].tolist()
        x = [*lagged, *known, *given.known[b, t].tolist(), *past, *about, *given.static[b].tolist()]
        y, state = model.stack(torch.tensor([[x]], dtype=torch.float64), state)
        h = y[0, 0]
        scores = (model.choice.weight @ h + model.choice.bias).tolist()
        shares = [math.exp(s) * (k if any(known) else 1) for s, k in zip(scores, known, strict=True)]
        m = sum(share * value for share, value in zip(shares, lagged, strict=True)) / sum(shares)
        raw = model.out.weight @ h + model.out.bias + model.begin
        found.append(torch.cat((raw[:1] + m, raw[1:])))
    return found


@pytest.mark.parametrize("seasons", ["none", "4", "3,6"])
@pytest.mark.parametrize("likelihood", ["normal", "student-t"])
def test_the_network_of_steps_computes_its_equations(seasons: str, likelihood: str) -> None:
    made, given = network(seasons=seasons, likelihood=likelihood, decode="sample", patch=1), batch()
    losses, real = made.loss(given)
    first = C - made.reading
    assert losses.shape == real.shape == (B, made.reading + H)
    assert torch.equal(real, torch.cat((given.observed, given.real), 1)[:, first:])
    with torch.no_grad():
        for b in range(B):
            raw = torch.stack(steps_by_definition(made, given, b))
            targets = torch.cat((given.z[b, first:], given.target[b]))
            wanted = made.head.loss(raw, targets, given.scale[b].expand(len(raw)))
            np.testing.assert_allclose(losses[b].detach(), wanted, rtol=1e-4, atol=1e-4)


def test_no_step_sees_its_own_value_or_a_later_one() -> None:
    made, given = network(decode="sample", patch=1, seasons="4", likelihood="normal"), batch(whole=True)
    losses, _ = made.loss(given)
    for j in range(H):
        target = given.target.clone()
        target[:, j:] += 5
        other, _ = made.loss(given._replace(target=target))
        same = (losses == other)[:, made.reading :].all(0)
        assert same[:j].all() and not same[j:].any()


@pytest.mark.parametrize("history", [2, 3, 5, 12])
@pytest.mark.parametrize("seasons", [(), (2,), (3, 4)])
def test_lags_stay_within_the_window(history: int, seasons: tuple[int, ...]) -> None:
    seasons = tuple(season for season in seasons if season <= history)
    found, read = lags(seasons, history), reading(seasons, history)
    assert found[0] == 1 and read >= 1 and history - read - max(found) >= 0


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_drawn_comes_from_what_the_loss_is_of(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any cell: the parameters of every step that was drawn are those of the same values read at once."""
    made, given = network(decode="sample", patch=1, seasons="4", likelihood="normal", cell=cell, layers=2), batch()
    used: list[Tensor] = []
    plain = made.head.draw
    monkeypatch.setattr(made.head, "draw", lambda raw, scale, random: used.append(raw) or plain(raw, scale, random))
    n = 3
    with torch.no_grad():
        drawn = predicting.draw(made, given, n, np.random.default_rng(5))
        assert drawn.shape == (B, H, n)
        for k in range(n):
            seen = given._replace(target=torch.from_numpy(drawn[..., k].copy()), real=torch.ones_like(given.real))
            losses, _ = made.loss(seen)
            raw = torch.stack([one[:, 0].reshape(B, n, -1)[:, k] for one in used], 1)
            wanted = made.head.loss(raw, seen.target, given.scale[:, None])
            np.testing.assert_allclose(losses[:, -H:], wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("decode", ["direct", "sample"])
def test_a_window_is_forecast_the_same_in_any_company(decode: str) -> None:
    made, given = network(decode=decode, patch=1, seasons="4", likelihood="student-t"), batch()
    together, _ = made.loss(given)
    for b in range(B):
        alone, _ = made.loss(Batch(*(part[b : b + 1] for part in given)))
        np.testing.assert_allclose(alone[0].detach(), together[b].detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decode", ["direct", "sample"])
@pytest.mark.parametrize("seasons", ["none", "2,4"])
def test_every_weight_matters(decode: str, seasons: str) -> None:
    made = network(decode=decode, patch=1, seasons=seasons, likelihood="student-t")
    losses, real = made.loss(batch())
    (losses * real).sum().backward()
    for name, p in made.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.any(), name


# --- the start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decode", ["direct", "sample"])
@pytest.mark.parametrize("likelihood", ["normal", "student-t"])
def test_a_network_begins_with_the_naive_forecast_that_is_right(decode: str, likelihood: str) -> None:
    made: Any = build_forecaster(plan(decode=decode, seasons="4", likelihood=likelihood), KNOWN, PAST, STATIC, 1)
    season = torch.tensor([1.0, -1.0, 0.5, 2.0])
    again = torch.arange(C + H) % 4
    values = season[again] + 0.01 * torch.randn(B, C + H, generator=torch.Generator().manual_seed(1))
    given = batch(whole=True)._replace(
        z=values[:, :C], target=values[:, C:], real=torch.ones(B, H, dtype=torch.bool), known=batch().known.float()
    )
    given = Batch(*(part.float() if part.is_floating_point() else part for part in given))
    made.start_from(given)
    made.eval()
    raw = made(given) if decode == "direct" else made.heads(*steps_before(made, given))[:, -H:]
    assert (raw[..., 0] - given.target).abs().max() < 0.1, "the middle is the value of a season before"
    deviation = nn.functional.softplus(raw[..., 1])
    assert (deviation < 0.05).all() and (deviation > 0.001).all(), "and its uncertainty is how far off that was"


def steps_before(made: StepForecaster, given: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The outputs of the stack, the lagged values and which there are, for every step that is read or forecast."""
    values, there, _, _ = made.sequence(given)
    x, lagged, known = made.inputs(given, values, there, C - made.reading, C + H)
    return made.stack(x)[0], lagged, known


def test_quantiles_begin_as_those_of_the_errors() -> None:
    head = LIKELIHOODS["quantile"]()
    errors = torch.randn(4000, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 2.0, 4.0])
    found = head.start_from(errors, torch.ones(4000, 3, dtype=torch.bool))
    wanted = torch.special.ndtri(torch.tensor(LEVELS)) * torch.tensor([[1.0], [2.0], [4.0]])
    assert (found - wanted).abs().max() < 0.6
    nothing = head.start_from(errors, torch.zeros(4000, 3, dtype=torch.bool))
    assert torch.equal(nothing, head.start().expand(3, -1))
