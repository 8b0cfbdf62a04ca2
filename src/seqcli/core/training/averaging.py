"""Exponentially averaged weights (Polyak and Juditsky 1992; the exponential form of Tarvainen 2017)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Averaged:
    """A running average of a model's parameters; `used` puts it into the model for a while."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, decay: float, step: int) -> None:
        """average <- d average + (1 - d) weights; d grows from 0.1 so that the first steps are soon forgotten."""
        d = min(decay, (1 + step) / (10 + step))
        new = [p.detach() for p in self._model.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), new, 1 - d)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Take over an average that was stored."""
        for name, average in self.weights.items():
            average.copy_(weights[name])

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within, the model has the averaged weights."""
        own = {name: p.data for name, p in self._model.named_parameters()}
        for name, p in self._model.named_parameters():
            p.data = self.weights[name]
        try:
            yield
        finally:
            for name, p in self._model.named_parameters():
                p.data = own[name]
