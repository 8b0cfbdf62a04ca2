"""Rows of different lengths in one array, and batches of rows of similar length, by number."""

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
    """The ids of many rows, one after the other (n,), and where each row ends (rows,)."""

    ids: NDArray[Any]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> "Self":
        """From the ids of each row."""
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        return cls(np.concatenate(rows).astype(np.int32) if rows else np.zeros(0, np.int32), ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Ids in each row."""
        return np.diff(self.ends, prepend=0)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, k: int) -> NDArray[Any]:
        end = int(self.ends[k])
        start = int(self.ends[k - 1]) if k else 0
        return self.ids[start:end]

    def select(self, rows: NDArray[Any]) -> "Self":
        """Some of the rows."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths, dtype=np.int64)
        shift = np.repeat(self.ends[rows] - ends, lengths)
        return type(self)(self.ids[np.arange(len(shift)) + shift], ends)

    def padded(self, rows: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """These rows as ids (B, T), padded at the end, and the mask (B, T), True = real."""
        lengths = self.lengths[rows]
        t = np.arange(int(lengths.max()))[None]
        return self._at(rows, np.broadcast_to(t, (len(rows), t.shape[1])), t < lengths[:, None])

    def _at(self, rows: NDArray[Any], place: NDArray[Any], real: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """The ids at these places of the rows, where they are real."""
        ids = np.full(real.shape, PAD, dtype=np.int64)
        ids[real] = self.ids[((self.ends - self.lengths)[rows][:, None] + place)[real]]
        return torch.from_numpy(ids), torch.from_numpy(real)


class Lines(Ragged):
    """Lines of text as ids; each closes with <eos>."""

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> "Self":
        """From the ids of each line, without <eos>."""
        return super().of([np.append(row, EOS) for row in rows])

    def reversed(self, rows: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """These lines, `padded`, with all but <eos> turned around."""
        lengths = self.lengths[rows][:, None]
        t = np.arange(int(lengths.max()))[None]
        return self._at(rows, np.where(t < lengths - 1, lengths - 2 - t, t), t < lengths)


class RowBatches:
    """All batches of a training, by number: rows of similar length together, in another order every epoch.

    A batch has at most `batch_tokens` tokens, padding included (about: which rows of nearly the same length meet is
    left to chance), or `batch_size` rows. Batch k depends on the lengths, the seed and k alone. `key` may order rows
    of one length.
    """

    JITTER = 1.0  # tokens by which the order of lengths is disturbed

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
    """Every row once, shortest first, in batches of at most so many tokens, padding included."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for k, row in enumerate(order):
        if k > start and (k - start + 1) * lengths[row] > tokens:
            yield order[start:k]
            start = k
    if len(order):
        yield order[start:]
