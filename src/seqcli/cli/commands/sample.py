"""seqcli sample: generating text with a language model.

Flags such as --temperature are the fields of SamplingOptions in core/decoding/options.py.
"""

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from seqcli.cli import console
from seqcli.cli.choosing import chosen
from seqcli.cli.options import Device, Json, Quiet, RunsDir, Threads, flags_of, run_of, with_flags
from seqcli.core import runs
from seqcli.core.config import made
from seqcli.core.decoding.options import SamplingOptions
from seqcli.core.places import CONFIG
from seqcli.errors import ConfigError


@with_flags(flags_of(SamplingOptions))
def sample(
    text: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    prime: Annotated[str, typer.Option("--prime", help="Text to go on from.")] = "",
    run: Annotated[str | None, run_of("lm")] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
    *,
    options: dict[str, Any],
) -> None:
    """Write text with a trained language model: [bold]seqcli sample --prime hello[/]"""
    if text:
        raise ConfigError(misplaced(console.typed(" ".join(text)), runs_dir))
    if threads:  # NumPy reads this only once, when it is imported
        os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    options |= {"stop": console.typed(options["stop"]) or None} if "stop" in options else {}
    asked, prime = made(SamplingOptions, options), console.typed(prime)
    place = chosen(run, runs_dir, "lm", quiet=quiet or json)
    model = runs.load(place, runs_dir=runs_dir, device=device, threads=threads, task="lm")
    _, strange = model.encode_prime(prime)
    if not quiet:
        if strange:
            console.warn(f"The model has never seen {' '.join(map(repr, strange))}; read as <unk>.")
        if asked.top_k and asked.top_k > model.tokenizer.vocab_size:
            console.warn(
                f"--top-k {asked.top_k} is more than the vocabulary of {model.tokenizer.vocab_size}: all tokens count."
            )
        if model.plan.loss == "mse":
            console.notice("Trained by squared error: outputs are taken as probabilities, negative ones as 0.")
    if asked.num_samples == 1 and not json:
        console.write(prime, end="")
        for _, piece, _ended in model.stream(prime, **options):
            console.write(piece, end="")
            sys.stdout.flush()
        console.write()
        return
    samples = model.samples(prime, **options)
    apart = any("\n" in found.text for found in samples)  # samples of several lines are separated by a rule
    for k, found in enumerate(samples):
        if json:
            console.print_json(asdict(found))
        else:
            if k and apart:
                console.write("-" * 20)
            console.write(prime + found.text)


def misplaced(text: str, runs_dir: str) -> str:
    """Return the error for a text, or the name of a run, that was given without its option: what to type instead."""
    if any((place / CONFIG).is_file() for place in (Path(text), Path(runs_dir, text))):
        return f"A run is named by --run: seqcli sample --run {shlex.quote(text)}"
    return f"The text to go on from is given by --prime: seqcli sample --prime {shlex.quote(text)}"
