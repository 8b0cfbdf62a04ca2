"""The plan of a tagger: its options, with the rest chosen by the sentences and the machine."""

from typing import TYPE_CHECKING, Literal

from seqcli.core.config import Positive, decided, options
from seqcli.core.tasks.tag.options import TagOptions
from seqcli.core.training.plan import RecurrentTextPlan, budget, machine, optimization
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    import torch

EPOCHS = 20.0  # in more epochs the network would only memorize the sentences


@options
class TagPlan(RecurrentTextPlan, TagOptions):
    """The plan of training a tagger."""

    task: Literal["tag"] = decided()
    tokens: Literal["word"] = decided()
    hidden: Positive = decided()
    embedding_dim: Positive = decided()
    select: Literal["loss", "accuracy", "f1"] = decided()


def check(options: TagOptions) -> None:
    """Raise ConfigError for options that contradict each other."""
    if options.crf and options.label_smoothing:
        raise ConfigError("--label-smoothing is for tags by themselves, not for --crf.")


def make_plan(
    options: TagOptions, sentences: int, device: "torch.device", *, valid: bool, bounded: bool = True
) -> TagPlan:
    """Make the plan for `sentences` sentences to train on. `valid` says whether there are sentences to validate on.

    By default the number of epochs has a bound. `bounded` is False for a run that is resumed, whose budget must stay as
    it is.
    """
    c = options
    batch_size = c.batch_size
    if batch_size is None and c.batch_tokens is None:
        batch_size = 32 if sentences > 1000 else 16
    return TagPlan(
        **{
            **c.as_dict(),
            **machine(c, device),
            **budget(c, EPOCHS if bounded else None),
            **optimization(c, 0.5),
            "embedding_dim": c.embedding_dim or 100,
            "select": c.select or ("accuracy" if valid else "loss"),
            "batch_size": batch_size,
        }
    )
