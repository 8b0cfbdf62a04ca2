import math
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

import seqcli
from seqcli.core.tasks.union import build
from seqcli.core.training.divergence import diverged, follow
from seqcli.core.training.state import Position
from seqcli.errors import TrainingError


def after(losses: Iterable[float]) -> Position:
    at = Position()
    for loss in losses:
        at.step += 1
        follow(at, loss)
    return at


def test_a_loss_far_above_its_start_or_that_of_guessing_is_wrong_at_the_end() -> None:
    assert "far above the 4.2" in str(diverged(after([4.2] * 50 + [9.0] * 50), None, last=True))
    assert "guessing has 1.1" in str(diverged(after([1.3] * 20 + [2.0] * 100), math.log(3), last=True))
    assert diverged(after([4.2] * 50 + [9.0] * 50), None, last=False) is None  # it may fall again
    assert diverged(after([4.2] * 50 + [9e8] * 50), None, last=False)  # it will not


def test_chance_and_a_few_steps_are_no_divergence() -> None:
    chance = random.Random(1)
    noisy = [0.69 + abs(chance.gauss(0, 0.3)) for _ in range(200)]
    assert diverged(after(noisy), math.log(2), last=True) is None
    assert diverged(after([0.7] * 5 + [60.0]), math.log(2), last=True) is None
    assert diverged(after([0.02] * 20 + [0.3] * 50), math.log(65), last=True) is None  # a start lower than its end
    assert diverged(after([0.9] * 20 + [30.0] + [0.9] * 40), None, last=True) is None


def test_a_training_that_diverges_is_never_done(corpus: Path) -> None:
    options = {"files": (str(corpus),), "hidden": 8, "embedding_dim": 6, "batch_size": 4, "window": 9, "steps": 60}
    options |= {"optimizer": "sgd", "lr": 500.0, "schedule": "constant", "warmup": 0, "precision": "fp32", "threads": 1}
    with pytest.raises(TrainingError, match=r"diverged at step .* Lower --lr \(it was 500\)"):
        list(seqcli.train(build(options), run="r"))
