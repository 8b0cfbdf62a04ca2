"""seqcli sample: text from a language model."""

import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from seqcli.cli import console
from seqcli.cli.options import Device, Json, Quiet, Run, RunsDir, Seed, Threads
from seqcli.core import runs


def sample(
    prime: Annotated[str, typer.Option("--prime", help="Text to go on from.")] = "",
    length: Annotated[int, typer.Option("--length", min=1, help="Tokens to write.")] = 400,
    temperature: Annotated[
        float,
        typer.Option("--temperature", min=0.0, max=100.0, help="0 is greedy, 1 the model's own distribution."),
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Draw from the k likeliest tokens.", show_default="all")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p", min=0.0, max=1.0, help="Draw from the likeliest tokens that sum to p.", show_default="all"
        ),
    ] = None,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            "--repetition-penalty", min=1.0, max=100.0, help="Above 1, tokens seen before become less likely."
        ),
    ] = 1.0,
    stop: Annotated[
        str | None, typer.Option("--stop", metavar="TEXT", help="End before this text.", show_default=False)
    ] = None,
    num_samples: Annotated[int, typer.Option("--num-samples", "-n", min=1, help="Samples, made side by side.")] = 1,
    run: Run = None,
    runs_dir: RunsDir = "runs",
    seed: Seed = None,
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write text with a trained language model: [bold]seqcli sample --prime hello[/]"""
    if threads:  # NumPy's products ask once, when it is imported
        os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    prime, stop = console.typed(prime), console.typed(stop or "")
    model = runs.load(run, runs_dir=runs_dir, device=device, threads=threads, task="lm")
    _, strange = model.encode_prime(prime)
    if not quiet:
        if strange:
            console.warn(f"The model has never seen {' '.join(map(repr, strange))}; read as <unk>.")
        if top_k and top_k > model.tokenizer.vocab_size:
            console.warn(
                f"--top-k {top_k} is more than the vocabulary of {model.tokenizer.vocab_size}: all tokens count."
            )
        if model.config.loss == "mse":
            console.notice("Trained by squared error: outputs are taken as probabilities, negative ones as 0.")
    options: dict[str, Any] = {
        "length": length,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "stop": stop or None,
        "seed": seed,
    }
    if num_samples == 1 and not json:
        console.write(prime, end="")
        for _, piece, _ended in model.stream(prime, **options):
            console.write(piece, end="")
            sys.stdout.flush()
        console.write()
        return
    for k, made in enumerate(model.samples(prime, num_samples=num_samples, **options)):
        if json:
            console.print_json(asdict(made))
        else:
            if k and "\n" in made.text:
                console.write("-" * 20)
            console.write(prime + made.text)
