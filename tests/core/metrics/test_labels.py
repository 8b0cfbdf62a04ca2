"""Figures of labels, against counts made by hand."""

import numpy as np
import pytest

from seqcli.core.metrics.labels import (
    accuracy,
    by_label,
    calibration_error,
    confusions,
    macro_f1,
    marks_spans,
    span_scores,
    spans,
)

RIGHT = ["a", "a", "a", "a", "b", "b", "c"]
OURS = ["a", "a", "b", "d", "b", "a", "c"]


def test_confusions_count_what_was_taken_for_what() -> None:
    names, matrix = confusions(OURS, RIGHT)
    assert names == ["a", "b", "c", "d"]
    assert matrix.tolist() == [[2, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_figures_of_every_label() -> None:
    found = {each.label: each for each in by_label(OURS, RIGHT)}
    a = found["a"]
    assert (a.precision, a.recall, a.count) == (pytest.approx(2 / 3), pytest.approx(2 / 4), 4)
    assert a.f1 == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert (found["d"].precision, found["d"].recall, found["d"].f1) == (0, 0, 0)
    assert accuracy(OURS, RIGHT) == pytest.approx(4 / 7)
    # d was never wanted, so it has no share in the mean
    assert macro_f1(OURS, RIGHT) == pytest.approx((a.f1 + found["b"].f1 + 1) / 3)


def test_calibration() -> None:
    sure = np.array([0.9] * 10 + [0.6] * 10)
    hit = np.array([True] * 9 + [False] + [True] * 2 + [False] * 8)
    assert calibration_error(sure, hit) == pytest.approx((0 * 10 + 0.4 * 10) / 20)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-x I-x O", {("x", 1, 2)}),
        ("B-x B-x I-x", {("x", 0, 0), ("x", 1, 2)}),
        ("B-x I-y O", {("x", 0, 0), ("y", 1, 1)}),
        ("I-x I-x", {("x", 0, 1)}),
        ("S-x B-y I-y E-y S-x", {("x", 0, 0), ("y", 1, 3), ("x", 4, 4)}),
        ("B-x E-x I-x", {("x", 0, 1), ("x", 2, 2)}),
        ("O O", set()),
    ],
)
def test_spans(tags: str, expected: set[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == expected


def test_a_span_counts_only_when_it_is_right_altogether() -> None:
    right = [["B-x", "I-x", "O", "B-y"], ["O", "O"]]
    ours = [["B-x", "O", "O", "B-y"], ["O", "B-y"]]
    assert span_scores(ours, right) == (pytest.approx(1 / 3), pytest.approx(1 / 2), pytest.approx(2 / 5))


def test_which_tags_mark_spans() -> None:
    assert marks_spans(["O", "B-x", "I-x"]) and marks_spans(["S-x", "B-y", "E-y"])
    assert not marks_spans(["NOUN", "VERB"]) and not marks_spans(["O"]) and not marks_spans(["B-x", "NOUN"])
