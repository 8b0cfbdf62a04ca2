"""The plan of word vectors: its options, with learning rate and block size chosen by how often words occur."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from seqcli.core.config import Limits, Positive, decided, options
from seqcli.core.tasks.embed.options import EmbedOptions
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.training.plan import TextPlan

if TYPE_CHECKING:
    import torch

# default learning rates, by objective and by whether the full softmax is used
RATES = {("skipgram", False): 0.035, ("cbow", False): 0.04, ("skipgram", True): 0.05, ("cbow", True): 0.5}
SELDOM = 5  # epochs up to which the learning rate is the full one
STRETCH = 1 << 15  # how many tokens of the text a step reads
CHUNK = 32  # c: how many words of the text share their negatives
FEW = 100  # for a vocabulary with fewer words the full softmax is fast enough


class Counts(NamedTuple):
    """What the plan needs to know about the words of a text."""

    vocabulary: int  # different tokens, special ones included
    kept: float  # the share of the most frequent word among the words that are left when frequent ones are thinned out
    noise: float  # the probability of the most frequent word as a negative


@options
class EmbedPlan(TextPlan, EmbedOptions):
    """The plan of training word vectors."""

    task: Literal["embed"] = decided()
    tokens: Literal["word"] = decided()
    optimizer: Literal["sgd"] = decided()
    precision: Literal["fp32"] = decided()
    batch_size: Positive = decided()
    negatives: Annotated[int, Limits(ge=0)] = decided()


def make_plan(options: EmbedOptions, words: Counts, tokens: int, device: "torch.device") -> EmbedPlan:
    """Make the plan for a text with `tokens` tokens and with these counts of words."""
    c = options
    negatives = c.negatives
    if negatives is None:
        negatives = 0 if words.vocabulary - len(SPECIALS) < FEW else 5
    epochs = c.epochs
    if not (c.epochs or c.steps or c.minutes):
        epochs = float(max(5, min(200, round(2e7 / tokens))))
    readings = epochs or (c.steps or 0) / -(-tokens // STRETCH)  # 0 where only the minutes are known
    rate, size = rate_and_block(c, words, tokens, negatives, readings)
    return EmbedPlan(
        **{
            **c.as_dict(),
            "device": device.type,
            "precision": "fp32",
            "epochs": epochs,
            "negatives": negatives,
            "lr": rate,
            "batch_size": size,
        }
    )


def rate_and_block(
    options: EmbedOptions, words: Counts, tokens: int, negatives: int, epochs: float
) -> tuple[float, int]:
    """Choose the learning rate, and the block size: how many words are summed up in one update, at most 512.

    All gradients of a block are computed with the weights from before the block. So if the most frequent word comes
    often in a block, as a target or as a negative, its gradients may overshoot together. Therefore the learning rate
    times their number is bounded.

    At the learning rate that a single reading needs, a text that is read often is learned by heart, and neighbours
    agree less and less with what it says about its words. So with negative sampling the rate falls with the square root
    of the epochs, unless they are unknown (0). A lower rate does not make the blocks larger, because larger blocks hold
    frequent words back.
    """
    c = options
    pairs = c.window + 1 if c.objective == "skipgram" else 1  # pairs per word, in the mean over the windows' widths
    # how often the most frequent word is a target or a negative, for each word of the text
    pulls = pairs * (words.kept + negatives * words.noise)
    allowed = 6.0 if negatives else 0.6  # the bound; what still goes too far is bounded row by row: see network.py
    full = min(RATES[c.objective, negatives == 0], allowed / (pulls * min(CHUNK, tokens)))
    rate = c.lr or (full * min(1.0, (SELDOM / epochs) ** 0.5) if negatives and epochs else full)
    size = min(512, int(allowed / (max(rate, full) * pulls)))
    if not negatives:
        size = min(size, (1 << 22) // words.vocabulary)  # so that the softmax of a block takes 16 MiB at most
    return rate, c.batch_size or max(1, size // CHUNK) * CHUNK
