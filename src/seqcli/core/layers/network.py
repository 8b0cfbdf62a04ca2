"""The base class of all networks: what the training loop and the optimizers ask of a network besides its parameters."""

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """The base class of the networks. Each task has one."""

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return next(self.parameters()).device

    def input_tables(self) -> list[Tensor]:
        """Return the parameters that are looked up by token id: embeddings, or the input weights for one-hot vectors.

        In one training step only few of their rows have a gradient, so the optimizer does not treat them like the dense
        matrices (see training.optimizer).
        """
        return []

    def carry_shapes(self, batch: int) -> list[torch.Size]:
        """Return the shapes of the state tensors that are carried from one window to the next, for `batch` rows.

        Empty for a network that carries no state between batches.
        """
        return []


def shapes_of(network: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of a network's parameters by name. A parameter that modules share is listed once."""
    return {name: parameter.shape for name, parameter in network.named_parameters()}
