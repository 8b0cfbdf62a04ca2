"""The plan of a translation model: its options, with sizes and rates chosen by pairs, budget and machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from seqcli.core.config import Positive, decided, options
from seqcli.core.events import Say
from seqcli.core.tasks.translate.options import TranslateOptions
from seqcli.core.training.plan import RecurrentTextPlan, budget, dropout, machine, optimization
from seqcli.core.training.speed import Seen, tell_speed

if TYPE_CHECKING:
    import torch

BATCH_TOKENS = 1000  # the default size of a batch


@options
class TranslatePlan(RecurrentTextPlan, TranslateOptions):
    """The plan of training a translation model."""

    task: Literal["translate"] = decided()
    embedding_dim: Positive = decided()
    joint_tokens: bool = decided()
    max_length: Positive = decided()


class Sizes(NamedTuple):
    """The size of the training data; where there are two numbers, they are those of sources and targets."""

    pairs: int  # the number of pairs
    tokens: tuple[int, int]  # the number of all tokens
    vocabulary: tuple[int, int]  # the size of the vocabulary

    @property
    def lengths(self) -> tuple[float, float]:
        """The mean length of a source and of a target."""
        return self.tokens[0] / self.pairs, self.tokens[1] / self.pairs


def make_plan(
    options: TranslateOptions,
    sizes: Sizes,
    device: "torch.device",
    speed: Callable[[TranslatePlan, int], float],
    *,
    say: Say,
    bounded: bool = True,
) -> TranslatePlan:
    """Make the plan for training data of these sizes.

    `speed` measures how many target tokens a second a network of such a plan learns on this machine, from batches of so
    many pairs.

    By default the number of epochs has a bound. `bounded` is False for a run that is resumed, whose budget must stay as
    it is.
    """
    c, targets = options, sizes.tokens[1]
    # Short texts of few characters, such as dates, sums or names, are learned as well, and sooner, by half the units.
    characters = c.tokens in ("char", "byte") and max(sizes.vocabulary) < 150
    hidden = c.hidden or (128 if characters and max(sizes.tokens) < 40 * sizes.pairs else 256)
    batch_tokens = BATCH_TOKENS if c.batch_size is None and c.batch_tokens is None else c.batch_tokens
    fixed = {
        **c.as_dict(),
        **machine(c, device),
        **budget(c, max(60.0, round(2e6 / targets)) if bounded else None),
        **optimization(c, 0.5),
        "hidden": hidden,
        "embedding_dim": c.embedding_dim or hidden,
        "batch_tokens": batch_tokens,
        "joint_tokens": c.joint,
    }
    rows = c.batch_size or max(1, round((batch_tokens or BATCH_TOKENS) / sizes.lengths[1]))

    def measured(hidden: int) -> float:
        return speed(TranslatePlan(**{**fixed, "hidden": hidden, "dropout": 0.0}), rows)

    seen = Seen(fixed, targets, rows * sizes.lengths[1], measured)
    rate = c.dropout
    if rate is None:
        rate = dropout(seen.by(hidden) / targets, ((1.3, 0.1), (5.5, 0.2)), 0.3)
    tell_speed(seen, hidden, say)
    return TranslatePlan(**{**fixed, "dropout": rate})
