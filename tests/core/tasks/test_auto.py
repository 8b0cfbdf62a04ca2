"""Sizes by the data, the budget and the machine."""

from typing import Any

import pytest
import torch

from seqcli.core.config import Config, build
from seqcli.core.tasks import auto

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine that makes so many tokens a second at 512 units, and more at fewer."""

    def is_(tokens_per_s: float) -> None:
        monkeypatch.setattr(auto, "lm_speed", lambda c, vocab_size: tokens_per_s * (512 / c.hidden) ** 1.5)
        monkeypatch.setattr(auto, "pair_speed", lambda c, *sizes: tokens_per_s * (256 / c.hidden) ** 1.5)

    return is_


def sizes(config: Config) -> tuple[int | None, float | None]:
    return config.hidden, config.dropout


def test_a_faster_machine_gets_a_larger_language_model(machine: Any) -> None:
    def chosen(tokens_per_s: float, minutes: float) -> tuple[int | None, float | None]:
        machine(tokens_per_s)
        return sizes(auto.resolve(build({"minutes": minutes}), 1_000_000, 65, CPU))

    assert chosen(28_000, 3) == (512, 0.2)
    assert chosen(28_000, 1) == (384, 0.1)
    assert chosen(28_000, 0.13) == (256, 0.0)
    assert chosen(13_000, 3) == (384, 0.1)
    assert chosen(3_000, 3) == (384, 0.0)
    assert chosen(100, 3) == (256, 0.0)
    assert chosen(1e6, 3)[0] == 512  # of so little text a larger one would learn by heart


def test_what_is_set_is_kept_and_steps_need_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> float:
        raise AssertionError

    monkeypatch.setattr(auto, "lm_speed", never)
    assert sizes(auto.resolve(build({"hidden": 70, "dropout": 0.3, "minutes": 3}), 10**6, 65, CPU)) == (70, 0.3)
    assert sizes(auto.resolve(build({"steps": 100}), 10**6, 65, CPU)) == (256, 0.0)
    assert sizes(auto.resolve(build({"epochs": 5}), 10**6, 65, CPU)) == (512, 0.2)


def test_the_speed_is_said(machine: Any) -> None:
    machine(20_000)
    said: list[str] = []
    auto.resolve(build({"hidden": 512, "minutes": 3}), 1_000_000, 65, CPU, say=said.append)
    assert said == ["Here a network of 512 units learns about 20,000 tokens a second."]


def test_a_few_characters_in_short_texts_need_half_the_units(machine: Any) -> None:
    machine(8_000)

    def chosen(tokens: str, pairs: int, length: int, vocab_size: int) -> int | None:
        sizes = vocab_size, vocab_size
        config = build({"tokens": tokens, "minutes": 2})
        return auto.resolve_pairs(config, pairs, (length * pairs, length * pairs), sizes, CPU).hidden

    assert chosen("char", 50_000, 8, 15) == 128
    assert chosen("char", 50_000, 60, 80) == 256  # whole sentences
    assert chosen("bpe", 29_000, 15, 6000) == 256


def test_dropout_of_a_translator_grows_with_the_passes(machine: Any) -> None:
    def chosen(tokens_per_s: float, minutes: float) -> float | None:
        machine(tokens_per_s)
        config = build({"tokens": "bpe", "minutes": minutes})
        return auto.resolve_pairs(config, 29_000, (420_000, 420_000), (6000, 6000), CPU).dropout

    assert [chosen(8_000, 0.5), chosen(8_000, 2), chosen(8_000, 8), chosen(2_000, 2)] == [0.1, 0.2, 0.3, 0.1]


def test_the_measured_network_is_the_one_that_is_trained() -> None:
    """Really measured, tiny: both kinds of network run, whatever the options."""
    lm: dict[str, Any] = {"device": "cpu", "precision": "fp32", "optimizer": "muon", "batch_size": 2, "window": 3}
    lm |= {"hidden": 6, "embedding_dim": 5, "dropout": 0.1}
    for more in ({}, {"cell": "gru", "encoding": "one-hot"}, {"loss": "mse"}):
        assert auto.lm_speed(build(lm | more), 30) > 0
    assert auto.lm_speed(build(lm | {"dropout": 0.5, "layers": 2}), 30) > 0
    pair: dict[str, Any] = lm | {"bidirectional": True, "tie": False, "embedding_dim": 6}
    for more in ({}, {"attention": "none", "context": "every-step"}, {"input_feeding": True, "layers": 2}):
        assert auto.pair_speed(build(pair | more), 3, (4.4, 5.2), (30, 31)) > 0
