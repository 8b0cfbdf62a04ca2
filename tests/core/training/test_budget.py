from types import SimpleNamespace
from typing import Any

import pytest

from seqcli.core.config import build
from seqcli.core.events import Planned
from seqcli.core.training.budget import Budget
from seqcli.core.training.state import Progress


def budget(**options: Any) -> Budget:
    job = SimpleNamespace(config=build(options), steps_per_epoch=50, train_tokens=5000, valid_tokens=500)
    return Budget(job)  # type: ignore[arg-type]  # all that it reads of a Job


@pytest.mark.parametrize(
    ("options", "steps"),
    [({"steps": 70}, 70), ({"epochs": 3}, 150), ({"steps": 70, "epochs": 1}, 50), ({"epochs": 0.001}, 1), ({}, None)],
)
def test_the_smallest_is_the_limit(options: dict[str, Any], steps: int | None) -> None:
    assert budget(**options).limit() == steps


def test_minutes_become_the_steps_that_fit_and_are_counted_from_where_they_began() -> None:
    """Steps of 0.5 s with evaluations of 500 tokens, where a step has 100: 0.875 s for the last one."""
    at = Progress(step=40, seconds=1000.0, budget=[40, None, None], total_steps=40)
    further = budget(minutes=2)
    further.begin(at)
    assert (at.total_steps, at.budget_from) == (None, 1000.0)
    planned: list[Planned] = []
    while not planned:
        at.step, at.seconds, at.tokens, at.steps = at.step + 1, at.seconds + 0.5, at.tokens + 100, at.steps + 1
        planned = further.measure(at, at.seconds)
    used = at.seconds - 1000
    assert used == 6.5  # the first step is not timed, then 6 s are
    assert planned == [Planned(at.step + int((120 - used - 0.875) / 0.55), 0.5)]
    further.begin(at)
    assert at.total_steps == planned[0].total_steps


def test_what_is_due() -> None:
    def steps(name: str, total: int | None, **options: Any) -> list[int]:
        due = budget(**options).due
        return [k for k in range(1, 401) if due(name, Progress(step=k, total_steps=total))]

    assert steps("log_every", None) == list(range(10, 401, 10))
    assert steps("log_every", 4000) == list(range(40, 401, 40))
    assert steps("eval_every", 2000) == [100, 200, 300, 400]
    assert steps("eval_every", 200)[0] == 30  # six times the validation tokens are trained on in between
    assert steps("eval_every", None) == []
    assert steps("eval_every", None, eval_every=150) == [150, 300]
    assert steps("sample_every", 1000) == [200, 400]
    assert steps("sample_every", 1000, sample_every=0) == []
