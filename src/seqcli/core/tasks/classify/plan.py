"""The plan of a classifier: its options, with sizes and rates chosen by the texts and the machine."""

from typing import TYPE_CHECKING, Literal

from seqcli.core.config import Fraction, Positive, decided, options
from seqcli.core.tasks.classify.options import ClassifyOptions
from seqcli.core.training.plan import RecurrentTextPlan, budget, machine, optimization
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    import torch


@options
class ClassifyPlan(RecurrentTextPlan, ClassifyOptions):
    """The plan of training a classifier. `embedding_dim` is None only with one-hot vectors."""

    task: Literal["classify"] = decided()
    word_dropout: Fraction = decided()
    max_length: Positive = decided()
    select: Literal["loss", "accuracy", "f1"] = decided()


def check(options: ClassifyOptions) -> None:
    """Raise ConfigError for options that contradict each other."""
    if options.one_hot and options.embedding_dim:
        raise ConfigError("--embedding-dim is the width of an embedding, and --encoding one-hot has none.")


def make_plan(
    options: ClassifyOptions, texts: int, device: "torch.device", *, valid: bool, bounded: bool = True
) -> ClassifyPlan:
    """Make the plan for `texts` texts to train on. `valid` says whether there are texts to validate on.

    By default the number of epochs has a bound. `bounded` is False for a run that is resumed, whose budget must stay as
    it is.
    """
    c = options
    letters = c.tokens in ("char", "byte")
    batch_size, width, rate, forgotten = c.batch_size, c.embedding_dim, c.dropout, c.word_dropout
    if batch_size is None and c.batch_tokens is None:
        batch_size = 16 if texts < 4000 else 128 if letters else 64
    if width is None and not c.one_hot:
        width = 64 if letters else 300
    if rate is None:
        rate = 0.4 if letters else 0.5
    if forgotten is None:
        forgotten = 0.3 if c.tokens == "word" else 0.0
    epochs = 20.0 if letters or texts < 4000 else 6.0  # a network of words soon memorizes the texts
    return ClassifyPlan(
        **{
            **c.as_dict(),
            **machine(c, device),
            **budget(c, epochs if bounded else None),
            **optimization(c, 0.67 if letters else 0.25),
            "hidden": c.hidden or (256 if letters and texts > 4000 else 128),
            "embedding_dim": width,
            "dropout": rate,
            "word_dropout": forgotten,
            "select": c.select or ("accuracy" if valid else "loss"),
            "batch_size": batch_size,
        }
    )
