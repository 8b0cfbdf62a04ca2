"""The training data of word vectors: words, the windows around them, and negative samples, in blocks.

Frequent words are subsampled: an occurrence of a word with relative frequency f is kept with probability
min(1, sqrt(t/f) + t/f), where t is the option --subsample (word2vec's form of Mikolov 2013b, equation 5). Unknown words
are left out. Windows close up over words that are left out, but they never reach beyond a line. The width of each
window is drawn from 1 to w, so that near words count more than distant ones.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.data.stored import IdArray
from seqcli.core.tasks.embed.plan import CHUNK, STRETCH
from seqcli.core.tokenizers import EOS, SPECIALS

PIECE = 1 << 20  # ids that are looked at together, because a text may be larger than memory


class Block(NamedTuple):
    """The words of one update: C chunks of c words, N = C c in all (see network.WordTables)."""

    centres: Tensor  # ids of the words, (N,)
    around: Tensor  # ids from w words before the first to w words after the last of them, (N + 2w,)
    pairs: Tensor  # 1 where a word around a chunk is in the window of a centre, otherwise 0: (C, c, c + 2w)
    negatives: Tensor  # ids, (C, K); K = 0 for the full softmax

    def to(self, device: torch.device) -> "Block":
        """Return the block on another device."""
        return self if device.type == "cpu" else Block(*(tensor.to(device) for tensor in self))


class Words:
    """The counts of all words in a text, and what follows from them: which words are kept, and which are drawn.

    `counts` (V,) has zeros for special tokens. `keep` (V,) is the probability that an occurrence of a word is kept.
    """

    def __init__(self, ids: IdArray, vocab_size: int, subsample: float) -> None:
        counts = np.zeros(vocab_size, dtype=np.int64)
        for start in range(0, len(ids), PIECE):
            counts += np.bincount(ids[start : start + PIECE], minlength=vocab_size)
        counts[: len(SPECIALS)] = 0
        self.counts, total = counts, max(1, int(counts.sum()))
        share = counts / total
        kept = np.zeros(vocab_size)
        ratio = np.divide(subsample, share, out=kept, where=counts > 0)
        self.keep = np.where(counts > 0, np.minimum(1, np.sqrt(ratio) + ratio) if subsample else 1.0, 0.0)
        self.keep[EOS] = 1
        self.keep = self.keep.astype(np.float32)
        noise = counts**0.75  # (V,), the distribution of negatives before it is normalized
        self._cumulated = np.cumsum(noise) / noise.sum()

    @property
    def kept(self) -> NDArray[np.float64]:
        """The distribution of words after frequent ones have been subsampled, (V,)."""
        left = self.counts * self.keep
        return np.asarray(left / left.sum(), dtype=np.float64)

    @property
    def noise(self) -> NDArray[np.float64]:
        """The distribution P from which negatives are drawn, (V,)."""
        return np.diff(self._cumulated, prepend=0)

    def draw(self, random: np.random.Generator, rows: int, columns: int) -> NDArray[np.int64]:
        """Draw negatives, ids (rows, columns), by stratified sampling.

        The distribution is divided into equal parts, one for each column. The expected number of each word in a row is
        the same as with independent draws, but it varies much less, so frequent words are never missing.
        """
        points = (random.random((rows, columns)) + np.arange(columns)) / columns  # 0 to 1, (rows, columns)
        return np.searchsorted(self._cumulated, points, side="right").clip(max=len(self._cumulated) - 1)


def has_neighbours(ids: IdArray) -> bool:
    """Return whether any two known words stand in one line, so that there is something to learn from a text."""
    inside = False  # whether a known word of the present line came before
    for start in range(0, len(ids), PIECE):
        part = np.asarray(ids[start : start + PIECE])
        known = part[(part >= len(SPECIALS)) | (part == EOS)] != EOS  # unknown words are left out: (n,), False at ends
        if len(known) and ((inside and known[0]) or bool((known[1:] & known[:-1]).any())):
            return True
        inside = bool(known[-1]) if len(known) else inside
    return False


class WindowBatches:
    """The blocks of each training step, indexed by the number of the step.

    A step reads STRETCH tokens of the text and cuts them into blocks of `batch_size` words. Windows do not reach from
    one step into the next. Each chunk has `shared` negatives, 0 for the full softmax. Step k depends on the data, the
    seed and k alone.
    """

    def __init__(self, ids: IdArray, words: Words, *, window: int, batch_size: int, shared: int, seed: int = 0) -> None:
        self._ids, self._words, self._seed = ids, words, seed
        self.window, self.batch_size = window, -(-batch_size // CHUNK) * CHUNK
        self._shared = shared
        self.steps_per_epoch = -(-len(ids) // STRETCH)
        w = window
        # the distance of each word around a chunk from each of its centres, (c, c + 2w)
        away = np.abs(np.arange(CHUNK + 2 * w)[None] - w - np.arange(CHUNK)[:, None])
        # a word is not its own neighbour, so its distance from itself is beyond any window
        self._away = np.where(away == 0, w + 1, away).astype(np.int16)

    def tokens(self, step: int) -> int:
        """Return the number of tokens (words and line ends) that step `step` reads."""
        start = step % self.steps_per_epoch * STRETCH
        return min(STRETCH, len(self._ids) - start)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of one pass over the text, the same ones every time."""
        for step in range(self.steps_per_epoch):
            yield from self[step]

    def __getitem__(self, step: int) -> list[Block]:
        w, random = self.window, np.random.default_rng((self._seed, step))
        start = step % self.steps_per_epoch * STRETCH
        ids = np.asarray(self._ids[start : start + STRETCH])
        ids = ids[random.random(len(ids), dtype=np.float32) < self._words.keep[ids]]  # subsampled
        ends = ids == EOS
        lines, ids = np.cumsum(ends)[~ends], ids[~ends]  # the line number of each word, and the words: (n,) each
        n = len(ids)
        if n == 0:
            return []
        C = -(-n // CHUNK)  # chunks in the whole step; the last one is filled up
        text = np.zeros(C * CHUNK + 2 * w, np.int64)  # the words, with w empty places on both sides
        text[w : w + n] = ids
        line = np.full(len(text), -1, np.int32)  # the line number of each word, -1 for empty places
        line[w : w + n] = lines
        reach = random.integers(1, w + 1, (C, CHUNK, 1), dtype=np.int16)  # the width of each window, (C, c, 1)
        negatives = torch.from_numpy(self._words.draw(random, C, self._shared))  # (C, K)
        own = line[w : len(line) - w].reshape(C, CHUNK, 1)  # (C, c, 1)
        near = sliding_window_view(line, CHUNK + 2 * w)[::CHUNK, None]  # (C, 1, c + 2w)
        there = (self._away <= reach) & (own == near) & (own >= 0)  # (C, c, c + 2w)
        pairs, around = torch.from_numpy(there.astype(np.float32)), torch.from_numpy(text)
        blocks, size = [], self.batch_size // CHUNK
        for k in range(0, C, size):
            last = min(k + size, C) * CHUNK
            blocks.append(
                Block(
                    around[w + k * CHUNK : w + last],
                    around[k * CHUNK : last + 2 * w],
                    pairs[k : k + size],
                    negatives[k : k + size],
                )
            )
        return blocks
