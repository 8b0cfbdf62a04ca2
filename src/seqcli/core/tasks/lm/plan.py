"""The plan of a language model: its options, with sizes and rates chosen by data, budget and machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from seqcli.core.config import Positive, decided, options
from seqcli.core.events import Say
from seqcli.core.tasks.lm.options import LMOptions
from seqcli.core.training.plan import RecurrentTextPlan, budget, dropout, machine, optimization
from seqcli.core.training.speed import Seen, tell_speed
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    import torch

# The numbers of hidden units to choose from, and how many tokens a network of each size must see in training to be
# better than one of the size before.
SIZES = ((256, 0.0), (384, 6e5), (512, 3e6), (768, 1.5e7))


@options
class LMPlan(RecurrentTextPlan, LMOptions):
    """The plan of training a language model. `embedding_dim` is None only with one-hot vectors."""

    task: Literal["lm"] = decided()
    batch_size: Positive = decided()
    window: Positive = decided()


def check(options: LMOptions) -> None:
    """Raise ConfigError for options that contradict each other."""
    if options.tie and options.one_hot:
        raise ConfigError("--tie shares an embedding with the output layer, and --encoding one-hot has none.")
    if options.loss == "mse" and options.label_smoothing:
        raise ConfigError("--label-smoothing is for --loss cross-entropy.")
    if options.one_hot and options.embedding_dim:
        raise ConfigError("--embedding-dim is the width of an embedding, and --encoding one-hot has none.")


def make_plan(
    options: LMOptions,
    tokens: int,
    vocab_size: int,
    device: "torch.device",
    speed: Callable[[LMPlan], float],
    *,
    say: Say,
    bounded: bool = True,
) -> LMPlan:
    """Make the plan for a text of `tokens` tokens.

    `speed` measures how many tokens a second a network of such a plan learns on this machine.

    By default the number of epochs has a bound that depends on the text. `bounded` is False for a run that is resumed,
    whose budget must stay as it is.
    """
    c = options
    small, lines = tokens < 2e5, c.unit == "line"
    window = c.window or (256 if lines else 64)
    batch_size = c.batch_size
    if batch_size is None:
        batch_size = 64 if lines else 20
        while not lines and batch_size > 8 and tokens < batch_size * window * 20:
            batch_size //= 2
    most = (max(12.0, round(5e5 / tokens)) if small else 30.0) if bounded else None
    fixed = {
        **c.as_dict(),
        **machine(c, device),
        **budget(c, most),
        **optimization(c),
        "tokens": c.tokens or "char",
        "batch_size": batch_size,
        "window": window,
    }

    def sized(hidden: int, rate: float) -> LMPlan:
        width = c.embedding_dim
        if width is None and not c.one_hot:
            width = hidden if c.tie else 128 if vocab_size < 1000 else min(256, hidden)
        return LMPlan(**{**fixed, "hidden": hidden, "embedding_dim": width, "dropout": rate})

    seen = Seen(fixed, tokens, batch_size * window, lambda hidden: speed(sized(hidden, c.dropout or 0.0)))
    hidden = c.hidden or size(tokens, seen)
    rate = c.dropout
    if rate is None:
        passes = seen.by(hidden) / tokens
        rate = dropout(passes, ((1.2, 0.0), (3.4, 0.1), (7, 0.2), (0 if small else 18, 0.35)), 0.5)
    tell_speed(seen, hidden, say)
    made = sized(hidden, rate)
    if c.tie and made.embedding_dim != hidden:
        raise ConfigError(
            f"--tie needs --embedding-dim equal to --hidden, but they are {made.embedding_dim} and {hidden}."
        )
    return made


def size(tokens: int, seen: Seen) -> int:
    """Choose the number of hidden units: as many as are useful for a text of this length and for this budget."""
    by_data = 128 if tokens < 2e4 else 256 if tokens < 2e5 else 512 if tokens < 5e6 else 768
    chosen = min(SIZES[0][0], by_data)
    for hidden, least in SIZES[1:]:
        if hidden > by_data or not seen.can_be(hidden, least):
            break
        chosen = hidden
    return chosen
