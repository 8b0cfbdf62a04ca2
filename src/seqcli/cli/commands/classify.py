"""seqcli classify: a label for a text."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.cells import cell_len
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.choosing import chosen
from seqcli.cli.draw.labels import cut, one_line, padded
from seqcli.cli.lines import Printer, answer
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads, run_of
from seqcli.core import runs

if TYPE_CHECKING:
    from seqcli.core.tasks.classify.trained import Classified

BAR = 24  # the length of the bar of a probability of 1, in columns


def classify(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Texts to classify. Without any, lines from standard input.",
            show_default=False,
        ),
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="The probability of every label.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="How much each token weighed (models with --pool attention).")
    ] = False,
    run: Annotated[str | None, run_of("classify")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label texts with a trained classifier: [bold]seqcli classify "a stirring film" --probabilities[/]

    One text a line. Probabilities are calibrated on the validation data.
    """
    place = chosen(run, runs_dir, "classify", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="classify")
    alone = len(text) == 1 if text else sys.stdin.isatty()  # then it is clear which text is meant
    person = console.stdout_is_terminal()
    out = LabelPrinter(probabilities=probabilities, json=json, quiet=quiet, person=person, headings=not alone)

    def show(lines: Sequence[str]) -> None:
        full = [line for line in lines if line.strip()]
        made = iter(model.classify(full, explain=explain) if full else [])
        for line in lines:
            out.show(line, next(made) if line.strip() else None)
        sys.stdout.flush()

    answer(text, show, out)


class LabelPrinter(Printer):
    """Prints the label of each text on a line. The answer to an empty line is an empty line.

    On a terminal (`person`) probabilities are drawn as bars. With `headings` the text stands above them.
    """

    nothing: ClassVar = {"text": None, "label": None}

    def __init__(self, *, probabilities: bool, json: bool, quiet: bool, person: bool, headings: bool = False) -> None:
        super().__init__(json=json, quiet=quiet)
        self._probabilities, self._person, self._headings = probabilities, person, headings

    def show(self, text: str, found: "Classified | None") -> None:
        """Print the label of one text; `found` is None for an empty text."""
        self.line += 1
        if found is not None and not self.quiet:
            if not found.known:
                console.warn(f"Line {self.line}: the model knows nothing of {text[:60]!r}; its label is a guess.")
            if found.truncated:
                console.warn(f"Line {self.line} is longer than the model reads; its beginning was classified.")
        if self.json:
            console.print_json({"text": text, **(fields(found) if found else {"label": None})})
        elif found is None:
            console.write()
        elif self._probabilities and self._person:
            if self._headings:
                console.stdout.print(Text("\n" * (self.line > 1) + cut(one_line(text), console.stdout.width)))
            room = console.stdout.width - len("  100.0%  ")
            labels = [cut(console.shown(label), max(8, room)) for label in found.probabilities]
            wide = max(map(cell_len, labels))
            bar = max(0, min(BAR, room - wide))
            for label, p in zip(labels, found.probabilities.values(), strict=True):
                line = Text(f"{padded(label, wide)}  {p:6.1%}  ", style="bold" if label == labels[0] else "dim")
                console.stdout.print(line.append("█" * round(bar * p), "cyan"))
        elif self._probabilities:
            console.write("\t".join(f"{label}\t{p:.4f}" for label, p in found.probabilities.items()))
        else:
            console.write(found.label)
        if found is not None and found.weights is not None and not self.json:
            self._weights(found)

    def _weights(self, found: "Classified") -> None:
        """Print the tokens, brighter the more they weighed; into a pipe as TOKEN TAB WEIGHT lines."""
        assert found.weights is not None
        if not self._person:
            console.write("".join(f"{token}\t{w:.4f}\n" for token, w in zip(found.pieces, found.weights, strict=True)))
            return
        top = max(found.weights)
        line = Text()
        for token, w in zip(found.pieces, found.weights, strict=True):
            shade = round(60 + 195 * w / top)
            style = f"bold rgb(0,{shade},{shade})" if w > 0.5 * top else f"rgb({shade},{shade},{shade})"
            part = Text.assemble((console.shown(token), style), (f" {w:.0%}" if w > 0.1 else "", "dim"))
            if line and line.cell_len + 1 + part.cell_len > console.stdout.width:
                console.stdout.print(line)
                line = Text()
            line.append(" " * bool(line)).append_text(part)
        console.stdout.print(line)


def fields(found: "Classified") -> dict[str, object]:
    """Return the result for one text as it is printed in JSON."""
    more = {"tokens": found.pieces, "weights": found.weights} if found.weights is not None else {}
    return {"label": found.label, "probabilities": found.probabilities, **more}
