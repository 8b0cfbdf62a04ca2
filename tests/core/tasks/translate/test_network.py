"""The encoder-decoder: its two ways through a target, its attention, and what padding must not do."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.core.layers.attention import ATTENTIONS, attention_class
from seqcli.core.tasks.translate.decoder import Decoder
from seqcli.core.tasks.translate.network import Seq2Seq

B, S, T, E, H = 2, 4, 3, 5, 7
SOURCE, TARGET = 11, 13


def make(**options: Any) -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(SOURCE, TARGET, hidden=H, embedding_dim=E, **options).double().eval()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    source = torch.randint(4, SOURCE, (B, S), generator=g)
    mask = torch.tensor([[True] * S, [True, True, False, False]])
    return source * mask, mask, torch.randint(4, TARGET, (B, T), generator=g)


ALL = list(
    itertools.product(
        ("rnn", "gru", "lstm"), ("none", *ATTENTIONS), ("first", "every-step"), (False, True), (False, True), (1, 2)
    )
)


@pytest.mark.parametrize(("cell", "attention", "context", "input_feeding", "bidirectional", "layers"), ALL)
def test_whole_targets_equal_step_after_step_and_padding_changes_nothing(
    cell: str, attention: str, context: str, input_feeding: bool, bidirectional: bool, layers: int
) -> None:
    model = make(
        cell=cell,
        attention=attention,
        context=context,
        input_feeding=input_feeding,
        bidirectional=bidirectional,
        layers=layers,
    )
    source, mask, inputs = batch()
    with torch.no_grad():
        out, weights = model.features(model.encode(source, mask), inputs)
        decoder = Decoder(model)
        state = decoder.start(model.encode(source, mask))
        for t in range(T):
            scores, state = decoder.step(inputs[:, t : t + 1], state)
            torch.testing.assert_close(scores[:, 0], model.projection(out[:, t]), atol=1e-6, rtol=1e-6)
        alone, _ = model.features(model.encode(source[1:, :2], mask[1:, :2]), inputs[1:])
        torch.testing.assert_close(alone[0], out[1], atol=1e-6, rtol=1e-6)
    if attention == "none":
        assert weights is None
    else:
        assert weights is not None
        torch.testing.assert_close(weights.sum(2), torch.ones(B, T, dtype=torch.float64), atol=1e-6, rtol=0)
        assert (weights[1, :, 2:] == 0).all() and (weights[0] > 0).all()


def test_hypotheses_of_a_sentence_go_their_own_ways() -> None:
    model = make(input_feeding=True, context="every-step")
    source, mask, inputs = batch()
    with torch.no_grad():
        decoder = Decoder(model, coverage=True)
        state = decoder.start(model.encode(source, mask))
        _, state = decoder.step(inputs[:, :1], state)
        both = decoder.select(state, torch.tensor([1, 0]), torch.zeros(2, 2, dtype=torch.long))
        tokens = torch.tensor([[5, 6], [7, 8]])
        scores, after = decoder.step(tokens, both)
        for row, sentence in enumerate((1, 0)):
            for k in range(2):
                lone = decoder.select(state, torch.tensor([sentence]), torch.zeros(1, 1, dtype=torch.long))
                wanted, _ = decoder.step(tokens[row, k].view(1, 1), lone)
                torch.testing.assert_close(scores[row, k], wanted[0, 0])
        covered = decoder.coverage(after)
    assert covered is not None and torch.isnan(covered[0, :, 2:]).all()
    torch.testing.assert_close(covered.nansum(2), torch.full((2, 2), 2.0, dtype=covered.dtype), atol=1e-6, rtol=0)


# --- attention ------------------------------------------------------------------------------------------------------


def scores_by_hand(attention: nn.Module, kind: str, h: Tensor, m: Tensor) -> Tensor:
    """e_ts from the equations, one number at a time."""
    p: dict[str, Tensor] = dict(attention.named_parameters())
    out = torch.empty(len(h), len(m), dtype=h.dtype)
    for t, s in itertools.product(range(len(h)), range(len(m))):
        if kind == "dot":
            out[t, s] = h[t] @ (m[s, :H] + m[s, H:])
        elif kind == "general":
            out[t, s] = h[t] @ p["key.weight"] @ m[s]
        elif kind == "concat":
            inner = p["query.weight"] @ h[t] + p["key.weight"] @ m[s] + p["key.bias"]
            out[t, s] = p["score_of.weight"][0] @ torch.tanh(inner)
        else:
            out[t, s] = (p["query.weight"] @ h[t]) @ (p["key.weight"] @ m[s]) / H**0.5
    return out


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_attention_is_its_equation(kind: str) -> None:
    torch.manual_seed(2)
    attention = attention_class(kind)(H, 2 * H).double()
    h, m = torch.randn(B, T, H, dtype=torch.float64), torch.randn(B, S, 2 * H, dtype=torch.float64)
    mask = torch.tensor([[True] * S, [True, True, True, False]])
    values, weights = attention(h, attention.remember(m, mask))
    for row, length in enumerate((S, 3)):
        wanted = scores_by_hand(attention, kind, h[row], m[row, :length]).softmax(1)
        torch.testing.assert_close(weights[row, :, :length], wanted, atol=1e-6, rtol=0)
        torch.testing.assert_close(values[row], wanted @ m[row, :length], atol=1e-6, rtol=0)


# --- training -------------------------------------------------------------------------------------------------------


def test_loss_is_the_cross_entropy_of_real_targets() -> None:
    model = make(tie=False)
    source, mask, inputs = batch()
    targets = inputs.roll(-1, 1)
    real = torch.tensor([[True] * T, [True, False, False]])
    out, _ = model.features(model.encode(source, mask), inputs)
    wanted = F.cross_entropy(model.projection(out)[real], targets[real], label_smoothing=0.1)
    found = model.loss(source, mask, inputs, targets, real, label_smoothing=0.1)
    torch.testing.assert_close(found, wanted)
    for parameter in model.parameters():
        parameter.grad = None
    found.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_own_predictions_replace_inputs() -> None:
    model = make()
    source, mask, inputs = batch()
    with torch.no_grad():
        encoded = model.encode(source, mask)
        given, _ = model.features(encoded, inputs)
        stepwise, _ = model.features(encoded, inputs, own=1e-12, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(stepwise, given, atol=1e-6, rtol=0)  # the slow path with nothing replaced
        own, _ = model.features(encoded, inputs, own=1.0, generator=torch.Generator().manual_seed(1))
        guesses = torch.cat((inputs[:, :1], model.projection(own[:, :-1]).argmax(2)), dim=1)
        assert not torch.equal(guesses, inputs)
        free, _ = model.features(encoded, guesses)
    torch.testing.assert_close(own, free, atol=1e-6, rtol=0)


def test_one_table_three_ways() -> None:
    model = make(share=False, tie=True)
    assert model.projection.weight is model.target_embedding.weight is not model.source_embedding.weight
    torch.manual_seed(0)
    joint = Seq2Seq(TARGET, TARGET, hidden=H, embedding_dim=E, share=True, tie=True)
    assert joint.projection.weight is joint.source_embedding.weight
