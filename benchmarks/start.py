"""How long starting takes, as ratios: each command beside what it cannot do without, in the same turn.

    python benchmarks/start.py [--repeats 15]

Help and completion stand beside a Python that imports typer and rich.console; the first sampled character stands
beside one that imports torch and reads the model's file. One JSON object: seconds (medians of the turns) and ratios
(medians of the ratios in a turn). The model is an LSTM of H = 384 over 65 characters.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from seqcli import Config
from seqcli.core import runs

SEQCLI = "from seqcli.__main__ import main; main()"
GOALS = {
    "help": 1.5,
    "complete a command": 1.5,
    "complete an option": 1.5,
    "complete a choice": 1.5,
    "complete a run": 1.5,
    "train --help": 2.5,
    "sample": 0.4,
    "sample -n 5": 0.4,
}


def make_run(place: Path) -> Path:
    """A run that can be sampled from, of one step of training."""
    text = place / "text.txt"
    text.write_text("\n" + "".join(chr(200 + k) for k in range(64)) * 40, encoding="utf-8")
    config = Config(files=(str(text),), steps=1, hidden=384, embedding_dim=128, sample_every=0)
    for _ in runs.train(config, run="small", runs_dir=place / "runs"):
        pass
    return place / "runs" / "small" / "best.safetensors"


def seconds(code: str, *args: str, env: dict[str, str], first: bool = False) -> float:
    """How long a Python process takes, as a whole or until it writes its first byte."""
    start = time.perf_counter()
    command = [sys.executable, "-c", code, *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as child:
        assert child.stdout is not None
        if first:
            worked = bool(child.stdout.read(1))
            taken = time.perf_counter() - start
            child.kill()
        else:
            child.stdout.read()
            worked = child.wait() == 0
            taken = time.perf_counter() - start
    if not worked:
        raise SystemExit(f"This failed: {' '.join(command)}")
    return taken


def main() -> None:
    """Take turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        file = make_run(Path(temporary))
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
            "SEQCLI_RUNS": str(file.parents[1])
        }

        def tab(words: str) -> float:
            complete = {"_SEQCLI_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
            return seconds(SEQCLI, env=env | complete)

        cases = {
            "typer and rich": lambda: seconds("import typer, rich.console", env=env),
            "help": lambda: seconds(SEQCLI, "--help", env=env),
            "complete a command": lambda: tab("seqcli tr"),
            "complete an option": lambda: tab("seqcli train --ce"),
            "complete a choice": lambda: tab("seqcli train --cell "),
            "complete a run": lambda: tab("seqcli sample --run "),
            "train --help": lambda: seconds(SEQCLI, "train", "--help", env=env),
            "torch and the file": lambda: seconds(f"import torch; open({str(file)!r}, 'rb').read()", env=env),
            "sample": lambda: seconds(SEQCLI, "sample", "--length", "9999", env=env, first=True),
            "sample -n 5": lambda: seconds(SEQCLI, "sample", "-n", "5", "--length", "9", env=env, first=True),
        }
        for case in cases.values():
            case()  # so that everything is compiled, and in the cache of files
        turns = [{name: case() for name, case in cases.items()} for _ in range(args.repeats)]
    ratios = {}
    for name, goal in GOALS.items():
        beside = "typer and rich" if goal > 1 else "torch and the file"
        ratios[name] = {"ratio": round(statistics.median(t[name] / t[beside] for t in turns), 2), "goal": goal}
    taken = {name: round(statistics.median(t[name] for t in turns), 3) for name in cases}
    print(json.dumps({"repeats": args.repeats, "seconds": taken, "ratios": ratios}, indent=1))


if __name__ == "__main__":
    main()
