"""Words and the windows around them, in blocks by number: what a model of word vectors is trained on.

Frequent words are thinned out: of a word that is the part f of the text, min(1, sqrt(t/f) + t/f) are kept by chance
(word2vec's form of Mikolov 2013b, equation 5). Unknown words are left out, and windows close up over what is left out,
but never reach beyond a line. The width of each window is drawn from 1 to w, so that near words count more.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.data.stored import IdArray
from seqcli.core.tasks.embed.plan import CHUNK
from seqcli.core.tokenizers import EOS, SPECIALS

STRETCH = 1 << 15  # tokens of the text in a step


class Block(NamedTuple):
    """What the gradients of one update are of (see network.WordTables)."""

    centres: Tensor  # (N,) ids
    around: Tensor  # (N + 2w,) ids
    pairs: Tensor  # (C, c, c + 2w), 1 where the word of the band is in the centre's window
    negatives: Tensor  # (C, K) ids; K = 0 for the full softmax

    def to(self, device: torch.device) -> "Block":
        """The same on another device."""
        return self if device.type == "cpu" else Block(*(tensor.to(device) for tensor in self))


class Words:
    """How often each id of a vocabulary stands in a text, and what follows from it: what is kept, what is drawn."""

    def __init__(self, ids: IdArray, vocab_size: int, subsample: float) -> None:
        counts = np.zeros(vocab_size, dtype=np.int64)
        for start in range(0, len(ids), 1 << 24):  # the text may be larger than memory
            counts += np.bincount(ids[start : start + (1 << 24)], minlength=vocab_size)
        counts[: len(SPECIALS)] = 0
        self.counts, total = counts, max(1, int(counts.sum()))
        share = counts / total
        kept = np.zeros(vocab_size)
        ratio = np.divide(subsample, share, out=kept, where=counts > 0)
        self.keep = np.where(counts > 0, np.minimum(1, np.sqrt(ratio) + ratio) if subsample else 1.0, 0.0)
        self.keep[EOS] = 1
        self.keep = self.keep.astype(np.float32)
        noise = counts**0.75
        self._cumulated = np.cumsum(noise) / noise.sum()

    @property
    def kept(self) -> NDArray[np.float64]:
        """The distribution of the words that are left when frequent ones are thinned out, (V,)."""
        left = self.counts * self.keep
        return np.asarray(left / left.sum(), dtype=np.float64)

    @property
    def noise(self) -> NDArray[np.float64]:
        """The distribution P of the negatives, (V,)."""
        return np.diff(self._cumulated, prepend=0)

    def draw(self, random: np.random.Generator, rows: int, columns: int) -> NDArray[np.int64]:
        """Negatives (rows, columns). Each column draws from its own equal part of the distribution (stratified), which
        leaves a row's expected counts as they are and makes them vary much less: frequent words are never lacking.
        """
        points = (random.random((rows, columns)) + np.arange(columns)) / columns
        return np.searchsorted(self._cumulated, points, side="right").clip(max=len(self._cumulated) - 1)


class WindowBatches:
    """A step is a stretch of the text, cut into blocks of `batch_size` words; step k depends on data, seed and k alone.

    Windows do not reach from one stretch into the next. A chunk shares so many negatives: none for the full softmax.
    """

    def __init__(self, ids: IdArray, words: Words, *, window: int, batch_size: int, shared: int, seed: int = 0) -> None:
        self._ids, self._words, self._seed = ids, words, seed
        self.window, self.batch_size = window, -(-batch_size // CHUNK) * CHUNK
        self._shared = shared
        self.steps_per_epoch = -(-len(ids) // STRETCH)
        w = window
        away = np.abs(np.arange(CHUNK + 2 * w)[None] - w - np.arange(CHUNK)[:, None])  # (c, c + 2w)
        self._away = np.where(away == 0, w + 1, away).astype(np.int16)  # no word is its own neighbour

    def tokens(self, step: int) -> int:
        """How many words and line ends of the text step `step` reads."""
        start = step % self.steps_per_epoch * STRETCH
        return min(STRETCH, len(self._ids) - start)

    def __getitem__(self, step: int) -> list[Block]:
        w, random = self.window, np.random.default_rng((self._seed, step))
        start = step % self.steps_per_epoch * STRETCH
        ids = np.asarray(self._ids[start : start + STRETCH])
        ids = ids[random.random(len(ids), dtype=np.float32) < self._words.keep[ids]]
        ends = ids == EOS
        lines, ids = np.cumsum(ends)[~ends], ids[~ends]
        n = len(ids)
        if n == 0:
            return []
        C = -(-n // CHUNK)
        text = np.zeros(C * CHUNK + 2 * w, np.int64)
        text[w : w + n] = ids
        line = np.full(len(text), -1, np.int32)
        line[w : w + n] = lines
        reach = random.integers(1, w + 1, (C, CHUNK, 1), dtype=np.int16)
        negatives = torch.from_numpy(self._words.draw(random, C, self._shared))
        own = line[w : len(line) - w].reshape(C, CHUNK, 1)
        near = sliding_window_view(line, CHUNK + 2 * w)[::CHUNK, None]  # (C, 1, c + 2w)
        there = (self._away <= reach) & (own == near) & (own >= 0)
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
