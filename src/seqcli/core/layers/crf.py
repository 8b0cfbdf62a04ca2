"""The linear-chain conditional random field over tags (Lafferty 2001; on an LSTM: Huang 2015, arXiv:1508.01991)."""

import torch
from torch import Tensor, nn


class CRF(nn.Module):
    """A distribution over whole tag sequences y of a sentence x: p(y | x) = exp(score(x, y)) / Z(x).

    score(x, y) = start[y_1] + sum_t emission[t, y_t] + sum_t transition[y_(t-1), y_t] + end[y_T]

    The emissions come from a network below; the start, transition and end scores are the parameters of this module.
    Z(x), the sum of exp(score) over all sequences, is computed by the forward algorithm, and the likeliest sequence by
    the Viterbi algorithm (1967). Each takes T steps with K x K operations. Shapes: B batch, T time, K tags. Masks are
    (B, T) bool, True = real; the first position of each row must be real.
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.transition = nn.Parameter(torch.zeros(tags, tags))  # [from, to]
        self.start = nn.Parameter(torch.zeros(tags))  # (K,)
        self.end = nn.Parameter(torch.zeros(tags))  # (K,)

    def initialize(self, generator: torch.Generator) -> None:
        """Set all scores to zero, so that at first every transition is equally likely."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute score(x, y) of one tag sequence for each sentence: emissions (B, T, K), tags (B, T) -> (B,)."""
        own = emissions.gather(2, tags[..., None])[..., 0] * mask  # emission scores of the tags, (B, T)
        moves = self.transition[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]  # (B, T - 1)
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]  # the tag of the last real token, (B,)
        total: Tensor = own.sum(1) + moves.sum(1) + self.start[tags[:, 0]] + self.end[last]  # (B,)
        return total

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute log Z(x), (B,), by the forward algorithm.

        The recursion is alpha_t[k] = logsumexp_j(alpha_(t-1)[j] + transition[j, k]) + emission[t, k].
        """
        alpha = self.start + emissions[:, 0]  # (B, K)
        for t in range(1, emissions.shape[1]):
            new = torch.logsumexp(alpha[:, :, None] + self.transition, dim=1) + emissions[:, t]  # (B, K)
            alpha = torch.where(mask[:, t, None], new, alpha)  # (B, K)
        return torch.logsumexp(alpha + self.end, dim=1)  # (B,)

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute -log p(y | x), summed over the sentences: a scalar, in nats."""
        return (self.log_partition(emissions, mask) - self.score(emissions, tags, mask)).sum()  # (B,) to ()

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Find the likeliest tag sequence of each sentence by the Viterbi algorithm: tags (B, T), 0 on padding."""
        best = self.start + emissions[:, 0]  # (B, K), for each tag the best score of a sequence that ends with it here
        came_from = []  # for t = 1, 2, ...: (B, K), the tag before, on the best way to each tag
        stay = torch.arange(best.shape[1], device=best.device).expand_as(best)  # (B, K)
        for t in range(1, emissions.shape[1]):
            scores, parent = (best[:, :, None] + self.transition).max(dim=1)  # (B, K) each, from (B, K, K)
            real = mask[:, t, None]  # (B, 1)
            best = torch.where(real, scores + emissions[:, t], best)  # (B, K)
            came_from.append(torch.where(real, parent, stay))  # on padding every tag leads to itself
        tag = (best + self.end).argmax(1, keepdim=True)  # (B, 1), the last tag of each sentence
        path = [tag]
        for parent in reversed(came_from):
            tag = parent.gather(1, tag)  # (B, 1)
            path.append(tag)
        return torch.cat(path[::-1], dim=1) * mask  # (B, T)
