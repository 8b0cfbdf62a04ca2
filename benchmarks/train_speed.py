"""Training steps a second of seqcli's loop against a bare loop: the same sizes, fused AdamW, clipping and autocast.

    python benchmarks/train_speed.py TEXT [--precision bf16] [--hidden 128 512]

One JSON object a line: tokens/s of both, and their ratio (above 1: seqcli is faster). The two take turns, so that a
drift of the machine's speed falls on both; each turn's ratio is taken, and the median of them is the figure.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from seqcli.cli import process
from seqcli.core.tasks.lm.job import LMJob
from seqcli.core.tasks.union import build
from seqcli.core.training.device import autocast
from seqcli.core.training.loop import Loop

TURNS = 9


def bare_loop(job: LMJob) -> Callable[[int], None]:
    """The loop that one would write by hand."""
    c = job.plan
    assert c.hidden and c.embedding_dim and c.lr
    embedding = nn.Embedding(job.vocab_size, c.embedding_dim)
    cell = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[c.cell](c.embedding_dim, c.hidden, batch_first=True)
    out = nn.Linear(c.hidden, job.vocab_size)
    parameters = [*embedding.parameters(), *cell.parameters(), *out.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=c.lr, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    state = None

    def run(steps: int) -> None:
        nonlocal state
        for k in range(steps):
            batch = job.batches[k + 1]
            with autocast(c.precision, job.device):
                y, state = cell(embedding(batch.x), state)
                loss = F.cross_entropy(out(y).flatten(0, 1).float(), batch.y.flatten())
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            loss.item()

    return run


def seqcli_loop(job: LMJob) -> Callable[[int], None]:
    """The product's loop, with all that it does in a step: averages, figures, events."""
    events = iter(Loop(job, Path(tempfile.mkdtemp())))
    next(events)
    done = 0

    def run(steps: int) -> None:
        nonlocal done
        until = done + steps
        while done < until:
            event = next(events)
            done = getattr(event, "step", done)

    return run


def seconds(run: Callable[[int], None], steps: int) -> float:
    """The time of so many steps."""
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def main() -> None:
    """Compare every cell at every size."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru", "rnn"])
    args = parser.parse_args()
    for hidden in args.hidden:
        for cell in args.cells:
            options = {"files": (args.text,), "cell": cell, "hidden": hidden, "precision": args.precision}
            options |= {"optimizer": "adamw", "dropout": 0.0, "steps": 10**6, "valid_split": 0.0, "sample_every": 0}
            options |= {"batch_size": 32, "window": 64, "eval_every": 10**6, "save_every": 10**6}
            job = LMJob(build(options))
            ours, bare = seqcli_loop(job), bare_loop(job)
            steps = 40 if hidden < 256 else 12
            seconds(ours, steps // 2), seconds(bare, steps // 2)
            turns = [(seconds(bare, steps), seconds(ours, steps)) for _ in range(TURNS)]
            tokens = steps * 32 * 64
            print(
                json.dumps(
                    {
                        "cell": cell,
                        "hidden": hidden,
                        "precision": job.plan.precision,
                        "bare_tokens_per_s": round(tokens / statistics.median(b for b, _ in turns)),
                        "seqcli_tokens_per_s": round(tokens / statistics.median(o for _, o in turns)),
                        "ratio": round(statistics.median(b / o for b, o in turns), 3),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
