"""The metadata in the model file of a forecaster."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.plan import ForecastPlan, seasons_in
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.stored import read_stored
from seqcli.core.training.schema import ModelFile, plan_of
from seqcli.errors import ConfigError


def covariates(value: Any) -> Covariates:
    """Make covariates from what a file says of them. Raises ValueError if that is wrong."""
    return Covariates.of(value)


class ForecasterFile(ModelFile):
    """The metadata of a forecaster."""

    task: Literal["forecast"]
    config: Annotated[ForecastPlan, PlainValidator(plan_of(ForecastPlan))]
    covariates: Annotated[Covariates, PlainValidator(covariates)]
    series: Annotated[Series, PlainValidator(read_stored)]
    spread: Annotated[float, Field(gt=0, le=1000)]
    trust: Annotated[float, Field(ge=0, le=1)]

    def contradiction(self) -> str | None:
        c = self.config
        if c.history % c.patch:
            return f"it sees {c.history} steps, which is no multiple of its patch of {c.patch}"
        try:
            seasons = seasons_in(c.seasons)
        except ConfigError as error:
            return str(error)
        if seasons and seasons[-1] > c.history:
            return f"it has a season of {seasons[-1]} steps, and sees {c.history}"
        if c.decode == "sample" and c.likelihood == "quantile":
            return "it draws from quantiles"
        if c.decode == "sample" and c.history < 2:
            return "it draws step by step, and sees no step before the last"
        return super().contradiction()
