"""Commands that are imported only when they are called, and that report wrong values in our own words.

Typer turns functions into commands. Three things differ from what it does by itself. Until a command is called, the
group knows only its name and its line of help. When a shell asks for completions, no value is converted. And the pages
of help are drawn by seqcli.cli.help.
"""

import functools
import inspect
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from seqcli.cli import console, help, process
from seqcli.core.config import Limits, parts, refusal
from seqcli.errors import ConfigError

TASK_WITHIN = 4096  # the task of a run is named within so many characters of the beginning of its configuration
NAMES = {"help_option_names": ["-h", "--help"]}
# An empty name would be that of the current directory, and it is most often a variable of the shell that is not set.
PLACES = {"FILE": "the name of a file", "DIR": "the name of a directory", "RUN": "the name of a run"}
NAME_OF = re.compile(rf"\[?({'|'.join(PLACES)})\]?(?:\.\.\.)?")
UsageError: Any = typer.BadParameter.__base__  # typer does not name it


class Entry(NamedTuple):
    """Where a command is: its module in seqcli.cli.commands and its function; and its line in the list of commands."""

    module: str
    function: str
    help: str


class Command(TyperCommand):
    """A command whose parameters check their values by the annotations of its function."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, --help included."""
        assert self.callback is not None
        own = inspect.signature(self.callback, eval_str=True).parameters
        params = super().get_params(ctx)
        for param in params:
            check(param, own[str(param.name)].annotation if param.name in own else None)
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `--help`, with all options or only those in the function's `first_options`."""
        formatter.write(help.page(ctx, getattr(self.callback, "first_options", None)))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the name of the command in its usage line."""
        return help.usage_pieces(self)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return completions without their help, since typer would import slow drawing modules to show it."""
        return without_help(super().shell_complete(ctx, incomplete))


