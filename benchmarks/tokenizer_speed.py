"""Megabytes a second of every tokenizer on a text, UTF-8 bytes counted.

python benchmarks/tokenizer_speed.py TEXT
"""

import json
import statistics
import sys
import time
from pathlib import Path

from seqcli.core import tokenizers


def main() -> None:
    """Train on the text, then encode 8 MB of it, five times."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    sample = (text * (8_000_000 // len(text) + 1))[:8_000_000]
    size = len(sample.encode()) / 1e6
    for kind in tokenizers.TOKENIZERS:
        made = tokenizers.train(kind, [text])
        speeds = []
        for _ in range(5):
            start = time.perf_counter()
            made.encode(sample)
            speeds.append(size / (time.perf_counter() - start))
        print(json.dumps({"tokens": kind, "MB_per_s": round(statistics.median(speeds), 1)}))


if __name__ == "__main__":
    main()
