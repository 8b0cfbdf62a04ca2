"""The metadata in the model file of a tagger."""

from typing import Annotated, Literal

from pydantic import PlainValidator

from seqcli.core.tasks.tag.plan import TagPlan
from seqcli.core.training.schema import Names, OneTokenizer, RecurrentFile, Words, plan_of


class TaggerFile(RecurrentFile):
    """The metadata of a tagger. `tokenizer` is that of the words."""

    task: Literal["tag"]
    config: Annotated[TagPlan, PlainValidator(plan_of(TagPlan))]
    tokenizer: Words
    character_tokenizer: OneTokenizer
    tags: Names

    def contradiction(self) -> str | None:
        if self.character_tokenizer.name != "char":
            return "the tokenizer of its characters is of another kind"
        return super().contradiction()
