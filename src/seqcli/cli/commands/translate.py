"""seqcli translate: translating texts with an encoder-decoder.

Flags such as --beam are the fields of SearchOptions in core/decoding/options.py. They are given to Translator.translate
in core/tasks/translate/trained.py; the beam search itself is core/decoding/search.py.
"""

import shlex
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from seqcli.cli import console
from seqcli.cli.choosing import chosen
from seqcli.cli.lines import Printer, answer
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads, flags_of, run_of, with_flags
from seqcli.core import runs
from seqcli.core.catalogue import newest
from seqcli.core.config import made
from seqcli.core.decoding.options import SearchOptions
from seqcli.core.events import silent
from seqcli.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from seqcli.core.tasks.translate.trained import Translation, Translator

AT_ONCE = 1000  # this many pairs of a file are translated before any of them is printed


@with_flags(flags_of(SearchOptions))
def translate(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="Pairs, SOURCE TAB TARGET: sources are translated and scored against targets. "
            "Without FILE, lines from standard input.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="Translate this; may be given again.", show_default=False)
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Show where the model looked.")] = False,
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Pass over lines of FILE that are no pair, and count them.")
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help="When there is no model yet, train one on FILE first, without asking.")
    ] = False,
    run: Annotated[str | None, run_of("translate")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
    *,
    options: dict[str, Any],
) -> None:
    """Translate with a trained model: [bold]seqcli translate pairs.tsv[/] or [bold]seqcli translate < lines.txt[/]

    With FILE, BLEU, chrF, TER and exact match against its second column go to stderr. On a terminal without FILE there
    is a prompt; Ctrl-D ends it.
    """
    if file is not None and text:
        raise ConfigError("Give a FILE or --text, not both.")
    if file is None and (skip_bad_lines or train):
        raise ConfigError(f"{'--train' if train else '--skip-bad-lines'} is for a FILE of pairs; give one.")
    asked = made(SearchOptions, options)
    if run is None and newest(runs_dir, "translate") is None:
        settings = {"task": "translate", "device": device, "threads": threads, "skip_bad_lines": skip_bad_lines}
        train_first(file, runs_dir, settings, sure=train, quiet=quiet or json)
    place = chosen(run, runs_dir, "translate", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="translate")
    options |= {"attention": attention}
    out = TranslationPrinter(n_best=asked.n_best, json=json, quiet=quiet)
    if file is not None:
        say = silent if quiet else console.notice
        pairs = model.read(file, skip_bad_lines=skip_bad_lines, say=say)
        translate_pairs(model, pairs, options, out)
    else:
        answer(text, lambda lines: out.show(model.translate(lines, first=out.line, **options)), out)


class TranslationPrinter(Printer):
    """Prints translations, and on stderr warnings about lines that were cut or have unknown words."""

    nothing: ClassVar = {"source": None, "translation": None}

    def __init__(self, *, n_best: int, json: bool, quiet: bool) -> None:
        super().__init__(json=json, quiet=quiet)
        self._n_best = n_best

    def show(self, translations: Iterable["Translation"]) -> None:
        """Print the translations of the next lines."""
        for t in translations:
            self.line += 1
            if t.truncated and not self.quiet:
                console.warn(f"Line {self.line} is longer than the model reads; its beginning was translated.")
            if t.unknown and not self.quiet:
                shown = " ".join(map(repr, t.unknown[:8])) + (" ..." if len(t.unknown) > 8 else "")
                console.warn(f"Line {self.line}: the model has never seen {shown}; read as <unk>.")
            if self.json:
                console.print_json(
                    {
                        "source": t.source,
                        "translation": t.text,
                        "score": t.score,
                        "candidates": [{"text": c.text, "score": c.score} for c in t.candidates],
                        **({"source_tokens": t.source_tokens, "target_tokens": t.target_tokens} if t.attention else {}),
                        **({"attention": t.attention} if t.attention else {}),
                    }
                )
            elif self._n_best > 1:
                for candidate in t.candidates:
                    console.write(f"{self.line}\t{candidate.score:.4f}\t{one_line(candidate.text)}")
            else:
                console.write(one_line(t.text))
            if t.attention and not self.json:
                from seqcli.cli.draw import heatmap

                console.write()
                heatmap.show(t.source_tokens, t.target_tokens, t.attention, with_scale=True)
                console.write()
        sys.stdout.flush()


def one_line(text: str) -> str:
    """Return a text with its line ends replaced by spaces, so that one line of input gives one line of output.

    A model of bytes may write line ends.
    """
    return " ".join(text.splitlines())


def translate_pairs(
    model: "Translator", pairs: Sequence[tuple[str, str]], options: dict[str, Any], out: TranslationPrinter
) -> None:
    """Translate the sources of pairs, and print on stderr how well the translations agree with the targets."""
    import time

    from seqcli.core.tasks.translate.trained import scores

    ours: list[str] = []
    start = time.perf_counter()
    rest = iter(pairs)
    while part := [source for source, _ in islice(rest, AT_ONCE)]:
        found = model.translate(part, first=out.line, **options)
        ours += [t.text for t in found]
        out.show(found)
    seconds = time.perf_counter() - start
    figures = scores(ours, [target for _, target in pairs])
    forms = {"bleu": "BLEU {:.2f}", "chrf": "chrF {:.2f}", "ter": "TER {:.2f}", "exact": "exact {:.1%}"}
    shown = "  ".join(forms[name].format(value) for name, value in figures.items() if name in forms)
    speed = f"{console.count(len(pairs))} sentences, {console.count(len(pairs) / seconds)} a second"
    console.stderr.print(f"{shown}  {speed}")
    if not out.quiet:
        console.notice(figures["signature"])


def train_first(file: str | None, runs_dir: str, settings: dict[str, Any], *, sure: bool, quiet: bool) -> None:
    """Train a model on FILE, because there is none yet; `sure` does so without asking.

    Raises CheckpointError, which says what to type, if there is no FILE, or if the user does not want to train now or
    cannot be asked.
    """
    words = ["seqcli", "train", file or "pairs.tsv"]
    words += [] if words[-1].endswith(".tsv") else ["--task", "translate"]
    words += ["--skip-bad-lines"] if settings["skip_bad_lines"] else []
    words += [] if runs_dir == "runs" else ["--runs-dir", runs_dir]
    command = shlex.join(words)
    missing = f"There is no trained translation model in {runs_dir}/ yet. Train one first: {command}"
    if file is None:
        raise CheckpointError(missing)
    if not Path(file).exists():
        raise DataError(f"There is no file {file}.")
    if not sure:
        if not (sys.stdin.isatty() and console.on_terminal()):
            raise CheckpointError(missing)
        console.notice(f"There is no trained translation model in {runs_dir}/ yet.")
        if not typer.confirm(
            f"Train one on {console.shown(file)} first (about three minutes)?", default=True, err=True
        ):
            raise CheckpointError(f"Nothing to translate with. Train when you like: {command}")
    from seqcli.cli.commands.train import run_training
    from seqcli.core.tasks.union import build

    say = silent if quiet else console.notice
    events = runs.train(build({"files": (file,), **settings}), runs_dir=runs_dir, say=say)
    run_training(events, runs_dir=runs_dir, quiet=quiet)
