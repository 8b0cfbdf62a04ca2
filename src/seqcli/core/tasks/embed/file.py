"""The metadata in the model file of word vectors."""

from typing import Annotated, Literal

from pydantic import PlainValidator

from seqcli.core.tasks.embed.plan import EmbedPlan
from seqcli.core.training.schema import TextFile, Words, plan_of


class WordVectorsFile(TextFile):
    """The metadata of word vectors."""

    task: Literal["embed"]
    config: Annotated[EmbedPlan, PlainValidator(plan_of(EmbedPlan))]
    tokenizer: Words
