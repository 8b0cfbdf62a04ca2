"""Options that commands share, and the options of `train`, which are made from the configuration's fields."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from seqcli.core.config import FIELDS, auto_of, choices_of, help_of, option_name, panel_of

Run = Annotated[
    str | None,
    typer.Option("--run", help="A run's name, its directory, or a .safetensors file.", show_default="the newest run"),
]
RunsDir = Annotated[str, typer.Option("--runs-dir", envvar="SEQCLI_RUNS", help="Where the runs are.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notices, no progress.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of the random choices.", show_default="another each time"),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Threads = Annotated[int, typer.Option("--threads", min=0, max=1024, help="Processor threads (0: all cores).")]


ALIASES = {"embedding_dim": ("--dim",)}


def with_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for every field of Config but `files`, given to it as `options` when typed.

    Values reach the configuration as they were typed; it alone checks them, so that all errors are reported at once.
    """
    own = inspect.signature(command, eval_str=True).parameters
    made = []
    for name, field in FIELDS.items():
        if name == "files":
            continue
        choices = choices_of(field)
        help_ = (help_of(field)) + (f" \\[{' | '.join(choices)}]" if choices else "")
        default = auto_of(field) if field.default is None else str(field.default)
        flags = [option_name(name), *ALIASES.get(name, ())]
        switch = "bool" in str(field.type)
        if switch:
            flags = [f"{flags[0]}/--no-{flags[0][2:]}"]
        typed = typer.Option(
            *flags,
            help=help_,
            rich_help_panel=panel_of(field),
            show_default=default or "none",
            metavar="COLUMN" if name.endswith("_column") else _metavar(field.type, choices),
        )
        kind = bool if switch else str
        made.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, typed]
            )
        )

    def wrapper(**values: Any) -> None:
        typed = {p.name: values.pop(p.name) for p in made}
        command(**values, options={k: v for k, v in typed.items() if v is not None})

    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.values() if p.name != "options"]
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    wrapper.__signature__ = inspect.Signature([*kept, *made])  # type: ignore[attr-defined]  # read by typer
    wrapper.__annotations__ = {p.name: p.annotation for p in (*kept, *made)}
    return wrapper


def _metavar(annotation: Any, choices: tuple[str, ...]) -> str | None:
    if choices:
        return "NAME"
    text = str(annotation)
    if "bool" in text:
        return None
    return "N" if "int" in text else "X" if "float" in text else "FILE"
