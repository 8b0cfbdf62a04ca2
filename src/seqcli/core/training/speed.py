"""How fast this machine trains a network, measured on the spot, so that sizes fit the time that there is."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # torch is imported when something is measured
    from torch import Tensor, nn

    from seqcli.core.training.plan import RecurrentPlan

SECONDS = 0.2  # of measuring
Network = TypeVar("Network", bound="nn.Module")


class Seen:
    """How many tokens a budget lets a network see, evaluations and checkpoints taken off.

    `speed` measures the tokens a second of a network with these sizes, on this machine; it is asked only where the
    minutes, and not a number of steps or epochs alone, say how long the training is. `tokens` is an epoch.
    """

    def __init__(self, config: dict[str, Any], tokens: int, step_tokens: float, speed: Callable[[int], float]) -> None:
        self._minutes: float | None = config["minutes"]
        self._speed = speed
        self._most: float = config["epochs"] * tokens if config["epochs"] else math.inf
        if config["steps"]:
            self._most = min(self._most, config["steps"] * step_tokens)
        self.measured: dict[int, float] = {}  # tokens a second, by hidden units

    def by(self, hidden: int) -> float:
        """The tokens that a network with so many hidden units sees."""
        if self._minutes is None:
            return self._most
        if hidden not in self.measured:
            self.measured[hidden] = self._speed(hidden)
        return min(self._most, self._minutes * 60 * self.measured[hidden] * 0.92)

    def can_be(self, hidden: int, least: float) -> bool:
        """Whether a network with so many hidden units sees `least` tokens; those far too slow are not measured."""
        if self._minutes is not None and self.measured:
            known = max(self.measured)  # the work of a step grows with the square of the width, or less than that
            if self.by(known) * (known / hidden) ** 1.5 < 0.7 * least:
                return False
        return self.by(hidden) >= least


def steps_per_second(build: Callable[[], Network], loss: "Callable[[Network], Tensor]", plan: "RecurrentPlan") -> float:
    """Training steps a second of the network that `build` makes: the `loss` of a batch, its gradients, an update.

    The network is a throw-away of the right shape: it is built without its start, which takes longer than a step, and
    small even numbers stand in for its weights. In the `plan` only what this is measured for is not final.
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
        return 0.0  # what to do about it is said when the real one is built
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
        value.item()  # waits for a GPU

    step()  # the first one also prepares the kernels
    start, steps = time.perf_counter(), 0
    while steps < 2 or time.perf_counter() - start < SECONDS:
        step()
        steps += 1
    return steps / (time.perf_counter() - start)
