"""The loop by itself, on a job of the task lm."""

import json
import math
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seqcli.core.events import Evaluated, Finished, Logged, Planned, Saved, Stepped
from seqcli.core.tasks.lm.job import LMJob
from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.tasks.union import build
from seqcli.core.training import checkpoint
from seqcli.core.training.loop import Loop
from seqcli.errors import TrainingError

MakeLoop = Callable[..., Loop]


@pytest.fixture
def make_loop(corpus: Path) -> MakeLoop:
    """A loop over the small text."""

    def make(*clock: Any, **options: Any) -> Loop:
        small = {"hidden": 8, "embedding_dim": 6, "batch_size": 4, "window": 9, "threads": 2, "precision": "fp32"}
        Path("run").mkdir(exist_ok=True)
        return Loop(LMJob(build({**small, "files": (str(corpus),), **options})), Path("run"), *clock)

    return make


def test_a_step_whose_fp16_gradients_overflow_changes_nothing_but_the_scale(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One parameter's gradient is infinite at step 3; no optimizer, no average and no figure may hear of it."""
    loop = make_loop(steps=6, log_every=3, eval_every=6)
    state, model = loop.state, loop.model
    assert len(state.optimizers) == 2
    assert state.averaged is not None
    state.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=True)
    overflowing = False
    model.projection.bias.register_hook(lambda grad: grad * torch.inf if overflowing else grad)  # type: ignore[union-attr,arg-type]

    sizes: list[float] = []
    step = loop._step
    monkeypatch.setattr(loop, "_step", lambda: (found := step(), sizes.append(found[1]))[0])

    def all_tensors() -> list[Tensor]:
        moments = [v for o in state.optimizers for s in o.state.values() for v in s.values()]
        assert state.averaged is not None
        return [t.detach().clone() for t in (*model.parameters(), *state.averaged.weights.values(), *moments)]

    norms, scales, changed, before = [], [], [], all_tensors()
    for event in loop:
        if isinstance(event, Stepped):
            after = all_tensors()
            changed.append(len(after) != len(before) or not all(map(torch.equal, before, after)))
            before = after
            scales.append(state.scaler.get_scale())
            overflowing = event.step == 2
        elif isinstance(event, Logged):
            norms.append(event.grad_norm)
    assert changed == [True, True, False, True, True, True]
    assert scales == [8.0, 8.0, 4.0, 4.0, 4.0, 4.0]
    assert norms == pytest.approx([sum(sizes[:2]) / 2, sum(sizes[3:]) / 3])


def test_speed_after_resuming_is_that_of_this_process(make_loop: MakeLoop) -> None:
    """On a clock that goes on by a second whenever it is asked, a step of 4 x 9 tokens takes one."""
    options = {"steps": 12, "log_every": 8, "eval_every": 12}
    for event in (events := iter(make_loop(count().__next__, **options))):
        if isinstance(event, Stepped) and event.step == 6:
            break
    events.close()  # type: ignore[attr-defined]  # a generator
    resumed = make_loop(count().__next__, **options)
    resumed.load(*checkpoint.newest_checkpoint(Path("run")))
    first = next(event for event in resumed if isinstance(event, Logged))
    assert first.step == 8
    assert first.tokens_per_s == 36
    assert first.seconds_left == 4


