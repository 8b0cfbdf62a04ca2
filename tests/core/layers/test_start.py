"""Every network: its start depends on its seed alone, and stored weights are taken over when they fit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqcli.core.layers import Network
from seqcli.core.layers.start import initialize, load_weights
from seqcli.core.tasks.classify.network import build_classifier
from seqcli.core.tasks.classify.plan import ClassifyPlan
from seqcli.core.tasks.embed.network import build_tables
from seqcli.core.tasks.embed.plan import EmbedPlan
from seqcli.core.tasks.forecast.network import build_forecaster
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.lm.network import build_lm
from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.tasks.tag.network import build_tagger
from seqcli.core.tasks.tag.plan import TagPlan
from seqcli.core.tasks.translate.network import build_seq2seq
from seqcli.core.tasks.translate.plan import TranslatePlan
from seqcli.errors import CheckpointError, ConfigError

V, W, LABELS = 11, 13, 3
DECIDED: dict[str, Any] = {"device": "cpu", "precision": "fp32", "lr": 0.1}
SMALL: dict[str, Any] = DECIDED | {"hidden": 7, "embedding_dim": 5, "layers": 2, "dropout": 0.1, "weight_decay": 0.0}
ONE_HOT = {"embedding_dim": None, "encoding": "one-hot"}
Make = Callable[..., nn.Module]


def lm(seed: int | None = None, **options: Any) -> nn.Module:
    plan = {"task": "lm", "tokens": "char", "batch_size": 2, "window": 3}
    return build_lm(LMPlan(**SMALL | plan | options), V, seed)


def seq2seq(seed: int | None = None, **options: Any) -> nn.Module:
    plan = {"task": "translate", "tokens": "char", "joint_tokens": False, "max_length": 9, "tie": False}
    return build_seq2seq(TranslatePlan(**SMALL | plan | options), W if options.get("joint_tokens") else V, W, seed)


def tagger(seed: int | None = None, **options: Any) -> nn.Module:
    plan = {"task": "tag", "tokens": "word", "select": "loss"}
    return build_tagger(TagPlan(**SMALL | plan | options), V, W, LABELS, seed)


def classifier(seed: int | None = None, **options: Any) -> nn.Module:
    plan = {"task": "classify", "tokens": "word", "select": "loss", "word_dropout": 0.0, "max_length": 9}
    return build_classifier(ClassifyPlan(**SMALL | plan | options), V, LABELS, seed)


def tables(seed: int | None = None) -> nn.Module:
    plan = {"task": "embed", "tokens": "word", "optimizer": "sgd", "batch_size": 32, "negatives": 2}
    return build_tables(EmbedPlan(**DECIDED | plan | {"embedding_dim": 5}), V, seed)


def forecaster(seed: int | None = None, **options: Any) -> nn.Module:
    lengths = {"horizon": 5, "history": 12, "patch": 1, "seasons": "4", "batch_size": 2, "likelihood": "student-t"}
    small = {name: value for name, value in SMALL.items() if name != "embedding_dim"}
    return build_forecaster(ForecastPlan(**small | {"task": "forecast"} | lengths | options), 3, 2, 1, seed)


NETWORKS = [
    pytest.param(make, options, id="-".join([make.__name__, *map(str, options.values())]))
    for make, options in (
        (lm, {}),
        (lm, {"cell": "gru", "embedding_dim": 7, "tie": True}),
        (lm, {"cell": "rnn"} | ONE_HOT),
        (seq2seq, {"tie": True}),
        (seq2seq, {"joint_tokens": True, "tie": True, "attention": "concat", "input_feeding": True}),
        (seq2seq, {"attention": "scaled-dot", "context": "every-step", "cell": "gru"}),
        (seq2seq, {"attention": "none", "bidirectional": False}),
        (tagger, {"crf": True}),
        (tagger, {"characters": "affixes"}),
        (classifier, {"pool": "attention"}),
        (classifier, ONE_HOT),
        (tables, {}),
        (forecaster, {"patch": 3, "likelihood": "quantile"}),
        (forecaster, {"decode": "sample", "cell": "gru"}),
    )
]


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in network.named_parameters()}


@pytest.mark.parametrize(("make", "options"), NETWORKS)
def test_a_start_depends_on_the_seed_alone(make: Make, options: dict[str, Any]) -> None:
    found = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        found.append(weights(make(3, **options)))
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    other = weights(make(4, **options))
    fixed = {"begin"}  # biases start from what they always do; these are a bias for each step of a horizon
    drawn = [name for name, p in other.items() if p.ndim > 1 and p.any() and name not in fixed]
    assert drawn
    assert not any(torch.equal(found[0][name], other[name]) for name in drawn)


@pytest.mark.parametrize(("make", "options"), NETWORKS)
def test_every_parameter_gets_a_value(make: Make, options: dict[str, Any]) -> None:
    network = make(3, **options)
    for p in network.parameters():
        nn.init.constant_(p, torch.nan)
    initialize(network, torch.Generator())
    assert all(p.isfinite().all() for p in network.parameters())


def test_standard_deviations() -> None:
    g = torch.Generator().manual_seed(0)
    made = seq2seq(0, hidden=64, embedding_dim=64, tie=True)
    for table in made.source_embedding.weight, made.projection.weight:
        assert 0.24 < table.std().item() < 0.26
    tied = lm(0, hidden=64, embedding_dim=64, tie=True)
    assert 0.12 < tied.projection.weight.std().item() < 0.13
    assert not tied.projection.bias.any()
    linear = nn.Linear(64, 500)
    initialize(linear, g)
    assert linear.weight.abs().max().item() <= 64**-0.5 < 1.01 * linear.weight.abs().max().item()


# --- stored weights -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "options"), NETWORKS)
def test_stored_weights_are_taken_over(make: Make, options: dict[str, Any]) -> None:
    trained, empty = make(3, **options), make(**options)
    assert all(p.is_meta for p in empty.parameters())
    stored = weights(trained)
    load_weights(empty, stored)
    found = weights(empty)
    assert found.keys() == stored.keys()
    assert all(torch.equal(found[name], stored[name]) for name in stored)
    assert not any(found[name].data_ptr() == stored[name].data_ptr() for name in stored)
    every = dict(empty.named_parameters(remove_duplicate=False))
    names = dict(trained.named_parameters(remove_duplicate=False))
    assert {(a, b) for a in every for b in every if every[a] is every[b]} == {
        (a, b) for a in names for b in names if names[a] is names[b]
    }


def test_weights_that_do_not_fit_are_refused_before_memory_is_taken() -> None:
    good = weights(lm(1))
    for changes, message in (
        ({"encoding.weight": None}, "lacks encoding.weight"),
        ({"projection.bias": torch.zeros(V + 1)}, r"projection.bias is \[12\], but must be \[11\]"),
        ({"projection.bias": torch.zeros(V, dtype=torch.float64)}, "must be float32"),
        (
            {"projection.bias": torch.full((V,), torch.nan)},
            "projection.bias holds numbers that are not finite, or too large",
        ),
        ({"projection.bias": torch.tensor([torch.inf, -torch.inf] + [0.0] * 9)}, "not finite"),
        ({"projection.bias": torch.full((V,), 1e20)}, "not finite, or too large"),
        ({"more": torch.zeros(1)}, "'more', which the model has no place for"),
    ):
        given: dict[str, Any] = {name: t for name, t in (good | changes).items() if t is not None}
        with pytest.raises(CheckpointError, match=message):
            load_weights(lm(), given)
    with pytest.raises(CheckpointError, match=r"encoding\.weight"):
        load_weights(lm(embedding_dim=10**12), good)
    with pytest.raises(ConfigError, match="does not fit into memory"):
        lm(1, hidden=10**9)


# --- what ids are looked up in --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "options", "names"),
    [
        (lm, {}, {"encoding.weight"}),
        (lm, ONE_HOT, {"stack.layers.0.weight_ih_l0"}),
        (seq2seq, {}, {"source_embedding.weight", "target_embedding.weight"}),
        (seq2seq, {"joint_tokens": True}, {"target_embedding.weight"}),
        (tagger, {}, {"encoding.weight", "spelling.embedding.weight"}),
        (tagger, {"characters": "affixes"}, {"encoding.weight", "spelling.embedding.weight"}),
        (tagger, {"characters": "none"}, {"encoding.weight"}),
        (classifier, {}, {"encoding.weight"}),
        (classifier, ONE_HOT, {"stack.layers.0.weight_ih_l0", "stack.layers.1.weight_ih_l0"}),
        (classifier, ONE_HOT | {"bidirectional": False}, {"stack.layers.0.weight_ih_l0"}),
    ],
)
def test_networks_name_their_input_tables(make: Make, options: dict[str, Any], names: set[str]) -> None:
    network = make(**options)
    assert isinstance(network, Network)
    named = {id(p): name for name, p in network.named_parameters()}
    assert {named[id(p)] for p in network.input_tables()} == names
