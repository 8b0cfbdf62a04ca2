"""Characters a second of sampled streams: seqcli against the plain loop, on the same weights.

    python benchmarks/sample_speed.py [--streams 1] [--cell lstm] [--hidden 384] [--layers 1] [--vocab 65]

The plain loop is torch's network one step at a time, softmax, multinomial. One JSON object: both speeds, of all streams
together, and their ratio, the median over turns taken one after the other.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

from seqcli import Config
from seqcli.core.tasks.lm.network import RecurrentLM, build_lm
from seqcli.core.tasks.lm.trained import LanguageModel
from seqcli.core.tokenizers import CharTokenizer


def plain(network: RecurrentLM, c: Config, streams: int, length: int) -> None:
    """The loop of every tutorial."""
    encoding = network.encoding
    assert isinstance(encoding, nn.Embedding)
    assert c.hidden
    kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[c.cell]
    stack = kind(encoding.embedding_dim, c.hidden, c.layers, batch_first=True)
    for k, cell in enumerate(network.stack.cells):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(stack, f"{name}_l{k}").data = getattr(cell, f"{name}_l0").data
    x, state = torch.full((streams, 1), 5), None
    with torch.inference_mode():
        for _ in range(length):
            y, state = stack(encoding(x), state)
            x = torch.multinomial(network.projection(y[:, -1]).softmax(-1), 1)


def main() -> None:
    """Take turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--vocab", type=int, default=65)
    args = parser.parse_args()
    tokenizer = CharTokenizer("".join(chr(200 + k) for k in range(args.vocab)))
    config = Config(cell=args.cell, hidden=args.hidden, layers=args.layers, embedding_dim=128, dropout=0.0)
    network = build_lm(config, tokenizer.vocab_size, 0)
    model = LanguageModel.of(network, tokenizer, config)
    streams, slow, fast = args.streams, 2000, 20000 // args.streams
    plain(network, config, streams, 200)
    model.samples(num_samples=streams, length=200)
    turns = []
    for _ in range(5):
        start = time.perf_counter()
        plain(network, config, streams, slow // streams)
        middle = time.perf_counter()
        model.samples(num_samples=streams, length=fast, temperature=1.0)
        end = time.perf_counter()
        turns.append((slow // streams * streams / (middle - start), fast * streams / (end - middle)))
    found = {name: round(statistics.median(t[k] for t in turns)) for k, name in enumerate(("plain", "seqcli"))}
    print(json.dumps({**vars(args), **found, "ratio": round(statistics.median(b / a for a, b in turns), 1)}))


if __name__ == "__main__":
    main()
