"""Speed and quality of translating a file, greedily and with beams of several widths.

    python benchmarks/translate_decode.py RUN PAIRS.tsv [--beams 1 2 5 10 20] [--times 5] [--threads 0]

RUN is a run directory or a .safetensors file. One JSON object a width: sentences a second (median over the times),
BLEU, exact match, the mean score, and how many translations have a lower score than greedy decoding's: rounding apart,
none.
"""

import argparse
import json
import statistics
import time

from seqcli.cli import process
from seqcli.core import runs
from seqcli.core.metrics.translation import bleu, exact
from seqcli.core.tasks.translate.trained import Translator

ROUNDING = 0.02  # of scores in bf16, where products of other shapes are rounded in other places


def main() -> None:
    """Translate the whole file again and again."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("pairs")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 2, 5, 10, 20])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    model = runs.load(args.run, threads=args.threads)
    assert isinstance(model, Translator), "give the run of a translation model"
    pairs = model.read(args.pairs)
    sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
    greedy = [t.score for t in model.translate(sources, beam=1)]
    for beam in args.beams:
        model.translate(sources[:50], beam=beam)
        seconds = []
        for _ in range(args.times):
            start = time.perf_counter()
            made = model.translate(sources, beam=beam)
            seconds.append(time.perf_counter() - start)
        ours = [t.text for t in made]
        figures = {
            "beam": beam,
            "sentences_per_s": round(len(pairs) / statistics.median(seconds)),
            "bleu": round(bleu(ours, targets), 2),
            "exact": round(exact(ours, targets), 4),
            "score": round(statistics.mean(t.score for t in made), 4),
            "below_greedy": sum(t.score < one - ROUNDING for t, one in zip(made, greedy, strict=True)),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
