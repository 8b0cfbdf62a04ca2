"""seqcli train: training a model on a text, on pairs of texts, or on labelled texts.

Most flags are the fields of the options of the tasks, core/tasks/*/options.py and core/options.py.
"""

import shlex
import signal
from collections.abc import Generator
from json import dumps
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import console, help
from seqcli.cli.command import config_names, run_names
from seqcli.cli.options import FIRST, Json, Quiet, RunsDir, of_task, training_flags, with_flags
from seqcli.core.config import SCHEMA_FILE
from seqcli.core.events import silent
from seqcli.core.recipes import read_options
from seqcli.core.tasks.option_schema import options_schema
from seqcli.core.tasks.registry import task_for
from seqcli.core.tasks.union import all_options, build, check
from seqcli.errors import ConfigError

if TYPE_CHECKING:  # modules that train and draw are imported when they are used, so that completion is fast
    from seqcli.core.events import Event

NAMING = ("files", "source", "target")  # options that name the training data


@with_flags(training_flags(), FIRST)
def train(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Texts and directories of .txt files, a .tsv file of pairs, a .conllu file, or (--task) other tables.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="NAME", help="Name of the new run.", show_default="from file and cell"),
    ] = None,
    runs_dir: RunsDir = "runs",
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Options from a YAML file, or recipe:NAME; flags win.",
            show_default=False,
            autocompletion=config_names,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with this run from its newest checkpoint.",
            show_default=False,
            autocompletion=run_names,
        ),
    ] = None,
    show_config: Annotated[
        bool,
        typer.Option(
            "--show-config", help="Print the configuration, with what was chosen by the data of FILE, and stop."
        ),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            help=f"Print the JSON schema of --config files, which editors look for in {SCHEMA_FILE}, and stop.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    help_all: Annotated[
        bool, typer.Option("--help-all", help="Show every option; with FILE or --task, those for it.")
    ] = False,
    *,
    ctx: typer.Context,
    options: dict[str, Any],
) -> None:
    """Train a model on a file of yours: [bold]seqcli train corpus.txt[/]

    A text makes a language model, [bold]pairs.tsv[/] a translator, [bold]sentences.conllu[/] a tagger;
    [bold]--task classify[/] takes labelled texts, [bold]--task embed[/] learns word vectors.

    With no option it takes about three minutes at most, and chooses sizes by the amount of text and says so.
    Ctrl-C saves a checkpoint and shows how to go on.
    """
    from seqcli.core import runs

    if schema:
        console.write(dumps(options_schema(), indent=2, ensure_ascii=False))
        return
    given = merged(config or [], options, files)
    if help_all:
        known = any(given.get(key) for key in (*NAMING, "task"))  # while there is no task, all options are shown
        told = of_task(task_for(given).name) if known else None
        only = [name for name in ctx.params if told is None or name not in all_options() or name in (*told, "task")]
        typer.echo(help.page(ctx, only, told))
        return
    named = any(given.get(name) for name in NAMING)
    say = None if json else silent if quiet else console.notice
    if resume and (files or config or run):
        raise ConfigError("--resume goes on with the files and options of its run; give it no FILE, --config or --run.")
    if show_config:
        shown = runs.to_resume(resume, options, runs_dir)[1] if resume else build(given)
        if named and not resume:
            shown = runs.planned(shown, say or silent)
        console.write(shown.to_yaml(), end="")
        return
    if resume:
        events = runs.resume(resume, options, runs_dir=runs_dir, say=say)
    else:
        if not named:
            raise ConfigError(f"Give a file to train on: seqcli train {said(config or [])}FILE")
        events = runs.train(build(given), run=run, runs_dir=runs_dir, say=say)
    run_training(events, runs_dir=runs_dir, quiet=quiet, json=json)


def said(config_files: list[str]) -> str:
    """Return the --config options as they were typed."""
    return "".join(f"--config {shlex.quote(source)} " for source in config_files)


def run_training(
    events: "Generator[Event, None, None]", *, runs_dir: str, quiet: bool = False, json: bool = False
) -> None:
    """Run a training to its end and show it.

    After Ctrl-C it saves a checkpoint, tells the user how to continue, and exits with code 130.
    """
    from seqcli.cli.progress import drawer
    from seqcli.core.events import Started, Stepped

    with drawer(quiet=quiet, json=json, runs_dir=runs_dir) as draw, Interruptible() as interrupted:
        step = 0
        try:
            for event in events:
                draw(event)
                step = event.step if isinstance(event, Stepped | Started) else step
                if interrupted.now and isinstance(event, Stepped):
                    break
                interrupted.started = interrupted.started or isinstance(event, Started)
            else:
                return
        except KeyboardInterrupt:
            if not interrupted.started:
                console.notice("Stopped before the first step: there is nothing to save yet.")
            raise
    events.close()  # it saves its checkpoint
    console.notice(f"Stopped after step {step:,}, of which there is a checkpoint. Go on with: {draw.resume_command}")
    raise SystemExit(130)


def merged(config_files: list[str], options: dict[str, Any], files: list[str] | None) -> dict[str, Any]:
    """Merge the options in these YAML files with those that were typed.

    A later file wins over an earlier one, and what was typed wins over all files. Raises ConfigError, which lists
    everything that is wrong in any of them.
    """
    values: dict[str, Any] = {}
    problems = []
    for source in (*config_files, None):
        try:
            values |= check(read_options(source) if source else options, source or "")
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return values | ({"files": tuple(files)} if files else {})


class Interruptible:
    """A context manager in which the first Ctrl-C, or SIGTERM, only sets `now`, so that a step can be finished.

    A second one, or one before `started` is set, raises KeyboardInterrupt at once.
    """

    def __init__(self) -> None:
        self.now = False
        self.started = False  # until then there is nothing to save

    def __enter__(self) -> "Interruptible":
        self._before = signal.signal(signal.SIGINT, self._handle)
        self._term = signal.signal(signal.SIGTERM, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        signal.signal(signal.SIGTERM, self._term)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.now or not self.started:
            raise KeyboardInterrupt
        self.now = True
