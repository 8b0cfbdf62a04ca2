"""Sizes of a language model by the data, the budget and the machine."""

from collections.abc import Callable
from typing import Any

import torch

from seqcli.core.tasks.lm.network import training_speed
from seqcli.core.tasks.lm.options import LMOptions
from seqcli.core.tasks.lm.plan import LMPlan, make_plan

CPU = torch.device("cpu")


def machine(tokens_per_s: float) -> Callable[[LMPlan], float]:
    """A machine that makes so many tokens a second at 512 units, and more at fewer."""
    return lambda plan: tokens_per_s * (512 / plan.hidden) ** 1.5


def never(plan: LMPlan) -> float:
    raise AssertionError


def planned(speed: Callable[[LMPlan], float], say: Any = lambda text: None, **options: Any) -> LMPlan:
    return make_plan(LMOptions(**options), 1_000_000, 65, CPU, speed, say=say)


def test_a_faster_machine_gets_a_larger_language_model() -> None:
    def chosen(tokens_per_s: float, minutes: float) -> tuple[int, float]:
        plan = planned(machine(tokens_per_s), minutes=minutes)
        return plan.hidden, plan.dropout

    assert chosen(28_000, 3) == (512, 0.2)
    assert chosen(28_000, 1) == (384, 0.1)
    assert chosen(28_000, 0.13) == (256, 0.0)
    assert chosen(13_000, 3) == (384, 0.1)
    assert chosen(3_000, 3) == (384, 0.0)
    assert chosen(100, 3) == (256, 0.0)
    assert chosen(1e6, 3)[0] == 512  # of so little text a larger one would learn by heart


def test_what_is_set_is_kept_and_steps_need_no_machine() -> None:
    for options, sizes in (
        ({"hidden": 70, "dropout": 0.3, "minutes": 3}, (70, 0.3)),
        ({"steps": 100}, (256, 0.0)),
        ({"epochs": 5}, (512, 0.2)),
    ):
        plan = planned(never, **options)
        assert (plan.hidden, plan.dropout) == sizes
    again = make_plan(plan, 1_000_000, 65, CPU, never, say=lambda text: None, bounded=False)
    assert again == plan, "a plan is options too, which a resumed run goes on with"


def test_the_speed_is_said() -> None:
    said: list[str] = []
    planned(machine(20_000), said.append, hidden=512, minutes=3)
    assert said == ["Here a network of 512 units learns about 20,000 tokens a second."]


def test_the_measured_network_is_the_one_that_is_trained() -> None:
    """Really measured, tiny, whatever the options."""
    tiny: dict[str, Any] = {"steps": 3, "precision": "fp32", "batch_size": 2, "window": 3}
    tiny |= {"hidden": 6, "embedding_dim": 5, "dropout": 0.1}
    one_hot = {"cell": "gru", "encoding": "one-hot", "embedding_dim": None}
    for more in ({}, one_hot, {"loss": "mse"}, {"dropout": 0.5, "layers": 2}):
        assert training_speed(planned(never, **{**tiny, **more}), 65) > 0
