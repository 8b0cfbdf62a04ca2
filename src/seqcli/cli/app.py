"""The command line and the table of its commands. Each command is a file of its own, imported when it is called."""

from typing import Annotated

import typer

from seqcli import __version__
from seqcli.cli import completion, console
from seqcli.cli.command import NAMES, Entry, Group

# The help of each command is the first line of its docstring, repeated here so that showing help imports no command. A
# test makes sure that the two are equal.
COMMANDS = {
    "train": Entry("train", "train", "Train a model on a file of yours: [bold]seqcli train corpus.txt[/]"),
    "sample": Entry(
        "sample", "sample", "Write text with a trained language model: [bold]seqcli sample --prime hello[/]"
    ),
    "translate": Entry(
        "translate",
        "translate",
        "Translate with a trained model: [bold]seqcli translate pairs.tsv[/] or [bold]seqcli translate < lines.txt[/]",
    ),
    "tag": Entry("tag", "tag", 'Tag every word with a trained tagger: [bold]seqcli tag "Time flies like an arrow"[/]'),
    "classify": Entry(
        "classify",
        "classify",
        'Label texts with a trained classifier: [bold]seqcli classify "a stirring film" --probabilities[/]',
    ),
    "neighbors": Entry(
        "neighbors",
        "neighbors",
        "The words nearest to a word, by the cosine of their vectors: [bold]seqcli neighbors king[/]",
    ),
    "analogy": Entry("neighbors", "analogy", "What is to C as B is to A: [bold]seqcli analogy man king woman[/]"),
    "eval": Entry("evaluate", "evaluate", "Measure a model on a file: [bold]seqcli eval held_out.txt[/]"),
    "runs": Entry("runs", "runs", "List the runs, newest first."),
    "info": Entry("runs", "info", "Show what a run is: its model, its data, its figures and its settings."),
    "plot": Entry(
        "plot",
        "plot",
        "Draw a run's losses, a translation's attention, or word vectors, into a file: "
        "[bold]seqcli plot -o losses.png[/]",
    ),
    "export": Entry(
        "export",
        "export",
        "Write word vectors for other programs: [bold]seqcli export RUN --to word2vec vectors.txt[/]",
    ),
    "recipes": Entry(
        "recipes",
        "recipes",
        "List the recipes, one a textbook system, to train with: [bold]seqcli train --config recipe:NAME[/]",
    ),
    "demo": Entry("demo", "demo", "Train on a small text of ours and write some more of it, in about a minute."),
}


class Seqcli(Group):
    """The group of all commands."""

    entries = COMMANDS


app = typer.Typer(
    name="seqcli", cls=Seqcli, context_settings=NAMES, rich_markup_mode="rich", pretty_exceptions_enable=False
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

    First steps: [bold]seqcli demo[/]; then with your own text [bold]seqcli train corpus.txt[/] and
    [bold]seqcli sample --prime hello[/].
    """


def main() -> None:
    """Run the command line. This is the entry point of `seqcli` and of `python -m seqcli`."""
    console.use_utf8()
    with console.errors_mapped():
        completion.answer(lambda: app(prog_name="seqcli"))
