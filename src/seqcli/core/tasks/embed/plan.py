"""The plan of word vectors: its options, with rates and blocks chosen by how often the words of the text occur."""

from typing import TYPE_CHECKING, Annotated, Literal

from seqcli.core.config import Limits, Positive, decided, options
from seqcli.core.tasks.embed.options import EmbedOptions
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.training.plan import Plan

if TYPE_CHECKING:
    import torch

    from seqcli.core.tasks.embed.skipgrams import Words

# by objective, and whether by full softmax
RATES = {("skipgram", False): 0.035, ("cbow", False): 0.1, ("skipgram", True): 0.05, ("cbow", True): 0.5}
CHUNK = 32  # words of the text that share their negatives
FEW = 100  # words, of which a full softmax is soon computed


@options
class EmbedPlan(Plan, EmbedOptions):
    """A training of word vectors."""

    task: Literal["embed"] = decided()
    tokens: Literal["word"] = decided()
    optimizer: Literal["sgd"] = decided()
    precision: Literal["fp32"] = decided()
    batch_size: Positive = decided()
    negatives: Annotated[int, Limits(ge=0)] = decided()


def make_plan(options: EmbedOptions, words: "Words", tokens: int, device: "torch.device") -> EmbedPlan:
    """The plan for a text of so many tokens, which has these words."""
    c = options
    negatives = c.negatives
    if negatives is None:
        negatives = 0 if len(words.counts) - len(SPECIALS) < FEW else 5
    rate, size = rate_and_block(c, words, tokens, negatives)
    epochs = c.epochs
    if not (c.epochs or c.steps or c.minutes):
        epochs = float(max(5, min(200, round(2e7 / tokens))))
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


def rate_and_block(options: EmbedOptions, words: "Words", tokens: int, negatives: int) -> tuple[float, int]:
    """The learning rate, and how many words are summed up in one update, at most 512.

    All gradients of a block are those of the weights before it. So the more often the most frequent word is pulled in a
    block, as a target or as a negative, the sooner they overshoot together; the rate times their number is bounded.
    """
    c = options
    pairs = c.window + 1 if c.objective == "skipgram" else 1  # a word, in the mean over the windows' widths
    pulls = pairs * float(words.kept.max() + negatives * words.noise.max())  # for each word of the text
    allowed = 6.0 if negatives else 0.6  # what goes beyond is held back row by row: see network.py
    rate = c.lr or min(RATES[c.objective, negatives == 0], allowed / (pulls * min(CHUNK, tokens)))
    size = min(512, int(allowed / (rate * pulls)))
    if not negatives:
        size = min(size, (1 << 22) // len(words.counts))  # a block's softmax takes 16 MiB at most
    return rate, c.batch_size or max(1, size // CHUNK) * CHUNK
