"""Word vectors: CBOW and skip-gram (Mikolov 2013a, arXiv:1301.3781) by negative sampling (2013b, arXiv:1310.4546).

Every word w has two vectors: v_w, which is the result, and u_w, which is only used to predict w. In the window around
the centre word o

    skip-gram   for every word i of the window:   h = v_o, the target is i
    CBOW        h = mean of the window's v_i,     the target is o
    softmax     loss = -log softmax(U h)[target]
    sampling    loss = -log s(u_target . h) - k E_(n ~ P)[log s(-u_n . h)],   P(n) ~ count(n)^0.75   (2013b, equation 4)

where s is the logistic function, k the number of negatives, and P their distribution. The gradient with respect to a
score u . h is g = s(score) - label; all other gradients are products with g. With sampling, the gradient of CBOW's h is
given in full to every vector of the window, as in word2vec. The chain rule would divide it by their number; then a word
in a narrow window, or at the end of a line, would count several times as much as one in a wide window, and neighbours
agree less with what the counts of the words say.

Chunks. To compute with large matrix products, c successive words of the text form a chunk. Its pairs are a band in the
matrix of its c centre words and the c + 2w words around them, from w words before the chunk to w words after it. Its K
negatives are drawn once for all its pairs, and each has the weight k / K, so that the expectation is that of the
equation. C chunks form a block. The gradients of a block, summed, concern only few rows of the tables, and are
subtracted from those rows in place.

Bounded steps. All gradients of a block are computed with the weights from before the block. A row that occurs in a
block many times (a frequent word, or a line of asterisks) would be moved many times in the same direction, far beyond
the minimum; the gradients of the next block would be larger still, and the tables would grow without end. Therefore the
step of a row is bounded by its pull,

    pull of u = rate * sum over its scores of |g| max(1, |h|^2 / 2)

and likewise the pull of v, with u in place of h. (For CBOW, a vector has only a share in h. With the full softmax the
share counts in both factors; with sampling in neither, because the vectors of a window move their h together.)
Where the pull is above 1, the step of the row is divided by it; with the full softmax, where it is above 2. This is
enough for any text and any rate, for two reasons. First, when rate * sum |g| is at most 1, no row of one table can move
by more than the length of the longest row of the other, so tables that start small do not run away. Second, the
curvature of the loss in u is the sum of s (1 - s) h h^T. Its norm is at most half of sum |g| |h|^2 where the labels of
a score pull in opposite directions and balance. So rate * curvature is at most 1 for u and for v, and at most 2 for
both together; up to that value gradient descent does not overshoot further and further. In ordinary text most rows have
a pull below 1 and are not affected.

Shapes: C chunks in a block, c words in a chunk, N = C c words in a block, w window, K negatives, D width, V vocabulary.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.layers.start import build
from seqcli.core.tasks.embed.plan import EmbedPlan


class Piece(NamedTuple):
    """The gradient of a block with respect to one of the tables, as rows that are to be added up by id.

    An id may come several times; all its rows are added. If ids is None, there is one row for each row of the table.
    """

    ids: Tensor | None  # which row of the table each gradient belongs to, (n,)
    rows: Tensor  # gradients, (n, D)
    pull: Tensor  # what each of them contributes to the pull of its row, at a rate of 1: (n,)


# Pulls with the full softmax are multiplied by this, which allows steps twice as large. The full softmax is for small
# vocabularies, where every word gets a part of every pull. With half as much room (1.0) the vectors lagged behind the
# outputs; with twice as much (0.25) a training on two words diverged at high rates.
ROOM = 0.5
Pulled = tuple[Tensor, Tensor, Piece]


class WordTables(nn.Module):
    """The two tables of vectors, (V, D) each, the loss of a block of text, and its gradients.

    A block, which skipgrams.py makes, consists of

    centres (N,)             the ids of its words
    around (N + 2w,)         the ids from w words before the first centre to w words after the last one
    pairs (C, c, c + 2w)     1 where a word of a chunk's band is in the window of a centre, otherwise 0
    negatives (C, K)         the ids of the negatives; K = 0 for the full softmax

    `weight` is k, the number of negatives for each pair in the equation.
    """

    def __init__(self, vocab_size: int, dim: int, *, objective: str = "skipgram", weight: int = 5) -> None:
        super().__init__()
        self.cbow, self.weight = objective == "cbow", weight
        self.vectors = nn.Parameter(torch.zeros(vocab_size, dim))  # v, (V, D)
        self.outputs = nn.Parameter(torch.zeros(vocab_size, dim))  # u, (V, D)

    def initialize(self, generator: torch.Generator) -> None:
        """Set the initial values as word2vec does: v uniform in +-0.5 / D, and u zero."""
        self.vectors.uniform_(generator=generator).sub_(0.5).div_(self.vectors.shape[1])
        self.outputs.zero_()

    # --- the definition ---------------------------------------------------------------------------------------

    def loss(self, centres: Tensor, around: Tensor, pairs: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss of a block, summed over its targets, in nats, and the number of targets; both are scalars.

        A target is a pair for skip-gram and a word for CBOW. For CBOW with sampling, autograd finds the gradient
        that is described at the head of this file, not that of the chain rule.
        """
        C, c, width = pairs.shape  # width = c + 2w
        band = around.unfold(0, width, c)  # (C, c + 2w)
        n = pairs.sum(2)  # the number of words in each window, (C, c)
        if self.cbow:
            total = pairs @ self.vectors[band]  # (C, c, D)
            h = total / n.clamp(min=1)[:, :, None]  # (C, c, D)
            if negatives.numel():
                h = total - (total - h).detach()  # still the mean, but its gradient goes to every vector in full
            n = (n > 0).to(pairs.dtype)  # (C, c)
            wanted, labels = centres.view(C, c, 1), n[:, :, None]  # (C, c, 1) each
        else:
            h = self.vectors[centres.view(C, c)]  # (C, c, D)
            wanted, labels = band[:, None].expand(C, c, width), pairs  # (C, c, c + 2w) each
        if not negatives.numel():
            log_p = (h @ self.outputs.T).log_softmax(2)  # (C, c, V)
            return -(log_p.gather(2, wanted) * labels).sum(), n.sum()
        # (C, c, 1) for CBOW, (C, c, c + 2w) for skip-gram
        scores = (h * self.outputs[centres.view(C, c)]).sum(2, True) if self.cbow else h @ self.outputs[band].mT
        noise = h @ self.outputs[negatives].mT  # (C, c, K)
        each = self.weight / negatives.shape[1] * n[:, :, None]  # (C, c, 1)
        return (F.softplus(-scores) * labels).sum() + (F.softplus(noise) * each).sum(), n.sum()

    # --- its gradients, written by hand -----------------------------------------------------------------------

    @torch.no_grad()
    def gradients(self, centres: Tensor, around: Tensor, pairs: Tensor, negatives: Tensor) -> tuple[Piece, Piece]:
        """Compute the gradients of `loss` with respect to the vectors and to the outputs."""
        C, c, width = pairs.shape  # width = c + 2w
        band = around.unfold(0, width, c)  # (C, c + 2w)
        n = pairs.sum(2, keepdim=True)  # the number of words in each window, (C, c, 1)
        if self.cbow:
            mean = pairs / n.clamp(min=1)  # the share of each word in h, (C, c, c + 2w)
            h = torch.bmm(mean, banded(self.vectors.index_select(0, around), width, c))  # (C, c, D)
            n = (n > 0).to(h.dtype)  # (C, c, 1)
        else:
            h = self.vectors.index_select(0, centres).view(C, c, -1)  # (C, c, D)
        if not negatives.numel():
            d_h, pull, outputs = self._by_softmax(h, centres, band, pairs, n, mean.amax(2, True) if self.cbow else None)
        elif self.cbow:
            d_h, pull, outputs = self._of_one_target(h, centres, negatives, n)
        else:
            d_h, pull, outputs = self._of_many_targets(h, band, negatives, pairs, n)
        if self.cbow:
            share = pairs if negatives.numel() else mean  # of each vector in the gradient of h, (C, c, c + 2w)
            d_v, pull = torch.bmm(share.mT, d_h), (share * pull).sum(1)  # (C, c + 2w, D), (C, c + 2w)
            return Piece(band.flatten(), d_v.flatten(0, 1), pull.flatten()), outputs
        return Piece(centres, d_h.flatten(0, 1), pull.flatten()), outputs

    # Each of the following three returns the gradient with respect to h (C, c, D), the pull of h at a rate of 1
    # (C, c, 1), and the gradient with respect to the outputs. g is the gradient with respect to a score.

    def _of_many_targets(self, h: Tensor, band: Tensor, negatives: Tensor, pairs: Tensor, n: Tensor) -> Pulled:
        """Skip-gram with sampling. Targets and negatives go through the same products: X = c + 2w + K in a chunk."""
        width, K, ids = band.shape[1], negatives.shape[1], torch.cat([band, negatives], 1)  # (C, X)
        y = self.outputs.index_select(0, ids.flatten()).view(*ids.shape, -1)  # (C, X, D)
        g = torch.bmm(h, y.mT).sigmoid_()  # (C, c, X)
        g[:, :, :width].sub_(1)  # the label is 1 for targets, 0 for negatives
        g.mul_(torch.cat([pairs, (n * (self.weight / K)).expand(-1, -1, K)], 2))
        d_h, d_y, of_y = torch.bmm(g, y), torch.bmm(g.mT, h), reach(y)  # (C, c, D), (C, X, D), (C, X, 1)
        of_y[:, :width].neg_()  # g is never positive there, so with this sign the sum below is one of absolute values
        pull = (g * reach(h)).sum(1).abs_()  # (C, X); all numbers in a column have the same sign
        return d_h, g.mul_(of_y.mT).sum(2, True), Piece(ids.flatten(), d_y.flatten(0, 1), pull.flatten())

    def _of_one_target(self, h: Tensor, centres: Tensor, negatives: Tensor, n: Tensor) -> Pulled:
        """CBOW with sampling. Each h has one target, its own centre, and the K negatives of its chunk."""
        c, K, ids = h.shape[1], negatives.shape[1], torch.cat([centres.view(h.shape[:2]), negatives], 1)  # (C, c + K)
        # the outputs of the centres (C, c, D), and those of the negatives (C, K, D)
        y, z = self.outputs.index_select(0, ids.flatten()).view(*ids.shape, -1).split((c, K), 1)
        g = (h * y).sum(2, True).sigmoid_().sub_(1).mul_(n)  # of the targets, (C, c, 1)
        g_z = torch.bmm(h, z.mT).sigmoid_().mul_(n * (self.weight / K))  # of the negatives, (C, c, K)
        of_h, d_h = reach(h), torch.bmm(g_z, z).addcmul_(g, y)  # (C, c, 1), (C, c, D)
        d_y = torch.cat([g * h, torch.bmm(g_z.mT, h)], 1)  # (C, c + K, D)
        pull = torch.cat([(g * of_h).neg_().squeeze(2), (g_z * of_h).sum(1)], 1)  # (C, c + K)
        # sum |g| and sum |g| |u|^2 / 2 for each h, (C, c, 1); g is never positive, g_z never negative
        size, bend = g_z.sum(2, True).sub_(g), (g_z * half_squares(z).mT).sum(2, True).sub_(g * half_squares(y))
        return d_h, size.maximum(bend), Piece(ids.flatten(), d_y.flatten(0, 1), pull.flatten())

    def _by_softmax(
        self, h: Tensor, centres: Tensor, band: Tensor, pairs: Tensor, n: Tensor, share: Tensor | None
    ) -> Pulled:
        """Skip-gram or CBOW with the full softmax. share (C, c, 1) is as above, None for skip-gram."""
        h_rows = h.flatten(0, 1)  # (N, D)
        if self.cbow:
            wanted, labels = centres[:, None], n.flatten(0, 1)  # (N, 1) each
        else:
            wanted, labels = band[:, None].expand(pairs.shape).flatten(0, 1), pairs.flatten(0, 1)  # (N, c + 2w) each
        g = (h_rows @ self.outputs.T).softmax(1).mul_(n.flatten(0, 1))  # (N, V)
        g.scatter_add_(1, wanted, -labels)
        d_h, d_u, size = g @ self.outputs, g.T @ h_rows, g.abs_()  # (N, D), (V, D), (N, V)
        size.mul_(ROOM)
        piece = Piece(None, d_u, (size.T @ reach(h_rows)).flatten())
        bend = (size @ half_squares(self.outputs)).view_as(n)  # (C, c, 1)
        pull = size.sum(1).view_as(n).maximum(bend if share is None else bend.mul_(share))  # (C, c, 1)
        return d_h.view_as(h), pull, piece

    @torch.no_grad()
    def descend(self, pieces: tuple[Piece, Piece], rate: float) -> None:
        """Make a step of gradient descent: subtract `rate` times the gradients from the tables, less where a row's pull
        is above 1. Changes the pieces."""
        for table, (ids, rows, pull) in zip((self.vectors, self.outputs), pieces, strict=True):
            if ids is None:
                table.sub_(rows.div_(pull.clamp_(min=1 / rate)[:, None]))
                continue
            pulls = table.new_zeros(len(table)).index_add_(0, ids, pull).index_select(0, ids)  # summed by id, (n,)
            table.index_add_(0, ids, rows.mul_(pulls.clamp_(min=1 / rate).reciprocal_().neg_()[:, None]))


def reach(rows: Tensor) -> Tensor:
    """Compute max(1, |x|^2 / 2) for each row x (..., D). Returns (..., 1)."""
    return half_squares(rows).clamp_(min=1)


def half_squares(rows: Tensor) -> Tensor:
    """Compute |x|^2 / 2 for each row x (..., D). Returns (..., 1)."""
    squares: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square_()  # (..., 1)
    return squares.mul_(0.5)


def banded(rows: Tensor, width: int, c: int) -> Tensor:
    """View rows of a text (N + 2w, D) as overlapping bands (C, width, D), each c rows after the one before."""
    return rows.unfold(0, width, c).mT  # (C, D, width) to (C, width, D)


def build_tables(plan: EmbedPlan, vocab_size: int, seed: int | None) -> WordTables:
    """Make the tables of a plan. For `seed` and errors see `layers.start.build`."""
    weight = plan.negatives
    return build(
        partial(WordTables, vocab_size, plan.embedding_dim, objective=plan.objective, weight=weight), plan, seed
    )
