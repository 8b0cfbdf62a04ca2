"""The fused projection and loss against the plain one in float64, under the autocast policies of several devices."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from seqcli.core.layers import cross_entropy
from seqcli.core.layers.cross_entropy import linear_cross_entropy

N, H, V = 5, 7, 11


class CudaAutocast(TorchFunctionMode):
    """On a processor, under its autocast: what CUDA's does. Products take the half type, sums and exponentials float32,
    and what is written into a given tensor (`out=`) is not cast at all."""

    HALF = frozenset({"addmm", "mm", "matmul", "__matmul__", "linear"})
    FULL = frozenset({"softmax", "log_softmax", "log", "exp", "sum", "mean", "cross_entropy"})

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        name, on = getattr(func, "__name__", ""), torch.is_autocast_enabled("cpu") and "out" not in given
        dtype = torch.get_autocast_dtype("cpu") if name in self.HALF else torch.float32
        if on and name in self.HALF | self.FULL:
            args = [a.to(dtype) if isinstance(a, Tensor) and a.is_floating_point() else a for a in args]
        with torch.autocast("cpu", enabled=False):
            return func(*args, **given)


def problem(dtype: torch.dtype, rows: int = N) -> tuple[list[Tensor], Tensor]:
    """Input, weights and bias that `dtype` holds exactly, and targets."""
    g = torch.Generator().manual_seed(1)
    parts = [torch.randn(*shape, generator=g).to(dtype).float() for shape in ((rows, H), (V, H), (V,))]
    return parts, torch.randint(0, V, (rows,), generator=g)


def plain(parts: list[Tensor], targets: Tensor, smoothing: float = 0.0) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss and its gradients in float64."""
    x, w, b = (part.double().requires_grad_() for part in parts)
    loss = F.cross_entropy(x @ w.t() + b, targets, label_smoothing=smoothing)
    return loss.detach(), torch.autograd.grad(loss, (x, w, b))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [V * 2, 1 << 20], ids=["chunks", "whole"])
def test_it_equals_the_plain_one(monkeypatch: pytest.MonkeyPatch, chunk: int, smoothing: float) -> None:
    monkeypatch.setattr(cross_entropy, "CHUNK", chunk)
    parts, targets = problem(torch.float32)
    wanted, gradients = plain(parts, targets, smoothing)
    inputs = [part.double().requires_grad_() for part in parts]
    loss = linear_cross_entropy(inputs[0], inputs[1], inputs[2], targets, smoothing)
    torch.testing.assert_close(loss, wanted)
    for ours, right in zip(torch.autograd.grad(3 * loss, inputs), gradients, strict=True):
        torch.testing.assert_close(ours, 3 * right)


@pytest.mark.parametrize("policy", ["cpu", "cuda"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
@pytest.mark.parametrize("wide", [True, False], ids=["x-float32", "x-half"])
def test_it_is_right_under_the_autocast_of_every_device(
    policy: str, smoothing: float, dtype: torch.dtype, error: float, wide: bool
) -> None:
    parts, targets = problem(dtype)
    wanted, gradients = plain(parts, targets, smoothing)
    x, w, b = (part.clone().requires_grad_() for part in parts)
    scale = 2.0**12
    with CudaAutocast() if policy == "cuda" else torch.enable_grad():
        with torch.autocast("cpu", dtype):
            loss = linear_cross_entropy(x if wide else x.to(dtype), w, b, targets, smoothing)
        found = torch.autograd.grad(scale * loss, (x, w, b))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), wanted, rtol=error, atol=0)
    for ours, right in zip(found, gradients, strict=True):
        assert ours.dtype == torch.float32
        assert (ours.double() / scale - right).abs().max() < error * right.abs().max()


def test_scaled_float16_gradients_keep_improbable_tokens() -> None:
    """A token of probability 1e-8 is 0 in float16, and its gradient is not, once the loss is scaled."""
    parts, targets = problem(torch.float16)
    parts[0], parts[1] = parts[0] / 8, parts[1] / 8
    parts[2] = torch.zeros(V)
    parts[2][3:] = -16.0
    targets = targets % 3
    _, (_, right, _) = plain(parts, targets)
    assert right[3:].abs().max() < 6e-8  # below the smallest number of float16
    x, w, b = (part.clone().requires_grad_() for part in parts)
    with torch.autocast("cpu", torch.float16):
        loss = linear_cross_entropy(x, w, b, targets)
    (ours,) = torch.autograd.grad(2.0**16 * loss, (w,))
    assert (ours[3:].double() / 2**16 - right[3:]).abs().max() < 0.01 * right[3:].abs().max()


def test_sums_over_many_chunks_are_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bf16 a sum of equal parts stands still at 256 of them."""
    monkeypatch.setattr(cross_entropy, "CHUNK", V)
    rows = 1024
    parts, _ = problem(torch.bfloat16, rows)
    parts[0] = parts[0][:1].repeat(rows, 1)
    targets = torch.zeros(rows, dtype=torch.long)
    _, (_, right, right_b) = plain(parts, targets)
    x, w, b = (part.clone().requires_grad_() for part in parts)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(x, w, b, targets)
    for ours, wanted in zip(torch.autograd.grad(loss, (w, b)), (right, right_b), strict=True):
        assert (ours.double() - wanted).abs().max() < 0.03 * wanted.abs().max()
