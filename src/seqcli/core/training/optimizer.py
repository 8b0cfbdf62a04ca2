"""Optimizers: Muon for the recurrent matrices with AdamW for the other parameters, or one of torch's for all."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from seqcli.core.cells.base import Cell
from seqcli.core.layers import Embedding, Network

Named = tuple[str, nn.Parameter]
KEPT = {  # the tensors that torch's optimizers, made as in `make_optimizers`, keep for each parameter
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "sgd": (),
    "rmsprop": ("step", "square_avg"),
    "adagrad": ("step", "sum"),
}


class Muon(torch.optim.Optimizer):
    """SGD with momentum whose updates are made nearly orthogonal (Jordan 2024, "Muon: an optimizer for hidden layers").

    Let the momentum have the singular value decomposition U S V^T. The update is U V^T, found approximately by the
    Newton-Schulz iterations X <- a X + (b A + c A^2) X with A = X X^T, which run in `dtype`. It is scaled by
    0.2 sqrt(max(rows, columns)), so that its root mean square is that of an AdamW update and one learning rate serves
    both optimizers (Liu 2025, arXiv:2502.16982).
    """

    COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # a, b, c

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        iterations: int = 3,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.momentum, self.iterations, self.dtype = momentum, iterations, dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure is ever given
        """Make one update of all parameters, with Nesterov momentum and decoupled weight decay."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - self.momentum)
                alike.setdefault(p.shape, []).append((p, p.grad.lerp(state["momentum"], self.momentum)))
            for shape, same in alike.items():
                found = [m for _, m in same]
                # Matrices of one shape are stacked, (n, rows, columns), so that their small products run side by side.
                updates = self.orthogonalize(torch.stack(found)) if len(same) > 1 else [self.orthogonalize(*found)]
                for (p, _), update in zip(same, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)

    def orthogonalize(self, m: Tensor) -> Tensor:
        """Return approximately the nearest matrices with orthonormal rows or columns, for m (..., rows, columns).

        The result is rough: large singular values become numbers from 0.7 to 1.2, not exactly 1. Every iteration
        multiplies X by a polynomial in A, and such polynomials commute. So only A, the smaller matrix, is iterated, and
        X is multiplied once at the end. With n = min(rows, columns), A is (..., n, n).
        """
        a, b, c = self.COEFFICIENTS
        x = (m / (m.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(self.dtype)  # (..., rows, columns)
        tall = x.shape[-2] >= x.shape[-1]
        gram = x.mT @ x if tall else x @ x.mT  # A, (..., n, n)
        product = None
        for k in range(self.iterations):
            factor = (gram @ gram).mul_(c).add_(gram, alpha=b)  # b A + c A^2, (..., n, n)
            factor.diagonal(dim1=-2, dim2=-1).add_(a)
            product = factor if product is None else product @ factor
            if k < self.iterations - 1:
                gram = factor @ gram @ factor  # A of the next X
        orthogonal: Tensor = (x @ product if tall else product @ x).to(m.dtype)  # (..., rows, columns)
        return orthogonal


def divide(model: nn.Module, name: str) -> tuple[list[Named], list[Named]]:
    """Split the parameters into those that Muon updates and the others. `name` is that of the optimizer.

    Muon takes the weight matrices of cells, except those that are looked up by token id. For other optimizers the first
    list is empty.
    """
    cells = [cell for cell in model.modules() if isinstance(cell, Cell)] if name == "muon" else []
    hidden = {id(p) for cell in cells for p in cell.parameters() if p.ndim == 2}
    if isinstance(model, Network):
        hidden -= {id(p) for p in model.input_tables()}
    named = list(model.named_parameters())
    return [(n, p) for n, p in named if id(p) in hidden], [(n, p) for n, p in named if id(p) not in hidden]


def state_shapes(model: nn.Module, name: str) -> list[dict[str, dict[str, torch.Size]]]:
    """Return the shapes of the tensors that each optimizer of `make_optimizers` keeps.

    There is one entry for each optimizer: by the name of the parameter, and then by the name of the tensor. It is used
    to check a checkpoint before it is loaded.
    """
    muon, rest = divide(model, name)
    parts = [(muon, ("momentum",)), (rest, KEPT["adamw" if name == "muon" else name])]
    return [
        {n: {key: torch.Size() if key == "step" else p.shape for key in keys} for n, p in part}
        for part, keys in parts
        if part or part is rest
    ]


def make_optimizers(
    model: nn.Module, name: str, lr: float, weight_decay: float, dtype: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """Make the optimizers for all parameters of a model: two for "muon" (Muon and AdamW), one for the other names.

    Muon takes the weight matrices of cells, except those that are looked up by token id; AdamW takes the rest. Weight
    decay applies to matrices only, never to biases or to an embedding with frozen rows. It is decoupled for muon and
    adamw (Loshchilov 2019) and an L2 penalty for the others. Muon's matrix products run in `dtype`.
    """
    muon, rest = ([p for _, p in part] for part in divide(model, name))
    kept = {id(module.weight) for module in model.modules() if isinstance(module, Embedding) and module.frozen}
    matrices = [p for p in rest if p.ndim > 1 and id(p) not in kept]
    others = [p for p in rest if p.ndim < 2 or id(p) in kept]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = []
    if muon:
        optimizers.append(Muon(muon, lr, weight_decay=weight_decay, dtype=dtype))
    if name in ("muon", "adamw"):
        optimizers.append(torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), fused=True))
    elif name == "sgd":
        optimizers.append(torch.optim.SGD(groups, lr=lr))
    elif name == "rmsprop":
        optimizers.append(torch.optim.RMSprop(groups, lr=lr, alpha=0.95))
    else:
        optimizers.append(torch.optim.Adagrad(groups, lr=lr))
    return optimizers
