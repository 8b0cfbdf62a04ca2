"""How a network gets its first weights: random initial values, or weights stored in a file.

A network is first made on torch's meta device, where parameters have shapes but neither values nor memory. That has
three advantages: the shapes that a configuration asks for can be compared with those in a file before any memory is
taken; no random numbers are drawn that stored weights would replace; and all random numbers come from a generator that
the caller hands over, never from torch's global one.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from seqcli.core.layers.network import shapes_of
from seqcli.core.options import TrainingOptions
from seqcli.core.weights import check_weights
from seqcli.errors import ConfigError

Network = TypeVar("Network", bound=nn.Module)


@runtime_checkable
class Initializes(Protocol):
    """A module that sets the initial values of its own parameters, with random numbers from a generator."""

    def initialize(self, generator: torch.Generator) -> None:
        """Set the initial value of every parameter that belongs to the module itself."""


def build(make: Callable[[], Network], plan: TrainingOptions, seed: int | None) -> Network:
    """Make a network with `make` and initialize it with random numbers that depend on `seed` alone.

    With `seed` None the parameters have shapes but no values yet; give them stored ones with `load_weights`. Raises
    ConfigError when the network does not fit into memory.
    """
    try:
        with torch.device("meta"):
            network = make()
        if seed is not None:
            _give(network, {name: torch.empty(p.shape) for name, p in network.named_parameters()})
            initialize(network, torch.Generator().manual_seed(seed))
    except RuntimeError as error:
        if "memory" not in str(error) and "overflow" not in str(error):
            raise
        raise ConfigError(
            f"A network of {plan.model_in_words} and this vocabulary does not fit into memory. Lower what is large of "
            "--hidden, --layers, --embedding-dim and --vocab-size."
        ) from None
    return network


@torch.no_grad()
def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Set the initial value of every parameter, module by module in the order of their definition."""
    for module in network.modules():
        if isinstance(module, Initializes):
            module.initialize(generator)
        elif isinstance(module, nn.Linear):  # the values of torch's own initialization, which accepts no generator
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -(module.in_features**-0.5), module.in_features**-0.5, generator)
        else:
            assert not list(module.parameters(recurse=False)), f"{type(module).__name__} needs an `initialize`"


@torch.no_grad()
def load_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network on the meta device its parameters from stored tensors, by name.

    A parameter that modules share is expected once. Raises CheckpointError when names, shapes or values do not fit.
    """
    check_weights(tensors, shapes_of(network))
    # cloned, so that the network does not share memory with the caller's tensors
    _give(network, {name: tensors[name].clone() for name, _ in network.named_parameters()})


def _give(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Replace the parameters by these values. A parameter that several modules share stays shared."""
    new = {id(p): nn.Parameter(values[name]) for name, p in network.named_parameters()}
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            setattr(module, name, new[id(parameter)])
