"""Speed of translating a file: sentences a second with greedy decoding and with a beam of 5, and BLEU of both.

    python benchmarks/translate_decode.py RUN PAIRS.tsv [--times 5]

RUN is a run directory or a .safetensors file. One JSON object a width, medians over the times.
"""

import argparse
import json
import statistics
import time

import seqcli
from seqcli.core.metrics.translation import bleu
from seqcli.core.tasks import Translator


def main() -> None:
    """Translate the whole file again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("pairs")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    model = seqcli.load(args.run)
    assert isinstance(model, Translator), "give the run of a translation model"
    pairs = model.read(args.pairs)
    sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
    for beam in (1, 5):
        model.translate(sources[:50], beam=beam)
        seconds = []
        for _ in range(args.times):
            start = time.perf_counter()
            ours = [t.text for t in model.translate(sources, beam=beam)]
            seconds.append(time.perf_counter() - start)
        speed = len(pairs) / statistics.median(seconds)
        print(json.dumps({"beam": beam, "sentences_per_s": round(speed), "bleu": round(bleu(ours, targets), 2)}))


if __name__ == "__main__":
    main()
