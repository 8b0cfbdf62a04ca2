import torch
from torch import nn
from torch.nn import functional as F

from seqcli.core.tasks.lm.network import RecurrentLM

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
    lm = model(loss="mse", one_hot=True, cell="rnn")
    ids, targets = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
    outputs = lm.projection(lm.features(ids)[0])
    wanted = (outputs - F.one_hot(targets, V)).square().sum(-1).mean()
    torch.testing.assert_close(lm.loss(ids, targets)[0], wanted)


def test_tied_weights_are_one() -> None:
    torch.manual_seed(0)
    lm = RecurrentLM(V, hidden=7, embedding_dim=7, tie=True)
    assert lm.projection.weight is lm.encoding.weight
