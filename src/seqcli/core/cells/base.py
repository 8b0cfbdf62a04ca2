"""What every recurrent cell is: one pure step. A sequence is that step again and again, unless a cell knows better.

A new cell is a file with a class and a line in CELLS: it defines its parameters and `step`, and its state is a
NamedTuple of (B, H) tensors whose first one is its output. Everything else has a default that is correct.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]  # a NamedTuple of (B, H) tensors; its first field is h, the cell's output


class Cell(nn.Module):
    """The base of all cells. Shapes: B batch, T time, I input, H hidden.

    Input may be vectors, or integer ids: an id stands for its one-hot vector.
    """

    state_type: ClassVar[Any]  # the NamedTuple of the state

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size

    @abstractmethod
    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: x (B, I) and a state of (B, H) -> output (B, H), and the state after. Pure."""

    def step_shared(self, x: Tensor, which: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step of rows of which many have the same input: x (U, I) or ids (U,) holds each input once, and `which`
        (B,) says which one a row has."""
        return self.step(self.vectors(x)[which], state)

    def vectors(self, x: Tensor) -> Tensor:
        """Ids (...) as one-hot vectors (..., I); vectors as they are."""
        if x.is_floating_point():
            return x
        kind = next(self.parameters()).dtype
        return F.one_hot(x, self.input_size).to(kind)

    def initial_state(self, batch: int) -> Any:
        """The zero state for `batch` rows, of the type and device of the cell's parameters."""
        like = next(self.parameters())
        return self.state_type(*(like.new_zeros(batch, self.hidden_size) for _ in self.state_type._fields))

    def input_weights(self) -> list[Tensor]:
        """The parameters of which one-hot vectors read a row or a column each, if there are such."""
        return []

    # --- over time --------------------------------------------------------------------------------------------

    def loop(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """The readable path: `step` after `step`. It defines what `sequence` must give.

        x (B, T, I) or ids (B, T); mask (B, T) bool, True = real -> outputs (B, T, H), zero where not real, and
        the state after each row's last real token.
        """
        x, outputs = self.vectors(x), []  # (B, T, I)
        for t in range(x.shape[1]):
            y, new = self.step(x[:, t], state)  # (B, H)
            if mask is not None:
                real = mask[:, t, None]  # (B, 1)
                new = self.state_type(*(torch.where(real, n, o) for n, o in zip(new, state, strict=True)))
                y = y * real
            outputs.append(y)
            state = new
        return torch.stack(outputs, dim=1), state  # (B, T, H)

    def sequence(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """The fast path, equal to `loop`, which it is unless a cell has a faster one.

        The mask must be real tokens first, padding after, as batches are made.
        """
        return self.loop(x, state, mask)

    # --- the start --------------------------------------------------------------------------------------------

    def initialize(self, generator: torch.Generator | None) -> None:
        """First values: matrices uniform by their number of columns, everything else zero.

        Drawn from this generator or, for a cell alone outside of a network, from torch's own.
        """
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.ndim > 1:
                    nn.init.uniform_(parameter, -(parameter.shape[-1] ** -0.5), parameter.shape[-1] ** -0.5, generator)
                else:
                    nn.init.zeros_(parameter)


def last_real(values: Tensor, mask: Tensor, before: Tensor) -> Tensor:
    """The value (B, H) at each row's last real token of values (B, T, H); `before` for rows without one."""
    lengths = mask.sum(1)
    rows = torch.arange(len(values), device=values.device)
    return torch.where(lengths[:, None] > 0, values[rows, (lengths - 1).clamp(min=0)], before)


def product_dtype(a: Tensor) -> torch.dtype:
    """The type that matrix products run in: autocast's where it is on, else that of `a`."""
    kind = a.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else a.dtype


def apply(function: type[torch.autograd.Function], *args: Any) -> Any:
    """`function.apply(*args)`, which torch leaves without types."""
    return function.apply(*args)
