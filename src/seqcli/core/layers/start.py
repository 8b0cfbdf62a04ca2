"""What a network starts from: random numbers, or stored weights.

A network is first made on torch's meta device, where parameters have shapes and neither values nor memory. So what a
configuration asks for can be compared with what a file has before any memory is taken; no number is drawn that stored
weights would replace; and every number that is drawn comes from a generator of our own.
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
    """A module that gives its own parameters their first values, drawn from a generator."""

    def initialize(self, generator: torch.Generator) -> None:
        """Set every parameter that is the module's own."""


def build(make: Callable[[], Network], plan: TrainingOptions, seed: int | None) -> Network:
    """The network that `make` makes. Its parameters start from `seed` alone; with None they have no values yet, only
    shapes, and are to be given stored ones (see `load_weights`).

    Raises ConfigError when it does not fit into memory.
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
    """Give every parameter its first value, module by module in the order of their definition."""
    for module in network.modules():
        if isinstance(module, Initializes):
            module.initialize(generator)
        elif isinstance(module, nn.Linear):  # torch's own start, which takes no generator
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -(module.in_features**-0.5), module.in_features**-0.5, generator)
        else:
            assert not list(module.parameters(recurse=False)), f"{type(module).__name__} needs an `initialize`"


@torch.no_grad()
def load_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network that has shapes only its stored parameters, what it shares once.

    Raises CheckpointError when they do not fit.
    """
    check_weights(tensors, shapes_of(network))
    _give(network, {name: tensors[name].clone() for name, _ in network.named_parameters()})  # at addresses of our own


def _give(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Put these values in the place of the parameters; a parameter that modules share stays one."""
    new = {id(p): nn.Parameter(values[name]) for name, p in network.named_parameters()}
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            setattr(module, name, new[id(parameter)])
