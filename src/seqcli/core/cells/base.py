"""What every recurrent cell has: one pure step, and the same mathematics over a whole sequence, two ways.

A cell is torch's own single-layer module (so its parameters have torch's names and layout, and `load_state_dict`
moves weights both ways) plus its equations, in `recur`. Input may be vectors, or integer ids: an id stands for its
one-hot vector, whose product with W_ih is one column of it, so it is looked up and the vector is never built.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]  # a NamedTuple of (B, H) tensors; its first field is h, the cell's output


class Cell(nn.RNNBase):
    """Base of the cells. Shapes: B batch, T time, I input, H hidden, G gates."""

    gates: ClassVar[int]  # G: how many H-wide slices the affine map has
    state_type: ClassVar[Any]  # the NamedTuple of the state
    torch_mode: ClassVar[str]  # torch's name of the fused kernel
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter
    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(self.torch_mode, input_size, hidden_size, batch_first=True)

    # --- the mathematics --------------------------------------------------------------------------------------

    @abstractmethod
    def recur(self, a: Tensor, state: Any) -> Any:
        """The next state from the input's part `a` of the affine map (B, G*H) and the state before. Pure."""

    def project(self, x: Tensor) -> Tensor:
        """a = W_ih x + b_ih; x (..., I) vectors or (...) integer ids -> (..., G*H)."""
        if x.is_floating_point():
            return F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        return F.embedding(x, self.weight_ih_l0.t().contiguous()) + self.bias_ih_l0

    def step(self, x: Tensor, state: Any, which: Tensor | None = None) -> tuple[Tensor, Any]:
        """One step. x (B, I) or ids (B,), state of (B, H) -> output (B, H), state.

        Where many rows have the same input, x may hold each once, and `which` (B,) says which one a row has.
        """
        a = self.project(x)
        state = self.recur(a if which is None else a[which], state)
        return state.h, state

    def initial_state(self, like: Tensor, batch: int) -> Any:
        """The zero state for `batch` rows, of the type and device of `like`."""
        return self.state_type(*(like.new_zeros(batch, self.hidden_size) for _ in self.state_type._fields))

    # --- over time --------------------------------------------------------------------------------------------

    def loop(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """The readable path: `step` after `step`. It defines what `sequence` must give.

        x (B, T, I) or ids (B, T); mask (B, T) bool, True = real -> outputs (B, T, H), zero where not real, and
        the state after each row's last real token.
        """
        a, outputs = self.project(x), []
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

    def sequence(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """The fast path, equal to `loop`: torch's fused kernel, or for ids our own backward pass through time.

        The mask must be real tokens first, padding after, as batches are made.
        """
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

    def reset_parameters(self) -> None:
        """What torch's constructor calls. A network is made without memory, and its cells are started afterwards."""
        if not self.weight_hh_l0.is_meta:
            self.initialize(None)

    def initialize(self, generator: torch.Generator | None) -> None:
        """Recurrent weights orthogonal gate by gate (Saxe 2014), input weights uniform by fan-in, biases zero.

        Drawn from this generator or, for a cell alone outside of a network, from torch's own.
        """
        bound = self.input_size**-0.5
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.startswith("weight_hh"):
                    for gate in parameter.chunk(self.gates):
                        nn.init.orthogonal_(gate, generator=generator)
                elif name.startswith("weight_ih"):
                    nn.init.uniform_(parameter, -bound, bound, generator)
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
