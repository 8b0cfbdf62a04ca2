"""Metrics of classification and tagging: accuracy, F1, confusions, calibration, and F1 of the spans that tags mark.

In all functions `ours` are the labels that a model predicted and `right` the correct ones, in the same order.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPAN_TAG = re.compile(r"O|[BIES]-.+")


@dataclass(frozen=True)
class OfLabel:
    """The metrics of one label, each from 0 to 1."""

    label: str
    precision: float  # of all items that were predicted to have this label, the part that has it
    recall: float  # of all items that have this label, the part that was predicted to
    f1: float  # the harmonic mean of precision and recall
    count: int  # how many items have this label


def accuracy(ours: Sequence[str], right: Sequence[str]) -> float:
    """Return the fraction of labels that were predicted correctly, 0 to 1."""
    return sum(a == b for a, b in zip(ours, right, strict=True)) / max(1, len(right))


def confusions(ours: Sequence[str], right: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return all labels, the most frequent first, and the confusion matrix (K, K) of the K labels.

    Entry [r, o] says how often an item with correct label r was predicted to have label o. Labels that were only
    predicted come last, in alphabetical order.
    """
    names, counts = np.unique(np.array([*right], dtype=object), return_counts=True)
    ranked = [str(names[k]) for k in np.lexsort((names, -counts))]
    ranked += sorted(set(ours) - set(ranked))
    number = {name: k for k, name in enumerate(ranked)}
    matrix = np.zeros((len(ranked), len(ranked)), dtype=np.int64)
    np.add.at(matrix, ([number[r] for r in right], [number[o] for o in ours]), 1)
    return ranked, matrix


def mistakes(ours: Sequence[str], right: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return (correct label, predicted label, how often) for every kind of mistake, the most frequent first."""
    names, matrix = confusions(ours, right)
    pairs = [(names[r], names[g], int(matrix[r, g])) for r, g in zip(*np.nonzero(matrix), strict=True) if r != g]
    return sorted(pairs, key=lambda pair: -pair[2])


def by_label(ours: Sequence[str], right: Sequence[str]) -> list[OfLabel]:
    """Return the metrics of every label that is correct or predicted anywhere, the most frequent first."""
    names, matrix = confusions(ours, right)
    hits, wanted, given = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    found = []
    for name, hit, want, give in zip(names, hits.tolist(), wanted.tolist(), given.tolist(), strict=True):
        found.append(OfLabel(name, hit / max(1, give), hit / max(1, want), 2 * hit / max(1, want + give), want))
    return found


def macro_f1(ours: Sequence[str], right: Sequence[str]) -> float:
    """Return the mean F1 of all labels that occur among the correct ones; each label counts the same."""
    scores = [each.f1 for each in by_label(ours, right) if each.count]
    return sum(scores) / max(1, len(scores))


def calibration_error(sure: NDArray[np.float64], hit: NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error (Naeini 2015): how far probabilities are from how often they prove right.

    sure (n,) are the probabilities that the model gave to its predictions, 0 to 1, and hit (n,) says which predictions
    were correct. Predictions are put into bins by probability; the error is the mean, weighted by the size of the bins,
    of the difference between mean probability and accuracy. NaN if any probability is NaN.
    """
    if np.isnan(sure).any():
        return float("nan")
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(sure[place == k].sum() - hit[place == k].sum()) for k in range(bins)]
    return float(sum(gaps) / max(1, len(sure)))


# --- spans ----------------------------------------------------------------------------------------------------------


def marks_spans(tags: Sequence[str]) -> bool:
    """Return whether these tags mark spans in the BIO or BIOES scheme."""
    return any(tag.startswith("B-") for tag in tags) and all(SPAN_TAG.fullmatch(tag) for tag in tags)


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the spans (type, index of first word, index of last word) that one sentence's BIO or BIOES tags mark.

    Where an I- tag comes after O or after another type, so that its span never began, a span begins there. The CoNLL
    evaluation script does the same.
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
    """Return precision, recall and F1 of the spans in all sentences, 0 to 1.

    A span is correct only when its type and both ends are.
    """
    hits = wanted = given = 0
    for a, b in zip(ours, right, strict=True):
        mine, theirs = spans(a), spans(b)
        hits += len(mine & theirs)
        given += len(mine)
        wanted += len(theirs)
    return hits / max(1, given), hits / max(1, wanted), 2 * hits / max(1, given + wanted)
