import pytest
import torch

from seqcli.core.layers import Dropout, Stack


def test_dropout_keeps_one_mask_over_time_and_the_mean() -> None:
    drop = Dropout(0.25)
    drop.generator = torch.Generator().manual_seed(0)
    y = drop(torch.ones(50, 3, 40))
    assert torch.equal(y[:, 0], y[:, 2])
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(y.mean().item() - 1) < 0.05
    drop.eval()
    assert torch.equal(drop(torch.ones(2, 3, 5)), torch.ones(2, 3, 5))


def test_dropout_follows_its_generator_and_never_the_global_one() -> None:
    drop = Dropout(0.5)
    x = torch.ones(4, 2, 30)
    with pytest.raises(AssertionError, match="generator"):
        drop(x)
    before, found = torch.get_rng_state(), []
    for _ in range(2):
        drop.generator = torch.Generator().manual_seed(7)
        found.append(drop(x))
    assert torch.equal(*found)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_lies_between_layers_only() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5)
    one, two = Stack("gru", 5, 7, 1, dropout=0.5), Stack("gru", 5, 7, 2, dropout=0.5)
    two.dropout.generator = torch.Generator().manual_seed(0)
    assert torch.equal(one(x)[0], one(x)[0])
    assert not torch.equal(two(x)[0], two(x)[0])
