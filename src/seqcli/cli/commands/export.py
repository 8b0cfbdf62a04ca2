"""seqcli export: writing a model in a form that other programs read."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from seqcli.cli import console
from seqcli.cli.command import run_names_of
from seqcli.cli.options import A_RUN, Json, RunsDir
from seqcli.core import runs
from seqcli.core.files import check_target, is_own_output


class To(str, Enum):
    """The forms in which word vectors can be written."""

    word2vec = "word2vec"
    word2vec_binary = "word2vec-binary"
    glove = "glove"


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help=A_RUN, autocompletion=run_names_of("embed"))],
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    to: Annotated[
        To, typer.Option("--to", help="word2vec and glove are text, the latter without a first line of sizes.")
    ] = To.word2vec,
    runs_dir: RunsDir = "runs",
    json: Json = False,
) -> None:
    """Write word vectors for other programs: [bold]seqcli export RUN --to word2vec vectors.txt[/]

    gensim and many others read these files, and so does --vectors of seqcli train.
    """
    check_target(output)
    model = runs.load(run, runs_dir=runs_dir, device="cpu", task="embed")
    model.save(output, to.value)
    if json:
        words, width = model.matrix.shape
        console.print_json({"path": str(output), "form": to.value, "words": words, "width": width})
    elif not is_own_output(output):
        console.write(str(output))
