import math
from typing import Any

import pytest
import torch
from torch import nn

from seqcli.core.tasks.lm.network import training_speed
from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.training import device, speed
from seqcli.core.training.speed import Seen, steps_per_second

CPU = torch.device("cpu")
PLAN: dict[str, Any] = {"task": "lm", "tokens": "char", "device": "cpu", "precision": "fp32", "optimizer": "adamw"}
PLAN |= {"lr": 0.1, "weight_decay": 0.0, "hidden": 6, "embedding_dim": 5, "dropout": 0.0, "batch_size": 2, "window": 3}


def test_only_minutes_need_a_measurement() -> None:
    def never(hidden: int) -> float:
        raise AssertionError

    def seen(**budget: float) -> Seen:
        return Seen({"minutes": None, "epochs": None, "steps": None, **budget}, 1000, 50, never)

    assert seen(epochs=3).by(512) == 3000
    assert seen(epochs=3, steps=40).by(512) == 2000
    assert seen().by(512) == math.inf


def test_a_size_is_measured_once_and_one_far_too_slow_never() -> None:
    asked = []

    def tokens_per_s(hidden: int) -> float:
        asked.append(hidden)
        return 1e6 / hidden

    seen = Seen({"minutes": 1.0, "epochs": 400.0, "steps": None}, 1000, 50, tokens_per_s)
    assert seen.by(100) == pytest.approx(400_000)  # the passes are fewer than the minutes allow
    assert seen.by(200) == pytest.approx(60 * 0.92 * 5000)
    assert seen.can_be(200, 2e5)
    assert not seen.can_be(200, 3e5)
    assert not seen.can_be(1000, 3e5)
    assert asked == [100, 200]


def test_the_speed_is_that_of_real_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network twenty times as wide does hundreds of times the work, and takes longer; the start is not needed."""
    monkeypatch.setattr(speed, "SECONDS", 0.05)
    config = LMPlan(**PLAN)

    def rate(width: int) -> float:
        x = torch.ones(64, width)
        return steps_per_second(lambda: nn.Linear(width, width), lambda model: model(x).square().mean(), config)

    assert rate(50) > 2 * rate(1000) > 0


def test_a_network_too_large_for_the_memory_is_no_speed() -> None:
    config = LMPlan(**PLAN)
    assert steps_per_second(lambda: nn.Linear(10**8, 10**8), lambda model: model.weight.sum(), config) == 0


def test_bf16_without_units_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, sentence in ((False, True), (True, False)):
        monkeypatch.setattr(device, "has_fast_bf16", lambda there=there: there)
        assert bool(device.precision_warning("bf16", CPU)) == sentence
        assert device.precision_warning("fp32", CPU) is None
        assert device.precision_warning("bf16", torch.device("cuda")) is None


@pytest.mark.parametrize(
    ("most", "fast"), [("", True), ("AVX2", False), ("AVX512_CORE", False), ("AVX512_CORE_BF16", True), ("ALL", True)]
)
def test_units_that_onednn_may_not_use_are_none(monkeypatch: pytest.MonkeyPatch, most: str, fast: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert device.has_fast_bf16() == fast


def test_all_threads_are_as_many_as_openmp_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert device.set_threads(0) == torch.get_num_threads() == 3
        assert device.set_threads(2) == torch.get_num_threads() == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
        assert device.set_threads(0) >= 1
    finally:
        torch.set_num_threads(before)


def test_dropout_is_measured_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws from a generator of its own, and the global one is left as it was."""
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    config = LMPlan(**PLAN | {"layers": 2, "dropout": 0.3, "optimizer": "muon"})
    before = torch.get_rng_state()
    assert training_speed(config, 11) > 0
    assert torch.equal(torch.get_rng_state(), before)
