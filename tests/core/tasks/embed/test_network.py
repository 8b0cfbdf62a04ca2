"""Gradients by hand against autograd of the loss, and the loss against its equation, pair by pair."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcli.core.tasks.embed.network import WordTables
from seqcli.core.tasks.embed.skipgrams import Block

C, CHUNK, W, K, V, D = 3, 4, 5, 6, 11, 7  # the window is wider than a chunk, so chunks overlap more than once


def block(seed: int = 0, k: int = K) -> Block:
    random = np.random.default_rng(seed)
    text = torch.from_numpy(random.integers(4, V, C * CHUNK + 2 * W))
    pairs = torch.from_numpy(random.random((C, CHUNK, CHUNK + 2 * W)) < 0.3).double()
    pairs[1, 2] = 0  # a word without neighbours
    for t in range(CHUNK):
        pairs[:, t, W + t] = 0  # no word is its own neighbour
    return Block(text[W:-W], text, pairs, torch.from_numpy(random.integers(4, V, (C, k))))


def tables(objective: str) -> WordTables:
    torch.manual_seed(5)
    model = WordTables(V, D, objective=objective, weight=2).double()
    with torch.no_grad():
        model.vectors.normal_()
        model.outputs.normal_()
    return model


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("negatives", [K, 0])
def test_gradients_are_those_of_the_loss(objective: str, negatives: int) -> None:
    model, here = tables(objective), block(k=negatives)
    loss, _ = model.loss(*here)
    loss.backward()
    wanted = {id(p): -1e-5 * p.grad for p in model.parameters() if p.grad is not None}
    assert len(wanted) == 2
    before = [p.detach().clone() for p in model.parameters()]
    model.descend(model.gradients(*here), 1e-5)  # so low a rate pulls no row too far
    for p, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach() - old, wanted[id(p)], atol=1e-14, rtol=0)


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("negatives", [K, 0])
def test_a_block_moves_a_row_so_far_only_whatever_the_rate(objective: str, negatives: int) -> None:
    """Each row goes the way of its gradient, by a step that its pull divides: no farther than the longest row of the
    other table is long, and by less the more often it is pulled."""
    model, here = tables(objective), block(k=negatives)
    loss, _ = model.loss(*here)
    loss.backward()
    before = [p.detach().clone() for p in model.parameters()]
    model.descend(model.gradients(*here), 1e6)
    longest = [p.norm(dim=1).max().item() for p in before]
    for p, old, other in zip(model.parameters(), before, reversed(longest), strict=True):
        assert p.grad is not None
        step, way = p.detach() - old, -p.grad
        moved = way.norm(dim=1) > 1e-9
        cosines = torch.cosine_similarity(step[moved], way[moved])
        torch.testing.assert_close(cosines, torch.ones_like(cosines))
        assert step.norm(dim=1).max().item() <= other * (1 if negatives else 2) + 1e-9
        assert not step[~moved].any()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("negatives", [K, 0])
def test_the_loss_is_the_equation_pair_by_pair(objective: str, negatives: int) -> None:
    model, here = tables(objective), block(k=negatives)
    v, u = model.vectors.detach().numpy(), model.outputs.detach().numpy()
    text, total, targets = here.around.tolist(), 0.0, 0

    def one(h: np.ndarray, target: int, chunk: int) -> float:  # type: ignore[type-arg]
        if not negatives:
            return math.log(np.exp(u @ h).sum()) - float(u[target] @ h)
        noise = sum(-math.log(sigmoid(-float(u[n] @ h))) for n in here.negatives[chunk].tolist())
        return -math.log(sigmoid(float(u[target] @ h))) + 2 / K * noise

    for chunk in range(C):
        for t in range(CHUNK):
            at = chunk * CHUNK + t  # of the centre, whose place in the text is W further on
            near = [text[chunk * CHUNK + x] for x in range(CHUNK + 2 * W) if here.pairs[chunk, t, x]]
            centre = text[W + at]
            assert centre == int(here.centres[at])
            if objective == "skipgram":
                total += sum(one(v[centre], i, chunk) for i in near)
                targets += len(near)
            elif near:
                total += one(v[near].mean(0), centre, chunk)
                targets += 1
    loss, count = model.loss(*here)
    assert loss.item() == pytest.approx(total, rel=1e-10)
    assert count.item() == targets


def test_a_pair_has_as_many_negatives_in_expectation_however_many_are_shared() -> None:
    """The same six negatives once and twice over: the loss and its gradient are equal."""
    model, here = tables("skipgram"), block()
    twice = here._replace(negatives=torch.cat([here.negatives] * 2, 1))

    def dense(b: Block) -> list[Tensor]:
        model.zero_grad()
        model.loss(*b)[0].backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    for a, b in zip(dense(here), dense(twice), strict=True):
        torch.testing.assert_close(a, b)
