"""seqcli runs and seqcli info: listing all runs, and showing one."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.command import run_names
from seqcli.cli.options import A_RUN, Json, RunsDir
from seqcli.core.catalogue import BEST, Run, find, list_runs, read_run
from seqcli.core.config import PANELS, fields_of, panel_of
from seqcli.core.tasks.registry import TASKS


def runs(runs_dir: RunsDir = "runs", json: Json = False) -> None:
    """List the runs, newest first."""
    damaged: list[str] = []
    found = list_runs(runs_dir, damaged)
    for complaint in damaged:
        console.warn(f"{complaint} This run is passed over.")
    if json:
        for run in found:
            console.print_json(_row(run))
    elif not found:
        console.notice(f"There are no runs in {runs_dir}/ yet. Train one: seqcli train FILE")
    elif not console.stdout_is_terminal():
        rows = [_row(run) for run in found]
        for values in (list(rows[0]), *(row.values() for row in rows)):
            console.write("\t".join(map(_shown, values)))
    else:
        console.stdout.print(_table(found, console.stdout.width))


def _table(found: list[Run], width: int) -> Table:
    """Make a table with a line for each run. On a narrow terminal the least important columns are left out."""
    columns = {key: [_shown(_row(run)[key]) or "-" for run in found] for key in ("run", "task", "model", "step")}
    columns["val_loss"] = [_shown(run.val_loss) or "-" for run in found]
    columns["when"] = [_ago(run.finished_at) for run in found]
    wide = {name: max(map(cell_len, (name, *cells))) + 2 for name, cells in columns.items()}
    for name in ("when", "task", "model", "step"):
        if sum(wide[kept] for kept in columns) > width:
            del columns[name]
    table = Table(box=None, header_style="dim")
    wide["run"] = max(4, width - sum(wide[name] for name in columns if name != "run"))  # a long name is cut
    for name in columns:
        number = name in ("step", "val_loss", "when")
        table.add_column(name, justify="right" if number else "left", no_wrap=True, max_width=wide[name] - 2)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    return table


def info(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help=A_RUN,
            show_default="the newest run",
            autocompletion=run_names,
        ),
    ] = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
) -> None:
    """Show what a run is: its model, its data, its figures and its settings."""
    from seqcli.core.tasks.model_file import model_file
    from seqcli.core.training.stored import naming, read

    path = find(run, runs_dir)
    best = path if path.is_file() else path / BEST
    stored = read(best, "np") if best.is_file() or path.is_file() else None
    with naming(best):
        known = model_file(stored.metadata) if stored is not None else None
    about: dict[str, Any] = {"path": str(path)}
    if path.is_dir():
        about |= _row(read_run(path))
    if stored is not None and known is not None:
        about |= {
            "task": known.task,
            "parameters": sum(t.size for t in stored.tensors.values()),
            "best_step": known.step,
            "figures": known.figures,
            "config": known.config.as_dict(),
        }
    else:
        about["config"] = read_run(path).options.as_dict()
    if json:
        console.print_json(about)
        return
    config = about.pop("config") or {}
    figures = about.pop("figures", None) or {}
    if figures:
        about.pop("val_loss", None)  # it is among them
    for key, value in about.items():
        console.write(f"{key:<20}{value:,}" if isinstance(value, int) else f"{key:<20}{_shown(value)}")
    for key, value in figures.items():
        name = "val_loss" if key == "loss" else "val_tokens" if key == "tokens" else key
        console.write(f"{name:<20}{value:,}" if isinstance(value, int) else f"{name:<20}{_shown(value)}")
    task = str(about.get("task"))
    panel = None
    fields = fields_of(TASKS[task].options)
    for name in sorted(fields, key=lambda name: PANELS.index(panel_of(fields[name]))):
        value, field = config.get(name), fields[name]
        if value in (None, [], ()):
            continue
        if panel != panel_of(field):
            panel = panel_of(field)
            console.write(f"\n{panel}")
        console.write(f"  {name:<26}{' '.join(value) if isinstance(value, (list, tuple)) else value}")


def _row(run: Run) -> dict[str, Any]:
    """Return what is shown of a run."""
    c = run.options
    return {
        "run": run.name,
        "task": c.task,
        "model": c.model_in_words,
        "step": run.step,
        "val_loss": run.val_loss,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.finished_at)),
        "path": str(Path(run.path)),
    }


def _shown(value: Any) -> str:
    """Return a value as text: a fraction with four decimal places, and None as an empty text."""
    if isinstance(value, float):
        return console.figure("{:.4f}", value)
    return "" if value is None else str(value)


def _ago(then: float) -> str:
    """Return how long ago a time was, in words; `then` is in seconds since 1970."""
    seconds = time.time() - then
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now"
