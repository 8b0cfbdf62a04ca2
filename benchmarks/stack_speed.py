"""A bidirectional LSTM on padded rows, forward and backward: seqcli's stack against pack_padded_sequence + nn.LSTM.

    python benchmarks/stack_speed.py [--batch 128] [--time 16] [--hidden 256]

One JSON object for fp32 and one for bf16: milliseconds of both, and their ratio (above 1: the stack is faster).
"""

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcli.cli import process
from seqcli.core.layers import Stack
from seqcli.core.training.device import set_threads


def main() -> None:
    """Take turns, median of the turns."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--time", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=256)
    args = parser.parse_args()
    B, T, H = args.batch, args.time, args.hidden
    set_threads(0)
    torch.manual_seed(0)
    x = torch.randn(B, T, H, requires_grad=True)
    lengths = torch.randint(T // 2, T + 1, (B,))
    lengths[0] = T
    mask = torch.arange(T)[None] < lengths[:, None]
    stack, lstm = Stack("lstm", H, H, bidirectional=True), nn.LSTM(H, H, batch_first=True, bidirectional=True)

    def ours() -> None:
        y, states = stack(x, None, mask)
        (y.float().sum() + states[0].c.float().sum()).backward()

    def packed() -> None:
        y, (_, c) = lstm(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        y, _ = pad_packed_sequence(y, batch_first=True)
        (y.float().sum() + c.float().sum()).backward()

    def milliseconds(run: Callable[[], None]) -> float:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3

    for precision in ("fp32", "bf16"):
        with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
            turns = [(milliseconds(packed), milliseconds(ours)) for _ in range(23)][3:]
        found = {
            name: round(statistics.median(t[k] for t in turns), 1) for k, name in enumerate(("packed_ms", "seqcli_ms"))
        }
        print(
            json.dumps({"precision": precision, **found, "ratio": round(statistics.median(p / o for p, o in turns), 2)})
        )


if __name__ == "__main__":
    main()
