"""Likelihoods against torch's distributions and tables, quantiles that are learnt, and numbers of any size."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import NegativeBinomial, StudentT
from torch.distributions import Normal as TorchNormal
from torch.nn import functional as F

from seqcli.core.tasks.forecast.likelihood import LEAST, LEVELS, LIKELIHOODS, Likelihood, along, quantiles_of_t

RANDOM = np.random.default_rng(0)
Z = torch.tensor([-31.0, -1.2, 0.0, 0.4, 7.0, 900.0], dtype=torch.float64)


def raw_of(size: int, *shape: int) -> Tensor:
    return torch.randn(*shape, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2


def head(name: str) -> Likelihood:
    return LIKELIHOODS[name]()


def test_the_losses_of_normal_and_student_are_those_of_torch() -> None:
    raw = raw_of(3, 4, len(Z))
    one, s = torch.ones_like(Z), F.softplus(raw[..., 1]) + LEAST
    normal = -TorchNormal(raw[..., 0], s).log_prob(Z)
    torch.testing.assert_close(head("normal").loss(raw[..., :2], Z, one), normal)
    student = -StudentT(2 + F.softplus(raw[..., 2]), raw[..., 0], s).log_prob(Z)
    torch.testing.assert_close(head("student-t").loss(raw, Z, one), student)


@pytest.mark.parametrize("scale", [1.0, 7.5, 1e6])
def test_the_loss_of_counts_is_that_of_torch(scale: float) -> None:
    raw, y = raw_of(2, 3, 5), torch.tensor([0.0, 1, 8, 200, 1e6]).double()
    mean = scale * (F.softplus(raw[..., 0], beta=3) + 1e-4)
    r = 1 / (F.softplus(raw[..., 1]) + LEAST)
    wanted = -NegativeBinomial(r, probs=mean / (r + mean)).log_prob(y)
    scales = torch.full_like(y, scale)
    torch.testing.assert_close(head("negative-binomial").loss(raw, y / scale, scales), wanted)
    narrow = head("negative-binomial").loss(raw.float(), (y / scale).float(), scales.float())
    torch.testing.assert_close(narrow.double(), wanted, rtol=1e-4, atol=1e-4)  # even for a count of a million


def test_the_variance_of_counts_is_that_of_the_docstring() -> None:
    raw, scale = torch.tensor([0.7, -0.3]).expand(40_000, 2), torch.full((40_000,), 5.0)
    made = head("negative-binomial")
    drawn, mean = made.draw(raw, scale, np.random.default_rng(1)) * 5, made.mean(raw[:1]).item() * 5
    assert np.abs(drawn - drawn.round()).max() < 1e-9 and drawn.min() == 0
    a = math.log1p(math.exp(-0.3)) + LEAST
    assert drawn.mean() == pytest.approx(mean, rel=0.03)
    assert drawn.var() == pytest.approx(mean + a * mean**2, rel=0.06)


def test_the_quantiles_of_a_normal_distribution_are_exact() -> None:
    raw = raw_of(2, 6)
    found = head("normal").quantiles(raw, (0.025, 0.5, 0.9, 0.999), torch.ones(6), RANDOM)
    for row, (m, s) in zip(found, raw.tolist(), strict=True):
        wide = math.log1p(math.exp(s)) + LEAST
        assert row.tolist() == pytest.approx([m - 1.959964 * wide, m, m + 1.281552 * wide, m + 3.090232 * wide])


@pytest.mark.parametrize(
    ("degrees", "quantiles"),  # at 0.75, 0.95, 0.975, 0.995 and 0.9995, from the tables of any textbook
    [
        (2, [0.8165, 2.9200, 4.3027, 9.9248, 31.599]),
        (3, [0.7649, 2.3534, 3.1824, 5.8409, 12.924]),
        (5, [0.7267, 2.0150, 2.5706, 4.0321, 6.8688]),
        (10, [0.6998, 1.8125, 2.2281, 3.1693, 4.5869]),
        (30, [0.6828, 1.6973, 2.0423, 2.7500, 3.6460]),
        (120, [0.6765, 1.6577, 1.9799, 2.6174, 3.3735]),
        (1e9, [0.6745, 1.6449, 1.9600, 2.5758, 3.2905]),
    ],
)
def test_the_quantiles_of_student_are_those_of_the_tables(degrees: float, quantiles: list[float]) -> None:
    upper = (0.75, 0.95, 0.975, 0.995, 0.9995)
    assert quantiles_of_t(np.array(degrees), upper).tolist() == pytest.approx(quantiles, rel=2e-3)
    lower = tuple(1 - level for level in upper)
    assert (-quantiles_of_t(np.array(degrees), lower)).tolist() == pytest.approx(quantiles, rel=2e-3)
    assert quantiles_of_t(np.array([degrees] * 3), (0.5,)).tolist() == [[0.0]] * 3


def test_student_is_drawn_and_described_alike() -> None:
    raw = torch.tensor([0.4, -1.0, 0.5]).expand(30_000, 3)
    made, one = head("student-t"), torch.ones(30_000)
    drawn = made.draw(raw, one, np.random.default_rng(3))
    levels = (0.05, 0.3, 0.5, 0.8, 0.95)
    found = made.quantiles(raw[:1], levels, one[:1], RANDOM)[0]
    shares = [(drawn < quantile).mean() for quantile in found]
    assert shares == pytest.approx(levels, abs=0.012)
    assert made.mean(raw[:1]).item() == pytest.approx(0.4)


def test_a_quantile_is_where_the_pinball_loss_is_least() -> None:
    z = torch.from_numpy(np.random.default_rng(4).gamma(2.0, size=3000))
    made, one = head("quantile"), torch.ones(3000)
    raw = torch.from_numpy(np.quantile(z.numpy(), LEVELS))
    best = made.loss(raw.expand(3000, -1), z, one).mean()
    for k in range(len(LEVELS)):
        for more in (-0.03, 0.03):
            moved = raw.clone()
            moved[k] += more
            assert made.loss(moved.expand(3000, -1), z, one).mean() > best
    middle = torch.full((1, len(LEVELS)), 2.0).double()
    assert made.loss(middle, torch.tensor([5.0]).double(), one[:1]).item() == pytest.approx(
        3 * 2 * np.mean(LEVELS), rel=1e-6
    )


def test_quantiles_between_and_beyond_those_that_are_learnt() -> None:
    of_normal = np.array([[3 + 2 * NormalDist().inv_cdf(level) for level in LEVELS]])
    asked = (0.001, 0.005, 0.03, 0.5, 0.66, 0.995, 0.9999)
    wanted = [3 + 2 * NormalDist().inv_cdf(level) for level in asked]
    assert along(of_normal, asked)[0].tolist() == pytest.approx(wanted)
    crossed = torch.tensor(of_normal[:, ::-1].copy())
    assert head("quantile").quantiles(crossed, asked, torch.ones(1), RANDOM)[0].tolist() == pytest.approx(wanted)
    assert head("quantile").mean(crossed).item() == pytest.approx(3)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_middle_moves_everything(name: str) -> None:
    made = head(name)
    raw, middle = raw_of(made.size, 2, 3), torch.tensor([[0.5, 0, 9], [-4, 1, 2.0]]).double()
    moved = made.centred(raw, middle)
    assert moved.shape == raw.shape and made.start().shape == (made.size,)
    if name != "negative-binomial":  # its mean is no sum
        levels, one = (0.1, 0.5, 0.9), torch.ones(2, 3)
        apart = made.quantiles(moved, levels, one, RANDOM) - made.quantiles(raw, levels, one, RANDOM)
        np.testing.assert_allclose(apart, middle[..., None].expand(-1, -1, 3), atol=1e-9)
    else:
        torch.testing.assert_close(moved[..., 0], raw[..., 0] + middle)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("value", [0.0, 30.0, -30.0, 1000.0])
def test_losses_and_gradients_are_numbers_far_away(name: str, value: float) -> None:
    made: Any = head(name)
    if made.counts and value < 0:
        return
    for size in (-40.0, 0.0, 40.0):
        raw = torch.full((1, made.size), size, requires_grad=True)
        loss = made.loss(raw, torch.tensor([value]), torch.tensor([3.0])).sum()
        loss.backward()
        assert loss.isfinite() and raw.grad is not None and raw.grad.isfinite().all()
        assert np.isfinite(made.quantiles(raw.detach(), (0.005, 0.995), torch.tensor([3.0]), RANDOM)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_quantiles_rise(name: str) -> None:
    made, raw = head(name), raw_of(head(name).size, 4, 5)
    found = made.quantiles(raw, LEVELS, torch.full((4, 5), 6.0), np.random.default_rng(1))
    assert found.shape == (4, 5, len(LEVELS)) and (np.diff(found, axis=-1) >= 0).all()
