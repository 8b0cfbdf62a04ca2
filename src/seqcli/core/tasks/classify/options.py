"""The options of a classifier."""

from typing import Literal

from seqcli.core.config import Fraction, Positive, again, option, options
from seqcli.core.options import BySequences, Encoded


@options
class ClassifyOptions(BySequences, Encoded):
    """The options of training a classifier."""

    task: Literal["classify"] = again(BySequences, "task", "classify")
    skip_bad_lines: bool = option("Data", "Pass over lines that are not as they should be, and count them.", False)
    text_column: str | None = option(
        "Data",
        "The column of the texts, in a CSV or TSV file with a header.",
        auto="the first column of a file without one",
    )
    label_column: str | None = option(
        "Data",
        "The column of the labels, in a file with a header.",
        auto="the second column of a file without one",
    )
    select: Literal["loss", "accuracy", "f1"] | None = option(
        "Budget",
        "The validation figure that the best model is chosen by.",
        auto="accuracy, where there is anything to validate on",
    )
    tokens: Literal["char", "byte", "word", "bpe"] | None = again(BySequences, "tokens", auto="word, or char for names")
    lowercase: bool | None = again(BySequences, "lowercase", auto="with word")

    hidden: Positive | None = again(BySequences, "hidden", auto="128 or 256")
    embedding_dim: Positive | None = again(BySequences, "embedding_dim", auto="300, or 64 for characters")
    dropout: Fraction | None = again(BySequences, "dropout", auto="0.4 or 0.5")

    pool: Literal["last", "mean", "max", "mean-max", "attention"] = option(
        "Labels", "How the outputs over a text become one vector.", "mean-max"
    )
    many_labels: bool = option(
        "Labels", "Train also where the labels are many numbers, or almost as many as the texts.", False
    )
    class_weights: Literal["none", "balanced"] = option(
        "Labels", "balanced: rare labels weigh as much as frequent ones.", "none"
    )
    word_dropout: Fraction | None = option(
        "Labels", "Part of the tokens that become <unk> in training.", auto="0.3 for word, else 0"
    )
    max_length: Positive | None = option(
        "Translation",
        "Drop pairs with a side of more tokens; read texts to be labelled only so far.",
        auto="400, or 1000 for char and byte",
    )

    @property
    def chosen_by(self) -> str:
        return self.select or "loss"

    @property
    def batch_in_words(self) -> str:
        return f"{self.batch_size} texts" if self.batch_size else f"{self.batch_tokens} tokens"

    @property
    def network_in_words(self) -> str:
        return f"{super().network_in_words}, {self.pool} pooling"
