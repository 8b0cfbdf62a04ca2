"""Events: what happens during a training, as plain values. The training loop yields them; only cli/ displays them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcli.core.options import TrainingOptions

Say = Callable[[str], None]  # a function that is called with a sentence for the user, while the work is done


def silent(text: str) -> None:
    """A Say that does nothing."""


@dataclass(frozen=True)
class Started:
    """Training begins or, when `step` > 0, is resumed."""

    run_dir: Path
    plan: TrainingOptions  # the options with everything decided
    parameters: int  # the number of trained numbers in the network
    train_tokens: int
    valid_tokens: int
    vocab_size: int  # 0 for data that are no texts
    step: int  # steps made before
    total_steps: int | None  # None: the budget is in minutes, which have not been turned into steps yet


@dataclass(frozen=True)
class Notice:
    """Something that the user should know but need not act on."""

    text: str


@dataclass(frozen=True)
class Planned:
    """The budget in minutes has been turned into a number of steps, for the first time or again."""

    total_steps: int
    step_seconds: float  # the time that a step takes
    before: int | None = None  # the number of steps planned before; None the first time


@dataclass(frozen=True)
class Stepped:
    """One optimizer update has been made."""

    step: int


@dataclass(frozen=True)
class Logged:
    """A log point. `loss` and `grad_norm` are means over the steps since the previous log point."""

    step: int
    total_steps: int | None
    epoch: float  # passes over the data so far
    loss: float  # the training loss in nats per token
    lr: float  # the learning rate of the last step
    grad_norm: float  # before clipping
    tokens_per_s: float
    seconds: float  # spent on this run so far: evaluations included, and everything before it was resumed
    seconds_left: float | None  # an estimate; None while the number of steps is not known


@dataclass(frozen=True)
class Evaluated:
    """The model was evaluated on the validation data."""

    step: int
    epoch: float
    val_loss: float  # in nats per token
    figures: dict[str, float]  # the other metrics by name
    seconds: float  # spent on this run so far
    best: bool  # whether this is the best evaluation so far


@dataclass(frozen=True)
class Previewed:
    """A short sample of what the model writes at this step."""

    step: int
    text: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint has been written to disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class Tested:
    """The finished model was measured on the test file."""

    file: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """The training has ended, because its budget is used up or because patience has run out."""

    run_dir: Path
    step: int
    epoch: float
    seconds: float  # spent on this run
    best_step: int  # the step of the best evaluation
    val_loss: float | None  # its validation loss
    select: str  # the metric that the best model was chosen by: loss, accuracy, bleu, ...
    best: float | None  # the value of that metric; None without validation
    reason: str  # "budget" or "patience"


Event = Started | Notice | Planned | Stepped | Logged | Evaluated | Previewed | Saved | Finished | Tested
