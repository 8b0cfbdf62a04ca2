"""Rows of ids of different lengths stored in one array, and batches of rows of similar length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.tokenizers import EOS, PAD

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Ragged:
    """Many rows of ids in one array. `ids` (n,) holds them one after the other, `ends` (rows,) says where each ends."""

    ids: NDArray[Any]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> "Self":
        """Make it from the ids of each row, (length of the row,) each."""
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        return cls(np.concatenate(rows).astype(np.int32) if rows else np.zeros(0, np.int32), ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of ids in each row, (rows,)."""
        return np.diff(self.ends, prepend=0)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, k: int) -> NDArray[Any]:
        end = int(self.ends[k])
        start = int(self.ends[k - 1]) if k else 0
        return self.ids[start:end]

    def select(self, rows: NDArray[Any]) -> "Self":
        """Return a new object with some of the rows, given by their numbers (m,)."""
        lengths = self.lengths[rows]  # (m,)
        ends = np.cumsum(lengths, dtype=np.int64)  # (m,)
        shift = np.repeat(self.ends[rows] - ends, lengths)  # for each new id, how far away the old one is: (n',)
        return type(self)(self.ids[np.arange(len(shift)) + shift], ends)

    def padded(self, rows: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Return the rows with these numbers (B,) as ids (B, T), padded at the end, and their mask (B, T)."""
        lengths = self.lengths[rows]  # (B,)
        t = np.arange(int(lengths.max()))[None]  # (1, T)
        return self._at(rows, np.broadcast_to(t, (len(rows), t.shape[1])), t < lengths[:, None])

    def _at(self, rows: NDArray[Any], place: NDArray[Any], real: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Return the ids at place (B, T) within each of the rows (B,), <pad> where real (B, T) is False; and `real`."""
        ids = np.full(real.shape, PAD, dtype=np.int64)  # (B, T)
        ids[real] = self.ids[((self.ends - self.lengths)[rows][:, None] + place)[real]]
        return torch.from_numpy(ids), torch.from_numpy(real)


class Lines(Ragged):
    """Lines of text as ids. Each ends with <eos>."""

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> "Self":
        """Make it from the ids of each line, which do not include <eos>."""
        return super().of([np.append(row, EOS) for row in rows])

    def reversed(self, rows: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Return these lines as `padded` does, but with the tokens before <eos> in reverse order."""
        lengths = self.lengths[rows][:, None]  # (B, 1)
        t = np.arange(int(lengths.max()))[None]  # (1, T)
        return self._at(rows, np.where(t < lengths - 1, lengths - 2 - t, t), t < lengths)


class RowBatches:
    """The batches of a training, indexed by the number of the step. Each is an array of row numbers (B,).

    Rows of similar length are put together, so that there is little padding, and the order differs in every epoch. A
    batch has `batch_size` rows, or about `batch_tokens` tokens at most, padding included; chance decides which rows of
    nearly the same length come together. Batch k depends on the lengths, the seed and k alone. Rows are sorted by `key`
    (rows,), by default the lengths.
    """

    JITTER = 1.0  # the random number that is added to the key, in tokens, goes from 0 to this

    def __init__(
        self,
        lengths: NDArray[Any],
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        seed: int = 0,
        key: NDArray[Any] | None = None,
    ) -> None:
        self._key, self._seed = lengths if key is None else key, seed
        if batch_size:
            self._cuts = list(range(0, len(lengths), batch_size))
        else:
            assert batch_tokens, "a batch is sized by rows or by tokens"
            self._cuts = [0]
            for k, length in enumerate(np.sort(lengths)):
                if (k + 1 - self._cuts[-1]) * length > batch_tokens and k > self._cuts[-1]:
                    self._cuts.append(k)
        self.steps_per_epoch = len(self._cuts)
        self._epoch, self._plan = -1, [np.zeros(0, np.int64)]

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        epoch, k = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            random = np.random.default_rng((self._seed, epoch, *b"order of batches"))
            order = np.argsort(self._key + self.JITTER * random.random(len(self._key)), kind="stable")
            parts = np.split(order, self._cuts[1:])
            self._epoch, self._plan = epoch, [parts[i] for i in random.permutation(len(parts))]
        return self._plan[k]


def rows_in_order(lengths: NDArray[Any], tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of all rows, the shortest rows first, in batches of at most `tokens` tokens with their padding.

    A row that is longer than that is a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    for k, row in enumerate(order):
        if k > start and (k - start + 1) * lengths[row] > tokens:
            yield order[start:k]
            start = k
    if len(order):
        yield order[start:]
