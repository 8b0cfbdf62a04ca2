"""Figures of a language model."""

import math


def figures(total: float, tokens: int, hits: int, *, characters: int, bytes: int, loss: str) -> dict[str, float]:
    """Figures from the summed loss of `tokens` targets that stand for so many characters and bytes.

    For cross-entropy (nats): perplexity = exp(loss); bits per character and byte are the total in bits over the length
    of the text. For mse only the squared error itself and the accuracy mean something.
    """
    mean = total / tokens
    found = {"loss": mean, "accuracy": hits / tokens, "tokens": tokens}
    if loss == "cross-entropy":
        bits = total / math.log(2)
        found["perplexity"] = math.exp(mean) if mean < 700 else math.inf
        found["bits_per_character"] = bits / max(1, characters)
        found["bits_per_byte"] = bits / max(1, bytes)
    return found
