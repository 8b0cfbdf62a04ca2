"""The readable step is the definition: torch's modules, the fused kernels and our own backward passes must equal it."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcli.core.cells import CELLS, cell_class
from seqcli.core.layers import Stack
from seqcli.core.tasks.union import all_options
from seqcli.errors import ConfigError

B, T, E, H = 2, 6, 5, 7
TORCH = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def everything(y: Tensor, states: Any) -> Tensor:
    """A scalar that depends on every output and every state, each in its own way."""
    total = (y * torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)).sum()
    for k, tensor in enumerate(states):
        total = total + (k + 1.5) * (tensor**2).sum()
    return total


def stack_like(
    reference: nn.RNNBase, cell: str, layers: int, *, bidirectional: bool, readable: bool
) -> tuple[Stack, dict[str, str]]:
    stack = Stack(cell, E, H, layers, bidirectional=bidirectional, readable=readable).double()
    names = {}
    for layer, direction in itertools.product(range(layers), range(stack.directions)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            ours = f"layers.{layer * stack.directions + direction}.{name}_l0"
            names[ours] = f"{name}_l{layer}" + ("_reverse" if direction else "")
    stack.load_state_dict({ours: getattr(reference, theirs).detach() for ours, theirs in names.items()})
    return stack, names


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "fused"])
@pytest.mark.parametrize("lengths", [None, (6, 2), (1, 6)], ids=["full", "long-first", "short-first"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_torch(
    cell: str, layers: int, bidirectional: bool, lengths: tuple[int, int] | None, readable: bool
) -> None:
    """Outputs, final states and all gradients, in float64, started from a random state."""
    torch.manual_seed(3)
    reference = TORCH[cell](E, H, layers, batch_first=True, bidirectional=bidirectional).double()
    stack, names = stack_like(reference, cell, layers, bidirectional=bidirectional, readable=readable)
    start = [
        torch.randn(layers * stack.directions, B, H, dtype=torch.double) for _ in stack.cells[0].state_type._fields
    ]
    x = torch.randn(B, T, E, dtype=torch.double)
    x1, x2 = x.clone().requires_grad_(), x.clone().requires_grad_()

    mask = None
    packed: Any = x1
    if lengths is not None:
        mask = torch.arange(T)[None] < torch.tensor(lengths)[:, None]
        packed = pack_padded_sequence(x1, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    y1, last = reference(packed, start[0] if len(start) == 1 else tuple(start))
    if lengths is not None:
        y1, _ = pad_packed_sequence(y1, batch_first=True, total_length=T)
    last1 = last if isinstance(last, tuple) else (last,)
    everything(y1, last1).backward()

    before = [cell.state_type(*(s[k] for s in start)) for k, cell in enumerate(stack.cells)]
    y2, states = stack(x2, before, mask)
    last2 = [torch.stack(parts) for parts in zip(*states, strict=True)]
    everything(y2, last2).backward()

    torch.testing.assert_close(y2, y1)
    for a, b in zip(last2, last1, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(x2.grad, x1.grad)
    for ours, theirs in names.items():
        torch.testing.assert_close(stack.get_parameter(ours).grad, reference.get_parameter(theirs).grad)


@pytest.mark.parametrize("cell", CELLS)
def test_gradcheck_of_the_readable_path(cell: str) -> None:
    torch.manual_seed(0)
    made = cell_class(cell)(3, 4).double()
    x = torch.randn(2, 3, 3, dtype=torch.double, requires_grad=True)
    state = [torch.randn(2, 4, dtype=torch.double, requires_grad=True) for _ in made.state_type._fields]

    def run(x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        y, last = made.loop(x, made.state_type(*state))
        return y, *last

    assert torch.autograd.gradcheck(run, (x, *state))


@pytest.mark.parametrize("cell", CELLS)
def test_gradcheck_through_time_by_hand(cell: str) -> None:
    torch.manual_seed(0)
    made = cell_class(cell)(3, 4).double()
    a = torch.randn(2, 3, 4 * made.gates, dtype=torch.double, requires_grad=True)
    state = [torch.randn(2, 4, dtype=torch.double, requires_grad=True) for _ in made.state_type._fields]

    def run(a: Tensor, w: Tensor, b: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        y, states = made.through_time(a, made.state_type(*state))
        return y, *states

    assert torch.autograd.gradcheck(run, (a, made.weight_hh_l0, made.bias_hh_l0, *state))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_ids_are_one_hot_vectors(cell: str, padded: bool) -> None:
    torch.manual_seed(5)
    V = 9
    stack = Stack(cell, V, H, 2, bidirectional=True).double()
    ids = torch.randint(0, V, (B, T))
    mask = torch.arange(T)[None] < torch.tensor([[T], [3]]) if padded else None
    found = []
    for x, readable in ((nn.functional.one_hot(ids, V).double(), True), (ids, True), (ids, False)):
        stack.readable = readable
        stack.zero_grad()
        y, states = stack(x, None, mask)
        everything(y, [t for s in states for t in s]).backward()
        found.append([y.detach(), *(p.grad.clone() for p in stack.parameters() if p.grad is not None)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("cell", CELLS)
def test_two_windows_with_carried_state_equal_one(cell: str) -> None:
    torch.manual_seed(1)
    stack = Stack(cell, E, H, 2)
    x = torch.randn(B, T, E)
    whole, last = stack(x)
    first, state = stack(x[:, :2])
    second, end = stack(x[:, 2:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    for a, b in zip(end, last, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_equals_that_row_alone(cell: str) -> None:
    torch.manual_seed(2)
    stack = Stack(cell, E, H, 2, bidirectional=True)
    x = torch.randn(3, T, E)
    lengths = torch.tensor([6, 1, 4])
    mask = torch.arange(T)[None] < lengths[:, None]
    x = torch.where(mask[..., None], x, torch.full_like(x, 1e3))  # padding must not be looked at
    y, states = stack(x, None, mask)
    for row, n in enumerate(lengths.tolist()):
        alone, last = stack(x[row : row + 1, :n])
        torch.testing.assert_close(y[row, :n], alone[0])
        assert not y[row, n:].any()
        for together, single in zip(states, last, strict=True):
            for a, b in zip(together, single, strict=True):
                torch.testing.assert_close(a[row], b[0])


def test_bf16_is_near_fp32() -> None:
    """Under autocast padding must stand still too: the shut gates are exact in bf16."""
    torch.manual_seed(4)
    stack = Stack("lstm", E, H, 1, bidirectional=True)
    x, mask = torch.randn(B, T, E), torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    exact, states = stack(x, None, mask)
    with torch.autocast("cpu", torch.bfloat16):
        rough, rough_states = stack(x, None, mask)
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0.05)
    for a, b in zip(rough_states, states, strict=True):
        torch.testing.assert_close(a.c.float(), b.c, atol=0.03, rtol=0.05)


def test_start() -> None:
    """Orthogonal recurrent weights gate by gate, forget bias 1, other biases 0."""
    made = cell_class("lstm")(E, H)
    for gate in made.weight_hh_l0.chunk(4):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(H))
    bias = made.bias_ih_l0 + made.bias_hh_l0
    assert bias.tolist() == [0.0] * H + [1.0] * H + [0.0] * 2 * H


def test_the_configuration_offers_the_registered_cells() -> None:
    assert all_options()["cell"].choices == tuple(CELLS)
    with pytest.raises(ConfigError, match="rnn, gru, lstm"):
        cell_class("lstmm")
