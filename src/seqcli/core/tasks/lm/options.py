"""The options of a language model."""

from typing import Literal

from seqcli.core.config import Positive, again, option, options
from seqcli.core.options import Encoded


@options
class LMOptions(Encoded):
    """The options of training a language model."""

    task: Literal["lm"] = again(Encoded, "task", "lm")
    unit: Literal["stream", "line"] = option(
        "Data", "Read the files as one long text, or every line as a sequence of its own.", "stream"
    )
    tokens: Literal["char", "byte", "word", "bpe"] | None = again(Encoded, "tokens", auto="char")
    hidden: Positive | None = again(Encoded, "hidden", auto="128 to 768, by data and speed")
    embedding_dim: Positive | None = again(Encoded, "embedding_dim", auto="by vocabulary; as --hidden with --tie")
    tie: bool = option("Model", "Share the embedding with the output layer.", False)
    loss: Literal["cross-entropy", "mse"] = option(
        "Model", "Training loss; mse compares raw outputs with the one-hot target.", "cross-entropy"
    )
    window: Positive | None = option(
        "Optimization",
        "Tokens of one truncated-BPTT step; with --unit line, the longest line.",
        auto="64, or 256 with --unit line",
    )

    @property
    def batch_in_words(self) -> str:
        return f"{self.batch_size} x {self.window}"
