"""The interface between a task and the training loop. The loop knows a task only as a job."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.core.training.plan import Plan, RecurrentPlan

Carry = list[Tensor]  # the recurrent state that one step hands to the next, as a flat list of its tensors
PREVIEWED = 0x73686F77  # together with the seed and the step, it seeds the choice of what a preview shows


class Job(Protocol):
    """What every job has: data, a network and an evaluation. A job is either a GradientJob or an UpdateJob."""

    @property
    def plan(self) -> Plan:
        """The options of the training, with everything decided that was left open."""

    @property
    def model(self) -> nn.Module:
        """The network that is trained. It is made when it is first used."""

    device: torch.device
    steps_per_epoch: int
    train_tokens: int  # in one epoch
    valid_tokens: int  # in one evaluation; 0 without validation data
    vocab_size: int  # 0 for data that are no texts
    guessing: float | None  # the training loss of a model that finds all answers equally likely, if that is known

    def evaluate(self) -> dict[str, float] | None:
        """Compute the validation metrics by name, `loss` among them. Returns None without validation data."""

    def preview(self, step: int) -> str | None:
        """Return a short sample of what the model writes after `step` steps, or None if the task has none."""

    def metadata(self) -> dict[str, Any]:
        """Return what `best.safetensors` must hold besides the weights, so that the one file can be used alone."""


@runtime_checkable
class GradientJob(Job, Protocol):
    """A job that computes a loss. The loop computes its gradient and lets an optimizer update the weights."""

    @property
    def plan(self) -> RecurrentPlan:
        """The options of the training, with everything decided that was left open."""

    def loss(self, number: int, carry: Carry, done: float) -> tuple[Tensor, int, Carry]:
        """Compute the loss of batch `number`.

        Returns the mean loss over its targets (a scalar), the number of targets without padding, and the state to carry
        to the next batch. `carry` is what the batch before returned, empty at first. `done`, from 0 to 1, is the
        fraction of the training that has been done; it is 0 while the length of the training is not known.
        """


@runtime_checkable
class UpdateJob(Job, Protocol):
    """A job that updates its weights itself, by plain SGD without optimizer state.

    This is much faster where a gradient concerns only a few rows of large tables, as for word vectors.
    """

    def update(self, step: int, rate: float) -> tuple[float, float, int]:
        """Make one step with learning rate `rate`. Returns its mean loss, the norm of its gradient and its tokens.

        Loss and norm may be those of a part of the step. What it does must depend on the weights, `step` and `rate`
        alone, so that a resumed run gives the same bits.
        """


def previewed(examples: int, seed: int, step: int) -> int:
    """Choose at random which of the `examples` examples the preview at a step shows. Returns its number.

    It depends on the arguments alone, so a resumed run shows the same ones.
    """
    return int(np.random.default_rng((seed, PREVIEWED, step)).integers(examples))
