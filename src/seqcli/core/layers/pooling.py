"""The outputs over a sequence as one vector."""

import torch
from torch import Tensor, nn


class Pooling(nn.Module):
    """Outputs y_1 .. y_T (B, T, H) as one vector a row; padding counts for nothing.

    last       y_T of the forward direction beside y_1 of the backward one: each has read everything
    mean, max  over time, unit by unit
    mean-max   both, side by side
    attention  sum_t a_t y_t with a = softmax_t(v' tanh(W y_t)) (Yang 2016, "Hierarchical attention networks")
    """

    def __init__(self, how: str, width: int, directions: int) -> None:
        super().__init__()
        self.how, self.directions = how, directions
        self.width = 2 * width if how == "mean-max" else width
        if how == "attention":
            self.hidden = nn.Linear(width, width)
            self.query = nn.Linear(width, 1, bias=False)

    def forward(self, y: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """y (B, T, H), mask (B, T), True = real -> (B, width), and the weights (B, T) of attention pooling."""
        real = mask[..., None]
        if self.how == "last":
            end = y[torch.arange(len(y), device=y.device), (mask.sum(1) - 1).clamp(min=0)]
            if self.directions == 1:
                return end, None
            half = y.shape[2] // 2
            return torch.cat((end[:, :half], y[:, 0, half:]), dim=1), None
        if self.how == "attention":
            scores = self.query(torch.tanh(self.hidden(y)))[..., 0].float()
            weights = scores.masked_fill(~mask, -torch.inf).softmax(1)  # (B, T)
            return (weights[:, None].to(y.dtype) @ y)[:, 0], weights
        mean = (y * real).sum(1) / mask.sum(1, keepdim=True).clamp(min=1) if "mean" in self.how else None
        highest = y.masked_fill(~real, -torch.inf).amax(1) if "max" in self.how else None
        return torch.cat([part for part in (mean, highest) if part is not None], dim=1), None
