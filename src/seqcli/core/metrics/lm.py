"""Metrics of a language model."""

import math


def figures(total: float, tokens: int, hits: int, *, characters: int, bytes: int, loss: str) -> dict[str, float]:
    """Compute the metrics from `total`, the loss summed over `tokens` targets, of which `hits` were predicted right.

    characters and bytes are the length of the text that the targets stand for. loss is "cross-entropy", in nats, or
    "mse". Returns loss (the mean over the targets), accuracy and tokens; for cross-entropy also perplexity = exp(loss),
    and bits_per_character and bits_per_byte, the total in bits divided by the length of the text.
    """
    mean = total / tokens
    found = {"loss": mean, "accuracy": hits / tokens, "tokens": tokens}
    if loss == "cross-entropy":
        bits = total / math.log(2)
        found["perplexity"] = math.exp(mean) if mean < 700 else math.inf
        found["bits_per_character"] = bits / max(1, characters)
        found["bits_per_byte"] = bits / max(1, bytes)
    return found
