"""Speed of training a translation model, and where the time goes.

    python benchmarks/translate_speed.py PAIRS.tsv [--steps 150]

The sizes are those of a common JoeyNMT configuration: one bidirectional LSTM layer of 256 each way, embeddings of 256,
6,000 joint subwords, 64 sentences a batch. One JSON object for the default decoder and one with input feeding: target
tokens a second; then milliseconds of each part of a step, forward and backward, by itself on the same batches.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqcli.cli import process
from seqcli.core.layers.cross_entropy import linear_cross_entropy
from seqcli.core.layers.dropout import hand_down
from seqcli.core.tasks.translate.job import TranslateJob
from seqcli.core.tasks.union import build
from seqcli.core.training.averaging import Averaged
from seqcli.core.training.device import autocast
from seqcli.core.training.loop import clip_gradients
from seqcli.core.training.optimizer import make_optimizers

WARM_UP = 20


def main() -> None:
    """Train a little, twice; then take a step apart."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs")
    parser.add_argument("--steps", type=int, default=150)
    args = parser.parse_args()
    for input_feeding in (False, True):
        job = TranslateJob(
            build(
                {
                    "files": (args.pairs,),
                    "skip_bad_lines": True,
                    "vocab_size": 6000,
                    "tokens": "bpe",
                    "hidden": 256,
                    "embedding_dim": 256,
                    "batch_size": 64,
                    "dropout": 0.3,
                    "epochs": 8,
                    "input_feeding": input_feeding,
                }
            )
        )
        trainer = Trainer(job)
        for step in range(WARM_UP):
            trainer.step(step)
        start, tokens = time.perf_counter(), 0
        for step in range(WARM_UP, WARM_UP + args.steps):
            tokens += trainer.step(step)
        speed = tokens / (time.perf_counter() - start)
        print(json.dumps({"input_feeding": input_feeding, "target_tokens_per_s": round(speed)}), flush=True)
        if not input_feeding:
            parts = trainer.parts(range(WARM_UP, WARM_UP + 30))
            print(json.dumps({"milliseconds": {name: round(ms, 1) for name, ms in parts.items()}}), flush=True)


class Trainer:
    """The step of the training loop: loss, gradients, clipping, optimizers, averages."""

    def __init__(self, job: TranslateJob) -> None:
        self.job, c = job, job.plan
        self.model = job.model.train()
        hand_down(self.model, torch.Generator(job.device).manual_seed(c.seed))
        self.optimizers = make_optimizers(self.model, c.optimizer, c.lr, c.weight_decay, torch.bfloat16)
        self.averaged = Averaged(self.model)

    def step(self, number: int) -> int:
        """One update; returns its target tokens."""
        with autocast(self.job.plan.precision, self.job.device):
            loss, tokens, _ = self.job.loss(number, [], 0.0)
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        self.update(number)
        return tokens

    def update(self, number: int) -> None:
        """What follows the gradients."""
        clip_gradients([p.grad for p in self.model.parameters() if p.grad is not None], 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.averaged.update(0.99, number)

    def projected(self, y: Tensor, targets: Tensor) -> Tensor:
        """The loss of what the projection reads."""
        return linear_cross_entropy(y, self.model.projection.weight, self.model.projection.bias, targets, 0.1)

    def parts(self, numbers: range) -> dict[str, float]:
        """Median milliseconds of each part, forward and backward."""
        model, times = self.model, {name: list[float]() for name in PARTS}

        def timed(name: str, run: Callable[[], Any]) -> Any:
            start = time.perf_counter()
            with autocast(self.job.plan.precision, self.job.device):
                out = run()
            if isinstance(out, Tensor):
                (out.float().sum() if out.ndim else out).backward()
            times[name].append((time.perf_counter() - start) * 1e3)
            return out

        for number in numbers:
            b = self.job.batches[number]
            with autocast(self.job.plan.precision, self.job.device), torch.no_grad():
                source = model.encode(b.source, b.source_mask)
                x = model.embed(b.inputs, source.context)
                h, _ = model.decoder(x, source.state)
                out, _ = model.attend(h, source)
            leaves = [t.detach().requires_grad_() for t in (x, h, out)]
            timed("embeddings and encoder", lambda b=b: model.encode(b.source, b.source_mask).memory.values)
            timed("decoder", lambda x=leaves[0], s=source: model.decoder(x, s.state)[0])
            timed("attention", lambda h=leaves[1], s=source: model.attend(h, s)[0])
            timed("projection and loss", lambda y=leaves[2], b=b: self.projected(y[b.mask], b.targets[b.mask]))
            timed("clipping, optimizers, averages", lambda number=number: self.update(number))
            model.zero_grad(set_to_none=True)
            timed("whole step", lambda number=number: self.step(number))
        return {name: statistics.median(values) for name, values in times.items()}


PARTS = (
    "embeddings and encoder",
    "decoder",
    "attention",
    "projection and loss",
    "clipping, optimizers, averages",
    "whole step",
)

if __name__ == "__main__":
    main()