def test_the_seconds_of_a_checkpoint_include_the_evaluation_before_it(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that goes on while a model is evaluated, and only then."""
    clock = [0.0]

    def evaluate() -> dict[str, float]:
        clock[0] += 100.0
        return {"loss": 1.0}

    loop = make_loop(lambda: clock[0], steps=4, eval_every=2, save_every=2)
    monkeypatch.setattr(loop.job, "evaluate", evaluate)
    saved = []
    for event in loop:
        if isinstance(event, Saved):
            saved.append(checkpoint.newest_checkpoint(Path("run"))[1].metadata["position"]["seconds"])
    assert saved == [100.0, 200.0]
    assert isinstance(event, Finished)
    assert event.seconds == 200.0


@pytest.mark.parametrize("decay", [0, 0.99])
def test_evaluation_uses_the_averages_if_any_without_dropout_and_copies_nothing(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch, decay: float
) -> None:
    loop = make_loop(steps=3, eval_every=3, dropout=0.5, average_decay=decay)
    name, own = next(iter(loop.model.named_parameters()))
    place, seen = own.data_ptr(), []

    def evaluate() -> dict[str, float]:
        assert not any(module.training for module in loop.model.modules())
        seen.append(own.data_ptr())
        return {"loss": 1.0}

    monkeypatch.setattr(loop.job, "evaluate", evaluate)
    list(loop)
    assert seen == [loop.state.averaged.weights[name].data_ptr() if loop.state.averaged else place]
    assert own.data_ptr() == place
    assert loop.model.training


def test_a_training_ends_with_the_end_of_the_text(make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the budget: so the first pass may be a part of one, never the last."""
    per_epoch = make_loop(steps=1).job.steps_per_epoch
    for total in (1, per_epoch - 1, per_epoch, per_epoch + 3):
        loop, read = make_loop(steps=total, valid_split=0.1), []
        loss = loop.job.loss  # type: ignore[attr-defined]  # a language model's
        monkeypatch.setattr(
            loop.job, "loss", lambda k, *rest, read=read, loss=loss: (read.append(k), loss(k, *rest))[1]
        )
        list(loop)
        assert len(read) == total
        assert read == list(range(read[0], read[0] + total))
        assert (read[-1] + 1) % per_epoch == 0


def test_a_changed_plan_is_kept_and_a_resumed_run_goes_on_by_it_to_the_same_bits(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that is five times as fast from step 40 on, so that more steps fit into the minutes."""

    def timed_loop(one: float) -> tuple[Loop, list[float]]:
        """A loop whose clock stands still but for its steps, and that clock."""
        clock = [0.0, one]
        loop = make_loop(lambda: clock[0], minutes=5, eval_every=1000, valid_split=0.1, dropout=0.3)
        loss = loop.job.loss  # type: ignore[attr-defined]  # a language model's

        def timed(*args: Any) -> Any:
            clock[0] += clock[1]
            return loss(*args)

        monkeypatch.setattr(loop.job, "loss", timed)
        return loop, clock

    def go_on(loop: Loop, clock: list[float], until: int | None = None) -> list[Planned]:
        planned = []
        for event in (events := iter(loop)):
            if isinstance(event, Stepped):
                clock[1] = 1.0 if event.step < 40 else 0.2
                if event.step == until:
                    break
            if isinstance(event, Planned):
                planned.append(event)
        events.close()  # type: ignore[attr-defined]  # a generator
        return planned

    planned = go_on(*timed_loop(1.0), until=120)
    assert len(planned) == 2 and planned[1].before == planned[0].total_steps < planned[1].total_steps
    points = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [p["total_steps"] for p in points if "total_steps" in p] == [p.total_steps for p in planned]
    resumed, clock = timed_loop(0.2)
    resumed.load(*checkpoint.newest_checkpoint(Path("run")))
    assert resumed.state.position.total_steps == planned[1].total_steps
    assert go_on(resumed, clock) == []
    whole, clock = timed_loop(1.0)
    assert go_on(whole, clock) == planned
    assert whole.state.position.step == resumed.state.position.step == planned[1].total_steps
    for name, weights in whole.state.weights.items():
        assert torch.equal(weights, resumed.state.weights[name])


# --- which evaluation is the best -------------------------------------------------------------------------------------


def test_equal_figures_are_told_apart_by_the_loss(make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracy 1 from the second evaluation on, while the loss falls, rises and is no number."""
    found = iter([(0.5, 1.0), (1.0, 3.0), (1.0, 2.0), (1.0, 2.5), (1.0, math.nan), (0.9, 0.1), (1.0, 2.0)])
    monkeypatch.setattr(LMPlan, "chosen_by", "accuracy")
    loop = make_loop(steps=14, eval_every=2)
    monkeypatch.setattr(loop.job, "evaluate", lambda: dict(zip(("accuracy", "loss"), next(found), strict=True)))
    events = list(loop)
    assert [e.best for e in events if isinstance(e, Evaluated)] == [True, True, True, False, False, False, False]
    at = loop.state.position
    assert (at.best_step, at.best_rank, at.best_loss, at.evals_since_best) == (6, -1.0, 2.0, 4)
    assert checkpoint.read(Path("run/best.safetensors")).metadata["figures"] == {"accuracy": 1.0, "loss": 2.0}


def test_a_figure_counts_where_the_loss_is_no_number(make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([(0.5, math.nan), (0.5, 7.0), (0.4, math.inf)])
    monkeypatch.setattr(LMPlan, "chosen_by", "accuracy")
    loop = make_loop(steps=6, eval_every=2)
    monkeypatch.setattr(loop.job, "evaluate", lambda: dict(zip(("accuracy", "loss"), next(found), strict=True)))
    assert [e.best for e in loop if isinstance(e, Evaluated)] == [True, True, False]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_run_whose_validation_is_never_finite_says_so_and_advertises_no_model(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    loop = make_loop(steps=4, eval_every=2)
    monkeypatch.setattr(loop.job, "evaluate", lambda: {"loss": value})
    events = []
    with pytest.raises(TrainingError, match=r"validation loss was never a finite number.*--lr.*step-00000004"):
        events.extend(loop)  # which keeps what came before the error
    assert not any(isinstance(event, Finished) for event in events)
    assert not Path("run/best.safetensors").exists()
