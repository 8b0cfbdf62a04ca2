"""The metadata in the model file of a language model."""

from typing import Annotated, Literal

from pydantic import PlainValidator

from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.training.schema import RecurrentFile, plan_of


class LanguageModelFile(RecurrentFile):
    """The metadata of a language model."""

    task: Literal["lm"]
    config: Annotated[LMPlan, PlainValidator(plan_of(LMPlan))]

    def contradiction(self) -> str | None:
        c = self.config
        if c.tie and (c.one_hot or c.embedding_dim != c.hidden):
            return "its embedding cannot be tied to its output layer"
        return super().contradiction()
