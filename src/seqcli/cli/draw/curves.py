"""Series of numbers and their forecasts on a terminal: small curves, and tables."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.draw.labels import cut
from seqcli.core.tasks.forecast.bars import bars

if TYPE_CHECKING:
    from seqcli.core.tasks.forecast.trained import Forecast

FEW = 3  # series of which every step is shown
MOST = 20  # series of which a line is shown
STEPS = 24  # steps of a series that are shown
NAME = 20  # cells for the name of a series


def show_forecast(made: "Forecast") -> None:
    """Draw a forecast: each series as a curve of its past and its forecast, and of few series the numbers too."""
    if len(made.ids) <= FEW:
        for k in range(len(made.ids)):
            _whole(made, k)
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("series", no_wrap=True)
    table.add_column("past and forecast", no_wrap=True)
    table.add_column("last", justify="right", no_wrap=True)
    table.add_column("next", justify="right", no_wrap=True)
    table.add_column(f"step {made.median.shape[1]}", justify="right", no_wrap=True)
    numbers = 3 * 12 + 2 * 5
    names = max(len(cut(console.shown(name), NAME)) for name in made.ids[:MOST])
    room = max(12, console.stdout.width - names - numbers)
    for k, name in enumerate(made.ids[:MOST]):
        last = next((v for v in made.past[k][::-1].tolist() if not math.isnan(v)), math.nan)
        row = [short(last), short(made.median[k, 0]), short(made.median[k, -1])]
        table.add_row(cut(console.shown(name), NAME), curve(made.past[k].tolist(), made.median[k].tolist(), room), *row)
    console.stdout.print(table)
    if len(made.ids) > MOST:
        console.notice(f"... and {len(made.ids) - MOST:,} more series; -o FILE writes all of them.")


def _whole(made: "Forecast", k: int) -> None:
    """One series: its curve, and a table of its steps."""
    room = console.stdout.width
    console.stdout.print(Text(cut(console.shown(made.ids[k]), room), style="bold"))
    console.stdout.print(curve(made.past[k].tolist(), made.median[k].tolist(), room))
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    table.add_column("median", justify="right")
    for share in made.lower:
        table.add_column(f"{share:g} % from", justify="right")
        table.add_column("to", justify="right")
    for h, time in enumerate(made.times[k][:STEPS]):
        ends: list[Any] = [side[share][k, h] for share in made.lower for side in (made.lower, made.upper)]
        table.add_row(time, short(made.median[k, h]), *map(short, ends))
    console.stdout.print(table)
    if len(made.times[k]) > STEPS:
        console.notice(f"... and {len(made.times[k]) - STEPS} more steps; -o FILE writes all of them.")


def curve(past: Sequence[float], made: Sequence[float], room: int) -> Text:
    """The past, dim, and the forecast of a series as bars in `room` cells; each cell is the mean of some steps."""
    per = max(1, -(-(len(past) + len(made)) // room))
    before, after = _means(past, per)[-max(0, room - -(-len(made) // per)) :], _means(made, per)
    real = [value for value in (*before, *after) if not math.isnan(value)]
    low, high = min(real, default=0.0), max(real, default=0.0)
    return Text.assemble((bars(before, low, high), "dim"), (bars(after, low, high), "cyan"))


def _means(values: Sequence[float], per: int) -> list[float]:
    """The means of groups of `per` values, the last group full; gaps do not count."""
    groups = [values[max(0, end - per) : end] for end in range(len(values), 0, -per)][::-1]
    real = [[value for value in group if not math.isnan(value)] for group in groups]
    return [sum(group) / len(group) if group else math.nan for group in real]


def short(value: float) -> str:
    """A number in a table: five digits are enough to look at."""
    if math.isnan(value):
        return "-"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        digits = max(0, 4 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:,.{min(4, digits)}f}"
    return f"{value:.4g}"
