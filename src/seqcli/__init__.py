"""seqcli: a workbench for recurrent sequence models.

import seqcli
model = seqcli.load("runs/NAME")            # torch is imported by what needs it: not to write text on a processor
model.sample(prime="hello", length=200, seed=1)
model.evaluate("held_out.txt")
# instead of .sample: a translation model has .translate(["ein Hund"]), a tagger .tag, a classifier .classify,
# word vectors have .neighbors("king")
for event in seqcli.train(seqcli.Config(files=("corpus.txt",))): ...
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seqcli.core.config import Config as Config
    from seqcli.core.events import Event
    from seqcli.core.tasks import Model

__all__ = ["Config", "load", "train"]


def load(run: "str | Path | None" = None, *, runs_dir: "str | Path" = "runs") -> "Model":
    """Open a trained model: a run's name, its directory or a .safetensors file; None is the newest run.

    Raises CheckpointError when there is none, or when the file is damaged, foreign or from a newer version.
    """
    from seqcli.core import runs

    return runs.load(run, runs_dir=runs_dir)


def train(config: "Config", *, run: str | None = None, runs_dir: "str | Path" = "runs") -> "Iterator[Event]":
    """Train as `config` says into `runs_dir/run`, yielding typed events (see seqcli.core.events).

    Closing the iterator early saves a checkpoint to resume from. Raises ConfigError, DataError, TrainingError.
    """
    from seqcli.core import runs

    return runs.train(config, run=run, runs_dir=runs_dir)


def __getattr__(name: str) -> object:
    if name == "Config":
        from seqcli.core.config import Config

        return Config
    raise AttributeError(f"module 'seqcli' has no attribute {name!r}")
