"""What happens during a training, as values. The loop yields them; only cli/ draws them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcli.core.options import TrainingOptions

Say = Callable[[str], None]  # is told, in a sentence, what the user should know while it is done


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Started:
    """Training begins (or goes on, when `step` > 0)."""

    run_dir: Path
    plan: TrainingOptions  # with everything decided
    parameters: int
    train_tokens: int
    valid_tokens: int
    vocab_size: int
    step: int
    total_steps: int | None  # None: a budget of minutes, not yet turned into steps


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and need not act on."""

    text: str


@dataclass(frozen=True)
class Planned:
    """The budget of minutes has become a number of steps; `before` is the number it was, when it is planned anew."""

    total_steps: int
    step_seconds: float
    before: int | None = None


@dataclass(frozen=True)
class Stepped:
    """One optimizer update is done."""

    step: int


@dataclass(frozen=True)
class Logged:
    """A log point: `loss` (nats per token) and `grad_norm` are means since the previous one."""

    step: int
    total_steps: int | None
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    tokens_per_s: float
    seconds: float  # spent training, evaluations included, earlier sittings of a resumed run too
    seconds_left: float | None


@dataclass(frozen=True)
class Evaluated:
    """The validation figures at a step; `best` when no earlier evaluation was better."""

    step: int
    epoch: float
    val_loss: float
    figures: dict[str, float]
    seconds: float
    best: bool


@dataclass(frozen=True)
class Previewed:
    """A short piece of what the model writes now."""

    step: int
    text: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint stands on disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class Tested:
    """The figures of the finished model on the test file."""

    file: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """The end: of the budget, or of patience."""

    run_dir: Path
    step: int
    epoch: float
    seconds: float
    best_step: int
    val_loss: float | None  # at that step
    select: str  # the figure that the best model was chosen by: loss, accuracy, bleu, ...
    best: float | None  # its value at that step; None without validation
    reason: str


Event = Started | Notice | Planned | Stepped | Logged | Evaluated | Previewed | Saved | Finished | Tested
