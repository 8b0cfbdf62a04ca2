"""Checking that weights from a file fit a network. They may be torch tensors or NumPy arrays, by name."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqcli.errors import CheckpointError, ConfigError

LARGEST = 1e15  # all weights must be smaller, so that sums of products of two of them stay finite in float32


def check_shapes(weights: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise CheckpointError, which says what is wrong, unless the weights have exactly these names and shapes."""
    does_not_fit = "The checkpoint does not fit its own configuration:"
    if missing := sorted(shapes.keys() - weights.keys()):
        raise CheckpointError(f"{does_not_fit} it lacks {missing[0]}.")
    if strange := sorted(weights.keys() - shapes.keys()):
        raise CheckpointError(f"{does_not_fit} it has {strange[0][:80]!r}, which the model has no place for.")
    for name, shape in shapes.items():
        found = list(weights[name].shape)
        if found != list(shape):
            raise CheckpointError(f"{does_not_fit} {name} is {found}, but must be {list(shape)}.")


def check_weights(weights: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> None:
    """Check names and shapes as `check_shapes` does, and also that all weights are float32, finite and not too large.

    Raises CheckpointError, which says what is wrong.
    """
    check_shapes(weights, shapes)
    for name in shapes:
        dtype = str(weights[name].dtype).removeprefix("torch.")
        if dtype != "float32":
            raise CheckpointError(f"The checkpoint is damaged: {name} is of type {dtype}, but must be float32.")
        numbers = np.asarray(weights[name])
        if numbers.size and not (numbers.min() > -LARGEST and numbers.max() < LARGEST):  # NaN fails both comparisons
            raise CheckpointError(f"The checkpoint is damaged: {name} holds numbers that are not finite, or too large.")


@contextmanager
def sizes_of_a_file() -> Iterator[None]:
    """Turn a ConfigError within the `with` block into a CheckpointError.

    It is for making a network whose sizes come from a file: if they are impossible, the file is wrong, not the user.
    """
    try:
        yield
    except ConfigError as error:
        raise CheckpointError(f"The checkpoint does not fit its own configuration: {error}") from None
