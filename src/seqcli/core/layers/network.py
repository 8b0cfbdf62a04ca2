"""What training asks of a network beside its parameters."""

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """The base of the networks, one for each task."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def input_tables(self) -> list[Tensor]:
        """The parameters that token ids are looked up in: embeddings, or the input weights that read one-hot vectors.

        A step's gradient reaches few rows of them, so they are not treated as the dense matrices are.
        """
        return []

    def carry_shapes(self, batch: int) -> list[torch.Size]:
        """The shapes of the state that is carried from one window to the next for `batch` rows; none, if nothing is."""
        return []


def shapes_of(network: nn.Module) -> dict[str, torch.Size]:
    """The shapes of its parameters by name, of what is shared once."""
    return {name: parameter.shape for name, parameter in network.named_parameters()}
