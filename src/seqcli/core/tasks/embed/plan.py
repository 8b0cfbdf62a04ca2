"""The plan of word vectors: its options, with learning rate and block size chosen by how often words occur."""

from typing import TYPE_CHECKING, Annotated, Literal

from seqcli.core.config import Limits, Positive, decided, options
from seqcli.core.tasks.embed.options import EmbedOptions
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.training.plan import Plan

if TYPE_CHECKING:
    import torch

    from seqcli.core.tasks.embed.skipgrams import Words

# default learning rates, by objective and by whether the full softmax is used
RATES = {("skipgram", False): 0.035, ("cbow", False): 0.1, ("skipgram", True): 0.05, ("cbow", True): 0.5}
CHUNK = 32  # c: how many words of the text share their negatives
FEW = 100  # for a vocabulary with fewer words the full softmax is fast enough


@options
class EmbedPlan(Plan, EmbedOptions):
    """The plan of training word vectors."""

    task: Literal["embed"] = decided()
    tokens: Literal["word"] = decided()
    optimizer: Literal["sgd"] = decided()
    precision: Literal["fp32"] = decided()
    batch_size: Positive = decided()
    negatives: Annotated[int, Limits(ge=0)] = decided()


def make_plan(options: EmbedOptions, words: "Words", tokens: int, device: "torch.device") -> EmbedPlan:
    """Make the plan for a text with `tokens` tokens and with these counts of words."""
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
    """Choose the learning rate, and the block size: how many words are summed up in one update, at most 512.

    All gradients of a block are computed with the weights from before the block. So if the most frequent word comes
    often in a block, as a target or as a negative, its gradients may overshoot together. Therefore the learning rate
    times their number is bounded.
    """
    c = options
    pairs = c.window + 1 if c.objective == "skipgram" else 1  # pairs per word, in the mean over the windows' widths
    # how often the most frequent word is a target or a negative, for each word of the text
    pulls = pairs * float(words.kept.max() + negatives * words.noise.max())
    allowed = 6.0 if negatives else 0.6  # the bound; what still goes too far is bounded row by row: see network.py
    rate = c.lr or min(RATES[c.objective, negatives == 0], allowed / (pulls * min(CHUNK, tokens)))
    size = min(512, int(allowed / (rate * pulls)))
    if not negatives:
        size = min(size, (1 << 22) // len(words.counts))  # so that the softmax of a block takes 16 MiB at most
    return rate, c.batch_size or max(1, size // CHUNK) * CHUNK
