"""Figures of labels: of texts, of words, and of the spans that words' tags mark."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPAN_TAG = re.compile(r"O|[BIES]-.+")


@dataclass(frozen=True)
class OfLabel:
    """Figures of one label: of those given, part right; of those wanted, part found; their harmonic mean; wanted."""

    label: str
    precision: float
    recall: float
    f1: float
    count: int


def accuracy(ours: Sequence[str], right: Sequence[str]) -> float:
    """Part of the labels that are right."""
    return sum(a == b for a, b in zip(ours, right, strict=True)) / max(1, len(right))


def confusions(ours: Sequence[str], right: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """All labels, most frequent first, and the matrix [right, ours] of how often each was taken for each."""
    names, counts = np.unique(np.array([*right], dtype=object), return_counts=True)
    ranked = [str(names[k]) for k in np.lexsort((names, -counts))]
    ranked += sorted(set(ours) - set(ranked))
    number = {name: k for k, name in enumerate(ranked)}
    matrix = np.zeros((len(ranked), len(ranked)), dtype=np.int64)
    np.add.at(matrix, ([number[r] for r in right], [number[o] for o in ours]), 1)
    return ranked, matrix


def mistakes(ours: Sequence[str], right: Sequence[str]) -> list[tuple[str, str, int]]:
    """(right, given, how often) of what was taken for something else, most often first."""
    names, matrix = confusions(ours, right)
    pairs = [(names[r], names[g], int(matrix[r, g])) for r, g in zip(*np.nonzero(matrix), strict=True) if r != g]
    return sorted(pairs, key=lambda pair: -pair[2])


def by_label(ours: Sequence[str], right: Sequence[str]) -> list[OfLabel]:
    """Precision, recall and F1 of every label that is wanted or given, most frequent first."""
    names, matrix = confusions(ours, right)
    hits, wanted, given = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    found = []
    for name, hit, want, give in zip(names, hits.tolist(), wanted.tolist(), given.tolist(), strict=True):
        found.append(OfLabel(name, hit / max(1, give), hit / max(1, want), 2 * hit / max(1, want + give), want))
    return found


def macro_f1(ours: Sequence[str], right: Sequence[str]) -> float:
    """The mean F1 of the labels that are wanted: a rare one weighs as much as a frequent one."""
    scores = [each.f1 for each in by_label(ours, right) if each.count]
    return sum(scores) / max(1, len(scores))


def calibration_error(sure: NDArray[np.float64], hit: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error (Naeini 2015): how far the probabilities given are from the part that was right, over
    bins of probability, weighted by their size. sure (n,) in 0 .. 1, hit (n,). NaN where a probability is NaN."""
    if np.isnan(sure).any():
        return float("nan")
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(sure[place == k].sum() - hit[place == k].sum()) for k in range(bins)]
    return float(sum(gaps) / max(1, len(sure)))


# --- spans ----------------------------------------------------------------------------------------------------------


def marks_spans(tags: Sequence[str]) -> bool:
    """Whether tags are BIO or BIOES."""
    return any(tag.startswith("B-") for tag in tags) and all(SPAN_TAG.fullmatch(tag) for tag in tags)


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """The spans (type, first, last) that one sentence's BIO or BIOES tags mark.

    A span that goes on without having begun (I- after O or another type) begins there, as the CoNLL script has it.
    """
    found, start, kind = set(), 0, ""
    for k, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        if kind and (mark in "BSO" or name != kind):
            found.add((kind, start, k - 1))
            kind = ""
        if mark != "O" and not kind:
            start, kind = k, name
        if mark in "ES" and kind:
            found.add((kind, start, k))
            kind = ""
    return found


def span_scores(ours: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> tuple[float, float, float]:
    """Precision, recall and F1 of spans over sentences; a span counts only when type and both ends are right."""
    hits = wanted = given = 0
    for a, b in zip(ours, right, strict=True):
        mine, theirs = spans(a), spans(b)
        hits += len(mine & theirs)
        given += len(mine)
        wanted += len(theirs)
    return hits / max(1, given), hits / max(1, wanted), 2 * hits / max(1, given + wanted)
