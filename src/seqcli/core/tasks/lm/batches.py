"""Batches by number: batch k depends on the data, the seed and k alone, so a resumed run finds its place at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.data.stored import IdArray
from seqcli.core.tokenizers import BOS, PAD
from seqcli.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Inputs x and targets y (B, T), the mask of real targets (None: all are), and their number."""

    x: Tensor
    y: Tensor
    mask: Tensor | None
    tokens: int
    fresh: bool  # the state starts at zero; otherwise the one after the batch before is carried on

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        if device.type == "cpu":
            return self
        mask = self.mask.to(device) if self.mask is not None else None
        return Batch(self.x.to(device), self.y.to(device), mask, self.tokens, self.fresh)


class Batches(Protocol):
    """All batches of a training, by number."""

    @property
    def batch_size(self) -> int:
        """Sequences in a batch; less than was asked for when the text has no more."""

    @property
    def window(self) -> int:
        """The most tokens of a sequence in a batch; less than was asked for when the text is shorter."""

    @property
    def steps_per_epoch(self) -> int:
        """How many batches make one pass over the data."""

    def __getitem__(self, step: int) -> Batch:
        """Batch number `step`, counted over all epochs."""


class StreamBatches:
    """One long text read by B readers side by side, T tokens at a time, each going on where it stopped.

    What is left of a text after whole windows shifts the readers' start, by chance anew in every epoch. A text shorter
    than B windows gets fewer readers, one shorter than a window a shorter window.
    """

    def __init__(self, ids: IdArray, batch_size: int, window: int, seed: int = 0) -> None:
        targets = len(ids) - 1
        if targets < 1:
            raise DataError("The text is too short to train on: it needs two tokens at least.")
        self.window = min(window, targets)
        self.batch_size = max(1, min(batch_size, targets // self.window))
        self._ids, self._seed = ids, seed
        self._row = targets // self.batch_size
        self.steps_per_epoch = self._row // self.window

    def __getitem__(self, step: int) -> Batch:
        epoch, k = divmod(step, self.steps_per_epoch)
        spare = self._row - self.steps_per_epoch * self.window
        shift = int(np.random.default_rng((self._seed, epoch)).integers(spare + 1))
        starts = np.arange(self.batch_size) * self._row + shift + k * self.window
        rows = np.stack([self._ids[s : s + self.window + 1] for s in starts]).astype(np.int64)
        both = torch.from_numpy(rows)  # (B, T + 1)
        return Batch(both[:, :-1], both[:, 1:], None, self.batch_size * self.window, k == 0)


class LineBatches:
    """Every line a sequence: x = <bos> a b c, y = a b c <eos>, padded to the longest of its batch.

    Lines are shuffled in every epoch, and batches are made of lines of similar length. Lines of more than `window`
    tokens are cut, and then end without <eos>. `lines` are the numbers of those that take part (None: all).
    """

    POOL = 64  # batches whose lines are sorted by length together

    def __init__(
        self,
        ids: IdArray,
        ends: NDArray[np.int64],
        batch_size: int,
        window: int,
        seed: int = 0,
        lines: NDArray[np.int64] | None = None,
    ) -> None:
        self._lines = np.arange(len(ends)) if lines is None else lines
        if len(self._lines) == 0:
            raise DataError("There is no line with text in it.")
        self._ids, self._ends, self._seed, self.window = ids, ends, seed, window
        self.batch_size = min(batch_size, len(self._lines))
        self.steps_per_epoch = -(-len(self._lines) // self.batch_size)
        self.cut = int((np.diff(ends, prepend=0)[self._lines] > window).sum())
        self._epoch, self._plan = -1, [np.zeros(0, np.int64)]

    def __getitem__(self, step: int) -> Batch:
        epoch, k = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._plan = epoch, self._order(epoch)
        lines = self._plan[k]
        starts = np.where(lines > 0, self._ends[lines - 1], 0)
        return _padded(self._ids, starts, np.minimum(self._ends[lines] - starts, self.window), fresh=True)

    def _order(self, epoch: int) -> list[NDArray[np.int64]]:
        count = len(self._lines)
        random = np.random.default_rng((self._seed, epoch))
        order = self._lines[random.permutation(count)]
        lengths = np.diff(self._ends, prepend=0)
        pool = self.POOL * self.batch_size
        for start in range(0, count, pool):
            part = order[start : start + pool]
            order[start : start + pool] = part[np.argsort(lengths[part], kind="stable")]
        batches = np.array_split(order, self.steps_per_epoch)
        return [batches[k] for k in random.permutation(len(batches))]


READERS = 64  # side by side in an evaluation
WARM_UP = 256  # tokens that a reader reads before its part begins
STRETCH = 512  # tokens a reader reads at a time


def held_out_batches(
    ids: IdArray, ends: NDArray[np.int64] | None, lines: NDArray[np.int64] | None = None
) -> Iterator[tuple[Batch, bool]]:
    """Batches of a whole text in order, for evaluation; every target stands in one that counts (True) exactly once.

    Lines (all of them, or `lines` by number) are read whole, those of similar length side by side. A stream is cut
    among readers, each warmed up (False) on the tokens before its part, so that the state at a part's start is as good
    as anywhere; only the text's own first token is met with a zero state. Where a batch is not `fresh`, the state after
    the one before is carried on.
    """
    if ends is not None:
        chosen = np.arange(len(ends)) if lines is None else lines
        yield from ((batch, True) for batch in _whole_lines(ids, ends, chosen))
        return
    targets = len(ids) - 1
    rows = max(1, min(READERS, targets // (4 * WARM_UP)))
    row = targets // rows
    parts = [(np.arange(1), row), (np.arange(1, rows) * row, row), (np.array([rows * row]), targets - rows * row)]
    for starts, length in parts:  # the first reader has nothing to warm up on; the last one reads what is left over
        if len(starts) == 0 or length == 0:
            continue
        warm = min(WARM_UP, int(starts[0]))
        if warm:
            yield _stretch(ids, starts - warm, warm, fresh=True), False
        for at in range(0, length, STRETCH):
            yield _stretch(ids, starts + at, min(STRETCH, length - at), fresh=at == 0 and not warm), True


def _whole_lines(ids: IdArray, ends: NDArray[np.int64], chosen: NDArray[np.int64]) -> Iterator[Batch]:
    lengths = np.diff(ends, prepend=0)
    order = chosen[np.argsort(lengths[chosen], kind="stable")]
    for some in range(0, len(order), READERS):
        lines = order[some : some + READERS]
        for at in range(0, int(lengths[lines].max()), STRETCH):
            left = np.maximum(lengths[lines] - at, 0)
            yield _padded(ids, ends[lines] - left, np.minimum(left, STRETCH), fresh=at == 0)


def _padded(ids: IdArray, starts: NDArray[np.int64], lengths: NDArray[np.int64], *, fresh: bool) -> Batch:
    """Targets from `starts` on, padded to the longest; before the first stands <bos>, or when not `fresh` its token."""
    y = np.full((len(starts), int(lengths.max())), PAD, dtype=np.int64)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        y[row, :length] = ids[start : start + length]
    before = np.full(len(starts), BOS) if fresh else ids[starts - 1].astype(np.int64)
    x = np.concatenate((before[:, None], y[:, :-1]), axis=1)
    mask = torch.from_numpy(np.arange(y.shape[1])[None] < lengths[:, None])  # (B, T)
    return Batch(
        torch.from_numpy(x), torch.from_numpy(y), None if bool(mask.all()) else mask, int(lengths.sum()), fresh
    )


def _stretch(ids: IdArray, starts: NDArray[Any], length: int, *, fresh: bool) -> Batch:
    both = torch.from_numpy(np.stack([ids[s : s + length + 1] for s in starts]).astype(np.int64))  # (B, T + 1)
    return Batch(both[:, :-1], both[:, 1:], None, len(starts) * length, fresh)
