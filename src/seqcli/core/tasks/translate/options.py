"""The options of a translation model."""

from typing import Annotated, Literal

from seqcli.core.config import Fraction, Limits, Positive, again, option, options
from seqcli.core.options import BySequences, VocabularySize


@options
class TranslateOptions(BySequences):
    """The options of training a translation model."""

    task: Literal["translate"] = again(BySequences, "task", "translate")
    source: str | None = option("Data", "Sources, one a line, of a pair of files.")
    target: str | None = option("Data", "Their translations, line by line.")
    skip_bad_lines: bool = option("Data", "Pass over lines that are not as they should be, and count them.", False)
    select: Literal["loss", "bleu", "chrf", "exact"] = option(
        "Budget", "The validation figure that the best model is chosen by.", "loss"
    )

    tokens: Literal["char", "byte", "word", "bpe"] | None = again(BySequences, "tokens", auto="by how words recur")
    vocab_size: VocabularySize | None = again(BySequences, "vocab_size", auto="30000 for word, by the data for bpe")
    lowercase_source: bool = option("Tokens", "Lower-case the words of sources alone (word).", False)
    joint_tokens: bool | None = option("Tokens", "One tokenizer and one embedding for both sides.", auto="with bpe")

    hidden: Positive | None = again(BySequences, "hidden", auto="128 or 256")
    embedding_dim: Positive | None = again(BySequences, "embedding_dim", auto="as --hidden")
    tie: bool = option("Model", "Share the embedding with the output layer.", True)

    attention: Literal["none", "dot", "general", "concat", "scaled-dot"] = option(
        "Translation", "How a decoder state is scored against the encoder's.", "general"
    )
    input_feeding: bool = option("Translation", "Feed each step's attentional vector to the next one; slower.", False)
    context: Literal["first", "every-step"] = option(
        "Translation", "Where the encoder's last state goes: the decoder's first state, or every step too.", "first"
    )
    reverse_source: bool = option("Translation", "Read the source from its end.", False)
    teacher_forcing: Annotated[float, Limits(ge=0, le=1)] = option(
        "Translation",
        "Part of the decoder's inputs that is the reference, towards the end of training; the rest are its own "
        "predictions.",
        1.0,
    )
    teacher_forcing_schedule: Literal["linear", "sigmoid", "constant"] = option(
        "Translation", "How that part falls from 1.", "linear"
    )
    max_length: Positive | None = option(
        "Translation",
        "Drop pairs with a side of more tokens; read texts to be labelled only so far.",
        auto="enough for all pairs but a few outliers",
    )

    batch_tokens: Positive | None = again(BySequences, "batch_tokens", auto="1000")
    label_smoothing: Fraction = again(BySequences, "label_smoothing", 0.1)

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.files or tuple(name for name in (self.source, self.target) if name is not None)

    @property
    def joint(self) -> bool:
        """Whether both sides have one tokenizer."""
        return self.tokens == "bpe" if self.joint_tokens is None else self.joint_tokens

    @property
    def chosen_by(self) -> str:
        return self.select

    @property
    def batch_in_words(self) -> str:
        return f"{self.batch_size} pairs" if self.batch_size else f"{self.batch_tokens} tokens"

    @property
    def network_in_words(self) -> str:
        encoder = "bidirectional " * self.bidirectional + "encoder"
        sizes = super().network_in_words.removeprefix("bidirectional ")
        return f"{encoder}, {self.attention} attention, decoder; {sizes}"
