"""The metadata in the model file of a classifier."""

from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from seqcli.core.tasks.classify.plan import ClassifyPlan
from seqcli.core.training.schema import Names, RecurrentFile, plan_of


class ClassifierFile(RecurrentFile):
    """The metadata of a classifier."""

    task: Literal["classify"]
    config: Annotated[ClassifyPlan, PlainValidator(plan_of(ClassifyPlan))]
    labels: Names
    temperature: Annotated[float, Field(gt=0)]
