"""Plans: options with everything decided that the data, the budget and the machine decide.

A trained model keeps its plan, and text is written without torch; so torch is imported here only by what needs it.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from seqcli.core import tokenizers
from seqcli.core.config import Fraction, Limits, Positive, decided, option_name, options
from seqcli.core.events import Say
from seqcli.core.options import Budget, RecurrentOptions, Tokens, TrainingOptions
from seqcli.core.training.speed import Seen
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    import torch

MINUTES = 3.0  # of a training, where no budget is given
PEAK = {"muon": 1.5e-2, "adamw": 6e-3, "sgd": 1.0, "rmsprop": 2e-3, "adagrad": 2e-2}  # learning rates


@options
class Plan(TrainingOptions):
    """What the training loop reads of any plan."""

    device: Literal["cpu", "cuda", "mps"] = decided()
    precision: Literal["fp32", "bf16", "fp16"] = decided()
    tokens: Literal["char", "byte", "word", "bpe"] = decided()
    lr: Annotated[float, Limits(gt=0)] = decided()


@options
class RecurrentPlan(Plan, RecurrentOptions):
    """What it reads beyond that of a plan for a recurrent network."""

    hidden: Positive = decided()
    dropout: Fraction = decided()
    weight_decay: Annotated[float, Limits(ge=0)] = decided()


def machine(options: TrainingOptions, device: "torch.device") -> dict[str, Any]:
    """Device and precision of a plan."""
    from seqcli.core.training.device import pick_precision

    return {"device": device.type, "precision": pick_precision(options.precision, device)}


def budget(options: Budget, epochs: float | None) -> dict[str, Any]:
    """The budget of a plan: three minutes where none is given, and at most so many `epochs` of them, since more would
    only be learnt by heart; None where there is no such bound."""
    minutes = options.minutes
    if not (options.epochs or options.steps or minutes):
        minutes = MINUTES
    bound = epochs if options.epochs is None and options.steps is None else options.epochs
    return {"minutes": minutes, "epochs": bound}


def optimization(options: RecurrentOptions, part: float = 1.0) -> dict[str, Any]:
    """Learning rate and weight decay of a plan; the rate by default is such a part of the optimizer's."""
    decay = 0.1 if options.optimizer in ("muon", "adamw") else 0.0
    return {
        "lr": options.lr or part * PEAK[options.optimizer],
        "weight_decay": decay if options.weight_decay is None else options.weight_decay,
    }


def dropout(passes: float, table: tuple[tuple[float, float], ...], most: float) -> float:
    """The rate for so many passes over the data: that of the first row (passes below, rate) that holds, else `most`."""
    return next((rate for below, rate in table if passes < below), most)


def tell_speed(seen: Seen, hidden: int, say: Say) -> None:
    """Say what sizes were chosen by."""
    if seen.measured and seen.measured[hidden]:
        say(f"Here a network of {hidden} units learns about {seen.measured[hidden]:,.0f} tokens a second.")


def tokenizer_options(options: Tokens, kind: str) -> dict[str, Any]:
    """What a tokenizer of that kind is trained with. Raises ConfigError for an option that it has no use for."""
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
