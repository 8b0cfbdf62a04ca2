"""Steps in NumPy against torch's, and the tokens that are drawn from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from seqcli import Config
from seqcli.core.cells.numpy_steps import FEW
from seqcli.core.decoding.sampling import Filters
from seqcli.core.tasks.lm import numpy_network
from seqcli.core.tasks.lm.generate import TorchSteps, generate
from seqcli.core.tasks.lm.network import RecurrentLM, build_lm
from seqcli.core.tasks.lm.numpy_network import NumpyLM
from seqcli.errors import CheckpointError

V = 11


def both(**options: Any) -> tuple[NumpyLM, RecurrentLM]:
    """A network with random weights, in NumPy and in torch."""
    config = Config(**{"hidden": 7, "embedding_dim": 5, "dropout": 0.2, **options})
    network = build_lm(config, V, 0)
    random = torch.Generator().manual_seed(0)
    for p in network.parameters():
        nn.init.normal_(p, std=0.6, generator=random)
    weights = {name: p.detach().numpy() for name, p in network.named_parameters()}
    return NumpyLM(weights, config, V), network.eval()


@pytest.mark.parametrize("rows", [1, 3, FEW + 2])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("inputs", ["embedding", "one-hot", "tied"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_steps_equal_the_network(
    cell: str, layers: int, inputs: str, loss: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_network, "CACHE", 70)  # some tokens' inputs are kept, the others not
    how: dict[str, Any] = {"embedding_dim": 7, "tie": True} if inputs == "tied" else {"encoding": inputs}
    lm, network = both(cell=cell, layers=layers, loss=loss, **how)
    prime = [1, 9, 3]
    ours, theirs = lm.after(prime, rows), TorchSteps(network, prime, rows)
    assert ours.scores.shape == ((V,) if rows == 1 else (rows, V))
    assert_alike(ours.scores.reshape(rows, V), theirs.scores)
    random = np.random.default_rng(1)
    for _ in range(4):
        ids = random.integers(0, V, rows).tolist()
        assert_alike(ours(ids).reshape(rows, V), theirs(ids))


def assert_alike(ours: Any, theirs: Any) -> None:
    """Scores are alike, or both say that a token is as good as impossible: with mse they are logarithms of outputs near
    zero, of which the last bits depend on the processor."""
    alike = np.isclose(ours, theirs, atol=1e-4, rtol=1e-4) | (np.abs(np.exp(ours) - np.exp(theirs)) < 1e-6)
    assert alike.all(), (ours, theirs)


def test_streams_of_one_model_do_not_meet() -> None:
    lm, _ = both()
    a, b = lm.after([5], 1), lm.after([6], 1)
    first = a([4]).copy()
    b([8])
    again = lm.after([5], 1)
    assert np.array_equal(again([4]), first)
    assert np.array_equal(a([7]), again([7]))


def test_weights_that_do_not_fit() -> None:
    config = Config(hidden=7, embedding_dim=5, dropout=0.0)
    weights = {name: p.detach().numpy() for name, p in build_lm(config, V, 0).named_parameters()}
    with pytest.raises(CheckpointError, match=r"encoding.weight is \[11, 5\], but must be \[12, 5\]"):
        NumpyLM(weights, config, V + 1)
    del weights["stack.layers.0.bias_hh_l0"]
    with pytest.raises(CheckpointError, match=r"lacks stack\.layers\.0\.bias_hh_l0"):
        NumpyLM(weights, config, V)


def generators(count: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng(own) for own in np.random.SeedSequence(seed).spawn(count)]


def pair_probabilities(network: RecurrentLM, temperature: float) -> NDArray[Any]:
    """Of two tokens after the prime [5], (V - 4, V - 4): the special ones are never drawn."""
    bar = torch.zeros(V)
    bar[:4] = -torch.inf
    with torch.no_grad():
        scores, state = network(torch.tensor([[5]]))
        first = ((scores[0, -1] + bar) / temperature).softmax(0)
        second = [network(torch.tensor([[a]]), state)[0][0, -1] for a in range(4, V)]
        joint = [first[4 + k] * ((row + bar) / temperature).softmax(0) for k, row in enumerate(second)]
    return torch.stack(joint)[:, 4:].numpy()


@pytest.mark.parametrize("batch", [1, 40])
@pytest.mark.parametrize("filters", [Filters(0.7), Filters(0.7, top_k=V)], ids=["plain", "filtered"])
def test_samples_follow_the_distribution(batch: int, filters: Filters) -> None:
    """Chi-square of pairs of tokens against their exact probabilities."""
    lm, network = both()
    total = 6000 if batch > 1 else 1500
    counts = np.zeros((V, V))
    for seed in range(total // batch):
        run = generate(lm.after([5], batch), [5], filters, generators(batch, seed), ends=False)
        for a, b in zip(next(run), next(run), strict=True):
            counts[a, b] += 1
    assert counts[:4].sum() == counts[:, :4].sum() == 0
    expected = pair_probabilities(network, 0.7) * total
    enough = expected > 5
    chi2 = ((counts[4:, 4:] - expected) ** 2 / expected)[enough].sum()
    df = int(enough.sum())
    assert df > 10
    assert chi2 < df + 4 * (2 * df) ** 0.5


def drawn(steps: Any, count: int, filters: Filters, batch: int, prime: Sequence[int] = (5, 6)) -> list[list[int]]:
    run = generate(steps, prime, filters, generators(batch), ends=True)
    return [next(run) for _ in range(count)]


@pytest.mark.parametrize(
    "filters",
    [Filters(0.0), Filters(0.9), Filters(1.1, top_k=5, top_p=0.9, repetition_penalty=1.3)],
    ids=["greedy", "plain", "filtered"],
)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_sample_is_the_same_alone_beside_others_and_by_torch(cell: str, filters: Filters) -> None:
    lm, network = both(cell=cell)
    alone = drawn(lm.after([5, 6], 1), 90, filters, 1)  # more than noise is drawn for at a time
    beside = drawn(lm.after([5, 6], 3), 90, filters, 3)
    assert [ids[0] for ids in beside] == [ids[0] for ids in alone]
    assert drawn(TorchSteps(network, [5, 6], 3), 90, filters, 3) == beside
    if filters.temperature > 0:
        assert [ids[1] for ids in beside] != [ids[0] for ids in beside]


def test_repetition_penalty_sees_the_prime_and_what_was_drawn() -> None:
    class Always:
        """The same scores at each step."""

        scores = np.array([[0, 0, 0, 0, 9, 8, 7, 0]], np.float32)

        def __call__(self, ids: Sequence[int]) -> NDArray[np.float32]:
            return self.scores

    assert drawn(Always(), 2, Filters(0.0), 1, prime=[4]) == [[4], [4]]
    assert drawn(Always(), 3, Filters(0.0, repetition_penalty=2.0), 1, prime=[4]) == [[5], [6], [4]]
