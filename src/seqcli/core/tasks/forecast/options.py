"""The options of a model that forecasts series of numbers."""

from typing import Annotated, Literal

from seqcli.core.config import Fraction, Limits, Positive, again, option, options
from seqcli.core.options import RecurrentOptions


@options
class ForecastOptions(RecurrentOptions):
    """The options of training a model that forecasts series."""

    task: Literal["forecast"] = again(RecurrentOptions, "task", "forecast")
    valid_split: Fraction = option(
        "Data",
        "Part of the series whose last steps are kept for validation; of few series, part of the steps of each.",
        0.1,
    )
    id_column: str | None = option("Data", "The column that names the series.", auto="by name and content")
    time_column: str | None = option("Data", "The column of the times.", auto="by name and content")
    value_column: str | None = option("Data", "The column of the values.", auto="by name and content")
    known: str | None = option("Data", "Columns whose future is known, like prices that are planned: NAME,NAME.")
    past: str | None = option("Data", "Columns that are known of the past only: NAME,NAME.")
    static: str | None = option("Data", "Columns that do not change within a series: NAME,NAME.")
    skip_bad_lines: bool = option("Data", "Pass over lines that are not as they should be, and count them.", False)
    select: Literal["loss", "smape", "mase"] = option(
        "Budget", "The validation figure that the best model is chosen by.", "loss"
    )

    hidden: Positive | None = again(RecurrentOptions, "hidden", auto="64 to 256, by the number of values")
    dropout: Fraction | None = again(RecurrentOptions, "dropout", auto="0.1 to 0.3, by the number of values")

    horizon: Annotated[int, Limits(ge=1, le=10_000)] | None = option(
        "Series", "How many steps are forecast.", auto="by the distance of the times: 48 hours, 14 days, 18 months, ..."
    )
    seasons: str | None = option(
        "Series",
        "Steps of a season, or of two: 24 or 24,168; none for none.",
        auto="by the times, or by the data",
    )
    history: Annotated[int, Limits(ge=1, le=100_000)] | None = option(
        "Series", "How many steps of the past the network sees.", auto="a few seasons"
    )
    patch: Positive | None = option(
        "Series", "How many values of the past the recurrent network reads in one of its steps.", auto="1 to a season"
    )
    decode: Literal["direct", "sample"] = option(
        "Series", "direct: all steps of the horizon at once; sample: one after the other, many times.", "direct"
    )
    likelihood: Literal["quantile", "student-t", "normal", "negative-binomial"] | None = option(
        "Series", "How the uncertainty is described.", auto="quantile, or student-t with --decode sample"
    )
    nonnegative: bool = option("Series", "No forecast is below zero.", False)

    @property
    def chosen_by(self) -> str:
        return self.select

    @property
    def lower_is_better(self) -> bool:
        return True

    @property
    def batch_in_words(self) -> str:
        return f"{self.batch_size} windows"

    @property
    def data_in_words(self) -> str:
        return "values"

    @property
    def network_in_words(self) -> str:
        how = f"{self.decode}, {self.likelihood}"
        seen = f"{self.history} steps seen" + (f" by {self.patch}" if self.patch != 1 else "")
        dropped = f", dropout {self.dropout:g}" if self.dropout else ""
        return f"{self.model_in_words}, {seen}, {self.horizon} forecast, {how}{dropped}"
