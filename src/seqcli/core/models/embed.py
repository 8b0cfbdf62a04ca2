"""Word vectors: CBOW and skip-gram (Mikolov 2013a, arXiv:1301.3781) by negative sampling (2013b, arXiv:1310.4546).

Every word w has two vectors, v_w to be kept and u_w to be predicted by. In the window around the centre word o

    skip-gram   for every word i of the window:   h = v_o, the target is i
    CBOW        h = mean of the window's v_i,     the target is o
    softmax     loss = -log softmax(U h)[target]
    sampling    loss = -log s(u_target . h) - k E_(n ~ P)[log s(-u_n . h)],   P(n) ~ count(n)^0.75   (2013b, equation 4)

with s the logistic function. The gradient with respect to a score is s(score) - label; the rest is products. With
sampling, the gradient of CBOW's h goes in full to every vector of the window, as in word2vec. By the chain rule it
would be divided by their number: then a word of a narrow window, or at the end of a line, counts several times as much
as one of a wide window, and neighbours agree less with what the counts of the words say.

A chunk of c words of the text shares the products: its pairs are a band in the matrix of its c centres and the c + 2w
words from w before to w behind it, and its negatives are drawn once for all its pairs, K of them, each with the weight
k / K, so that the expectation is that of the equation. The gradients of a block of C chunks, summed, touch few rows of
the tables, and are added to them in place.

All gradients of a block are those of the weights before it. A row that stands in it many times (a frequent word, a line
of stars) would be moved many times for the same reason, far beyond where the reason ends; the next block's gradients
are larger for it, and the tables grow without end. So what a block may do to a row is bounded by its pull

    pull of u = rate * sum over its scores of |g| max(1, |h|^2 / 2)      g the gradient with respect to the score u . h

and likewise that of v, with the u for h. (In CBOW's h a vector has a share. By the full softmax the share counts in the
gradient and in the square; by sampling in neither, since the vectors of a window move their h together.) Where the pull
is above 1, the row's step is divided by it; with a full softmax, where it is above 2. This holds for any text and any
rate, for two reasons. With sum |g| at most 1, the longest row of either table cannot move by more than
the longest row of the other: tables that start small do not run away. And the curvature of the loss in u is the sum of
s (1 - s) h h', whose norm is at most half of sum |g| |h|^2 where the labels of a score pull against each other and come
to rest; so rate * curvature is at most 1 for u and for v, and at most 2 for both together, up to which gradient descent
does not overshoot further each time. Most rows of a common text are pulled by less than 1: nothing happens to them.

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
    """The gradient of a table: rows (n, D) that belong to its `ids` (n,), each as often as it is there, or to all of it
    where ids is None. `pull` (n,) is how strongly a row is pulled there, at a rate of 1 (see above).
    """

    ids: Tensor | None
    rows: Tensor
    pull: Tensor


# A softmax is for few words, which all share its pulls: with half the room its vectors stayed behind its outputs, and
# with twice as much a training on two words left its course at high rates.
ROOM = 0.5
Pulled = tuple[Tensor, Tensor, Piece]


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
        """The summed loss (nats) of a block, and its number of targets: pairs for skip-gram, words for CBOW.

        For CBOW by sampling, its gradient by autograd is that of the head of this file, not of the chain rule.
        """
        C, c, width = pairs.shape
        band = around.unfold(0, width, c)  # (C, c + 2w)
        n = pairs.sum(2)  # (C, c)
        if self.cbow:
            total = pairs @ self.vectors[band]  # (C, c, D)
            h = total / n.clamp(min=1)[:, :, None]
            if negatives.numel():
                h = total - (total - h).detach()  # the mean still; its gradient goes to every vector in full
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
    def gradients(self, centres: Tensor, around: Tensor, pairs: Tensor, negatives: Tensor) -> tuple[Piece, Piece]:
        """The gradient of `loss` for the vectors and for the outputs, as autograd has it."""
        C, c, width = pairs.shape
        band = around.unfold(0, width, c)  # (C, c + 2w)
        n = pairs.sum(2, keepdim=True)  # (C, c, 1)
        if self.cbow:
            mean = pairs / n.clamp(min=1)
            h = torch.bmm(mean, banded(self.vectors.index_select(0, around), width, c))  # (C, c, D)
            n = (n > 0).to(h.dtype)
        else:
            h = self.vectors.index_select(0, centres).view(C, c, -1)
        if not negatives.numel():
            d_h, pull, outputs = self._by_softmax(h, centres, band, pairs, n, mean.amax(2, True) if self.cbow else None)
        elif self.cbow:
            d_h, pull, outputs = self._of_one_target(h, centres, negatives, n)
        else:
            d_h, pull, outputs = self._of_many_targets(h, band, negatives, pairs, n)
        if self.cbow:
            share = pairs if negatives.numel() else mean
            d_v, pull = torch.bmm(share.mT, d_h), (share * pull).sum(1)
            return Piece(band.flatten(), d_v.flatten(0, 1), pull.flatten()), outputs
        return Piece(centres, d_h.flatten(0, 1), pull.flatten()), outputs

    # Each of these returns the gradient of h (C, c, D), the pull of h (C, c, 1), and the gradient of the outputs.

    def _of_many_targets(self, h: Tensor, band: Tensor, negatives: Tensor, pairs: Tensor, n: Tensor) -> Pulled:
        """Skip-gram by sampling: targets and negatives side by side, X = c + 2w + K of them, in the same products."""
        width, K, ids = band.shape[1], negatives.shape[1], torch.cat([band, negatives], 1)  # (C, X)
        y = self.outputs.index_select(0, ids.flatten()).view(*ids.shape, -1)  # (C, X, D)
        g = torch.bmm(h, y.mT).sigmoid_()  # (C, c, X)
        g[:, :, :width].sub_(1)
        g.mul_(torch.cat([pairs, (n * (self.weight / K)).expand(-1, -1, K)], 2))
        d_h, d_y, of_y = torch.bmm(g, y), torch.bmm(g.mT, h), reach(y)
        of_y[:, :width].neg_()  # as the gradients there are, so that the sum is that of their absolute values
        pull = (g * reach(h)).sum(1).abs_()  # (C, X): in a column all have one sign
        return d_h, g.mul_(of_y.mT).sum(2, True), Piece(ids.flatten(), d_y.flatten(0, 1), pull.flatten())

    def _of_one_target(self, h: Tensor, centres: Tensor, negatives: Tensor, n: Tensor) -> Pulled:
        """CBOW by sampling: h has its own centre for a target, a product of rows, and the chunk's negatives."""
        c, K, ids = h.shape[1], negatives.shape[1], torch.cat([centres.view(h.shape[:2]), negatives], 1)  # (C, c + K)
        y, z = self.outputs.index_select(0, ids.flatten()).view(*ids.shape, -1).split((c, K), 1)
        g = (h * y).sum(2, True).sigmoid_().sub_(1).mul_(n)  # (C, c, 1)
        g_z = torch.bmm(h, z.mT).sigmoid_().mul_(n * (self.weight / K))  # (C, c, K)
        of_h, d_h = reach(h), torch.bmm(g_z, z).addcmul_(g, y)
        d_y = torch.cat([g * h, torch.bmm(g_z.mT, h)], 1)  # (C, c + K, D)
        pull = torch.cat([(g * of_h).neg_().squeeze(2), (g_z * of_h).sum(1)], 1)  # (C, c + K)
        size, bend = g_z.sum(2, True).sub_(g), (g_z * half_squares(z).mT).sum(2, True).sub_(g * half_squares(y))
        return d_h, size.maximum(bend), Piece(ids.flatten(), d_y.flatten(0, 1), pull.flatten())

    def _by_softmax(
        self, h: Tensor, centres: Tensor, band: Tensor, pairs: Tensor, n: Tensor, share: Tensor | None
    ) -> Pulled:
        """Either of them by the full softmax."""
        h_rows = h.flatten(0, 1)  # (N, D)
        if self.cbow:
            wanted, labels = centres[:, None], n.flatten(0, 1)  # (N, 1)
        else:
            wanted, labels = band[:, None].expand(pairs.shape).flatten(0, 1), pairs.flatten(0, 1)  # (N, c + 2w)
        g = (h_rows @ self.outputs.T).softmax(1).mul_(n.flatten(0, 1))  # (N, V)
        g.scatter_add_(1, wanted, -labels)
        d_h, d_u, size = g @ self.outputs, g.T @ h_rows, g.abs_()
        size.mul_(ROOM)
        piece = Piece(None, d_u, (size.T @ reach(h_rows)).flatten())
        bend = (size @ half_squares(self.outputs)).view_as(n)
        pull = size.sum(1).view_as(n).maximum(bend if share is None else bend.mul_(share))
        return d_h.view_as(h), pull, piece

    @torch.no_grad()
    def descend(self, pieces: tuple[Piece, Piece], rate: float) -> None:
        """Take `rate` times the pieces from their tables, or less, as a row's pull demands. Changes the pieces."""
        for table, (ids, rows, pull) in zip((self.vectors, self.outputs), pieces, strict=True):
            if ids is None:
                table.sub_(rows.div_(pull.clamp_(min=1 / rate)[:, None]))
                continue
            pulls = table.new_zeros(len(table)).index_add_(0, ids, pull).index_select(0, ids)  # (n,)
            table.index_add_(0, ids, rows.mul_(pulls.clamp_(min=1 / rate).reciprocal_().neg_()[:, None]))


def reach(rows: Tensor) -> Tensor:
    """max(1, |x|^2 / 2) of each row x (..., D): (..., 1)."""
    return half_squares(rows).clamp_(min=1)


def half_squares(rows: Tensor) -> Tensor:
    """|x|^2 / 2 of each row x (..., D): (..., 1)."""
    squares: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square_()
    return squares.mul_(0.5)


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
