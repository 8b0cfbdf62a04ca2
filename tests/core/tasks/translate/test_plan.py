"""Sizes of a translation model by the pairs, the budget and the machine."""

from collections.abc import Callable
from typing import Any

import torch

from seqcli.core.tasks.translate.network import training_speed
from seqcli.core.tasks.translate.options import TranslateOptions
from seqcli.core.tasks.translate.plan import Sizes, TranslatePlan, make_plan

CPU = torch.device("cpu")
SENTENCES = Sizes(29_000, (420_000, 420_000), (6000, 6000))


def planned(speed: Callable[[TranslatePlan, int], float], sizes: Sizes, **options: Any) -> TranslatePlan:
    return make_plan(TranslateOptions(max_length=100, **options), sizes, CPU, speed, say=lambda text: None)


def machine(tokens_per_s: float) -> Callable[[TranslatePlan, int], float]:
    """A machine that makes so many tokens a second at 256 units, and more at fewer."""
    return lambda plan, rows: tokens_per_s * (256 / plan.hidden) ** 1.5


def never(plan: TranslatePlan, rows: int) -> float:
    raise AssertionError


def test_a_few_characters_in_short_texts_need_half_the_units() -> None:
    def chosen(tokens: str, pairs: int, length: int, vocab_size: int) -> int:
        sizes = Sizes(pairs, (length * pairs, length * pairs), (vocab_size, vocab_size))
        return planned(machine(8_000), sizes, tokens=tokens, minutes=2).hidden

    assert chosen("char", 50_000, 8, 15) == 128
    assert chosen("char", 50_000, 60, 80) == 256  # whole sentences
    assert chosen("bpe", 29_000, 15, 6000) == 256


def test_dropout_of_a_translator_grows_with_the_passes() -> None:
    def chosen(tokens_per_s: float, minutes: float) -> float:
        return planned(machine(tokens_per_s), SENTENCES, tokens="bpe", minutes=minutes).dropout

    assert [chosen(8_000, 0.5), chosen(8_000, 2), chosen(8_000, 8), chosen(2_000, 2)] == [0.1, 0.2, 0.3, 0.1]


def test_the_measured_network_is_the_one_that_is_trained() -> None:
    """Really measured, tiny, whatever the options."""
    sizes = Sizes(10, (44, 52), (30, 31))
    tiny: dict[str, Any] = {
        "steps": 3,
        "tokens": "char",
        "precision": "fp32",
        "hidden": 6,
        "dropout": 0.1,
        "tie": False,
    }
    for more in ({}, {"attention": "none", "context": "every-step"}, {"input_feeding": True, "layers": 2}):
        assert training_speed(planned(never, sizes, **tiny, **more), 3, sizes) > 0
