"""Spelling and pooling: what each row gives must not depend on its neighbours or on padding."""

import pytest
import torch

from seqcli.core.layers.characters import AFFIX, Affixes, CharacterLSTM
from seqcli.core.layers.pooling import Pooling

LENGTHS = [5, 1, 3]


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(4, 11, (3, 5), generator=torch.Generator().manual_seed(3))
    mask = torch.arange(5)[None] < torch.tensor(LENGTHS)[:, None]
    return ids * mask, mask


@pytest.mark.parametrize("spelling", [CharacterLSTM(11, 3, 7), Affixes(11, 3)], ids=["lstm", "affixes"])
def test_a_word_is_spelled_the_same_alone(spelling: CharacterLSTM | Affixes) -> None:
    ids, mask = padded()
    together = spelling(ids, mask)
    assert together.shape == (3, spelling.width)
    for row, length in enumerate(LENGTHS):
        alone = spelling(ids[row : row + 1, :length], torch.ones(1, length, dtype=torch.bool))
        torch.testing.assert_close(together[row : row + 1], alone)


def test_affixes_are_the_first_and_the_last_characters() -> None:
    spelling = Affixes(11, 1)
    with torch.no_grad():
        spelling.embedding.weight[:, 0] = torch.arange(11.0)
    ids = torch.tensor([[4, 5, 6, 7, 8], [9, 10, 0, 0, 0]])
    found = spelling(ids, ids > 0)
    assert AFFIX == 3
    assert found.tolist() == [[4, 5, 6, 8, 7, 6], [9, 10, 0, 10, 9, 0]]


@pytest.mark.parametrize("how", ["last", "mean", "max", "mean-max", "attention"])
def test_pooling_by_hand_and_padding_changes_nothing(how: str) -> None:
    torch.manual_seed(4)
    pool = Pooling(how, 6, 2)
    y = torch.randn(3, 5, 6)
    _, mask = padded()
    found, weights = pool(y, mask)
    y[~mask] = 1e4
    again, _ = pool(y, mask)
    assert torch.equal(found, again)
    assert found.shape == (3, pool.width)
    for row, length in enumerate(LENGTHS):
        real = y[row, :length]
        if how == "last":
            expected = torch.cat((real[-1, :3], real[0, 3:]))
        elif how == "attention":
            score = (torch.tanh(real @ pool.hidden.weight.T + pool.hidden.bias) @ pool.query.weight[0]).softmax(0)
            expected = score @ real
            assert weights is not None
            torch.testing.assert_close(weights[row, :length], score)
            assert not weights[row, length:].any()
        else:
            parts = {"mean": [real.mean(0)], "max": [real.amax(0)], "mean-max": [real.mean(0), real.amax(0)]}
            expected = torch.cat(parts[how])
        torch.testing.assert_close(found[row], expected)


def test_the_last_output_of_one_direction() -> None:
    y = torch.randn(2, 4, 3)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    found, _ = Pooling("last", 3, 1)(y, mask)
    assert torch.equal(found, torch.stack((y[0, 3], y[1, 1])))
