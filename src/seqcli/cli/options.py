"""Options that several commands have, and flags that are made from the fields of a class of options."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from seqcli.cli.command import one_of, run_names_of
from seqcli.core.config import (
    Options,
    and_,
    choices_of,
    default_in_words,
    fields_of,
    help_of,
    option_name,
    panel_of,
    parts,
)
from seqcli.core.options import Machine
from seqcli.core.tasks.registry import TASKS
from seqcli.core.tasks.union import all_options

A_RUN = "A run's name, its directory, or a .safetensors file."
RunsDir = Annotated[str, typer.Option("--runs-dir", metavar="DIR", envvar="SEQCLI_RUNS", help="Where the runs are.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, an object a line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notices, no progress.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu, cuda or mps.",
        autocompletion=one_of(*choices_of(fields_of(Machine)["device"])),
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", min=0, max=1024, help="Processor threads (0: OMP_NUM_THREADS, or all cores).")
]


def run_of(task: str) -> Any:
    """Return the option --run of a command that uses models of one task."""
    return typer.Option(
        "--run",
        metavar="RUN",
        help=A_RUN,
        show_default=f"the newest {TASKS[task].noun}",
        autocompletion=run_names_of(task),
    )


ALIASES = {"embedding_dim": ("--dim",), "num_samples": ("-n",)}
METAVARS = {
    **dict.fromkeys(("text_column", "label_column", "id_column", "time_column", "value_column"), "COLUMN"),
    **dict.fromkeys(("known", "past", "static"), "NAME,NAME"),
    "seasons": "N,N",
    "stop": "TEXT",
}
KINDS = {int: "N", float: "X", bool: None}
FIRST = (  # what people use first, on the page of --help; --help-all has everything
    *(
        "task",
        "valid",
        "unit",
        "tokens",
        "cell",
        "hidden",
        "layers",
        "dropout",
        "horizon",
        "minutes",
        "epochs",
        "steps",
    ),
    *("batch_size", "lr", "seed", "run", "config", "resume", "show_config", "quiet", "help_all"),
)


@dataclass(frozen=True)
class Flag:
    """A flag of the command line, as made from the field of an option."""

    name: str
    kind: Any
    panel: str
    help: str
    default: str | None
    choices: tuple[str, ...] = ()

    @property
    def help_with_choices(self) -> str:
        """Its help, followed by its choices."""
        return self.help + (f" One of {', '.join(self.choices)}." if len(self.choices) > 1 else "")

    def parameter(self) -> inspect.Parameter:
        """Return the parameter from which typer makes the flag.

        A value reaches the command as the text that was typed, because the class of options converts and checks it.
        """
        typed = typer.Option(
            *(
                [f"{option_name(self.name)}/--no-{option_name(self.name)[2:]}"]
                if self.kind is bool
                else [option_name(self.name), *ALIASES.get(self.name, ())]
            ),
            help=self.help_with_choices,
            rich_help_panel=self.panel,
            show_default=self.default or False,
            metavar=METAVARS.get(self.name) or ("NAME" if self.choices else KINDS.get(self.kind, "FILE")),
            autocompletion=one_of(*self.choices) if self.choices else None,
        )
        annotation: Any = Annotated[bool | None, typed] if self.kind is bool else Annotated[str | None, typed]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def training_flags() -> Iterator[Flag]:
    """Yield the flags of `train`: the options of all tasks, except the files, which are its argument."""
    for name, known in all_options().items():
        if name != "files":
            choices = tuple(TASKS) if name == "task" else known.choices
            only = f" Only for {and_(known.tasks)}." if len(known.tasks) <= 2 else ""
            yield Flag(name, parts(known.first.type)[0], known.panel, known.help + only, known.default, choices)


def of_task(task: str) -> dict[str, tuple[str, str | None]]:
    """Return the help and the default in words of each option of one task, by name."""
    flags = {flag.name: flag for flag in flags_of(TASKS[task].options)}
    return {name: (flag.help_with_choices, flag.default) for name, flag in flags.items() if name != "task"}


def flags_of(options: type[Options]) -> Iterator[Flag]:
    """Yield the flags of one class of options."""
    for name, field in fields_of(options).items():
        kind, shown = parts(field.type)[0], default_in_words(field)
        yield Flag(name, kind, panel_of(field), help_of(field), shown, choices_of(field))


def with_flags(
    flags: Iterable[Flag], first: tuple[str, ...] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command these flags, listed in its help before its own options.

    The command gets the values that were typed in one argument, the dictionary `options`, by name. With `first`, the
    page of `--help` shows only the flags with these names.
    """
    made = [flag.parameter() for flag in flags]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters

        def wrapper(**values: Any) -> None:
            typed = {p.name: values.pop(p.name) for p in made}
            command(**values, options={k: v for k, v in typed.items() if v is not None})

        kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.values() if p.name != "options"]
        wrapper.__doc__ = command.__doc__
        wrapper.__name__ = command.__name__
        if first is not None:
            wrapper.first_options = first  # type: ignore[attr-defined]  # read by seqcli.cli.command
        wrapper.__signature__ = inspect.Signature([*made, *kept])  # type: ignore[attr-defined]  # read by typer
        wrapper.__annotations__ = {p.name: p.annotation for p in (*made, *kept)}
        return wrapper

    return decorate
