"""Characters a second of one sampled stream: seqcli against the plain loop, on the same weights.

    python benchmarks/sample_speed.py [--hidden 384] [--layers 1] [--vocab 65]

The plain loop is nn.LSTM one step at a time, softmax, multinomial. One JSON object: both speeds, and their ratio, the
median over turns taken one after the other.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

from seqcli.core.config import Config
from seqcli.core.models.lm import RecurrentLM
from seqcli.core.tasks.language_model import LanguageModel
from seqcli.core.tokenizers import CharTokenizer


def plain(model: RecurrentLM, hidden: int, layers: int, length: int) -> None:
    """The loop of every tutorial."""
    encoding = model.encoding
    assert isinstance(encoding, nn.Embedding)
    lstm = nn.LSTM(encoding.embedding_dim, hidden, layers, batch_first=True)
    for k, cell in enumerate(model.stack.cells):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(lstm, f"{name}_l{k}").data = getattr(cell, f"{name}_l0").data
    x, state = torch.tensor([[5]]), None
    with torch.inference_mode():
        for _ in range(length):
            y, state = lstm(encoding(x), state)
            x = torch.multinomial(model.projection(y[:, -1]).softmax(-1), 1)


def main() -> None:
    """Take turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--vocab", type=int, default=65)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = CharTokenizer("".join(chr(200 + k) for k in range(args.vocab)))
    network = RecurrentLM(tokenizer.vocab_size, hidden=args.hidden, layers=args.layers).eval()
    model = LanguageModel(network, tokenizer, Config())
    slow, fast = 2000, 20000
    plain(network, args.hidden, args.layers, 200), model.sample(length=200)
    turns = []
    for _ in range(5):
        start = time.perf_counter()
        plain(network, args.hidden, args.layers, slow)
        middle = time.perf_counter()
        model.sample(length=fast, temperature=1.0)
        turns.append((slow / (middle - start), fast / (time.perf_counter() - middle)))
    found = {name: round(statistics.median(t[k] for t in turns)) for k, name in enumerate(("plain", "seqcli"))}
    print(json.dumps({**vars(args), **found, "ratio": round(statistics.median(b / a for a, b in turns), 1)}))


if __name__ == "__main__":
    main()
