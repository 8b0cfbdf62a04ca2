"""What a model starts from: random numbers, or stored weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seqcli.core.config import Config
from seqcli.errors import CheckpointError, ConfigError


@contextmanager
def seeded(seed: int, config: Config) -> Iterator[None]:
    """Within, parameters start from `seed` alone; torch's global generator is as before afterwards.

    Raises ConfigError when the model does not fit into memory.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            yield
        except RuntimeError as error:
            if "memory" not in str(error) and "overflow" not in str(error):
                raise
            raise ConfigError(
                f"A model of --hidden {config.hidden}, --layers {config.layers}, --embedding-dim "
                f"{config.embedding_dim} and this vocabulary does not fit into memory. Lower what is large of these, "
                "or --vocab-size."
            ) from None


@torch.no_grad()
def load_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a model its stored parameters, what it shares once. Raises CheckpointError when they do not fit."""
    for name, parameter in model.named_parameters():
        if name not in tensors:
            raise CheckpointError(f"The checkpoint does not fit its own configuration: it lacks {name}.")
        if tensors[name].shape != parameter.shape:
            had, wanted = list(tensors[name].shape), list(parameter.shape)
            raise CheckpointError(
                f"The checkpoint does not fit its own configuration: {name} is {had}, but must be {wanted}."
            )
        parameter.copy_(tensors[name])
