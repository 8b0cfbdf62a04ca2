"""Word vectors: CBOW and skip-gram (Mikolov 2013a, arXiv:1301.3781) by negative sampling (2013b, arXiv:1310.4546).

Every word w has two vectors, v_w to be kept and u_w to be predicted by. In the window around the centre word o

    skip-gram   for every word i of the window:   h = v_o, the target is i
    CBOW        h = mean of the window's v_i,     the target is o
    softmax     loss = -log softmax(U h)[target]
    sampling    loss = -log s(u_target . h) - k E_(n ~ P)[log s(-u_n . h)],   P(n) ~ count(n)^0.75   (2013b, equation 4)

with s the logistic function. Its gradient with respect to a score is s(score) - label; the rest is products. A chunk of
c words of the text shares them: its pairs are a band in the matrix of its c centres and the c + 2w words from w before
to w behind it, and its negatives are drawn once for all its pairs, K of them, each with the weight k / K, so that the
expectation is that of the equation. The gradients of a block of C chunks, summed, touch few rows of the tables, and are
added to them in place.

Shapes: N = C c words in a block, w the window, D the width, V the vocabulary.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.config import Config
from seqcli.core.models.start import build


class Piece(NamedTuple):
    """A part of the gradient: rows (n, D) that belong to `ids` (n,) of a table, or to all of it where ids is None."""

    table: nn.Parameter
    ids: Tensor | None
    rows: Tensor


class WordTables(nn.Module):
    """The two tables (V, D), the loss of a block of text, and its gradients.

    A block is what data.windows makes: `centres` (N,) and `around` (N + 2w,) are ids of the text, the latter from w
    words before the first centre on; `pairs` (C, c, c + 2w) is 1 where a word of the band is in the centre's window;
    `negatives` (C, K) are ids, none of them for the full softmax. `weight` is k, the negatives that a pair should have.
    """

    def __init__(self, vocab_size: int, dim: int, *, objective: str = "skipgram", weight: int = 5) -> None:
        super().__init__()
        self.cbow, self.weight = objective == "cbow", weight
        self.vectors = nn.Parameter(torch.zeros(vocab_size, dim))  # v
        self.outputs = nn.Parameter(torch.zeros(vocab_size, dim))  # u

    def initialize(self, generator: torch.Generator) -> None:
        """As word2vec starts: v uniform, narrower the wider it is, u zero."""
        self.vectors.uniform_(generator=generator).sub_(0.5).div_(self.vectors.shape[1])
        self.outputs.zero_()

    # --- the definition ---------------------------------------------------------------------------------------

    def loss(self, centres: Tensor, around: Tensor, pairs: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """The summed loss (nats) of a block, and its number of targets: pairs for skip-gram, words for CBOW."""
        C, c, width = pairs.shape
        band = around.unfold(0, width, c)  # (C, c + 2w)
        n = pairs.sum(2)  # (C, c)
        if self.cbow:
            h = pairs / n.clamp(min=1)[:, :, None] @ self.vectors[band]  # (C, c, D)
            n = (n > 0).to(pairs.dtype)
            wanted, labels = centres.view(C, c, 1), n[:, :, None]  # (C, c, 1)
        else:
            h = self.vectors[centres.view(C, c)]
            wanted, labels = band[:, None].expand(C, c, width), pairs
        if not negatives.numel():
            log_p = (h @ self.outputs.T).log_softmax(2)  # (C, c, V)
            return -(log_p.gather(2, wanted) * labels).sum(), n.sum()
        scores = (h * self.outputs[centres.view(C, c)]).sum(2, True) if self.cbow else h @ self.outputs[band].mT
        noise = h @ self.outputs[negatives].mT  # (C, c, K)
        each = self.weight / negatives.shape[1] * n[:, :, None]
        return (F.softplus(-scores) * labels).sum() + (F.softplus(noise) * each).sum(), n.sum()

    # --- the same with gradients by hand ----------------------------------------------------------------------

    @torch.no_grad()
    def gradients(
        self, centres: Tensor, around: Tensor, pairs: Tensor, negatives: Tensor, scale: float = 1.0
    ) -> list[Piece]:
        """The gradient of `loss` times `scale`, in pieces; a row may be in several and several times in one."""
        n = pairs.sum(2, keepdim=True)  # (C, c, 1)
        if not negatives.numel():
            return self._softmax(centres, around, pairs, n, scale)
        C, c, width = pairs.shape
        ids, band = negatives.flatten(), around.unfold(0, width, c).flatten()
        z = self.outputs.index_select(0, ids).view(*negatives.shape, -1)  # (C, K, D)
        if self.cbow:
            mean = pairs / n.clamp(min=1)
            h = torch.bmm(mean, banded(self.vectors.index_select(0, around), width, c))  # (C, c, D)
            n = (n > 0).to(h.dtype) * scale
            y = self.outputs.index_select(0, centres).view_as(h)
            g = (h * y).sum(2, keepdim=True).sigmoid_().sub_(1).mul_(n)  # (C, c, 1)
        else:
            h = self.vectors.index_select(0, centres).view(C, c, -1)
            n *= scale
            y = banded(self.outputs.index_select(0, around), width, c)  # (C, c + 2w, D)
            g = torch.bmm(h, y.mT).sigmoid_().sub_(1).mul_(pairs * scale)  # (C, c, c + 2w)
        g_z = torch.bmm(h, z.mT).sigmoid_().mul_(n * (self.weight / negatives.shape[1]))  # (C, c, K)
        noise = Piece(self.outputs, ids, torch.bmm(g_z.mT, h).flatten(0, 1))
        if self.cbow:
            d_h = torch.bmm(g_z, z).addcmul_(g, y)
            d_v = Piece(self.vectors, band, torch.bmm(mean.mT, d_h).flatten(0, 1))
            return [d_v, Piece(self.outputs, centres, (g * h).flatten(0, 1)), noise]
        d_h = torch.bmm(g, y).baddbmm_(g_z, z)
        d_u = Piece(self.outputs, band, torch.bmm(g.mT, h).flatten(0, 1))
        return [Piece(self.vectors, centres, d_h.flatten(0, 1)), d_u, noise]

    def _softmax(self, centres: Tensor, around: Tensor, pairs: Tensor, n: Tensor, scale: float) -> list[Piece]:
        C, c, width = pairs.shape
        if self.cbow:
            mean = pairs / n.clamp(min=1)
            h = torch.bmm(mean, banded(self.vectors.index_select(0, around), width, c)).flatten(0, 1)  # (N, D)
            wanted, labels = centres[:, None], (n > 0).to(pairs.dtype).flatten(0, 1)  # (N, 1)
        else:
            h = self.vectors.index_select(0, centres)
            wanted = around.unfold(0, width, c)[:, None].expand(pairs.shape).flatten(0, 1)  # (N, c + 2w)
            labels = pairs.flatten(0, 1)
        g = (h @ self.outputs.T).softmax(1).mul_(labels.sum(1, keepdim=True))  # (N, V)
        g.scatter_add_(1, wanted, -labels).mul_(scale)
        d_u, d_h = Piece(self.outputs, None, g.T @ h), g @ self.outputs
        if self.cbow:
            d_v = torch.bmm(mean.mT, d_h.view(C, c, -1)).flatten(0, 1)
            return [Piece(self.vectors, around.unfold(0, width, c).flatten(), d_v), d_u]
        return [Piece(self.vectors, centres, d_h), d_u]


@torch.no_grad()
def add(pieces: list[Piece]) -> None:
    """Add the pieces to their tables, in place."""
    for table, ids, rows in pieces:
        table.add_(rows) if ids is None else table.index_add_(0, ids, rows)


def banded(rows: Tensor, width: int, c: int) -> Tensor:
    """Rows of a text (N + 2w, D) as overlapping chunks (C, width, D), each beginning c rows after the one before."""
    return rows.unfold(0, width, c).mT


def build_tables(config: Config, vocab_size: int, seed: int | None) -> WordTables:
    """The tables of a resolved configuration; `seed` and errors as in `start.build`."""
    assert config.embedding_dim and config.negatives is not None, "the task resolves these"
    weight = config.negatives
    return build(
        partial(WordTables, vocab_size, config.embedding_dim, objective=config.objective, weight=weight), config, seed
    )
