"""Averaged weights, of two kinds.

`Averaged` is an exponential moving average over the steps (Polyak and Juditsky 1992; Tarvainen 2017). `BestFew` is the
mean of the few weights with the best evaluations, taken at the end.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from seqcli.core.layers.network import shapes_of
from seqcli.core.places import STEP
from seqcli.core.training.checkpoint import read, write
from seqcli.core.training.schema import Metadata
from seqcli.core.training.stored import read_metadata
from seqcli.core.weights import check_weights
from seqcli.errors import CheckpointError


class Averaged:
    """An exponential moving average of a model's parameters."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, decay: float, step: int) -> None:
        """Update the average after step number `step`: average <- d * average + (1 - d) * weights.

        d starts at 0.1 and grows to `decay`, so that the first steps are soon forgotten.
        """
        d = min(decay, (1 + step) / (10 + step))
        new = [p.detach() for p in self._model.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), new, 1 - d)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Continue with an average that was stored in a checkpoint."""
        for name, average in self.weights.items():
            average.copy_(weights[name])


@contextmanager
def using(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Let the model have these weights, given by the names of its parameters, while the `with` block runs."""
    own = {name: p.data for name, p in model.named_parameters()}
    for name, p in model.named_parameters():
        p.data = weights[name]
    try:
        yield
    finally:
        for name, p in model.named_parameters():
            p.data = own[name]


class BestFew:
    """The weights of the `count` best evaluations of a run, kept on disk for their mean at the end (Vaswani 2017, 6.1).

    They lie in runs/NAME/averaged/step-00000500.safetensors, one file for each step.
    """

    def __init__(self, run_dir: Path, count: int) -> None:
        self._place, self._count = run_dir / "averaged", count

    def _found(self) -> list[Path]:
        return sorted(path for path in self._place.glob("step-*.safetensors") if STEP.fullmatch(path.stem))

    def add(self, step: int, rank: tuple[float, float], weights: Mapping[str, Tensor]) -> None:
        """Store these weights, and delete those that are no longer among the best.

        A lower rank is better; ranks are compared by their first number, then by their second. Of equal ones the later
        step is better. Weights whose rank is not finite are not stored.
        """
        if not all(map(math.isfinite, rank)):
            return
        self._place.mkdir(exist_ok=True)
        write(self._place / f"step-{step:08d}.safetensors", weights, {"rank": list(rank)})
        ranked = sorted(self._found(), key=lambda path: (_rank(path), -_step(path)))
        for path in ranked[self._count :]:
            path.unlink()

    def forget_after(self, step: int) -> None:
        """Delete weights from later steps than the one that a run is resumed from, and half-written files."""
        for path in self._found():
            if _step(path) > step:
                path.unlink()
        for left in self._place.glob(".*.tmp"):
            left.unlink()

    def mean(self, model: nn.Module) -> dict[str, Tensor] | None:
        """Return the mean of the stored weights by name, leaving out damaged files; None if fewer than two are left."""
        sums: dict[str, Tensor] = {}
        count = 0
        for path in self._found():
            try:
                weights = read(path).tensors
                check_weights(weights, shapes_of(model))
            except CheckpointError:
                continue
            count += 1
            sums = {name: sums[name] + tensor if sums else tensor for name, tensor in weights.items()}
        return {name: total / count for name, total in sums.items()} if count > 1 else None


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _rank(path: Path) -> list[float]:
    """Return the rank that weights were stored with. For a damaged file it is worse than any other."""
    try:
        return BestFewFile.of(read_metadata(path)).rank
    except CheckpointError:
        return [math.inf]


class BestFewFile(Metadata):
    """The metadata in a file of `BestFew`."""

    rank: Annotated[list[float], Field(min_length=2, max_length=2)]
