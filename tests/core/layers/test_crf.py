"""The conditional random field against the enumeration of all tag sequences."""

import itertools

import pytest
import torch
from torch import Tensor

from seqcli.core.layers.crf import CRF

B, T, K = 3, 4, 3
LENGTHS = [4, 2, 1]


@pytest.fixture
def crf() -> CRF:
    torch.manual_seed(1)
    crf = CRF(K).double()
    for p in crf.parameters():
        torch.nn.init.normal_(p)
    return crf


def case() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    emissions = torch.randn(B, T, K, generator=generator, dtype=torch.double)
    tags = torch.randint(K, (B, T), generator=generator)
    mask = torch.arange(T)[None] < torch.tensor(LENGTHS)[:, None]
    return emissions, tags, mask


@torch.no_grad()
def by_hand(crf: CRF, emissions: Tensor, tags: tuple[int, ...]) -> float:
    """The score of one sequence, as the docstring defines it; emissions (T, K)."""
    total = crf.start[tags[0]] + crf.end[tags[-1]]
    total = total + sum(emissions[t, tag] for t, tag in enumerate(tags))
    return float(total + sum(crf.transition[a, b] for a, b in itertools.pairwise(tags)))


@torch.no_grad()
def test_score_partition_and_viterbi_equal_enumeration(crf: CRF) -> None:
    emissions, tags, mask = case()
    scores, partition = crf.score(emissions, tags, mask), crf.log_partition(emissions, mask)
    best = crf.viterbi(emissions, mask)
    for row, length in enumerate(LENGTHS):
        every = list(itertools.product(range(K), repeat=length))
        values = torch.tensor([by_hand(crf, emissions[row], each) for each in every], dtype=torch.double)
        assert scores[row].item() == pytest.approx(by_hand(crf, emissions[row], tuple(tags[row, :length].tolist())))
        assert partition[row].item() == pytest.approx(values.logsumexp(0).item())
        assert tuple(best[row, :length].tolist()) == every[int(values.argmax())]
        assert not best[row, length:].any()
    assert crf.loss(emissions, tags, mask).item() == pytest.approx((partition - scores).sum().item())


@torch.no_grad()
def test_what_stands_on_padding_changes_nothing(crf: CRF) -> None:
    emissions, tags, mask = case()
    loss, best = crf.loss(emissions, tags, mask), crf.viterbi(emissions, mask)
    emissions[~mask], tags[~mask] = 9.0, 2
    assert torch.equal(crf.loss(emissions, tags, mask), loss)
    assert torch.equal(crf.viterbi(emissions, mask), best)
