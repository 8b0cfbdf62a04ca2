"""Word vectors: seqcli against gensim with the same settings, words a second and agreement with people's scores.

    python benchmarks/vectors_speed.py TEXT.txt [--pairs wordsim353.tsv] [--repeat 8] [--seeds 1 2 3]
        [--workers 2] [--threads 0]

TEXT is taken so many times over, for one epoch. Width 100, window 5, 5 negatives, words that occur 5 times or more,
thinned out at 1e-3; the learning rates are each program's own. gensim and seqcli take turns. The seconds are those of
the training alone: both have their vocabulary by then. Words are counted as wc -w counts them, for both. The pairs are
those that gensim ships, unless others are named; a pair with an unknown word does not count. One JSON object a turn,
and one at the end for each objective with the means over the seeds.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import seqcli
from seqcli.cli import process
from seqcli.core import runs
from seqcli.core.events import Logged
from seqcli.core.tasks.union import build


def ours(text: Path, pairs: str, objective: str, seed: int, threads: int, words: int) -> dict[str, float]:
    """seqcli train --task embed --objective ... --epochs 1, then eval."""
    place = tempfile.mkdtemp()
    options = {"task": "embed", "objective": objective, "epochs": 1, "seed": seed, "threads": threads, "negatives": 5}
    try:
        events = list(runs.train(build({**options, "files": (str(text),)}), run="v", runs_dir=place))
        seconds = next(event.seconds for event in reversed(events) if isinstance(event, Logged))
        found = seqcli.load(Path(place) / "v").evaluate(pairs)
    finally:
        shutil.rmtree(place)
    return {"words_per_s": words / seconds, "spearman": found["spearman"], "pairs": found["pairs"]}


def gensims(text: Path, pairs: str, objective: str, seed: int, workers: int, words: int) -> dict[str, float]:
    """Word2Vec with the vocabulary built before the clock starts."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        sg=int(objective == "skipgram"), vector_size=100, window=5, negative=5, workers=workers, min_count=5, seed=seed
    )
    model.build_vocab(corpus_file=str(text))
    start = time.perf_counter()
    model.train(corpus_file=str(text), total_words=model.corpus_total_words, epochs=1)
    seconds = time.perf_counter() - start
    (_, (spearman, _), unknown) = model.wv.evaluate_word_pairs(pairs)
    total = sum(not line.startswith("#") for line in Path(pairs).read_text().splitlines() if line.strip())
    return {"words_per_s": words / seconds, "spearman": spearman, "pairs": round(total * (1 - unknown / 100))}


def main() -> None:
    """Turns by seed and objective."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="+")
    parser.add_argument("--pairs")
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--workers", type=int, default=2, help="gensim's")
    parser.add_argument("--threads", type=int, default=0, help="seqcli's; 0 is one, beside one that reads ahead")
    parser.add_argument("--objectives", nargs="+", default=["skipgram", "cbow"])
    args = parser.parse_args()
    if args.pairs is None:
        from gensim.test.utils import datapath

        args.pairs = datapath("wordsim353.tsv")
    place = Path(tempfile.mkdtemp())
    text = place / "text.txt"
    text.write_bytes(b"".join(Path(name).read_bytes() for name in args.text) * args.repeat)
    words = len(text.read_text(encoding="utf-8").split())
    try:
        for objective in args.objectives:
            turns: list[dict[str, Any]] = []
            for seed in args.seeds:
                a = gensims(text, args.pairs, objective, seed, args.workers, words)
                b = ours(text, args.pairs, objective, seed, args.threads, words)
                ratio = round(b["words_per_s"] / a["words_per_s"], 2)
                turns.append({"objective": objective, "seed": seed, "gensim": a, "seqcli": b, "ratio": ratio})
                print(json.dumps(turns[-1]), flush=True)
            mean = {
                name: {key: statistics.mean(turn[name][key] for turn in turns) for key in ("words_per_s", "spearman")}
                for name in ("gensim", "seqcli")
            }
            ratios = [turn["ratio"] for turn in turns]
            print(
                json.dumps({"objective": objective, **mean, "ratios": ratios, "torch": torch.__version__}), flush=True
            )
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
