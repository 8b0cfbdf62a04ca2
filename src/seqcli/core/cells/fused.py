"""The fast paths of cells that exist in torch too (rnn, gru, lstm).

Such a cell has the same parameters as torch's one-layer module, with the same names and layout, so `load_state_dict`
moves weights between the two in both directions. There are two fast paths:

- Floating-point input goes through torch's fused kernel.
- Token ids stand for one-hot vectors. The product of W_ih with a one-hot vector is one column of W_ih, so the columns
  are looked up and the vectors are never built. Back-propagation through time is then written by hand, one
  `torch.autograd.Function` for each cell, because torch's kernel does not accept ids.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.cells.base import Cell, last_real


class FusedCell(Cell):
    """The base of cells whose gates are affine maps of the input x and of the hidden state h.

    The maps of all gates are stacked: W_ih is (G*H, I) and W_hh is (G*H, H), where G is the number of gates. A cell
    defines in `recur` what happens after the product with the input, W_ih x + b_ih.
    """

    gates: ClassVar[int]  # G, the number of H-wide slices in the weight matrices
    torch_mode: ClassVar[str]  # the name of torch's fused kernel: RNN_TANH, GRU or LSTM

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        G = self.gates * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(G, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(G, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(G))
        self.bias_hh_l0 = nn.Parameter(torch.empty(G))
        # Networks are first made on the meta device, without memory, and initialized later (see layers.start).
        if not self.weight_hh_l0.is_meta:
            self.initialize(None)

    # --- the mathematics --------------------------------------------------------------------------------------

    @abstractmethod
    def recur(self, a: Tensor, state: Any) -> Any:
        """Return the next state from a = W_ih x + b_ih (B, G*H) and the previous state. A pure function."""

    def project(self, x: Tensor) -> Tensor:
        """Compute a = W_ih x + b_ih for vectors x (..., I) or ids x (...). Returns (..., G*H)."""
        if x.is_floating_point():
            return F.linear(x, self.weight_ih_l0, self.bias_ih_l0)  # (..., G*H)
        return F.embedding(x, self.weight_ih_l0.t().contiguous()) + self.bias_ih_l0  # (..., G*H)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Compute one time step: x (B, I) or ids (B,), state of (B, H) tensors -> output (B, H) and the next state."""
        state = self.recur(self.project(x), state)
        return state.h, state

    def step_shared(self, x: Tensor, which: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = self.recur(self.project(x)[which], state)  # the projection (U, G*H) is expanded to (B, G*H)
        return state.h, state

    def input_weights(self) -> list[Tensor]:
        return [self.weight_ih_l0]

    def loop(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Process a sequence step by step as `Cell.loop` does, but multiply all inputs by W_ih in one product first."""
        a, outputs = self.project(x), []  # (B, T, G*H)
        for t in range(x.shape[1]):
            new = self.recur(a[:, t], state)  # (B, H) each
            if mask is not None:
                real = mask[:, t, None]  # (B, 1)
                new = self.state_type(*(torch.where(real, n, o) for n, o in zip(new, state, strict=True)))  # (B, H)
                outputs.append(new.h * real)  # (B, H)
            else:
                outputs.append(new.h)  # (B, H)
            state = new
        return torch.stack(outputs, dim=1), state  # (B, T, H)

    # --- over time --------------------------------------------------------------------------------------------

    def sequence(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        if x.is_floating_point():
            return self.fused(x, state, mask)
        y, states = self.through_time(self.project(x), state)  # (B, T, H), and (B, T, H) for each part of the state
        if mask is None:
            return y, self.state_type(*(s[:, -1] for s in states))  # (B, T, H), (B, H)
        return y * mask[..., None], self.state_type(
            *(last_real(s, mask, before) for s, before in zip(states, state, strict=True))  # (B, H)
        )

    @abstractmethod
    def through_time(self, a: Tensor, state: Any) -> tuple[Tensor, Sequence[Tensor]]:
        """Apply `recur` along the time axis of a (B, T, G*H), with a hand-written backward pass.

        Returns the outputs (B, T, H) and, for each part of the state, its values at all time steps (B, T, H).
        """

    def fused(self, x: Tensor, state: Any, mask: Tensor | None) -> tuple[Tensor, Any]:
        """Run torch's kernel on x (B, T, I), whose rows may be padded. Returns outputs (B, T, H) and the last state.

        The kernel returns the state after the last column, padding included. A cell whose state is h alone can take
        the state after the last real token from the outputs; the LSTM, whose c is no output, overrides this.
        """
        y, last = self.kernel(x, state)  # (B, T, H), (B, H)
        if mask is None:
            return y, last
        return y * mask[..., None], self.state_type(last_real(y, mask, state.h))  # (B, T, H), (B, H)

    def kernel(self, x: Tensor, state: Any, w_ih: Tensor | None = None) -> tuple[Tensor, Any]:
        """Run torch's fused kernel on x (B, T, I) without regard to padding: outputs (B, T, H) and the last state.

        `w_ih` replaces the cell's own input weights where it is given.
        """
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, state = x.to(dtype), tuple(s.to(dtype) for s in state)
        packed = [s[None].contiguous() for s in state]  # (1, B, H): torch wants the number of layers first
        hx = packed[0] if len(packed) == 1 else packed
        run = getattr(torch, self.torch_mode.lower())
        weights = [w_ih if w_ih is not None else self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        # positional arguments: has_biases, num_layers, dropout, train, bidirectional, batch_first
        y, *last = run(x, hx, weights, True, 1, 0.0, self.training, False, True)  # (B, T, H), then (1, B, H) each
        return y, self.state_type(*(s[0] for s in last))  # (B, T, H), (B, H)

    # --- the start --------------------------------------------------------------------------------------------

    def initialize(self, generator: torch.Generator | None) -> None:
        """Set the initial weights: W_hh orthogonal, gate by gate (Saxe 2014); W_ih uniform in +-1/sqrt(I); biases zero.

        Random numbers come from `generator`, or from torch's default generator where it is None.
        """
        bound = self.input_size**-0.5
        with torch.no_grad():
            nn.init.uniform_(self.weight_ih_l0, -bound, bound, generator)
            for gate in self.weight_hh_l0.chunk(self.gates):
                nn.init.orthogonal_(gate, generator=generator)
            nn.init.zeros_(self.bias_ih_l0)
            nn.init.zeros_(self.bias_hh_l0)
