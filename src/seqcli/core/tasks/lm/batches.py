"""Batches of a language model, indexed by the number of the step.

Batch k depends on the data, the seed and k alone, so a resumed run continues at the right place at once.
"""

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
    """A batch: token ids, and the token that follows each of them."""

    x: Tensor  # inputs, (B, T)
    y: Tensor  # targets, the inputs one step later: (B, T)
    mask: Tensor | None  # (B, T), True where a target is real; None: all are
    tokens: int  # the number of real targets
    fresh: bool  # whether the recurrent state starts at zero; otherwise that after the previous batch is continued

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        if device.type == "cpu":
            return self
        mask = self.mask.to(device) if self.mask is not None else None
        return Batch(self.x.to(device), self.y.to(device), mask, self.tokens, self.fresh)


class Batches(Protocol):
    """The batches of a training."""

    @property
    def batch_size(self) -> int:
        """The number of sequences in a batch; smaller than asked for if the text has no more."""

    @property
    def window(self) -> int:
        """The largest number of tokens of a sequence in a batch; smaller than asked for if the text is shorter."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in one pass over the data."""

    def __getitem__(self, step: int) -> Batch:
        """Return batch number `step`, counted over all epochs."""


class StreamBatches:
    """Batches of one long text for truncated back-propagation through time.

    The text is divided into B parts of equal length, one for each row of the batch. Each batch holds the next window of
    T tokens of every part, so the recurrent state can be carried from batch to batch. The parts are seldom a whole
    number of windows long; the tokens that are too many shift the start of all rows, by a random number in every epoch.
    A text with fewer than B windows gets fewer rows, and one shorter than a window gets a shorter window.
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
        starts = np.arange(self.batch_size) * self._row + shift + k * self.window  # (B,)
        rows = np.stack([self._ids[s : s + self.window + 1] for s in starts]).astype(np.int64)  # (B, T + 1)
        both = torch.from_numpy(rows)  # (B, T + 1)
        return Batch(both[:, :-1], both[:, 1:], None, self.batch_size * self.window, k == 0)  # (B, T) each


class LineBatches:
    """Batches of lines, each of which is a sequence of its own: x = <bos> a b c and y = a b c <eos>.

    Lines are padded to the longest one of their batch. They are shuffled in every epoch, and lines of similar length
    are put together. A line of more than `window` tokens is cut, and then has no <eos>. `lines` are the numbers of the
    lines to use (None: all).
    """

    POOL = 64  # the lines of this many batches are sorted by length together

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
        lines = self._plan[k]  # (B,)
        starts = np.where(lines > 0, self._ends[lines - 1], 0)  # (B,)
        return _padded(self._ids, starts, np.minimum(self._ends[lines] - starts, self.window), fresh=True)

    def _order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the line numbers of every batch of an epoch, in the order of the batches."""
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


READERS = 64  # the number of rows in an evaluation: parts of a text that are read side by side
WARM_UP = 256  # tokens that are read before a part begins, to warm up the state
STRETCH = 512  # tokens of a row in one batch


def held_out_batches(
    ids: IdArray, ends: NDArray[np.int64] | None, lines: NDArray[np.int64] | None = None
) -> Iterator[tuple[Batch, bool]]:
    """Yield the batches of a whole text for evaluation, each with True if its targets count.

    Every target of the text is in exactly one batch that counts. Where a batch is not `fresh`, the state after the
    previous batch must be carried on.

    Lines (all, or those with the numbers `lines`) are read completely, lines of similar length side by side.

    A stream is divided into parts that are read side by side. Before each part comes a batch that does not count, with
    the tokens before that part, so that the state at its beginning is as good as anywhere else. Only the first token of
    the text is predicted from a zero state.
    """
    if ends is not None:
        chosen = np.arange(len(ends)) if lines is None else lines
        yield from ((batch, True) for batch in _whole_lines(ids, ends, chosen))
        return
    targets = len(ids) - 1
    rows = max(1, min(READERS, targets // (4 * WARM_UP)))
    row = targets // rows
    parts = [(np.arange(1), row), (np.arange(1, rows) * row, row), (np.array([rows * row]), targets - rows * row)]
    for starts, length in parts:  # the first part has nothing before it to warm up on; the last one is the remainder
        if len(starts) == 0 or length == 0:
            continue
        warm = min(WARM_UP, int(starts[0]))
        if warm:
            yield _stretch(ids, starts - warm, warm, fresh=True), False
        for at in range(0, length, STRETCH):
            yield _stretch(ids, starts + at, min(STRETCH, length - at), fresh=at == 0 and not warm), True


def _whole_lines(ids: IdArray, ends: NDArray[np.int64], chosen: NDArray[np.int64]) -> Iterator[Batch]:
    """Yield batches of the chosen lines, the shortest first. Long lines take several batches."""
    lengths = np.diff(ends, prepend=0)
    order = chosen[np.argsort(lengths[chosen], kind="stable")]
    for some in range(0, len(order), READERS):
        lines = order[some : some + READERS]
        for at in range(0, int(lengths[lines].max()), STRETCH):
            left = np.maximum(lengths[lines] - at, 0)  # how many tokens of each line are left, (B,)
            yield _padded(ids, ends[lines] - left, np.minimum(left, STRETCH), fresh=at == 0)


def _padded(ids: IdArray, starts: NDArray[np.int64], lengths: NDArray[np.int64], *, fresh: bool) -> Batch:
    """Make a batch of the `lengths` (B,) tokens from each of `starts` (B,) on, padded to the longest.

    The first input of a row is <bos> or, if the batch is not `fresh`, the token before the first target.
    """
    y = np.full((len(starts), int(lengths.max())), PAD, dtype=np.int64)  # (B, T)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        y[row, :length] = ids[start : start + length]
    before = np.full(len(starts), BOS) if fresh else ids[starts - 1].astype(np.int64)  # (B,)
    x = np.concatenate((before[:, None], y[:, :-1]), axis=1)  # (B, T)
    mask = torch.from_numpy(np.arange(y.shape[1])[None] < lengths[:, None])  # (B, T)
    return Batch(
        torch.from_numpy(x), torch.from_numpy(y), None if bool(mask.all()) else mask, int(lengths.sum()), fresh
    )


def _stretch(ids: IdArray, starts: NDArray[Any], length: int, *, fresh: bool) -> Batch:
    """Make a batch of `length` targets for each of `starts` (B,), the positions of the first inputs."""
    both = torch.from_numpy(np.stack([ids[s : s + length + 1] for s in starts]).astype(np.int64))  # (B, T + 1)
    return Batch(both[:, :-1], both[:, 1:], None, len(starts) * length, fresh)
