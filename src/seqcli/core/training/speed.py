"""Measuring how fast this machine trains a network, so that its size can be chosen to suit a budget in minutes."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from seqcli.core.events import Say

if TYPE_CHECKING:  # torch is imported when something is measured
    from torch import Tensor, nn

    from seqcli.core.training.plan import RecurrentPlan

SECONDS = 0.2  # how long one network is measured
Network = TypeVar("Network", bound="nn.Module")


class Seen:
    """How many tokens a network of a given size will see in training within the budget.

    config: the fields minutes, epochs and steps of a plan.
    tokens: the number of tokens in an epoch.
    step_tokens: the number of tokens in a step.
    speed: a function that measures how many tokens a second a network with so many hidden units learns on this machine.
        It is called only when there is a budget in minutes.
    """

    def __init__(self, config: dict[str, Any], tokens: int, step_tokens: float, speed: Callable[[int], float]) -> None:
        self._minutes: float | None = config["minutes"]
        self._speed = speed
        self._most: float = config["epochs"] * tokens if config["epochs"] else math.inf
        if config["steps"]:
            self._most = min(self._most, config["steps"] * step_tokens)
        self.measured: dict[int, float] = {}  # tokens a second, by hidden units

    def by(self, hidden: int) -> float:
        """Return the number of tokens that a network with `hidden` hidden units will see.

        Of a budget in minutes, 8 % are set aside for evaluations and checkpoints.
        """
        if self._minutes is None:
            return self._most
        if hidden not in self.measured:
            self.measured[hidden] = self._speed(hidden)
        return min(self._most, self._minutes * 60 * self.measured[hidden] * 0.92)

    def can_be(self, hidden: int, least: float) -> bool:
        """Return whether a network with `hidden` hidden units will see at least `least` tokens.

        A size that must be far too slow, going by smaller ones that were measured, is not measured.
        """
        if self._minutes is not None and self.measured:
            # The work of a step grows at most with the square of the width.
            known = max(self.measured)
            if self.by(known) * (known / hidden) ** 1.5 < 0.7 * least:
                return False
        return self.by(hidden) >= least


def tell_speed(seen: Seen, hidden: int, say: Say) -> None:
    """Tell the user the measured speed by which the size of the network was chosen, if it was measured."""
    if seen.measured and seen.measured[hidden]:
        say(f"Here a network of {hidden} units learns about {seen.measured[hidden]:,.0f} tokens a second.")


def steps_per_second(build: Callable[[], Network], loss: "Callable[[Network], Tensor]", plan: "RecurrentPlan") -> float:
    """Measure how many training steps a second the network that `build` makes can do on this machine.

    A step is the `loss` of a batch, its gradients and an update. The network is thrown away afterwards: it is not
    initialized, which would take longer than a step, but all its weights are set to the same small number. Returns 0
    when it does not fit into memory.
    """
    import torch

    from seqcli.core.layers.dropout import hand_down
    from seqcli.core.training.device import autocast
    from seqcli.core.training.optimizer import make_optimizers

    device = torch.device(plan.device)
    with torch.device("meta"):
        model = build()
    try:
        model.to_empty(device=device)
    except RuntimeError as error:
        if "memory" not in str(error) and "overflow" not in str(error):
            raise
        return 0.0  # the error that tells the user what to do comes when the real network is built
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.01)
    hand_down(model.train(), torch.Generator(device))
    dtype = torch.bfloat16 if plan.precision != "fp32" else torch.float32
    optimizers = make_optimizers(model, plan.optimizer, 0.0, 0.0, dtype)

    def step() -> None:
        with autocast(plan.precision, device):
            value = loss(model)
        model.zero_grad(set_to_none=True)
        value.backward()
        for optimizer in optimizers:
            optimizer.step()
        value.item()  # waits until a GPU has finished

    step()  # not timed: the first step also prepares the kernels
    start, steps = time.perf_counter(), 0
    while steps < 2 or time.perf_counter() - start < SECONDS:
        step()
        steps += 1
    return steps / (time.perf_counter() - start)
