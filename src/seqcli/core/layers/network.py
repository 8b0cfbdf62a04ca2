"""What training asks of a network beside its parameters, and whether weights are those of one."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqcli.errors import CheckpointError

LARGEST = 1e15  # no weight is: products of two, summed up, stay finite in float32


class Network(nn.Module):
    """The base of the networks, one for each task."""

    def input_tables(self) -> list[Tensor]:
        """The parameters that token ids are looked up in: embeddings, or the input weights that read one-hot vectors.

        A step's gradient reaches few rows of them, so they are not treated as the dense matrices are.
        """
        return []

    def carry_shapes(self, batch: int) -> list[torch.Size]:
        """The shapes of the state that is carried from one window to the next for `batch` rows; none, if nothing is."""
        return []


def check_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError, naming what is wrong, when these are no float32 weights that such a network can have."""
    does_not_fit = "The checkpoint does not fit its own configuration:"
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    if missing := sorted(shapes.keys() - tensors.keys()):
        raise CheckpointError(f"{does_not_fit} it lacks {missing[0]}.")
    if strange := sorted(tensors.keys() - shapes.keys()):
        raise CheckpointError(f"{does_not_fit} it has {strange[0]!r}, which the model has no place for.")
    for name, shape in shapes.items():
        found = tensors[name]
        if found.shape != shape:
            raise CheckpointError(f"{does_not_fit} {name} is {list(found.shape)}, but must be {list(shape)}.")
        if found.dtype != torch.float32:
            raise CheckpointError(f"{does_not_fit} {name} is of type {found.dtype}, but must be float32.")
        if not torch.linalg.vector_norm(found, torch.inf) < LARGEST:  # NaN is not less, either
            raise CheckpointError(f"The checkpoint is damaged: {name} holds numbers that are not finite, or too large.")


def is_finite(numbers: Tensor) -> bool:
    """Whether all numbers are finite; most often their sum tells."""
    return bool(numbers.sum().isfinite()) or bool(numbers.isfinite().all())
