"""A word language model, LSTM 2 x 200, batch 20, window 35: seqcli against PyTorch's word_language_model example.

    python benchmarks/word_lm.py TRAIN.txt TEST.txt [--epochs 1]

The plain loop has that example's settings: uniform start, dropout 0.2, SGD at rate 20, clipping at 0.25, log-softmax
and negative log-likelihood in fp32. Both read the same ids. One JSON object, with the ratio of words a second.
"""

import argparse
import json
import math
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import seqcli
from seqcli.cli import process
from seqcli.core import runs
from seqcli.core.data import find_texts, open_tokens
from seqcli.core.events import Finished
from seqcli.core.tasks.lm.batches import StreamBatches
from seqcli.core.tasks.union import build


class Plain(nn.Module):
    """Embedding, dropout, LSTM, dropout, linear."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embedding, self.drop = nn.Embedding(vocab_size, 200), nn.Dropout(0.2)
        self.lstm = nn.LSTM(200, 200, 2, dropout=0.2, batch_first=True)
        self.out = nn.Linear(200, vocab_size)
        for weight in (self.embedding.weight, self.out.weight):
            nn.init.uniform_(weight, -0.1, 0.1)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: torch.Tensor, state: object = None) -> tuple[torch.Tensor, object]:
        """Ids (B, T) -> log-probabilities (B * T, V), state."""
        y, state = self.lstm(self.drop(self.embedding(x)), state)
        return self.out(self.drop(y)).flatten(0, 1).log_softmax(1), state


def plain(train: str, test: str, epochs: int) -> dict[str, float]:
    """The example's loop."""
    data = open_tokens(find_texts([train]), unit="stream", kind="word", options={"vocab_size": 30_000})
    held_out = open_tokens(find_texts([test]), unit="stream", tokenizer=data.tokenizer)
    torch.manual_seed(1)
    model = Plain(data.tokenizer.vocab_size)
    batches, state, loss_of = StreamBatches(data.ids, 20, 35), None, nn.NLLLoss()
    steps = batches.steps_per_epoch * epochs
    start = time.perf_counter()
    for k in range(steps):
        batch = batches[k]
        state = None if batch.fresh or state is None else tuple(s.detach() for s in state)  # type: ignore[attr-defined]
        model.zero_grad()
        scores, state = model(batch.x, state)  # type: ignore[assignment]
        loss_of(scores, batch.y.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=-20)
    seconds = time.perf_counter() - start
    model.eval()
    total, counted, state = 0.0, 0, None
    tests = StreamBatches(held_out.ids, 10, 35)
    with torch.no_grad():
        for k in range(tests.steps_per_epoch):
            batch = tests[k]
            scores, state = model(batch.x, state)  # type: ignore[assignment]
            total += loss_of(scores, batch.y.flatten()).item() * batch.tokens
            counted += batch.tokens
    return {"words_per_s": steps * 700 / seconds, "test_perplexity": math.exp(total / counted)}


def ours(train: str, test: str, epochs: int) -> dict[str, float]:
    """seqcli train --config recipes/word-lstm.yaml, then eval."""
    place = tempfile.mkdtemp()
    options = {"files": (train,), "tokens": "word", "hidden": 200, "layers": 2, "embedding_dim": 200, "dropout": 0.2}
    options |= {"batch_size": 20, "window": 35, "epochs": epochs, "valid_split": 0.0}
    last = list(runs.train(build(options), run="word", runs_dir=place))[-1]
    assert isinstance(last, Finished)
    found = seqcli.load(Path(place) / "word").evaluate(test)
    return {"words_per_s": last.step * 700 / last.seconds, "test_perplexity": found["perplexity"]}


def main() -> None:
    """The plain loop first: what seqcli sets for its process (how memory is kept) must not be there for it."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--epochs", type=int, default=1)
    args = parser.parse_args()
    a, b = plain(args.train, args.test, args.epochs), ours(args.train, args.test, args.epochs)
    print(json.dumps({"plain": a, "seqcli": b, "ratio": round(b["words_per_s"] / a["words_per_s"], 2)}), flush=True)


if __name__ == "__main__":
    main()
