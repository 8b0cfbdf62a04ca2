"""seqcli neighbors and seqcli analogy: looking at word vectors."""

from typing import Annotated

import typer
from rich.table import Table

from seqcli.cli import console
from seqcli.cli.choosing import chosen
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads, run_of
from seqcli.core import runs
from seqcli.errors import VocabularyError

Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many words to show.")]


def neighbors(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="Words to look around.", show_default=False)],
    n: Count = 10,
    run: Annotated[str | None, run_of("embed")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The words nearest to a word, by the cosine of their vectors: [bold]seqcli neighbors king[/]

    Piped, a line is WORD TAB NEIGHBOR TAB COSINE.
    """
    place = chosen(run, runs_dir, "embed", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="embed")
    failed = False
    for word in map(console.typed, words):
        try:
            found = model.neighbors(word, n)
        except VocabularyError as error:
            console.fail(str(error))
            failed = True
            continue
        _show(found, json=json, heading=word, query={"word": word}, what="neighbors")
    if failed:
        raise typer.Exit(VocabularyError.exit_code)


def analogy(
    a: Annotated[str, typer.Argument(metavar="A", help="As A ...", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="... is to B,", show_default=False)],
    c: Annotated[str, typer.Argument(metavar="C", help="so is C to what?", show_default=False)],
    n: Count = 5,
    run: Annotated[str | None, run_of("embed")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What is to C as B is to A: [bold]seqcli analogy man king woman[/]

    The words whose vectors are nearest to B - A + C, none of the three among them.
    """
    a, b, c = map(console.typed, (a, b, c))
    place = chosen(run, runs_dir, "embed", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="embed")
    heading = f"{a} : {b} = {c} : ?"
    _show(model.analogy(a, b, c, n), json=json, heading=heading, query={"a": a, "b": b, "c": c}, what="answers")


def _show(found: list[tuple[str, float]], *, json: bool, heading: str, query: dict[str, str], what: str) -> None:
    """Print words with their cosines: as JSON, TAB separated into a pipe, or as a table with a heading.

    `query` are the words that were asked about, and `what` is the name of the answers in JSON.
    """
    if json:
        console.print_json({**query, what: [{"word": word, "cosine": cosine} for word, cosine in found]})
        return
    if not console.stdout_is_terminal():
        for word, cosine in found:
            console.write("\t".join([*query.values(), word, f"{cosine:.6f}"]))
        return
    table = Table(box=None, header_style="dim")
    table.add_column(heading)
    table.add_column("cosine", justify="right")
    for word, cosine in found:
        table.add_row(word, f"{cosine:.4f}")
    console.stdout.print(table)
