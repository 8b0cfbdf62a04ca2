"""Stacks of recurrent cells: L layers, in one or two directions, over batches of sequences that may be padded."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqcli.core.cells import cell_class
from seqcli.core.cells.base import Cell, State, apply
from seqcli.core.layers.dropout import Dropout


class Stack(nn.Module):
    """L layers of one kind of cell. Each layer reads the outputs of the layer below, with dropout in between.

    A bidirectional stack has outputs of width 2H: the forward direction first, then the backward one, as in torch.
    `readable=True` uses the readable `Cell.loop` instead of the fast kernels; the results are equal.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden: int,
        layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        readable: bool = False,
    ) -> None:
        super().__init__()
        make, self.directions = cell_class(cell), 2 if bidirectional else 1
        self.readable = readable
        widths = [input_size] + [hidden * self.directions] * (layers - 1)
        self.layers = nn.ModuleList(make(width, hidden) for width in widths for _ in range(self.directions))
        self.dropout = Dropout(dropout)

    @property
    def cells(self) -> list[Cell]:
        """The cells, layer by layer, the forward direction before the backward one (torch's order)."""
        return [cell for cell in self.layers if isinstance(cell, Cell)]

    @property
    def input_weights(self) -> list[Tensor]:
        """The weights of the first layer that one-hot input is looked up in: W_ih of each direction."""
        return [weight for cell in self.cells[: self.directions] for weight in cell.input_weights()]

    def initial_state(self, batch: int) -> list[State]:
        """Return the zero state for `batch` rows, as a list with one state for each cell in the order of `cells`."""
        return [cell.initial_state(batch) for cell in self.cells]

    def forward(
        self, x: Tensor, state: Sequence[State] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """Run the stack over a batch of sequences.

        x is (B, T, I), or ids (B, T) that stand for one-hot vectors. state is a list with one state for each cell; None
        is the zero state. mask is (B, T) bool, True = real, with all padding at the end of a row; None means that there
        is no padding.

        Returns the outputs of the top layer (B, T, D * H) for D directions, zero on padding, and the state of every
        cell after the last real token that it reads. For the backward direction that is the row's first token. Padding
        changes no result.
        """
        cells = self.cells
        before = list(state) if state is not None else self.initial_state(x.shape[0])
        order = reversal(mask) if self.directions == 2 and mask is not None else None
        after: list[State] = []
        for layer in range(len(cells) // self.directions):
            if layer:
                x = self.dropout(x)
            outputs = []
            for direction in range(self.directions):
                k = layer * self.directions + direction
                cell = cells[k]
                run = cell.loop if self.readable else cell.sequence
                y, last = run(reverse(x, order) if direction else x, before[k], mask)  # (B, T, H), (B, H)
                outputs.append(reverse(y, order) if direction else y)
                after.append(last)
            x = outputs[0] if self.directions == 1 else torch.cat(outputs, dim=2)  # (B, T, D * H)
        return x, after  # (B, T, D * H), and for each cell a state of (B, H)

    def step(self, x: Tensor, state: Sequence[State], which: Tensor | None = None) -> tuple[Tensor, list[State]]:
        """Compute one time step of a stack with one direction, for generating token by token.

        x is (B, I) or ids (B,), and state is a list with one state for each layer. Returns the output (B, H) and the
        next states. With which (B,), x holds each distinct input only once (see Cell.step_shared). Dropout between
        layers draws a new mask at every call, because the mask of a whole sequence cannot be known here.
        """
        after: list[State] = []
        for layer, (cell, before) in enumerate(zip(self.cells, state, strict=True)):
            if layer:
                x = self.dropout(x[:, None])[:, 0]  # (B, 1, H) to (B, H)
            x, new = cell.step(x, before) if layer or which is None else cell.step_shared(x, which, before)  # (B, H)
            after.append(new)
        return x, after


def reversal(mask: Tensor) -> Tensor:
    """Return the positions (B, T) that reverse the real tokens of each row and leave its padding in place."""
    lengths = mask.sum(1, keepdim=True)  # (B, 1)
    t = torch.arange(mask.shape[1], device=mask.device)[None]  # (1, T)
    return torch.where(mask, lengths - 1 - t, t)  # (B, T)


def reverse(x: Tensor, order: Tensor | None) -> Tensor:
    """Reverse x (B, T, ...) in time: by the positions in `order` (B, T), or as a whole when `order` is None.

    None is for batches without padding.
    """
    if order is None:
        return x.flip(1)  # (B, T, ...)
    reversed_: Tensor = apply(_Reverse, x, order)  # (B, T, ...)
    return reversed_


class _Reverse(torch.autograd.Function):
    """Indexing by `order`, with a faster gradient than that of indexing in general, which is a scattered sum.

    Reversing twice gives back the original, so the gradient of a reversal is the reversed gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x[torch.arange(len(x), device=x.device)[:, None], order]  # (B, T, ...)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return grads[0][torch.arange(len(order), device=order.device)[:, None], order], None