class Group(TyperGroup):
    """A group of commands, each of which is imported when it is called."""

    entries: ClassVar[Mapping[str, Entry]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, entry in self.entries.items():
            self.commands[name] = TyperCommand(name, help=entry.help)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Do what any group does, but write control characters in error messages as escapes."""
        with harmless_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Do what any group does, with the same care for errors in the arguments of a command."""
        with harmless_errors():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name of the command, the command itself, and the arguments that are left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.load(str(name)) if command is not None else None, rest

    def load(self, name: str) -> Any:
        """Import a command and return it."""
        entry = self.entries[name]
        function = getattr(import_module(f"seqcli.cli.commands.{entry.module}"), entry.function)
        single = typer.Typer(add_completion=False, rich_markup_mode="rich", context_settings=NAMES)
        single.command(name=name, cls=Command)(guarded(function))
        return typer.main.get_command(single)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, those for completion and --help included."""
        params = super().get_params(ctx)
        for param in params:
            check(param, None)
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Do what any group does; without arguments, show the help."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `seqcli --help`."""
        formatter.write(help.page(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows `seqcli` in its usage line."""
        return ["COMMAND", "[OPTIONS]"]

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return completions, names of commands and options, without their help."""
        return without_help(super().shell_complete(ctx, incomplete))


@contextmanager
def harmless_errors() -> Iterator[None]:
    """Escape control characters in the messages of usage errors that are raised within the `with` block.

    Such a message quotes what was typed, and a terminal would obey the control characters in it.
    """
    try:
        yield
    except UsageError as error:
        error.message = console.shown(error.message)
        raise


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its errors handled by `console.errors_mapped` before typer sees them.

    Typer would report a closed pipe, as in `seqcli ... | head`, as a failure.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with console.errors_mapped():
            process.prepare()
            command(*args, **kwargs)

    return run


def without_help(found: list[Any]) -> list[Any]:
    """Return the completions with their help removed."""
    for item in found:
        item.help = None
    return found


# --- values ---------------------------------------------------------------------------------------------------------


def check(param: Any, annotation: Any) -> None:
    """Let a parameter that typer has made check its value with our own error messages.

    `annotation` is the parameter's annotation in the function of the command; it is kept for the page of help. Typer
    would build a pydantic validator for every parameter, even if it is not given, and even for completion. Therefore
    typer itself converts only lists, enumerations and missing values.
    """
    if hasattr(param, "annotation"):
        return  # it has been changed already
    param.annotation, process = annotation, param.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        if ctx.resilient_parsing:
            return value
        if (place := NAME_OF.fullmatch(param.metavar or "")) and "" in (
            value if isinstance(value, (list, tuple)) else [value]
        ):
            raise ConfigError(f"{option_of(param).strip('[].')} is empty, but must be {PLACES[place[1]]}.")
        value = converted(option_of(param), value, annotation)
        known = (
            annotation is not None and not isinstance(value, list) and not help.choices_of_enum(parts(annotation)[0])
        )
        if param.nargs != 1 or param.multiple or not (known or value is None) or (param.required and value is None):
            return process(ctx, value)
        return param.callback(ctx, param, value) if param.callback else value

    param.process_value = process_value


def option_of(param: Any) -> str:
    """Return the name of a parameter as it is typed: `--seed`, `FILE`."""
    name = max(param.opts, key=len) if param.param_type_name == "option" else param.metavar or param.name.upper()
    return str(name)


def converted(option: str, value: Any, annotation: Any) -> Any:
    """Convert what was typed, one value or a list, to the type of its parameter. Raises ConfigError."""
    kind, *infos = parts(annotation)
    limits = next((Limits(ge=info.min, le=info.max) for info in infos if hasattr(info, "min")), Limits())
    if isinstance(value, (list, tuple)):
        return [_one(option, item, get_args(kind)[0], limits) for item in value]
    return _one(option, value, kind, limits)


def _one(option: str, value: Any, kind: Any, limits: Limits) -> Any:
    """Convert one value; see `converted`. A value that is not a string is a default and stays as it is."""
    if not isinstance(value, str):
        return value
    choices = help.choices_of_enum(kind)
    if choices and value not in choices:
        raise ConfigError(refusal(option, value, Literal[tuple(choices)]))
    if kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number not in limits:
            raise ConfigError(refusal(option, value, Annotated[kind, limits]))
        return number
    return Path(value) if kind is Path else value


# --- completions for shells -----------------------------------------------------------------------------------------


def run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the runs that begin with what was typed. No file of a run is read."""
    return [config.parent.name for config in _configs(ctx, incomplete)]


def run_names_of(task: str) -> Callable[[typer.Context, str], list[str]]:
    """Return a function that completes the names of the runs of one task.

    It finds the task by searching the configuration for its line, which is faster than parsing the YAML.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return [config.parent.name for config in _configs(ctx, incomplete) if _task_in(config) == task]

    return complete


def _configs(ctx: typer.Context, incomplete: str) -> list[Path]:
    """Return the configuration files of the runs whose names begin with `incomplete`."""
    from seqcli.core.places import CONFIG

    place = Path(ctx.params.get("runs_dir") or os.environ.get("SEQCLI_RUNS", "runs"))
    try:
        names = sorted(entry.name for entry in os.scandir(place) if entry.name.startswith(incomplete))
    except OSError:
        return []
    return [
        place / name / CONFIG for name in names if name == console.shown(name) and (place / name / CONFIG).is_file()
    ]


def _task_in(config: Path) -> str | None:
    """Return the task that the configuration file of a run names, or None."""
    try:
        with config.open(encoding="utf-8", errors="replace") as file:
            found = re.search(r"^task: *(\w+)", file.read(TASK_WITHIN), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def config_names(incomplete: str) -> list[str]:
    """Return the recipes, as `recipe:NAME`, that begin with what was typed.

    If there are none, or if nothing was typed yet, the shell completes the names of files.
    """
    from seqcli.core.recipes import PREFIX, names

    found = [PREFIX + name for name in names()] if incomplete else []
    return [name for name in found if name.startswith(incomplete)]


def recipe_names(incomplete: str) -> list[str]:
    """Return the names of the recipes that begin with what was typed."""
    from seqcli.core.recipes import names

    return [name for name in names() if name.startswith(incomplete)]


def one_of(*choices: str) -> Callable[[str], list[str]]:
    """Return a function that completes an option with these choices."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete
