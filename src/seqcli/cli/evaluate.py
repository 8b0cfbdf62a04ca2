"""seqcli eval: figures of a model on a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from seqcli.cli import console
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads
from seqcli.core import runs

NAMES = {
    "spearman": ("Spearman's correlation", "{:.4f}"),
    "pairs": ("pairs of known words", "{:,.0f}"),
    "unknown_pairs": ("other pairs", "{:,.0f}"),
    "bleu": ("BLEU", "{:.2f}"),
    "chrf": ("chrF", "{:.2f}"),
    "ter": ("TER (lower is better)", "{:.2f}"),
    "exact": ("exact match", "{:.2%}"),
    "loss": ("loss (nats per token)", "{:.4f}"),
    "perplexity": ("perplexity", "{:.3f}"),
    "bits_per_character": ("bits per character", "{:.4f}"),
    "bits_per_byte": ("bits per byte", "{:.4f}"),
    "accuracy": ("next token right", "{:.2%}"),
    "tokens": ("tokens", "{:,.0f}"),
    "tokens_per_s": ("tokens/s", "{:,.0f}"),
    "sentences": ("sentences", "{:,.0f}"),
    "sentences_per_s": ("sentences/s", "{:,.0f}"),
    "signature": ("signature", "{}"),
}


def evaluate(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A text or pairs that the model has not seen.", show_default=False),
    ],
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="A run's name, its directory, or a .safetensors file; several to compare.",
            show_default="the newest run for such a file",
        ),
    ] = None,
    beam: Annotated[int, typer.Option("--beam", min=1, help="Width of the search (translate); 1 is greedy.")] = 5,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on a file: [bold]seqcli eval held_out.txt[/]

    A language model's perplexity and bits per character; a translation model's BLEU, chrF, TER and exact match;
    for word vectors how their cosines agree with the scores in a file of WORD TAB WORD TAB SCORE lines.
    """
    say = (lambda text: None) if quiet else console.notice
    found = {}
    names: list[str | None] = [*run] if run else [None]
    for name in names:
        path = (runs.newest(runs_dir, *fitting(file)) if name is None else None) or runs.find(name, runs_dir)
        model = runs.load(path, runs_dir=runs_dir, device=device, threads=threads)
        label = str(name) if name else path.name
        options = {"beam": beam} if model.config.task == "translate" else {}
        found[label] = model.evaluate(file, say=say, **options)
        if model.config.loss == "mse":
            say(f"{label} was trained by mse: its loss is a squared distance from the one-hot target, no nats.")
    if json:
        for label, figures in found.items():
            console.print_json({"run": label, "file": file, **figures})
        return
    if len(found) == 1:
        (figures,) = found.values()
        for key, (name_, form) in NAMES.items():
            if key in figures:
                print(f"{name_:<24}{form.format(figures[key])}")
        return
    if not console.stdout_is_terminal():
        shown = [key for key in NAMES if any(key in figures for figures in found.values())]
        print("\t".join(["run", *shown]))
        for label, figures in found.items():
            print("\t".join([label, *(str(figures.get(key, "")) for key in shown)]))
        return
    table = Table(box=None, header_style="dim")
    table.add_column("run")
    names_ = {k: v for k, v in NAMES.items() if k != "signature" and any(k in figures for figures in found.values())}
    for name_, _ in names_.values():
        table.add_column(name_, justify="right")
    for label, figures in found.items():
        table.add_row(label, *(form.format(figures[k]) if k in figures else "-" for k, (_, form) in names_.items()))
    console.stdout.print(table)


def fitting(file: str) -> tuple[str, ...]:
    """The tasks whose models a file of that name may be for."""
    suffix = Path(file).suffix.lower()
    if suffix in (".tsv", ".csv"):
        return ("translate", "classify", "embed")
    return ("tag",) if suffix == ".conllu" else ("lm",)
