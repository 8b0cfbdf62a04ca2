import numpy as np
import pytest
from numpy.typing import NDArray

from seqcli.core.decoding.sampling import (
    Filters,
    draw,
    filtered,
    gumbel_noise,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)
from seqcli.errors import ConfigError

SCORES = np.log(np.array([[0.1, 0.4, 0.2, 0.3], [0.7, 0.1, 0.15, 0.05]], np.float32))


def softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def kept(scores: NDArray[np.floating]) -> list[list[int]]:
    return [np.flatnonzero(np.isfinite(row)).tolist() for row in scores]


def test_top_k() -> None:
    assert kept(keep_top_k(SCORES, 2)) == [[1, 3], [0, 2]]
    assert kept(keep_top_k(SCORES, 99)) == [[0, 1, 2, 3]] * 2
    ties = np.array([[1.0, 3.0, 2.0, 2.0]])
    assert kept(keep_top_k(ties, 2)) == [[1, 2, 3]]


def test_top_p() -> None:
    assert kept(keep_top_p(SCORES, 0.65)) == [[1, 3], [0]]
    assert kept(keep_top_p(SCORES, 0.75)) == [[1, 2, 3], [0, 2]]
    assert kept(keep_top_p(SCORES, 0.0)) == [[1], [0]]
    without = np.where(np.arange(4) == 1, -np.inf, SCORES)
    assert kept(keep_top_p(without, 0.99)) == [[0, 2, 3], [0, 2, 3]], "what must not come does not"


def test_temperature() -> None:
    sharper = np.exp(SCORES) ** 2
    np.testing.assert_allclose(
        softmax(filtered(SCORES, Filters(0.5))), sharper / sharper.sum(axis=1, keepdims=True), rtol=1e-5
    )
    noise = np.zeros((2, 4), np.float32)
    noise[:, 0] = 50
    assert draw(SCORES, Filters(0.0), noise).tolist() == [1, 0]  # greedy hears no noise
    assert draw(SCORES, Filters(1.0), noise).tolist() == [0, 0]


def test_repetition_penalty_makes_seen_tokens_less_likely() -> None:
    for token in range(4):
        seen = np.arange(4)[None] == np.full((2, 1), token)
        p, q = softmax(SCORES), softmax(penalize_repetition(SCORES, seen, 1.5))
        assert (q[:, token] < p[:, token]).all()
        others = [k for k in range(4) if k != token]
        np.testing.assert_allclose(q[:, others[0]] / q[:, others[1]], p[:, others[0]] / p[:, others[1]], rtol=1e-4)


@pytest.mark.parametrize("p", [0.9, 0.999, 0.999999])
@pytest.mark.parametrize("shift", [-30.0, 0.0, 30.0])
def test_repetition_penalty_reaches_a_token_that_is_sure_to_come(p: float, shift: float) -> None:
    """Also one of probability near 1, whose log-probability is 0; and whatever constant the logits contain."""
    scores = np.log(np.array([[p, (1 - p) / 2, (1 - p) / 2, 1e-12]])) + shift
    seen = np.array([[True, False, False, False]])
    before, after = softmax(scores)[0], softmax(penalize_repetition(scores, seen, 1.3))[0]
    assert after[0] / (1 - after[0]) < 0.5 * before[0] / (1 - before[0]), "the odds fall by more than half"
    twice = softmax(penalize_repetition(scores, seen, 2.0))[0]
    assert twice[0] < after[0]
    banned = np.where(np.arange(4) == 3, -np.inf, scores)
    assert softmax(penalize_repetition(banned, seen, 1.3))[0][0] < before[0]


def test_filters_are_checked() -> None:
    for wrong in ({"temperature": -1.0}, {"top_p": float("nan")}, {"repetition_penalty": 0.0}):
        with pytest.raises(ConfigError, match="--"):
            Filters(**wrong)


def test_gumbel_draws_are_draws_from_the_softmax() -> None:
    noise = gumbel_noise(20_000, 4, np.random.default_rng(0))
    counts = np.bincount((SCORES[:1] + noise).argmax(axis=1), minlength=4) / 20_000
    np.testing.assert_allclose(counts, np.exp(SCORES[0]), atol=0.015)


def test_the_generator_decides_in_however_many_calls() -> None:
    whole = gumbel_noise(7, 5, np.random.default_rng(4))
    random = np.random.default_rng(4)
    assert np.array_equal(whole, np.concatenate([gumbel_noise(n, 5, random) for n in (3, 1, 3)]))
