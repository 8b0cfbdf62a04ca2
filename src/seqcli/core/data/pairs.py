"""Pairs of a source and a target text: read, turned into ids, cut into batches of similar length.

Pairs are kept in memory, as ids: a million pairs of captions are about 100 MB.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.data.readers import Invalid, read_lines
from seqcli.core.tokenizers import BOS, EOS, PAD, Tokenizer
from seqcli.errors import DataError

Pair = tuple[str, str]


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass
class PairReader:
    """Reads pairs from files of SOURCE TAB TARGET lines; counts the bad lines that `skip` passes over.

    A bad line has another number of columns than two, or an empty one. Lines without any text are no pairs, and no
    fault.
    """

    skip: bool = False
    invalid: Invalid = "error"
    skipped: int = 0

    def read(self, paths: Iterable[Path]) -> Iterator[Pair]:
        """The pairs of all files. Raises DataError at a bad line, naming file, line and what is wrong with it."""
        for path in paths:
            for number, line in enumerate(read_lines(path, invalid=self.invalid), 1):
                if not line.strip():
                    continue
                columns = [column.strip() for column in line.split("\t")]
                if len(columns) == 2 and all(columns):
                    yield columns[0], columns[1]
                    continue
                what = (
                    f"{len(columns)} column{'s' * (len(columns) > 1)} where a pair has 2, SOURCE TAB TARGET"
                    if len(columns) != 2
                    else f"an empty {'target' if columns[0] else 'source'}"
                )
                self._bad(path, number, what, line)

    def read_parallel(self, source: Path, target: Path) -> Iterator[Pair]:
        """The pairs of two files, line by line. Raises DataError when they have different numbers of lines."""
        sides = (read_lines(path, invalid=self.invalid) for path in (source, target))
        number = 0
        for number, (a, b) in enumerate(itertools.zip_longest(*sides), 1):
            if a is None or b is None:
                short, long = (source, target) if a is None else (target, source)
                raise DataError(
                    f"{short} ends after {number - 1} lines and {long} goes on: the two files of --source and "
                    "--target must have as many lines."
                )
            pair = a.strip(), b.strip()
            if all(pair):
                yield pair
            elif any(pair):
                path = target if pair[0] else source
                self._bad(path, number, f"an empty {'target' if pair[0] else 'source'}", a + b)

    def _bad(self, path: Path, number: int, what: str, line: str) -> None:
        if not self.skip:
            shown = line if len(line) <= 60 else line[:57] + "..."
            raise DataError(
                f"{path}, line {number}: {what}: {shown!r}. Mend it, or pass such lines over with --skip-bad-lines."
            )
        self.skipped += 1


# --- ids ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines:
    """Ids of many lines, one after the other (n,), and where each ends (lines,); each closes with <eos>."""

    ids: NDArray[Any]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, lines: Sequence[NDArray[Any]]) -> "Lines":
        """From the ids of each line, without <eos>."""
        ends = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64)
        ids = np.full(int(ends[-1]) if len(ends) else 0, EOS, dtype=np.int32)
        for line, end in zip(lines, ends, strict=True):
            ids[end - 1 - len(line) : end - 1] = line
        return cls(ids, ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each line, <eos> included."""
        return np.diff(self.ends, prepend=0)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, k: int) -> NDArray[Any]:
        end = int(self.ends[k])
        start = int(self.ends[k - 1]) if k else 0
        return self.ids[start:end]

    def select(self, rows: NDArray[Any]) -> "Lines":
        """Some of the lines."""
        return Lines.of([self[int(k)][:-1] for k in rows])

    def padded(self, rows: NDArray[Any], *, reverse: bool = False) -> tuple[Tensor, Tensor]:
        """These lines as ids (B, T), padded at the end, and the mask (B, T); `reverse` turns all but <eos> around."""
        lengths = self.lengths[rows]
        T = int(lengths.max())
        ids = np.full((len(rows), T), PAD, dtype=np.int64)
        for row, k in enumerate(rows):
            line = self[int(k)]
            ids[row, : len(line)] = np.append(line[-2::-1], EOS) if reverse else line
        return torch.from_numpy(ids), torch.from_numpy(np.arange(T)[None] < lengths[:, None])


