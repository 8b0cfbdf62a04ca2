"""Whether weights that were stored are those of a network: tensors of torch or arrays of NumPy, by their names."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqcli.errors import CheckpointError, ConfigError

LARGEST = 1e15  # no weight is: products of two, summed up, stay finite in float32


def check_shapes(weights: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> None:
    """Raises CheckpointError, naming what is wrong, when weights have other names or shapes than these."""
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
    """The same, and when they are of another type than float32, or hold numbers that no weight can be."""
    check_shapes(weights, shapes)
    for name in shapes:
        dtype = str(weights[name].dtype).removeprefix("torch.")
        if dtype != "float32":
            raise CheckpointError(f"The checkpoint is damaged: {name} is of type {dtype}, but must be float32.")
        numbers = np.asarray(weights[name])
        if numbers.size and not (numbers.min() > -LARGEST and numbers.max() < LARGEST):  # NaN is neither
            raise CheckpointError(f"The checkpoint is damaged: {name} holds numbers that are not finite, or too large.")


@contextmanager
def sizes_of_a_file() -> Iterator[None]:
    """Within, sizes that no network can have are a CheckpointError: they come from a file, not from the user."""
    try:
        yield
    except ConfigError as error:
        raise CheckpointError(f"The checkpoint does not fit its own configuration: {error}") from None
