"""seqcli eval: measuring one or several models on a file."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.command import run_names
from seqcli.cli.draw.figures import in_order, label_lines, label_tables, lines, named_by_loss
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads
from seqcli.core import runs
from seqcli.core.catalogue import find, newest
from seqcli.core.config import and_, option_name
from seqcli.core.events import silent
from seqcli.core.metrics.names import NAMES, OF_LABELS
from seqcli.core.tasks.registry import TASKS, tasks_to_measure_on
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    from seqcli.core.trained import Trained


def evaluate(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file like those it was trained on, unseen by it.", show_default=False),
    ],
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="A run's name, its directory, or a .safetensors file; several to compare.",
            show_default="the newest run for such a file",
            metavar="RUN",
            autocompletion=run_names,
        ),
    ] = None,
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Pass over lines that are not as they should be, and count them.")
    ] = False,
    beam: Annotated[
        int | None,
        typer.Option("--beam", min=1, help="Width of the search (translate); 1 is greedy.", show_default="5"),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option("--windows", min=1, help="Forecasts of each series (forecast).", show_default="as many as fit"),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--step", min=1, help="Steps between them (forecast).", show_default="the horizon"),
    ] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on a file: [bold]seqcli eval held_out.txt[/]

    A language model's perplexity and bits per character; a translation model's BLEU, chrF, TER and exact match; a
    tagger's or classifier's accuracy, F1 of every label, and what it takes for what; for word vectors how their cosines
    agree with the scores in a file of WORD TAB WORD TAB SCORE lines; a forecaster's sMAPE, MASE, OWA, wQL and coverage
    by rolling origin, beside naive forecasts.
    """
    found: dict[str, dict[str, Any]] = {}
    names: list[str | None] = [*run] if run else [None]
    for name in names:
        path = (newest(runs_dir, *fitting(file)) if name is None else None) or find(name, runs_dir)
        label = str(name) if name else path.name
        say = silent if quiet else console.notice if len(names) == 1 else partial(told_of, label)
        if name is None:
            say(f"Run {path.name}:")
        model = runs.load(path, runs_dir=runs_dir, device=device, threads=threads)
        given = {"beam": beam, "skip_bad_lines": skip_bad_lines or None, "windows": windows, "step": step}
        options = asked(model, label, given)
        plan = model.plan.as_dict()
        found[label] = named_by_loss(model.evaluate(file, say=say, **options), plan)
        if plan.get("loss") == "mse":
            say(f"{label} was trained by mse: its loss is a squared distance from the one-hot target, no nats.")
    if json:
        for label, figures in found.items():
            console.print_json({"run": label, "file": file, **figures})
        return
    if len(found) == 1:
        show_one(*found.values())
    else:
        compare(found)


def told_of(run: str, text: str) -> None:
    """Print a notice about one of several runs."""
    console.notice(f"{run}: {text}")


def asked(model: "Trained", run: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given.

    Raises ConfigError for an option that makes no difference when this model is measured.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in model.measured_with:
            others = and_(task.noun + "s" for task in TASKS.values() if name in task.trained.measured_with)
            noun = TASKS[model.plan.task].noun
            raise ConfigError(f"{option_name(name)} is for {others}, and {run} is a {noun}: leave it out.")
    return given


def fitting(file: str) -> tuple[str, ...]:
    """Return the tasks whose models can be measured on this file."""
    return tasks_to_measure_on(Path(file), head_of(Path(file)))


def head_of(path: Path) -> list[str]:
    """Return the first lines of a file.

    Returns none for a file that cannot be read; the error message comes later, when all of it is read.
    """
    if not path.is_file():
        return []  # this includes pipes, because opening one may wait forever
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(1 << 18).split("\n")[:200]
    except OSError:
        return []


def show_one(figures: dict[str, Any]) -> None:
    """Print the metrics of one run, one on each line, and those of its labels, if it has any.

    Labels are shown as tables on a terminal, and as TAB separated lines in a pipe.
    """
    for line in lines(figures):
        console.write(line)
    if not console.stdout_is_terminal():
        for line in label_lines(figures):
            console.write(line)
        return
    for table in label_tables(figures):
        console.stdout.print()
        console.stdout.print(table)


def compare(found: dict[str, dict[str, Any]]) -> None:
    """Print the metrics of several runs side by side: as a table on a terminal, TAB separated into a pipe."""
    known = [key for key in NAMES if any(key in figures for figures in found.values())]
    if not console.stdout_is_terminal():
        console.write("\t".join(["run", *known]))
        for label, figures in found.items():
            console.write("\t".join([label, *(str(figures.get(key, "")) for key in known)]))
        return
    of_labels = any("labels" in figures for figures in found.values())
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("", style="dim")
    for label in found:
        table.add_column(label, justify="right", overflow="fold")
    for key in in_order(*found.values()):
        if key != "signature":
            name = OF_LABELS.get(key, NAMES[key][0]) if of_labels else NAMES[key][0]
            table.add_row(name, *(console.figure(NAMES[key][1], f[key]) if key in f else "-" for f in found.values()))
    console.stdout.print(table)
    for signature in dict.fromkeys(f["signature"] for f in found.values() if "signature" in f):
        console.stdout.print(Text(signature, style="dim"))
