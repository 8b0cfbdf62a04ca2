"""seqcli demo: a first training and a first sample, made by the same commands that a user would type."""

import os
import shlex
from typing import Any

import typer
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.options import Quiet, RunsDir

COMMANDS = (
    ("train", "--config", "recipe:char-lstm", "--minutes", "1"),
    ("sample", "--prime", "Anna looked at the sea", "--length", "300", "--temperature", "0.7"),
)


def demo(runs_dir: RunsDir = "runs", quiet: Quiet = False, *, ctx: typer.Context) -> None:
    """Train on a small text of ours and write some more of it, in about a minute.

    Every command is shown before it runs, so that you can type it yourself. The run stays in [bold]runs/[/], where
    [bold]seqcli sample[/] and the other commands find it.
    """
    assert ctx.parent is not None, "it is one of seqcli's commands"
    everywhere = [] if runs_dir == os.environ.get("SEQCLI_RUNS", "runs") else ["--runs-dir", runs_dir]
    for command in COMMANDS:
        words = [*command, *everywhere]
        if not quiet:
            console.stderr.print(Text(f"$ {shlex.join(['seqcli', *words])}", "bold"))
        run(ctx.parent.command, [*words, "--quiet"] if quiet else words)
    if not quiet:
        console.notice("Now with a text of yours: seqcli train FILE; other systems: seqcli recipes; all: seqcli --help")


def run(seqcli: Any, words: list[str]) -> None:
    """Run a command in this process as if it had been typed.

    A command that fails or is interrupted prints its own message and raises SystemExit.
    """
    seqcli.main(args=words, prog_name="seqcli", standalone_mode=False)
