"""The fast paths of the cells that torch has a kernel for, for which they have its parameters, by name and layout.

So `load_state_dict` moves weights both ways between such a cell and torch's module of one layer. Vectors go through the
fused kernel. Ids stand for one-hot vectors, whose product with W_ih is one column of it each: they are looked up, the
vectors are never built, and the gradients through time are written by hand.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.cells.base import Cell, last_real


class FusedCell(Cell):
    """A cell whose gates are affine maps of the input and of h. G is how many H-wide slices these have.

    A cell defines its mathematics in `recur`, which is what follows the product with the input.
    """

    gates: ClassVar[int]  # G
    torch_mode: ClassVar[str]  # torch's name of the fused kernel

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        G = self.gates * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(G, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(G, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(G))
        self.bias_hh_l0 = nn.Parameter(torch.empty(G))
        if not self.weight_hh_l0.is_meta:  # a network is made without memory, and its cells are started afterwards
            self.initialize(None)

    # --- the mathematics --------------------------------------------------------------------------------------

    @abstractmethod
    def recur(self, a: Tensor, state: Any) -> Any:
        """The next state from the input's part `a` of the affine map (B, G*H) and the state before. Pure."""

    def project(self, x: Tensor) -> Tensor:
        """a = W_ih x + b_ih; x (..., I) vectors or (...) ids -> (..., G*H)."""
        if x.is_floating_point():
            return F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        return F.embedding(x, self.weight_ih_l0.t().contiguous()) + self.bias_ih_l0

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step. x (B, I) or ids (B,), state of (B, H) -> output (B, H), state."""
        state = self.recur(self.project(x), state)
        return state.h, state

    def step_shared(self, x: Tensor, which: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = self.recur(self.project(x)[which], state)
        return state.h, state

    def input_weights(self) -> list[Tensor]:
        return [self.weight_ih_l0]

    def loop(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """The same as any cell's, with the product of all inputs in one."""
        a, outputs = self.project(x), []  # (B, T, G*H)
        for t in range(x.shape[1]):
            new = self.recur(a[:, t], state)
            if mask is not None:
                real = mask[:, t, None]
                new = self.state_type(*(torch.where(real, n, o) for n, o in zip(new, state, strict=True)))
                outputs.append(new.h * real)
            else:
                outputs.append(new.h)
            state = new
        return torch.stack(outputs, dim=1), state  # (B, T, H)

    # --- over time --------------------------------------------------------------------------------------------

    def sequence(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        if x.is_floating_point():
            return self.fused(x, state, mask)
        y, states = self.through_time(self.project(x), state)
        if mask is None:
            return y, self.state_type(*(s[:, -1] for s in states))
        return y * mask[..., None], self.state_type(
            *(last_real(s, mask, before) for s, before in zip(states, state, strict=True))
        )

    @abstractmethod
    def through_time(self, a: Tensor, state: Any) -> tuple[Tensor, Sequence[Tensor]]:
        """`recur` over a (B, T, G*H) with the gradients written by hand: outputs, and every state (B, T, H)."""

    def fused(self, x: Tensor, state: Any, mask: Tensor | None) -> tuple[Tensor, Any]:
        """Torch's kernel on padded rows. Cells whose state is h alone find the last state among the outputs."""
        y, last = self.kernel(x, state)
        if mask is None:
            return y, last
        return y * mask[..., None], self.state_type(last_real(y, mask, state.h))

    def kernel(self, x: Tensor, state: Any, w_ih: Tensor | None = None) -> tuple[Tensor, Any]:
        """Torch's fused kernel over full rows; `w_ih` may stand in for the cell's own input weights."""
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, state = x.to(dtype), tuple(s.to(dtype) for s in state)
        packed = [s[None].contiguous() for s in state]  # torch wants (layers, B, H)
        hx = packed[0] if len(packed) == 1 else packed
        run = getattr(torch, self.torch_mode.lower())
        weights = [w_ih if w_ih is not None else self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        # biases, one layer, no dropout, training, one direction, batch first
        y, *last = run(x, hx, weights, True, 1, 0.0, self.training, False, True)
        return y, self.state_type(*(s[0] for s in last))

    # --- the start --------------------------------------------------------------------------------------------

    def initialize(self, generator: torch.Generator | None) -> None:
        """Recurrent weights orthogonal gate by gate (Saxe 2014), input weights uniform by fan-in, biases zero."""
        bound = self.input_size**-0.5
        with torch.no_grad():
            nn.init.uniform_(self.weight_ih_l0, -bound, bound, generator)
            for gate in self.weight_hh_l0.chunk(self.gates):
                nn.init.orthogonal_(gate, generator=generator)
            nn.init.zeros_(self.bias_ih_l0)
            nn.init.zeros_(self.bias_hh_l0)
