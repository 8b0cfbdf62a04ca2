"""The options of word vectors."""

from typing import Annotated, Literal

from seqcli.core.config import Fraction, Limits, Positive, again, option, options
from seqcli.core.options import Length, TextOptions, VocabularySize


@options
class EmbedOptions(TextOptions):
    """The options of training word vectors."""

    task: Literal["embed"] = again(TextOptions, "task", "embed")
    # none by default: every word is worth more for learning the vectors than for measuring them
    valid_split: Fraction = again(TextOptions, "valid_split", 0.0)
    tokens: Literal["word"] = again(TextOptions, "tokens", "word")
    min_count: Positive = again(TextOptions, "min_count", 5)
    vocab_size: VocabularySize | None = again(TextOptions, "vocab_size", auto="all")
    embedding_dim: Positive = option("Model", "Width of the embedding.", 100)

    objective: Literal["skipgram", "cbow"] = option(
        "Vectors", "skipgram: a word tells its neighbours; cbow: they tell the word.", "skipgram"
    )
    negatives: Annotated[int, Limits(ge=0)] | None = option(
        "Vectors",
        "Negative samples a word; 0 is the full softmax.",
        auto="5; 0 for a vocabulary of less than 100 words",
    )
    subsample: Annotated[float, Limits(ge=0)] = option(
        "Vectors", "Words of a greater part of the text than this are thinned out (0: none).", 1e-3
    )

    epochs: Length | None = again(TextOptions, "epochs", auto="5 to 200, by the length of the text")
    minutes: Length | None = again(TextOptions, "minutes")

    window: Positive = option("Optimization", "How far a word sees to each side.", 5)
    optimizer: Literal["sgd"] = again(TextOptions, "optimizer", "sgd")
    warmup: Annotated[int, Limits(ge=0)] = again(TextOptions, "warmup", 0)
    precision: Literal["auto", "fp32"] = again(TextOptions, "precision", "auto")

    @property
    def kind(self) -> str:
        """One word for what is trained, which becomes part of the name of the run."""
        return self.objective

    @property
    def model_in_words(self) -> str:
        """A short description of the vectors, for lists of runs."""
        return f"{self.objective} {self.embedding_dim}"

    @property
    def network_in_words(self) -> str:
        how = f"{self.negatives} negatives" if self.negatives else "full softmax"
        return f"{self.objective}, window {self.window}, {how}, width {self.embedding_dim}"

    @property
    def batch_in_words(self) -> str:
        return f"{self.batch_size} words"

    @property
    def data_in_words(self) -> str:
        return "words and line ends"
