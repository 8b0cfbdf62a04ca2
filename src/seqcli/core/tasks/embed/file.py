"""What the file of word vectors says of itself."""

from typing import Annotated, Literal

from pydantic import PlainValidator

from seqcli.core.tasks.embed.plan import EmbedPlan
from seqcli.core.training.schema import ModelFile, Words, plan_of


class WordVectorsFile(ModelFile):
    """Word vectors."""

    task: Literal["embed"]
    config: Annotated[EmbedPlan, PlainValidator(plan_of(EmbedPlan))]
    tokenizer: Words
