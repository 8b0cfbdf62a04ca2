"""The command line: one thin command a file; what is slow to import is imported by the commands that need it."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

import typer

from seqcli import __version__
from seqcli.cli import console
from seqcli.cli.classify import classify
from seqcli.cli.evaluate import evaluate
from seqcli.cli.export import export
from seqcli.cli.neighbors import analogy, neighbors
from seqcli.cli.plot import plot
from seqcli.cli.runs import info, runs
from seqcli.cli.sample import sample
from seqcli.cli.tag import tag
from seqcli.cli.train import train
from seqcli.cli.translate import translate

app = typer.Typer(
    name="seqcli",
    help="Train recurrent sequence models on your own text; sample, translate, tag, classify with them; measure them.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        console.write(f"seqcli {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train recurrent sequence models on your own text; sample, translate, tag, classify with them; measure them.

    First steps: [bold]seqcli train corpus.txt[/], then [bold]seqcli sample --prime hello[/].
    """


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its errors mapped inside typer, which would map a closed pipe to a failure."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with console.errors_mapped():
            command(*args, **kwargs)

    return run


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "sample": sample,
    "translate": translate,
    "tag": tag,
    "classify": classify,
    "neighbors": neighbors,
    "analogy": analogy,
    "eval": evaluate,
    "runs": runs,
    "info": info,
    "plot": plot,
    "export": export,
}
for name, command in COMMANDS.items():
    app.command(name=name)(_guarded(command))


def main() -> None:
    """Run the command line; the entry point of `seqcli` and of `python -m seqcli`."""
    console.use_utf8()
    app(prog_name="seqcli")
