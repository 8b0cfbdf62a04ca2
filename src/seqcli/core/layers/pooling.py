"""Pooling: the outputs of all time steps of a sequence summarized in one vector."""

import torch
from torch import Tensor, nn


class Pooling(nn.Module):
    """Summarize the outputs y_1 .. y_T (B, T, H) of each row in one vector. Padding is ignored.

    last       y_T of the forward direction beside y_1 of the backward direction: each has read the whole sequence
    mean, max  the mean or maximum over time of each unit
    mean-max   both, side by side
    attention  sum_t a_t y_t with a = softmax_t(v^T tanh(W y_t)) (Yang 2016, "Hierarchical attention networks")

    `width` is that of the outputs, H; the attribute `width` is that of the resulting vector.
    """

    def __init__(self, how: str, width: int, directions: int) -> None:
        super().__init__()
        self.how, self.directions = how, directions
        self.width = 2 * width if how == "mean-max" else width
        if how == "attention":
            self.hidden = nn.Linear(width, width)
            self.query = nn.Linear(width, 1, bias=False)

    def forward(self, y: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool y (B, T, H) with mask (B, T), True = real.

        Returns the vectors (B, width) and, for attention pooling, the weights (B, T); for the others None.
        """
        real = mask[..., None]  # (B, T, 1)
        if self.how == "last":
            end = y[torch.arange(len(y), device=y.device), (mask.sum(1) - 1).clamp(min=0)]  # (B, H)
            if self.directions == 1:
                return end, None
            half = y.shape[2] // 2
            return torch.cat((end[:, :half], y[:, 0, half:]), dim=1), None  # (B, H)
        if self.how == "attention":
            scores = self.query(torch.tanh(self.hidden(y)))[..., 0].float()  # (B, T)
            weights = scores.masked_fill(~mask, -torch.inf).softmax(1)  # (B, T)
            return (weights[:, None].to(y.dtype) @ y)[:, 0], weights  # (B, H), (B, T)
        mean = (y * real).sum(1) / mask.sum(1, keepdim=True).clamp(min=1) if "mean" in self.how else None  # (B, H)
        highest = y.masked_fill(~real, -torch.inf).amax(1) if "max" in self.how else None  # (B, H)
        return torch.cat([part for part in (mean, highest) if part is not None], dim=1), None  # (B, H) or (B, 2H)
