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

from seqcli.core.data.ragged import Lines, RowBatches, rows_in_order
from seqcli.core.data.readers import MEND, Invalid, bad_line, read_lines
from seqcli.core.tokenizers import BOS, Tokenizer
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
            raise bad_line(path, number, what, line, MEND)
        self.skipped += 1


# --- ids ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairSet:
    """Sources and targets as ids, line by line."""

    source: Lines
    target: Lines

    def __len__(self) -> int:
        return len(self.source)

    @property
    def longer_sides(self) -> NDArray[np.int64]:
        """Tokens of the longer side of each pair, <eos> not counted."""
        return np.maximum(self.source.lengths, self.target.lengths) - 1

    def select(self, rows: NDArray[Any]) -> "PairSet":
        """Some of the pairs."""
        return PairSet(self.source.select(rows), self.target.select(rows))

    @classmethod
    def of(cls, pairs: Sequence[Pair], source: Tokenizer, target: Tokenizer) -> "PairSet":
        """The pairs as ids."""
        return cls(
            Lines.of(source.encode_lines([s for s, _ in pairs])), Lines.of(target.encode_lines([t for _, t in pairs]))
        )


def held_out(pairs: PairSet, part: float, tokens: int, seed: int) -> NDArray[np.int64]:
    """Which pairs to validate on: about this part of them, drawn by chance, but at most so many target tokens (0: any).

    Pairs of one source are drawn together, so that no source that is validated on is trained on. Where one source has
    more pairs than would be held out, all of them are trained on.
    """
    count, n = round(len(pairs) * part), len(pairs)
    firsts: dict[bytes, int] = {}
    first = np.array([firsts.setdefault(pairs.source[k].tobytes(), k) for k in range(n)])  # of the same source
    place = np.argsort(np.random.default_rng(seed).permutation(n))
    earliest = np.full(n, n)
    np.minimum.at(earliest, first, place)
    order = np.argsort(earliest[first], kind="stable")  # source after source
    lengths, taken = pairs.target.lengths, 0
    held: list[int] = []
    for group in np.split(order, np.flatnonzero(np.diff(first[order])) + 1):
        if len(held) + len(group) > count:
            continue
        taken += int(lengths[group].sum())
        if tokens and taken > tokens and held:
            break
        held += group.tolist()
    return np.array(held, dtype=np.int64)


def longest_targets(pairs: PairSet, few: int = 1000) -> list[tuple[int, int]]:
    """The longest target of sources up to each length, as the (source, target) lengths at which it rises, <eos> not
    counted. Of so few sources it says little: that of the shortest ones is the longest target of that many of them.
    """
    order = np.lexsort((-pairs.target.lengths, pairs.source.lengths))
    s, t = pairs.source.lengths[order] - 1, pairs.target.lengths[order] - 1
    most = np.maximum.accumulate(t)
    most[:few] = most[:few][-1]
    rises = np.flatnonzero(np.diff(most, prepend=-1))
    return list(zip(s[rises].tolist(), most[rises].tolist(), strict=True))


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
    source, source_mask = pairs.source.reversed(rows) if reverse_source else pairs.source.padded(rows)
    targets, mask = pairs.target.padded(rows)
    inputs = torch.cat((torch.full((len(rows), 1), BOS), targets[:, :-1]), dim=1)
    return PairBatch(source, source_mask, inputs, targets, mask, int(mask.sum()))


class PairBatches:
    """All batches of a training, by number (see RowBatches); the longer side of a pair is its length."""

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
        self.pairs, self.reverse_source = pairs, reverse_source
        # the longer side decides, the other one breaks ties
        s, t = pairs.source.lengths, pairs.target.lengths
        longer = np.maximum(s, t)
        self._rows = RowBatches(
            longer,
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            seed=seed,
            key=longer + np.minimum(s, t) / (1.0 + longer),
        )
        self.steps_per_epoch = self._rows.steps_per_epoch

    def __getitem__(self, step: int) -> PairBatch:
        return pair_batch(self.pairs, self._rows[step], reverse_source=self.reverse_source)


def pairs_in_order(pairs: PairSet, tokens: int, *, reverse_source: bool = False) -> Iterator[PairBatch]:
    """Every pair once, in batches of similar length and about so many tokens, for evaluation."""
    for rows in rows_in_order(np.maximum(pairs.source.lengths, pairs.target.lengths), tokens):
        yield pair_batch(pairs, rows, reverse_source=reverse_source)
