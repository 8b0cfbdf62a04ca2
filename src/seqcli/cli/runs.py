"""seqcli runs, seqcli info: what has been trained."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from seqcli.cli import console
from seqcli.cli.options import Json, RunsDir
from seqcli.core import runs as store
from seqcli.core.config import Config, panel_of, tasks_of
from seqcli.core.runs import BEST, Run


def runs(runs_dir: RunsDir = "runs", json: Json = False) -> None:
    """List the runs, newest first."""
    found = store.list_runs(runs_dir)
    if json:
        for run in found:
            console.print_json(_row(run))
        return
    if not found:
        console.notice(f"There are no runs in {runs_dir}/ yet. Train one: seqcli train FILE")
        return
    if not console.stdout_is_terminal():
        print("\t".join(_row(found[0])))
        for run in found:
            print("\t".join(str(value) for value in _row(run).values()))
        return
    table = Table(box=None, header_style="dim")
    for name, right in (
        ("run", False),
        ("task", False),
        ("model", False),
        ("step", True),
        ("val_loss", True),
        ("when", True),
    ):
        table.add_column(name, justify="right" if right else "left")
    for run in found:
        row = _row(run)
        loss = f"{row['val_loss']:.4f}" if row["val_loss"] is not None else "-"
        table.add_row(run.name, row["task"], row["model"], str(run.step), loss, _ago(run.finished_at))
    console.stdout.print(table)


def info(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="A run's name, its directory, or a .safetensors file.", show_default="the newest run"
        ),
    ] = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
) -> None:
    """Show what a run is: its model, its data, its figures and its settings."""
    from seqcli.core.training.checkpoint import read
    from seqcli.core.training.schema import model_file
    from seqcli.core.training.stored import naming

    path = store.find(run, runs_dir)
    best = path if path.is_file() else path / BEST
    stored = read(best) if best.is_file() or path.is_file() else None
    with naming(best):
        known = model_file(stored.metadata) if stored is not None else None
    about: dict[str, Any] = {"path": str(path)}
    if path.is_dir():
        about |= _row(store.read_run(path))
    if stored is not None and known is not None:
        about |= {
            "task": known.task,
            "parameters": sum(t.numel() for t in stored.tensors.values()),
            "best_step": known.step,
            "figures": known.figures,
            "config": known.config.model_dump(),
        }
    else:
        about["config"] = store.read_run(path).config.model_dump()
    if json:
        console.print_json(about)
        return
    config = about.pop("config") or {}
    figures = about.pop("figures", None) or {}
    if figures:
        about.pop("val_loss", None)  # it is among them
    for key, value in about.items():
        print(f"{key:<20}{value:,}" if isinstance(value, int) else f"{key:<20}{value}")
    for key, value in figures.items():
        name = "val_loss" if key == "loss" else "val_tokens" if key == "tokens" else key
        print(f"{name:<20}{value:,}" if isinstance(value, int) else f"{name:<20}{value:.4f}")
    task = str(about.get("task"))
    panel = None
    for name, field in Config.model_fields.items():
        value = config.get(name)
        if value in (None, [], ()) or task not in tasks_of(field):
            continue
        if panel != panel_of(field):
            panel = panel_of(field)
            print(f"\n{panel}")
        print(f"  {name:<26}{' '.join(value) if isinstance(value, (list, tuple)) else value}")


def _row(run: Run) -> dict[str, Any]:
    c = run.config
    return {
        "run": run.name,
        "task": c.task or "lm",
        "model": f"{c.objective} {c.embedding_dim}" if c.task == "embed" else f"{c.cell} {c.layers} x {c.hidden}",
        "step": run.step,
        "val_loss": run.best["val_loss"] if run.best else None,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.finished_at)),
        "path": str(Path(run.path)),
    }


def _ago(then: float) -> str:
    seconds = time.time() - then
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now"
