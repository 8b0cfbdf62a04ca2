"""seqcli forecast: what follows a series of numbers."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli.cli import console
from seqcli.cli.choosing import chosen
from seqcli.cli.draw.curves import show_forecast
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads, run_of
from seqcli.core import runs
from seqcli.core.config import SHORT
from seqcli.core.events import silent
from seqcli.core.files import check_target, write_whole
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    from seqcli.core.tasks.forecast.trained import Forecast


def forecast(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="Newer values, or other series, with their past.",
            show_default="the series of the training",
        ),
    ] = None,
    levels: Annotated[
        str, typer.Option("--levels", metavar="X,X", help="Percent that intervals hold.", show_default=True)
    ] = "80,95",
    series: Annotated[
        str | None, typer.Option("--series", metavar="NAME,NAME", help="The series to forecast.", show_default="all")
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", min=2, max=10_000, help="Futures drawn (models with --decode sample).")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of what is drawn.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the CSV there.", show_default=False)
    ] = None,
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Pass over lines that are not as they should be, and count them.")
    ] = False,
    run: Annotated[str | None, run_of("forecast")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Forecast series with a trained model: [bold]seqcli forecast newer.csv --levels 80,95 -o out.csv[/]

    A row has the series, the time, mean, median, and the ends of each interval. On a terminal the series are drawn.
    """
    shares = percents(levels)
    if output is not None:
        check_target(output)
    place = chosen(run, runs_dir, "forecast", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="forecast")
    names = [name.strip() for name in console.typed(series).split(",")] if series is not None else None
    made = model.forecast(
        file,
        levels=shares,
        samples=samples,
        seed=seed,
        series=names,
        skip_bad_lines=skip_bad_lines,
        say=silent if quiet else console.notice,
    )
    if output is not None:
        write_whole(output, as_csv(made).encode("utf-8", "replace"))
        if json:
            console.print_json({"path": str(output), "series": len(made.ids), "rows": len(made)})
        else:
            console.write(str(output))
    elif json:
        for row in made:
            console.print_json(dict(zip(made.columns, row, strict=True)))
    elif console.stdout_is_terminal():
        show_forecast(made)
    else:
        console.write(as_csv(made), end="")


def percents(text: str) -> list[float]:
    """The numbers in 80,95. Raises ConfigError for anything else; whether they are percentages is checked later."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(
            f"--levels is {SHORT.repr(text)}, but must be percentages with commas between them, like 80,95."
        ) from None


def as_csv(made: "Forecast") -> str:
    """The rows of a forecast with a header, as CSV; numbers have up to ten digits."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(made.columns)
    rows.writerows([*row[:2], *(f"{value:.10g}" for value in row[2:])] for row in made)
    return out.getvalue()
