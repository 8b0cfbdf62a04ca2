"""The metadata in the model file of a translation model."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from seqcli.core.tasks.translate.plan import TranslatePlan
from seqcli.core.tokenizers import Tokenizer
from seqcli.core.training.schema import OneTokenizer, RecurrentFile, plan_of

Length = Annotated[int, Field(ge=0, le=10**6)]
Lengths = Annotated[list[Length], Field(min_length=2, max_length=2)]  # the length of a source and that of a target


class TranslatorFile(RecurrentFile):
    """The metadata of a translation model. `tokenizer` is that of the targets."""

    task: Literal["translate"]
    config: Annotated[TranslatePlan, PlainValidator(plan_of(TranslatePlan))]
    source_tokenizer: OneTokenizer
    longest_targets: Annotated[list[Lengths], Field(min_length=1, max_length=10**6)]

    @property
    def inputs(self) -> Tokenizer:
        return self.source_tokenizer

    def contradiction(self) -> str | None:
        if self.config.joint_tokens and self.source_tokenizer.vocab_size != self.tokenizer.vocab_size:
            return "its sides share an embedding, and their tokenizers differ"
        if any(a >= c or b >= d for (a, b), (c, d) in pairwise(self.longest_targets)):
            return "its longest targets do not rise with the length of the source"
        if self.longest_targets[-1][1] > self.config.max_length:
            return "its longest target is longer than any that it was trained on"
        return super().contradiction()
