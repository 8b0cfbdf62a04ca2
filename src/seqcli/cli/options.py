"""Options that commands share, and the options of `train`, which are made from the configuration's fields."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from seqcli.cli.command import one_of, run_names
from seqcli.core.config import FIELDS, auto_of, choices_of, help_of, option_name, panel_of, parts, tasks_of

A_RUN = "A run's name, its directory, or a .safetensors file."
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help=A_RUN, show_default="the newest run", autocompletion=run_names),
]
RunsDir = Annotated[str, typer.Option("--runs-dir", metavar="DIR", envvar="SEQCLI_RUNS", help="Where the runs are.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notices, no progress.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of the random choices.", show_default="another each time"),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu, cuda or mps.",
        autocompletion=one_of(*choices_of(FIELDS["device"])),
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", min=0, max=1024, help="Processor threads (0: OMP_NUM_THREADS, or all cores).")
]


ALIASES = {"embedding_dim": ("--dim",)}
METAVARS = {"text_column": "COLUMN", "label_column": "COLUMN"}
KINDS = {int: "N", float: "X", bool: None}
FIRST = (  # what people use first, on the page of --help; --help-all has everything
    *("task", "valid", "unit", "tokens", "cell", "hidden", "layers", "dropout", "minutes", "epochs", "steps"),
    *("batch_size", "lr", "seed", "run", "config", "resume", "show_config", "quiet", "help_all"),
)


def with_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for every field of Config but `files`, given to it as `options` when typed; before its
    own ones, because they are what its help is read for.

    Values reach the configuration as they were typed; it alone checks them, so that all errors are reported at once.
    """
    own = inspect.signature(command, eval_str=True).parameters
    made = []
    for name, field in FIELDS.items():
        if name == "files":
            continue
        choices, tasks, (kind, *_) = choices_of(field), tasks_of(field), parts(field.type)
        default = auto_of(field) if field.default in (None, False) else str(field.default)
        help_ = help_of(field) + (f" One of {', '.join(choices)}." if choices else "")
        help_ += f" Only for {' and '.join(tasks)}." if len(tasks) <= 2 else ""
        flag = option_name(name)
        typed = typer.Option(
            *([f"{flag}/--no-{flag[2:]}"] if kind is bool else [flag, *ALIASES.get(name, ())]),
            help=help_,
            rich_help_panel=panel_of(field),
            show_default=default or False,
            metavar=METAVARS.get(name) or ("NAME" if choices else KINDS.get(kind, "FILE")),
            autocompletion=one_of(*choices) if choices else None,
        )
        annotation: Any = Annotated[bool | None, typed] if kind is bool else Annotated[str | None, typed]
        made.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))

    def wrapper(**values: Any) -> None:
        typed = {p.name: values.pop(p.name) for p in made}
        command(**values, options={k: v for k, v in typed.items() if v is not None})

    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.values() if p.name != "options"]
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    wrapper.first_options = FIRST  # type: ignore[attr-defined]  # read by seqcli.cli.command
    wrapper.__signature__ = inspect.Signature([*made, *kept])  # type: ignore[attr-defined]  # read by typer
    wrapper.__annotations__ = {p.name: p.annotation for p in (*made, *kept)}
    return wrapper
