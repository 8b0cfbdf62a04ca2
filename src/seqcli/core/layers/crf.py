"""The linear-chain conditional random field over tags (Lafferty 2001; on an LSTM: Huang 2015, arXiv:1508.01991)."""

import torch
from torch import Tensor, nn


class CRF(nn.Module):
    """p(y | x) = exp(score(x, y)) / Z(x): every tag sequence is one class, scored by emissions and transitions.

    score(x, y) = start[y_1] + sum_t emission[t, y_t] + sum_t transition[y_(t-1), y_t] + end[y_T]

    Z, the sum over all sequences, comes from the forward recursion, and the likeliest sequence from Viterbi's (1967);
    both take T steps of K x K. Shapes: B batch, T time, K tags; masks (B, T) bool, True = real, first position real.
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.transition = nn.Parameter(torch.zeros(tags, tags))  # from, to
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))

    def initialize(self, generator: torch.Generator) -> None:
        """All scores zero: every sequence is equally likely."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """score(x, y) of tag sequences: emissions (B, T, K), tags (B, T) -> (B,)."""
        own = emissions.gather(2, tags[..., None])[..., 0] * mask
        moves = self.transition[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]
        total: Tensor = own.sum(1) + moves.sum(1) + self.start[tags[:, 0]] + self.end[last]
        return total

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log Z(x), by alpha_t[k] = logsumexp_j(alpha_(t-1)[j] + transition[j, k]) + emission[t, k] -> (B,)."""
        alpha = self.start + emissions[:, 0]  # (B, K)
        for t in range(1, emissions.shape[1]):
            new = torch.logsumexp(alpha[:, :, None] + self.transition, dim=1) + emissions[:, t]
            alpha = torch.where(mask[:, t, None], new, alpha)
        return torch.logsumexp(alpha + self.end, dim=1)

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """-log p(y | x), summed over the sentences: a scalar, in nats."""
        return (self.log_partition(emissions, mask) - self.score(emissions, tags, mask)).sum()

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The likeliest tags (B, T); 0 on padding."""
        best = self.start + emissions[:, 0]  # (B, K): the best score of a sequence that ends with each tag here
        came_from = []
        stay = torch.arange(best.shape[1], device=best.device).expand_as(best)
        for t in range(1, emissions.shape[1]):
            scores, parent = (best[:, :, None] + self.transition).max(dim=1)
            real = mask[:, t, None]
            best = torch.where(real, scores + emissions[:, t], best)
            came_from.append(torch.where(real, parent, stay))
        tag = (best + self.end).argmax(1, keepdim=True)
        path = [tag]
        for parent in reversed(came_from):
            tag = parent.gather(1, tag)
            path.append(tag)
        return torch.cat(path[::-1], dim=1) * mask
