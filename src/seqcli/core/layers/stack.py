"""Cells over time, in L layers and 1 or 2 directions, on rows of one or of different lengths."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqcli.core.cells import cell_class
from seqcli.core.cells.base import Cell, State, apply
from seqcli.core.layers.dropout import Dropout


class Stack(nn.Module):
    """L layers of one cell; layer l > 0 reads the outputs of layer l - 1, with dropout between.

    Two directions double the width of the outputs: forward first, then backward, as in torch. `readable=True`
    computes by `Cell.loop` instead of the fused kernels; the results are equal.
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
        """The cells, layer by layer, forward before backward (torch's order)."""
        return [cell for cell in self.layers if isinstance(cell, Cell)]

    @property
    def input_weights(self) -> list[Tensor]:
        """What reads the input, in the first layer: W_ih of each direction."""
        return [weight for cell in self.cells[: self.directions] for weight in cell.input_weights()]

    def initial_state(self, batch: int) -> list[State]:
        """Zero states for `batch` rows: one a cell, layer by layer, forward before backward (torch's order)."""
        return [cell.initial_state(batch) for cell in self.cells]

    def forward(
        self, x: Tensor, state: Sequence[State] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """x (B, T, I), or ids (B, T) for one-hot vectors; mask (B, T) bool, True = real, padding last.

        Returns the top layer's outputs (B, T, directions * H), zero on padding, and the state of every cell after
        its last real token (for the backward direction: after the row's first). Padding changes nothing.
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
                y, last = run(reverse(x, order) if direction else x, before[k], mask)
                outputs.append(reverse(y, order) if direction else y)
                after.append(last)
            x = outputs[0] if self.directions == 1 else torch.cat(outputs, dim=2)  # (B, T, D*H)
        return x, after

    def step(self, x: Tensor, state: Sequence[State], which: Tensor | None = None) -> tuple[Tensor, list[State]]:
        """One step of a stack of one direction: x (B, I), one state a layer -> output (B, H), states.

        With `which` (B,), x has each input once (see Cell.step_shared). Dropout between layers is drawn anew at every
        step here, where the steps are not known beforehand.
        """
        after: list[State] = []
        for layer, (cell, before) in enumerate(zip(self.cells, state, strict=True)):
            if layer:
                x = self.dropout(x[:, None])[:, 0]
            x, new = cell.step(x, before) if layer or which is None else cell.step_shared(x, which, before)
            after.append(new)
        return x, after


def reversal(mask: Tensor) -> Tensor:
    """Positions (B, T) that read each row's real tokens from its own last to its first, padding in place."""
    lengths = mask.sum(1, keepdim=True)
    t = torch.arange(mask.shape[1], device=mask.device)[None]
    return torch.where(mask, lengths - 1 - t, t)


def reverse(x: Tensor, order: Tensor | None) -> Tensor:
    """x (B, T, ...) with time reversed: row by row along `order`, or whole when all rows are full."""
    if order is None:
        return x.flip(1)
    reversed_: Tensor = apply(_Reverse, x, order)
    return reversed_


class _Reverse(torch.autograd.Function):
    """Reversing twice changes nothing, so the gradient is reversed as well: no scattered sum, as of any index."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x[torch.arange(len(x), device=x.device)[:, None], order]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return grads[0][torch.arange(len(order), device=order.device)[:, None], order], None
