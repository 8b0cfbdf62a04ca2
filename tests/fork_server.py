"""Trains in children that can be killed at any moment, and are there at once: torch is loaded once, before they fork.

Reads lines of JSON from standard input: {"resume": false, "run": NAME, "options": {...}}. Forks a child that trains,
and writes its number; when the child has ended, writes how (0, or the negative number of the signal).
"""

import json
import os
import sys

import torch

from seqcli.core import runs
from seqcli.core.tasks.registry import TASKS
from seqcli.core.tasks.union import build


def train(order: dict[str, object]) -> None:
    """Train to the end, or until killed."""
    torch.set_num_threads(1)
    run, options = str(order["run"]), order["options"]
    assert isinstance(options, dict)
    events = runs.resume(run) if order["resume"] else runs.train(build(options), run=run)
    for _ in events:
        pass


def main() -> None:
    """Serve orders until there are no more."""
    for task in TASKS.values():
        _ = task.job, task.trained  # its modules, before the fork
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                train(json.loads(line))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
