"""Commands that are imported when they are called, whose values are checked in our own words.

Typer turns functions into commands; what is different here: the group knows of a command only its line of help until it
is called; a shell that completes is answered without converting a value; help is drawn by seqcli.cli.help.
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

TASK_WITHIN = 4096  # characters at the beginning of the configuration of a run, among which its task is
NAMES = {"help_option_names": ["-h", "--help"]}
# An empty name would be that of the current directory, and it is most often a variable of the shell that is not set.
PLACES = {"FILE": "the name of a file", "DIR": "the name of a directory", "RUN": "the name of a run"}
NAME_OF = re.compile(rf"\[?({'|'.join(PLACES)})\]?(?:\.\.\.)?")
UsageError: Any = typer.BadParameter.__base__  # typer does not name it


class Entry(NamedTuple):
    """In which module of seqcli.cli.commands a command is, its function, and its line in the list of commands."""

    module: str
    function: str
    help: str


class Command(TyperCommand):
    """A command whose options know their types."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, --help among them."""
        assert self.callback is not None
        own = inspect.signature(self.callback, eval_str=True).parameters
        params = super().get_params(ctx)
        for param in params:
            check(param, own[str(param.name)].annotation if param.name in own else None)
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `--help`: all options, or those that the function names as its first ones."""
        formatter.write(help.page(ctx, getattr(self.callback, "first_options", None)))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands after the command's name in its usage."""
        return help.usage_pieces(self)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names of options, without their help: typer would import all of its drawing to show it."""
        return without_help(super().shell_complete(ctx, incomplete))


class Group(TyperGroup):
    """A group of commands, each imported when it is called."""

    entries: ClassVar[Mapping[str, Entry]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, entry in self.entries.items():
            self.commands[name] = TyperCommand(name, help=entry.help)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """As any group; what was typed wrongly is shown, and steers no terminal."""
        with harmless_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """As any group; the same for what was typed behind a command's name."""
        with harmless_errors():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name, the command itself, and the arguments that are left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.load(str(name)) if command is not None else None, rest

    def load(self, name: str) -> Any:
        """Import a command."""
        entry = self.entries[name]
        function = getattr(import_module(f"seqcli.cli.commands.{entry.module}"), entry.function)
        single = typer.Typer(add_completion=False, rich_markup_mode="rich", context_settings=NAMES)
        single.command(name=name, cls=Command)(guarded(function))
        return typer.main.get_command(single)

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, those for completion and --help among them."""
        params = super().get_params(ctx)
        for param in params:
            check(param, None)
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any group; without arguments it shows its help."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `seqcli --help`."""
        formatter.write(help.page(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands after `seqcli` in its usage."""
        return ["COMMAND", "[OPTIONS]"]

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names of commands and options, without their help."""
        return without_help(super().shell_complete(ctx, incomplete))


@contextmanager
def harmless_errors() -> Iterator[None]:
    """Within, an error of usage says what was typed as a terminal may have it."""
    try:
        yield
    except UsageError as error:
        error.message = console.shown(error.message)
        raise


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its errors mapped inside typer, which would map a closed pipe to a failure."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with console.errors_mapped():
            process.prepare()
            command(*args, **kwargs)

    return run


def without_help(found: list[Any]) -> list[Any]:
    """Completions that are names alone."""
    for item in found:
        item.help = None
    return found


# --- values ---------------------------------------------------------------------------------------------------------


def check(param: Any, annotation: Any) -> None:
    """Let a parameter that typer has made check its value in our own words.

    Typer would build a validator of pydantic's for every parameter, given or not, also while a shell completes; so it
    is only asked about lists, enumerations, and what is missing. `annotation` is what the parameter's function says
    that it is, which the page of help reads too.
    """
    if hasattr(param, "annotation"):
        return  # it does already
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
    """What a parameter is called by those who type it: `--seed`, `FILE`."""
    name = max(param.opts, key=len) if param.param_type_name == "option" else param.metavar or param.name.upper()
    return str(name)


def converted(option: str, value: Any, annotation: Any) -> Any:
    """What was typed, or a list of it, as its parameter's type. Raises ConfigError with a sentence."""
    kind, *infos = parts(annotation)
    limits = next((Limits(ge=info.min, le=info.max) for info in infos if hasattr(info, "min")), Limits())
    if isinstance(value, (list, tuple)):
        return [_one(option, item, get_args(kind)[0], limits) for item in value]
    return _one(option, value, kind, limits)


def _one(option: str, value: Any, kind: Any, limits: Limits) -> Any:
    if not isinstance(value, str):
        return value  # a default
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


# --- what a shell completes -----------------------------------------------------------------------------------------


def run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs whose names begin so; their directories are listed, nothing of them is read."""
    return [config.parent.name for config in _configs(ctx, incomplete)]


def run_names_of(task: str) -> Callable[[typer.Context, str], list[str]]:
    """Completes the runs of one task, as their configurations name it on a line. No YAML is parsed for that."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return [config.parent.name for config in _configs(ctx, incomplete) if _task_in(config) == task]

    return complete


def _configs(ctx: typer.Context, incomplete: str) -> list[Path]:
    """The configurations of the runs whose names begin so."""
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
    """The task that the configuration of a run names, or None."""
    try:
        with config.open(encoding="utf-8", errors="replace") as file:
            found = re.search(r"^task: *(\w+)", file.read(TASK_WITHIN), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def config_names(incomplete: str) -> list[str]:
    """The recipes, where a name begins as theirs do; otherwise nothing, and the shell completes files."""
    from seqcli.core.recipes import PREFIX, names

    found = [PREFIX + name for name in names()] if incomplete else []
    return [name for name in found if name.startswith(incomplete)]


def recipe_names(incomplete: str) -> list[str]:
    """The recipes whose names begin so."""
    from seqcli.core.recipes import names

    return [name for name in names() if name.startswith(incomplete)]


def one_of(*choices: str) -> Callable[[str], list[str]]:
    """Completes an option that has these choices."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete
