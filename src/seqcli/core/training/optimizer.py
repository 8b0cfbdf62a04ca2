"""Optimizers: Muon for the recurrent matrices with AdamW for the rest, or one of torch's for all."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from seqcli.core.cells.base import Cell
from seqcli.core.layers import Embedding, Network

Named = tuple[str, nn.Parameter]
KEPT = {  # by torch's optimizers, set up as below, for a parameter
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "sgd": (),
    "rmsprop": ("step", "square_avg"),
    "adagrad": ("step", "sum"),
}


class Muon(torch.optim.Optimizer):
    """Momentum whose every update is made nearly orthogonal (Jordan 2024, "Muon: an optimizer for hidden layers").

    The update U = V' of the momentum's singular value decomposition S -> U S V' is found by Newton-Schulz iterations
    X <- a X + (b A + c A^2) X with A = X X', and scaled by 0.2 sqrt(max(rows, columns)), so that its root mean square
    is that of AdamW and one learning rate serves both (Liu 2025, arXiv:2502.16982). Runs in `dtype`.
    """

    COEFFICIENTS = (3.4445, -4.7750, 2.0315)

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
        """One update, with Nesterov momentum and decoupled weight decay."""
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
                # matrices of one shape together: their small products then run side by side
                updates = self.orthogonalize(torch.stack(found)) if len(same) > 1 else [self.orthogonalize(*found)]
                for (p, _), update in zip(same, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)

    def orthogonalize(self, m: Tensor) -> Tensor:
        """The nearest matrices (..., rows, columns) with orthonormal rows or columns, roughly: large singular values
        come to 0.7 .. 1.2.

        The iterations multiply X by polynomials in A, which commute; so A alone is iterated, and X multiplied once.
        """
        a, b, c = self.COEFFICIENTS
        x = (m / (m.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(self.dtype)
        tall = x.shape[-2] >= x.shape[-1]
        gram = x.mT @ x if tall else x @ x.mT
        product = None
        for k in range(self.iterations):
            factor = (gram @ gram).mul_(c).add_(gram, alpha=b)
            factor.diagonal(dim1=-2, dim2=-1).add_(a)
            product = factor if product is None else product @ factor
            if k < self.iterations - 1:
                gram = factor @ gram @ factor
        orthogonal: Tensor = (x @ product if tall else product @ x).to(m.dtype)
        return orthogonal


def divide(model: nn.Module, name: str) -> tuple[list[Named], list[Named]]:
    """The parameters that Muon takes, and the others."""
    cells = [cell for cell in model.modules() if isinstance(cell, Cell)] if name == "muon" else []
    hidden = {id(p) for cell in cells for p in cell.parameters() if p.ndim == 2}
    if isinstance(model, Network):
        hidden -= {id(p) for p in model.input_tables()}
    named = list(model.named_parameters())
    return [(n, p) for n, p in named if id(p) in hidden], [(n, p) for n, p in named if id(p) not in hidden]


def state_shapes(model: nn.Module, name: str) -> list[dict[str, dict[str, torch.Size]]]:
    """What each optimizer that `make_optimizers` makes keeps for every parameter: tensors by name, and their shapes."""
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
    """The optimizers of that name over all parameters. Weight decay falls on matrices only, never on biases or on an
    embedding with frozen rows; it is decoupled for muon and adamw (Loshchilov 2019), and an L2 penalty for the others.

    Muon takes the weights of cells, except those that are input tables: a cell's that reads one-hot vectors.
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