@dataclass(frozen=True)
class PairSet:
    """Sources and targets as ids, line by line."""

    source: Lines
    target: Lines

    def __len__(self) -> int:
        return len(self.source)

    def select(self, rows: NDArray[Any]) -> "PairSet":
        """Some of the pairs."""
        return PairSet(self.source.select(rows), self.target.select(rows))

    @classmethod
    def of(cls, pairs: Sequence[Pair], source: Tokenizer, target: Tokenizer) -> "PairSet":
        """The pairs as ids."""
        return cls(
            Lines.of(source.encode_lines([s for s, _ in pairs])), Lines.of(target.encode_lines([t for _, t in pairs]))
        )


def blocks(lines: Iterable[str], separator: str) -> Iterator[str]:
    """Lines as blocks of text, to train a tokenizer on."""
    rest = iter(lines)
    while part := list(itertools.islice(rest, 10_000)):
        yield separator.join(part)


# --- batches --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairBatch:
    """Sources (B, S); inputs and targets (B, T), the inputs one step behind; masks, True = real; number of targets."""

    source: Tensor
    source_mask: Tensor
    inputs: Tensor
    targets: Tensor
    mask: Tensor
    tokens: int

    def to(self, device: torch.device) -> "PairBatch":
        """The same on another device."""
        if device.type == "cpu":
            return self
        source, source_mask, inputs, targets, mask = (
            t.to(device) for t in (self.source, self.source_mask, self.inputs, self.targets, self.mask)
        )
        return PairBatch(source, source_mask, inputs, targets, mask, self.tokens)


def pair_batch(pairs: PairSet, rows: NDArray[Any], *, reverse_source: bool = False) -> PairBatch:
    """These pairs, padded."""
    source, source_mask = pairs.source.padded(rows, reverse=reverse_source)
    targets, mask = pairs.target.padded(rows)
    inputs = torch.cat((torch.full((len(rows), 1), BOS), targets[:, :-1]), dim=1)
    return PairBatch(source, source_mask, inputs, targets, mask, int(mask.sum()))


class PairBatches:
    """All batches of a training, by number: pairs of similar length together, in another order every epoch.

    A batch has at most `batch_tokens` tokens on its longer side, padding included (about: which pairs of nearly the
    same length meet is left to chance), or `batch_size` pairs. Batch k depends on the data, the seed and k alone.
    """

    JITTER = 1.0  # tokens by which the order of lengths is disturbed

    def __init__(
        self,
        pairs: PairSet,
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        seed: int = 0,
        reverse_source: bool = False,
    ) -> None:
        if not len(pairs):
            raise DataError("There is no pair to train on.")
        self.pairs, self.reverse_source, self._seed = pairs, reverse_source, seed
        # the longer side decides, the other one breaks ties
        s, t = pairs.source.lengths, pairs.target.lengths
        self._key = np.maximum(s, t) + np.minimum(s, t) / (1.0 + np.maximum(s, t))
        longest = np.sort(np.maximum(s, t))
        if batch_size:
            self._cuts = list(range(0, len(pairs), batch_size))
        else:
            assert batch_tokens, "a batch is sized by pairs or by tokens"
            self._cuts = [0]
            for k, length in enumerate(longest):
                if (k + 1 - self._cuts[-1]) * length > batch_tokens and k > self._cuts[-1]:
                    self._cuts.append(k)
        self.steps_per_epoch = len(self._cuts)
        self._epoch, self._plan = -1, [np.zeros(0, np.int64)]

    def __getitem__(self, step: int) -> PairBatch:
        epoch, k = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            random = np.random.default_rng((self._seed, epoch))
            order = np.argsort(self._key + self.JITTER * random.random(len(self._key)), kind="stable")
            parts = np.split(order, self._cuts[1:])
            self._epoch, self._plan = epoch, [parts[i] for i in random.permutation(len(parts))]
        return pair_batch(self.pairs, self._plan[k], reverse_source=self.reverse_source)


def pairs_in_order(pairs: PairSet, tokens: int, *, reverse_source: bool = False) -> Iterator[PairBatch]:
    """Every pair once, in batches of similar length and about so many tokens, for evaluation."""
    s, t = pairs.source.lengths, pairs.target.lengths
    order = np.argsort(np.maximum(s, t), kind="stable")
    start = 0
    while start < len(order):
        count = max(1, tokens // int(np.maximum(s, t)[order[min(len(order) - 1, start + 16)]]))
        yield pair_batch(pairs, order[start : start + count], reverse_source=reverse_source)
        start += count
