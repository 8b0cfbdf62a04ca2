"""seqcli tag: tagging every word of a text."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.cells import cell_len
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.choosing import chosen
from seqcli.cli.lines import Printer, answer
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads, run_of
from seqcli.core import runs
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    from seqcli.core.tasks.tag.trained import Tagged

FORMATS = ("tsv", "conllu")


def tag(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...", help="Sentences to tag. Without any, lines from standard input.", show_default=False
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", help="What is printed into a pipe: tsv or conllu.", show_default="as the model was trained on"
        ),
    ] = None,
    pretokenized: Annotated[
        bool, typer.Option("--pretokenized", help="The words of a text have spaces between them already.")
    ] = False,
    run: Annotated[str | None, run_of("tag")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tag every word with a trained tagger: [bold]seqcli tag "Time flies like an arrow"[/]

    One sentence a line. On a terminal words stand over their tags; into a pipe go WORD TAB TAG lines or CoNLL-U.
    """
    if format not in (None, *FORMATS):
        raise ConfigError(f"--format is {format!r}, but must be one of {', '.join(FORMATS)}.")
    place = chosen(run, runs_dir, "tag", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="tag")
    person = format is None and console.stdout_is_terminal()  # an explicit --format is obeyed on a terminal too
    if format is None:
        trained_on = model.plan.files[0] if model.plan.files else ""
        format = "conllu" if trained_on.endswith(".conllu") else "tsv"
    out = TagPrinter(format, model.plan.column, json=json, person=person)

    def show(lines: Sequence[str]) -> None:
        made = model.tag_words([line.split() for line in lines]) if pretokenized else model.tag(lines)
        for line, tagged in zip(lines, made, strict=True):
            out.show(line, tagged)
        sys.stdout.flush()

    answer(text, show, out)


class TagPrinter(Printer):
    """Prints tagged sentences, each followed by a blank line."""

    nothing: ClassVar = {"text": None, "words": [], "tags": []}

    def __init__(self, format: str, column: str, *, json: bool, person: bool) -> None:
        super().__init__(json=json)
        self._format, self._column, self._person = format, column, person

    def show(self, text: str, tagged: "Tagged") -> None:
        """Print one sentence."""
        self.line += 1
        if self.json:
            console.print_json({"text": text, "words": tagged.words, "tags": tagged.tags})
        elif self._person:
            for row in in_columns(tagged, console.stdout.width):
                console.stdout.print(row, soft_wrap=True)  # a word may be longer than a line
        elif self._format == "conllu":
            console.write(conllu(text, tagged, self._column, self.line))
        else:
            console.write("".join(f"{word}\t{tag}\n" for word, tag in zip(tagged.words, tagged.tags, strict=True)))


def in_columns(tagged: "Tagged", width: int) -> list[Text]:
    """Return words with their tags below them, in as many rows as are needed for the width.

    Words that training never saw are in italics.
    """
    rows: list[Text] = []
    above, below = Text(no_wrap=True), Text(no_wrap=True)
    words, tags = map(console.shown, tagged.words), map(console.shown, tagged.tags)
    for word, tag, new in zip(words, tags, tagged.unknown, strict=True):
        room = max(cell_len(word), cell_len(tag)) + 2
        if above.cell_len + room > width and above:
            rows += [above, below, Text()]
            above, below = Text(no_wrap=True), Text(no_wrap=True)
        above.append(word, "italic" if new else "").append(" " * (room - cell_len(word)))
        below.append(tag, "cyan").append(" " * (room - cell_len(tag)))
    return [*rows, above, below] if above else [Text()]


def conllu(text: str, tagged: "Tagged", column: str, number: int) -> str:
    """Return a sentence in CoNLL-U, with the tags in their column.

    A word that is followed by another one without a space is marked with SpaceAfter=No. `number` is that of the line.
    """
    place = {"upos": 3, "xpos": 4, "feats": 5}[column]
    lines, at = [f"# sent_id = {number}", f"# text = {' '.join(text.split())}"], 0
    for k, (word, tag) in enumerate(zip(tagged.words, tagged.tags, strict=True), 1):
        cells = [str(k), word, *["_"] * 8]
        cells[place] = tag
        found = text.find(word, at)
        if found >= 0:
            at = found + len(word)
            if at < len(text) and not text[at].isspace():
                cells[9] = "SpaceAfter=No"
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n" if tagged.words else ""
