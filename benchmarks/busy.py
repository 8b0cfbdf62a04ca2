"""How fast a training is beside processes that compute: alone, beside one, beside two; with threads that wait asleep,
with threads that spin (OpenMP's own way), and as the command line has it, which lets them sleep where it finds the
processor busy when it starts.

    python benchmarks/busy.py TEXT [--steps 60] [--turns 3]

One JSON object a line: the seconds of the steps as the run itself says, and the speed as a part of that of spinning
alone. The ways take turns, and the median of each counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from seqcli.cli.process import WAITING

WAYS = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},  # libgomp's own number where threads are no more than processors
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "as the command line has it": {},
}


@contextmanager
def computing(count: int) -> Iterator[None]:
    """Within, so many processes do nothing but compute."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.2)  # until they compute
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(text: str, steps: int, way: dict[str, str]) -> float:
    """The seconds of a training of so many steps: from its first to its last, start and evaluations left out."""
    clean = {name: value for name, value in os.environ.items() if name not in WAITING} | way
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "seqcli", "train", text, "--runs-dir", place, "--steps", str(steps), "--json"]
        command += ["--valid-split", "0", "--sample-every", "0", "--hidden", "384"]
        said = subprocess.run(command, env=clean, capture_output=True, text=True, check=True).stdout
    return float(json.loads(said.splitlines()[-1])["seconds"])


def main() -> None:
    """Every way, beside nothing, one and two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    alone: dict[str, float] = {}
    for beside in (0, 1, 2):
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(args.turns):
            for way, environment in WAYS.items():
                with computing(beside):
                    found[way].append(seconds(args.text, args.steps, environment))
        for way, times in found.items():
            middle = statistics.median(times)
            alone.setdefault(way, middle)
            print(
                json.dumps(
                    {
                        "threads": way,
                        "beside": beside,
                        "seconds": round(middle, 2),
                        "all": [round(t, 2) for t in times],
                        "of spinning alone": round(alone.get("spinning", middle) / middle, 3),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
