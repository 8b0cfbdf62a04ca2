"""Plans: the options of a training with everything decided that was left to the data, the budget and the machine.

This file holds what the plans of all tasks share. A trained model keeps its plan, and a language model writes text
without torch, so torch is imported only in the functions that need it.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from seqcli.core import tokenizers
from seqcli.core.config import Fraction, Limits, Positive, decided, option_name, options
from seqcli.core.options import Budget, LearningRate, RecurrentOptions, Tokens, TrainingOptions
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    import torch

MINUTES = 3.0  # how long a training takes when no budget is given
PEAK = {"muon": 1.5e-2, "adamw": 6e-3, "sgd": 1.0, "rmsprop": 2e-3, "adagrad": 2e-2}  # default peak learning rates


@options
class Plan(TrainingOptions):
    """The base of all plans: what the training loop reads of any of them."""

    device: Literal["cpu", "cuda", "mps"] = decided()
    precision: Literal["fp32", "bf16", "fp16"] = decided()
    tokens: Literal["char", "byte", "word", "bpe"] = decided()
    lr: LearningRate = decided()


@options
class RecurrentPlan(Plan, RecurrentOptions):
    """The base of the plans of recurrent networks: what the training loop reads of them beyond `Plan`."""

    hidden: Positive = decided()
    dropout: Fraction = decided()
    weight_decay: Annotated[float, Limits(ge=0)] = decided()


def machine(options: TrainingOptions, device: "torch.device") -> dict[str, Any]:
    """Return the fields device and precision of a plan."""
    from seqcli.core.training.device import pick_precision

    return {"device": device.type, "precision": pick_precision(options.precision, device)}


def budget(options: Budget, epochs: float | None) -> dict[str, Any]:
    """Return the fields minutes and epochs of a plan.

    Without any budget a training takes three minutes. Where neither epochs nor steps are given, it makes at most
    `epochs` epochs (None: any number), since in more of them the network would only memorize the data.
    """
    minutes = options.minutes
    if not (options.epochs or options.steps or minutes):
        minutes = MINUTES
    bound = epochs if options.epochs is None and options.steps is None else options.epochs
    return {"minutes": minutes, "epochs": bound}


def optimization(options: RecurrentOptions, part: float = 1.0) -> dict[str, Any]:
    """Return the fields lr and weight_decay of a plan. The default rate is `part` times that of the optimizer."""
    decay = 0.1 if options.optimizer in ("muon", "adamw") else 0.0
    return {
        "lr": options.lr or part * PEAK[options.optimizer],
        "weight_decay": decay if options.weight_decay is None else options.weight_decay,
    }


def dropout(passes: float, table: tuple[tuple[float, float], ...], most: float) -> float:
    """Return the dropout rate for a training that makes `passes` passes over its data.

    The table has rows (limit, rate): the rate of the first row whose limit is above `passes` is taken, `most` if there
    is none.
    """
    return next((rate for below, rate in table if passes < below), most)


def tokenizer_options(options: Tokens, kind: str) -> dict[str, Any]:
    """Return the keyword arguments to train a tokenizer of this kind with.

    Raises ConfigError when an option was given that this kind of tokenizer does not have.
    """
    given = {
        "normalize": (options.normalize, "nfc"),
        "lowercase": (bool(options.lowercase), False),
        "min_count": (options.min_count, 1),
        "vocab_size": (options.vocab_size, None),
    }
    takes = tokenizers.tokenizer_class(kind).options
    idle = [option_name(name) for name, (value, plain) in given.items() if value != plain and name not in takes]
    if idle:
        raise ConfigError(
            f"{' and '.join(idle)} would change nothing: the tokens are {kind}. Choose others by --tokens."
        )
    return {name: given[name][0] for name in takes}
