"""The options of a tagger."""

from typing import Literal

from seqcli.core.config import Fraction, Positive, again, option, options
from seqcli.core.options import BySequences


@options
class TagOptions(BySequences):
    """The options of training a tagger."""

    task: Literal["tag"] = again(BySequences, "task", "tag")
    column: Literal["upos", "xpos", "feats"] = option("Data", "The column of a CoNLL-U file that is learnt.", "upos")
    select: Literal["loss", "accuracy", "f1"] | None = option(
        "Budget",
        "The validation figure that the best model is chosen by.",
        auto="accuracy, where there is anything to validate on",
    )
    tokens: Literal["word"] = again(BySequences, "tokens", "word")
    lowercase: bool = again(BySequences, "lowercase", True)

    hidden: Positive = again(BySequences, "hidden", 256)
    embedding_dim: Positive | None = again(BySequences, "embedding_dim", auto="100, or that of --vectors")
    dropout: Fraction = again(BySequences, "dropout", 0.5)

    characters: Literal["lstm", "affixes", "none"] = option(
        "Labels",
        "What is seen of a word beside the word: a BiLSTM over its characters, its first and last ones, nothing.",
        "lstm",
    )
    crf: bool = option(
        "Labels", "A linear-chain conditional random field over the tags, instead of each by itself.", False
    )
    word_dropout: Fraction = option("Labels", "Part of the tokens that become <unk> in training.", 0.3)

    @property
    def chosen_by(self) -> str:
        return self.select or "loss"

    @property
    def batch_in_words(self) -> str:
        return f"{self.batch_size} sentences" if self.batch_size else f"{self.batch_tokens} tokens"

    @property
    def network_in_words(self) -> str:
        spelling = f", characters by {self.characters}" if self.characters != "none" else ""
        return super().network_in_words + spelling + ", random field" * self.crf
