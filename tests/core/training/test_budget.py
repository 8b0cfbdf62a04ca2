from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from seqcli.core.events import Planned
from seqcli.core.tasks.union import build
from seqcli.core.training import schedule
from seqcli.core.training.budget import Budget
from seqcli.core.training.state import Position


class Trained(NamedTuple):
    """How a training went: its end, its plans, and the factor of the learning rate at every step."""

    at: Position
    planned: list[Planned]
    factors: list[float]


def budget(**options: Any) -> Budget:
    job = SimpleNamespace(plan=build(options), steps_per_epoch=50, train_tokens=5000, valid_tokens=500)
    return Budget(job)  # type: ignore[arg-type]  # all that it reads of a Job


@pytest.mark.parametrize(
    ("options", "steps"),
    [({"steps": 70}, 70), ({"epochs": 3}, 150), ({"steps": 70, "epochs": 1}, 50), ({"epochs": 0.001}, 1), ({}, None)],
)
def test_the_smallest_is_the_limit(options: dict[str, Any], steps: int | None) -> None:
    assert budget(**options).limit() == steps


def train(minutes: float, speed: Callable[[float], float], **options: Any) -> Trained:
    """A training on a clock of our own: `speed(t)` is the seconds that a step takes at second t, and an evaluation
    takes as long as two steps."""
    further, at = budget(minutes=minutes, **options), Position()
    further.begin(at)
    planned: list[Planned] = []
    factors = []
    while at.total_steps is None or at.step < at.total_steps:
        factors.append(schedule.factor("linear", at.step, 50, at.total_steps, at.done))
        one = speed(at.seconds)
        at.step, at.seconds = at.step + 1, at.seconds + one
        planned += further.watch(at, one)
        last = at.total_steps is not None and at.step >= at.total_steps
        if further.due("eval_every", at) or last:
            at.seconds += 2 * one
    return Trained(at, planned, factors)


def test_minutes_become_the_steps_that_fit_and_are_counted_from_where_they_began() -> None:
    """Steps of 0.5 s with evaluations of 500 tokens, where a step has 100: 0.875 s for the last one."""
    at = Position(step=40, seconds=1000.0, budget=[40, None, None], total_steps=40)
    further = budget(minutes=2)
    further.begin(at)
    assert (at.total_steps, at.budget_from) == (None, 1000.0)
    planned: list[Planned] = []
    while not planned:
        at.step, at.seconds = at.step + 1, at.seconds + 0.5
        planned = further.watch(at, 0.5)
    used = at.seconds - 1000
    assert used == 7.5  # the first three steps are not timed, then 6 s are
    every = 30  # six times the validation tokens are trained on in between
    assert planned == [Planned(at.step + int((120 - used - 0.875) / (0.5 * 1.03 + 0.875 / every)), 0.5)]
    further.begin(at)
    assert at.total_steps == planned[0].total_steps


SPEEDS: dict[str, Callable[[float], float]] = {
    "even": lambda t: 0.05,
    "busy after a third": lambda t: 0.05 if t < 20 else 0.4,
    "busy until a third": lambda t: 0.4 if t < 20 else 0.05,
    "busy for the last quarter": lambda t: 0.05 if t < 45 else 0.5,
    "fifty times slower for the last tenth": lambda t: 0.05 if t < 54 else 2.5,
    "now and then": lambda t: 0.05 if t % 17 < 9 else 0.15,
    "slower and slower": lambda t: 0.02 * 1.05**t,
    "steps of seconds": lambda t: 3.0,
    "steps of seconds, then fast": lambda t: 3.0 if t < 20 else 0.05,
}


@pytest.mark.parametrize("name", SPEEDS)
def test_minutes_hold_however_the_speed_changes(name: str) -> None:
    """The rate falls to its floor and never jumps: the steps of one minute, within 15 %."""
    trained = train(1, SPEEDS[name])
    assert 51 <= trained.at.seconds <= 69
    assert trained.factors[-1] < 0.35
    falls = [b / a for a, b in pairwise(trained.factors[60:])]
    assert all(fall > 0.5 or after < 0.1 for fall, after in zip(falls, trained.factors[61:], strict=True))


@pytest.mark.parametrize("minutes", [0.1, 0.5, 5, 60])
def test_a_speed_that_stays_is_planned_for_once(minutes: float) -> None:
    """Single slow steps are chance, and change nothing."""
    chance = np.random.default_rng(1)
    trained = train(minutes, lambda t: 0.03 * (20 if chance.random() < 0.003 else 1 + 0.1 * chance.random()))
    assert len(trained.planned) == 1
    assert 0.85 <= trained.at.seconds / (60 * minutes) <= 1.15


def test_steps_and_minutes_are_the_smaller_of_both_for_short_runs_too() -> None:
    assert train(1, lambda t: 0.01, steps=30).at.step == 30
    assert train(1, lambda t: 0.5, steps=5000).at.seconds < 69
    few = train(0.5, lambda t: 8.0, steps=9)
    assert few.at.step < 6  # of nine steps, of 8 s each, half a minute has four
    at = Position(step=50, seconds=99.0, budget=[50, None, None], total_steps=50)
    further = budget(steps=60, minutes=0.5)
    further.begin(at)
    while at.total_steps is None or at.step < at.total_steps:
        at.step, at.seconds = at.step + 1, at.seconds + 8.0
        further.watch(at, 8.0)
    assert at.step < 56


def test_a_plan_made_anew_spreads_what_is_left_over_the_new_steps() -> None:
    at = Position(step=300, total_steps=400, planned_from=200, planned_done=0.2)
    assert at.done == pytest.approx(0.6)
    at.step = 400
    assert at.done == 1
    assert Position(step=30, total_steps=120).done == 0.25
    assert Position(step=30).done == 0


def test_what_is_due() -> None:
    def steps(name: str, total: int | None, **options: Any) -> list[int]:
        due = budget(**options).due
        return [k for k in range(1, 401) if due(name, Position(step=k, total_steps=total))]

    assert steps("log_every", None) == list(range(10, 401, 10))
    assert steps("log_every", 4000) == list(range(40, 401, 40))
    assert steps("eval_every", 2000) == [100, 200, 300, 400]
    assert steps("eval_every", 200)[0] == 30  # six times the validation tokens are trained on in between
    assert steps("eval_every", None) == []
    assert steps("eval_every", None, eval_every=150) == [150, 300]
    assert steps("sample_every", 1000) == [200, 400]
    assert steps("sample_every", 1000, sample_every=0) == []
