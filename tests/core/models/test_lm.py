import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seqcli.core.decoding.sampling import Filters
from seqcli.core.models.generate import FastStep, Generator, Step
from seqcli.core.models.lm import RecurrentLM

V, B, T = 11, 2, 3


def model(**options: object) -> RecurrentLM:
    torch.manual_seed(0)
    made = RecurrentLM(V, hidden=7, embedding_dim=5, **options)  # type: ignore[arg-type]  # options of many types
    for p in made.parameters():
        nn.init.normal_(p, std=0.6)
    return made.eval()


def test_shapes_and_loss() -> None:
    lm = model()
    ids, targets = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
    scores, state = lm(ids)
    assert scores.shape == (B, T, V)
    assert state[0].c.shape == (B, 7)
    loss, _ = lm.loss(ids, targets)
    torch.testing.assert_close(loss, F.cross_entropy(scores.flatten(0, 1), targets.flatten()))


def test_padding_changes_no_loss() -> None:
    lm = model(cell="gru")
    ids, targets = torch.randint(4, V, (1, 2)), torch.randint(4, V, (1, 2))
    alone, _ = lm.loss(ids, targets)
    pad = torch.zeros(1, 4, dtype=torch.long)
    mask = torch.tensor([[True, True, False, False, False, False]])
    padded, _ = lm.loss(torch.cat((ids, pad), 1), torch.cat((targets, pad), 1), None, mask)
    torch.testing.assert_close(padded, alone)


def test_squared_error_is_that_to_the_indicator_vector() -> None:
    lm = model(loss="mse", encoding="one-hot", cell="rnn")
    ids, targets = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
    outputs = lm.projection(lm.features(ids)[0])
    wanted = (outputs - F.one_hot(targets, V)).square().sum(-1).mean()
    torch.testing.assert_close(lm.loss(ids, targets)[0], wanted)


def test_tied_weights_are_one() -> None:
    torch.manual_seed(0)
    lm = RecurrentLM(V, hidden=7, embedding_dim=7, tie=True)
    assert lm.projection.weight is lm.encoding.weight


@pytest.mark.parametrize("table", [0, 1 << 20], ids=["rows", "table"])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("encoding", ["embedding", "one-hot"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_fast_step_equals_the_model(
    cell: str, layers: int, encoding: str, loss: str, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FastStep, "TABLE", table)
    lm = model(cell=cell, layers=layers, encoding=encoding, loss=loss)
    _, state = lm(torch.tensor([[1, 2, 3]]))
    fast, plain = FastStep(lm, state), Step(lm, state, 1)
    for id in (4, 9, 0, 7):
        torch.testing.assert_close(fast(torch.tensor([id])), plain(torch.tensor([id])), atol=1e-4, rtol=1e-4)


def plain_samples(lm: RecurrentLM, count: int, temperature: float) -> torch.Tensor:
    """Two tokens after the prime [5], drawn by softmax and multinomial."""
    scores, state = lm(torch.tensor([[5]]))
    drawn = []
    bar = torch.zeros(V)
    bar[:4] = -torch.inf
    first = ((scores[0, -1] + bar) / temperature).softmax(0)
    for a in range(4, V):
        second = ((lm(torch.tensor([[a]]), state)[0][0, -1] + bar) / temperature).softmax(0)
        drawn.append(first[a] * second)
    return torch.stack(drawn)[:, 4:]  # joint probabilities (V - 4, V - 4)


@pytest.mark.parametrize("batch", [1, 40], ids=["numpy", "torch"])
def test_samples_follow_the_distribution(batch: int) -> None:
    """Chi-square of pairs of tokens against their exact probabilities."""
    with torch.no_grad():
        lm = model()
        expected = plain_samples(lm, 0, 0.7)
        counts = torch.zeros(V, V)
        random = torch.Generator().manual_seed(1)
        total = 8000
        for _ in range(total // batch):
            run = iter(Generator(lm, [5], batch, Filters(0.7), random, ends=False))
            for a, b in zip(next(run), next(run), strict=True):
                counts[a, b] += 1
    assert counts[:4].sum() == counts[:, :4].sum() == 0
    counts, expected = counts[4:, 4:].flatten(), expected.flatten() * total
    enough = expected > 5
    chi2 = ((counts - expected) ** 2 / expected)[enough].sum().item()
    df = int(enough.sum())
    assert df > 15
    assert chi2 < df + 4 * (2 * df) ** 0.5


def test_greedy_is_the_same_alone_and_in_a_batch() -> None:
    lm = model(cell="gru")
    random = torch.Generator().manual_seed(0)
    alone = iter(Generator(lm, [5, 6], 1, Filters(0.0), random, ends=False))
    many = iter(Generator(lm, [5, 6], 3, Filters(0.0), random, ends=False))
    for _ in range(90):
        (id,) = next(alone)
        assert next(many) == [id] * 3
