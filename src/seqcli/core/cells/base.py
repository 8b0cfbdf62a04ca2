"""The base class of all recurrent cells.

A cell is defined by one pure function, `step`, which takes the input and the state at one time step and returns the
output and the next state. A sequence is processed by calling `step` once for each time step, unless the cell has a
faster method that gives the same result.

To add a cell, write a file with a class that defines its parameters and `step`, and add a line to CELLS. Its state is
a NamedTuple of (B, H) tensors, the first of which is the cell's output. Everything else has a default that is correct.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]  # a NamedTuple of (B, H) tensors; its first field is h, the cell's output


class Cell(nn.Module):
    """The base class of all cells. Shapes: B batch, T time, I input size, H hidden size.

    The input is either floating-point vectors or integer token ids. An id stands for its one-hot vector.
    """

    state_type: ClassVar[Any]  # the NamedTuple class that holds the cell's state

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size

    @abstractmethod
    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Compute one time step: x (B, I) and a state of (B, H) tensors -> output (B, H) and the next state.

        A pure function: it depends on its arguments and the parameters alone, and changes neither.
        """

    def step_shared(self, x: Tensor, which: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Compute one time step for B rows that share U distinct inputs, as the hypotheses of a beam search do.

        x (U, I), or ids (U,), holds each distinct input once; which (B,) is the index into x of each row's input.
        Returns the same as `step`. A cell may override this to multiply each distinct input by W_ih only once.
        """
        return self.step(self.vectors(x)[which], state)  # x: (B, I)

    def vectors(self, x: Tensor) -> Tensor:
        """Return ids (...) as one-hot vectors (..., I). Floating-point vectors (..., I) are returned unchanged."""
        if x.is_floating_point():
            return x
        kind = next(self.parameters()).dtype
        return F.one_hot(x, self.input_size).to(kind)  # (..., I)

    def initial_state(self, batch: int) -> Any:
        """Return the zero state for `batch` rows, with the dtype and on the device of the cell's parameters."""
        like = next(self.parameters())
        return self.state_type(*(like.new_zeros(batch, self.hidden_size) for _ in self.state_type._fields))

    def input_weights(self) -> list[Tensor]:
        """Return the parameters that are looked up by token id when the input is one-hot: a row or column for each id.

        The default is none. Optimizers treat these like embedding tables rather than like dense matrices.
        """
        return []

    # --- over time --------------------------------------------------------------------------------------------

    def loop(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Process a sequence by calling `step` once for each time step. This readable version defines what `sequence`
        must return, and tests compare the two.

        x is (B, T, I), or ids (B, T); mask is (B, T) bool, True for real tokens and False for padding. Returns the
        outputs (B, T, H), which are zero on padding, and each row's state after its last real token.
        """
        x, outputs = self.vectors(x), []  # (B, T, I)
        for t in range(x.shape[1]):
            y, new = self.step(x[:, t], state)  # (B, H)
            if mask is not None:
                real = mask[:, t, None]  # (B, 1)
                new = self.state_type(*(torch.where(real, n, o) for n, o in zip(new, state, strict=True)))  # (B, H)
                y = y * real  # (B, H)
            outputs.append(y)
            state = new
        return torch.stack(outputs, dim=1), state  # (B, T, H)

    def sequence(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Process a sequence, giving the same result as `loop`. A cell with a faster method overrides this.

        Arguments and return values are those of `loop`, except that in each row of the mask all real tokens must come
        before the padding. Batches are made that way.
        """
        return self.loop(x, state, mask)

    # --- the start --------------------------------------------------------------------------------------------

    def initialize(self, generator: torch.Generator | None) -> None:
        """Set the initial weights: a matrix with n columns is uniform in +-1/sqrt(n), and everything else is zero.

        Random numbers come from `generator`. None uses torch's default generator, for a cell made outside of a network.
        """
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.ndim > 1:
                    nn.init.uniform_(parameter, -(parameter.shape[-1] ** -0.5), parameter.shape[-1] ** -0.5, generator)
                else:
                    nn.init.zeros_(parameter)


def last_real(values: Tensor, mask: Tensor, before: Tensor) -> Tensor:
    """Select from values (B, T, H) the entry at each row's last real token, (B, H).

    A row of the mask (B, T) without any real token gets its row of `before` (B, H) instead.
    """
    lengths = mask.sum(1)  # (B,)
    rows = torch.arange(len(values), device=values.device)  # (B,)
    return torch.where(lengths[:, None] > 0, values[rows, (lengths - 1).clamp(min=0)], before)  # (B, H)


def product_dtype(a: Tensor) -> torch.dtype:
    """Return the dtype in which matrix products run: that of autocast where it is enabled, otherwise that of `a`."""
    kind = a.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else a.dtype


def apply(function: type[torch.autograd.Function], *args: Any) -> Any:
    """Return `function.apply(*args)`. Torch's own method has no type annotations, so mypy would object to each call."""
    return function.apply(*args)
