"""Averaged weights: over the steps, exponentially (Polyak and Juditsky 1992; Tarvainen 2017), and of the best few."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from seqcli.core.training.checkpoint import read, write


class Averaged:
    """A running average of a model's parameters."""

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
def using(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Within, the model has these weights, by the names of its parameters."""
    own = {name: p.data for name, p in model.named_parameters()}
    for name, p in model.named_parameters():
        p.data = weights[name]
    try:
        yield
    finally:
        for name, p in model.named_parameters():
            p.data = own[name]


class BestFew:
    """The K best evaluated weights of a run, kept on disk for their mean at the end (Vaswani 2017, 6.1).

    runs/NAME/averaged/step-00000500.safetensors
    """

    def __init__(self, run_dir: Path, count: int) -> None:
        self._place, self._count = run_dir / "averaged", count

    def _found(self) -> list[Path]:
        return sorted(self._place.glob("step-*.safetensors"))

    def add(self, step: int, rank: float, weights: Mapping[str, Tensor]) -> None:
        """Keep these weights while they are among the best: those with the lowest ranks, the later of equals."""
        self._place.mkdir(exist_ok=True)
        write(self._place / f"step-{step:08d}.safetensors", weights, {"rank": rank})
        ranked = sorted(self._found(), key=lambda path: (read(path).metadata["rank"], -_step(path)))
        for path in ranked[self._count :]:
            path.unlink()

    def forget_after(self, step: int) -> None:
        """Drop what a lost part of the run had added."""
        for path in self._found():
            if _step(path) > step:
                path.unlink()

    def mean(self) -> dict[str, Tensor] | None:
        """The mean of the weights kept; None when there are fewer than two."""
        kept = [read(path).tensors for path in self._found()]
        if len(kept) < 2:
            return None
        return {name: torch.stack([weights[name] for weights in kept]).mean(0) for name in kept[0]}


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))
