import torch

from seqcli.core.decoding.sampling import (
    Filters,
    draw,
    filtered,
    gumbel_noise,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)

SCORES = torch.log(torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.7, 0.1, 0.15, 0.05]]))


def kept(scores: torch.Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero()[:, 0].tolist() for row in scores]


def test_top_k() -> None:
    assert kept(keep_top_k(SCORES, 2)) == [[1, 3], [0, 2]]
    assert kept(keep_top_k(SCORES, 99)) == [[0, 1, 2, 3]] * 2


def test_top_p() -> None:
    assert kept(keep_top_p(SCORES, 0.65)) == [[1, 3], [0]]
    assert kept(keep_top_p(SCORES, 0.75)) == [[1, 2, 3], [0, 2]]
    assert kept(keep_top_p(SCORES, 0.0)) == [[1], [0]]


def test_temperature() -> None:
    assert torch.allclose(
        filtered(SCORES, Filters(0.5)).softmax(1), (SCORES.exp() ** 2 / (SCORES.exp() ** 2).sum(1, keepdim=True))
    )
    noise = torch.full((2, 4), 0.0)
    noise[:, 0] = 50
    assert draw(SCORES, Filters(0.0), noise).tolist() == [1, 0]  # greedy hears no noise
    assert draw(SCORES, Filters(1.0), noise).tolist() == [0, 0]


def test_repetition_penalty_makes_seen_tokens_less_likely() -> None:
    seen = torch.tensor([[False, True, False, False]] * 2)
    p, q = SCORES.softmax(1), penalize_repetition(SCORES, seen, 1.5).softmax(1)
    assert (q[:, 1] < p[:, 1]).all()
    assert torch.allclose(q[:, 0] / q[:, 2], p[:, 0] / p[:, 2])


def test_gumbel_draws_are_draws_from_the_softmax() -> None:
    noise = gumbel_noise(20_000, 4, torch.Generator().manual_seed(0)).float()
    counts = torch.bincount((SCORES[:1] + noise).argmax(1), minlength=4) / 20_000
    assert torch.allclose(counts, SCORES[0].exp(), atol=0.015)


def test_the_generator_decides() -> None:
    a, b = (gumbel_noise(3, 5, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(a, b)
