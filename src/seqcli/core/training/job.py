"""What a task gives the training loop."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from seqcli.core.training.plan import Plan, RecurrentPlan

Carry = list[Tensor]  # what one step hands to the next: a recurrent state, flattened


class Job(Protocol):
    """What is learnt: a GradientJob or an UpdateJob."""

    @property
    def plan(self) -> Plan:
        """What was asked for, with everything decided."""

    @property
    def model(self) -> nn.Module:
        """What is trained. It is made when it is first asked for."""

    device: torch.device
    steps_per_epoch: int
    train_tokens: int
    valid_tokens: int
    vocab_size: int
    guessing: float | None  # the training loss of a model that finds everything equally likely, if there is one

    def evaluate(self) -> dict[str, float] | None:
        """Validation figures, `loss` among them; None without validation data."""

    def preview(self, step: int) -> str | None:
        """A short sample for people after so many steps, if the task has one."""

    def metadata(self) -> dict[str, Any]:
        """What `best.safetensors` needs beside the weights to be used alone."""


@runtime_checkable
class GradientJob(Job, Protocol):
    """A loss, which the loop differentiates and hands to an optimizer."""

    @property
    def plan(self) -> RecurrentPlan:
        """What was asked for, with everything decided."""

    def loss(self, number: int, carry: Carry, done: float) -> tuple[Tensor, int, Carry]:
        """Mean loss of batch `number`, its number of real targets, and what to carry to the next one.

        `done` is the part of the training that is behind, 0 while its length is not known.
        """


@runtime_checkable
class UpdateJob(Job, Protocol):
    """Changes its weights itself, where a gradient touches few rows of large tables: by SGD, without state."""

    def update(self, step: int, rate: float) -> tuple[float, float, int]:
        """One step with this learning rate; its mean loss, the norm of its gradient (both may be those of a part),
        and its number of tokens. What it does depends on the weights, `step` and `rate` alone.
        """
