"""Pairs of a source and a target text: reading them, turning them into ids, and making batches of similar length.

All pairs are kept in memory as ids. A million pairs of captions take about 100 MB.
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
    """Reads pairs from files of SOURCE TAB TARGET lines. With `skip`, bad lines are skipped and counted in `skipped`.

    A line is bad if it does not have two columns, or if one of them is empty. Lines without any text are ignored.
    """

    skip: bool = False
    invalid: Invalid = "error"
    skipped: int = 0

    def read(self, paths: Iterable[Path]) -> Iterator[Pair]:
        """Yield the pairs of all files. Raises DataError for a bad line, with file, line number and what is wrong."""
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
        """Yield the pairs of two files, line by line. Raises DataError when they have different numbers of lines."""
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
        """Count a bad line or, unless bad lines are skipped, raise DataError."""
        if not self.skip:
            raise bad_line(path, number, what, line, MEND)
        self.skipped += 1


# --- ids ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairSet:
    """Sources and targets as ids. Row k of both is pair k."""

    source: Lines
    target: Lines

    def __len__(self) -> int:
        return len(self.source)

    @property
    def longer_sides(self) -> NDArray[np.int64]:
        """The number of tokens of the longer side of each pair, without <eos>: (pairs,)."""
        return np.maximum(self.source.lengths, self.target.lengths) - 1

    def select(self, rows: NDArray[Any]) -> "PairSet":
        """Return some of the pairs, given by their numbers."""
        return PairSet(self.source.select(rows), self.target.select(rows))

    @classmethod
    def of(cls, pairs: Sequence[Pair], source: Tokenizer, target: Tokenizer) -> "PairSet":
        """Make it from pairs of texts and the tokenizers of source and target."""
        return cls(
            Lines.of(source.encode_lines([s for s, _ in pairs])), Lines.of(target.encode_lines([t for _, t in pairs]))
        )


def held_out(pairs: PairSet, part: float, tokens: int, seed: int) -> NDArray[np.int64]:
    """Choose pairs to validate on at random: about the fraction `part` of them, with at most `tokens` target tokens.

    Returns their numbers. 0 tokens means any number. Pairs with the same source are chosen together, so that no source
    is both trained and validated on. If one source has more pairs than should be held out, all of them are trained on.
    """
    count, n = round(len(pairs) * part), len(pairs)
    firsts: dict[bytes, int] = {}
    # for each pair the number of the first pair with the same source, (n,)
    first = np.array([firsts.setdefault(pairs.source[k].tobytes(), k) for k in range(n)])
    place = np.argsort(np.random.default_rng(seed).permutation(n))  # the place of each pair in a random order, (n,)
    earliest = np.full(n, n)
    np.minimum.at(earliest, first, place)
    order = np.argsort(earliest[first], kind="stable")  # the pairs, ordered such that those of one source are together
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
    """Return how long targets can be, by the length of the source, as a list of (source length, target length).

    Each entry says: from this source length on, and up to that of the next entry, the longest target of all sources
    that are not longer has this length. Lengths are in tokens without <eos>. As `few` sources say too little, the
    `few` shortest ones are taken together.
    """
    order = np.lexsort((-pairs.target.lengths, pairs.source.lengths))
    s, t = pairs.source.lengths[order] - 1, pairs.target.lengths[order] - 1  # (pairs,) each, shortest source first
    most = np.maximum.accumulate(t)  # (pairs,)
    most[:few] = most[:few][-1]
    rises = np.flatnonzero(np.diff(most, prepend=-1))
    return list(zip(s[rises].tolist(), most[rises].tolist(), strict=True))


# --- batches --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairBatch:
    """A padded batch of pairs."""

    source: Tensor  # ids, (B, S)
    source_mask: Tensor  # (B, S), True = real
    inputs: Tensor  # what the decoder reads: <bos>, then the targets one step earlier, (B, T)
    targets: Tensor  # ids, (B, T)
    mask: Tensor  # of the targets, (B, T), True = real
    tokens: int  # the number of real targets

    def to(self, device: torch.device) -> "PairBatch":
        """Return the batch on another device."""
        if device.type == "cpu":
            return self
        source, source_mask, inputs, targets, mask = (
            t.to(device) for t in (self.source, self.source_mask, self.inputs, self.targets, self.mask)
        )
        return PairBatch(source, source_mask, inputs, targets, mask, self.tokens)


def pair_batch(pairs: PairSet, rows: NDArray[Any], *, reverse_source: bool = False) -> PairBatch:
    """Make a batch of the pairs with these numbers (B,). With `reverse_source` the sources are reversed."""
    source, source_mask = pairs.source.reversed(rows) if reverse_source else pairs.source.padded(rows)  # (B, S) each
    targets, mask = pairs.target.padded(rows)  # (B, T) each
    inputs = torch.cat((torch.full((len(rows), 1), BOS), targets[:, :-1]), dim=1)  # (B, T)
    return PairBatch(source, source_mask, inputs, targets, mask, int(mask.sum()))


class PairBatches:
    """The batches of a training, indexed by the number of the step (see RowBatches).

    The length of a pair is that of its longer side.
    """

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
        # pairs are sorted by their longer side, and those that are equal by the other side
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
    """Yield every pair once, in batches of similar length and at most about `tokens` tokens, for evaluation."""
    for rows in rows_in_order(np.maximum(pairs.source.lengths, pairs.target.lengths), tokens):
        yield pair_batch(pairs, rows, reverse_source=reverse_source)
