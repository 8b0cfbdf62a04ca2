"""seqcli: a workbench for recurrent sequence models.

    import seqcli

    model = seqcli.fit("corpus.txt", minutes=1)      # or: for event in seqcli.train("corpus.txt", minutes=1): ...
    model = seqcli.load("corpus-lstm")               # a run, its directory, or a .safetensors file
    model.sample("hello", length=200, seed=1)
    model.evaluate("held_out.txt")

A translation model has `translate`, a tagger `tag`, a classifier `classify`, word vectors `neighbors` instead of
`sample`. Options have the names of the flags of `seqcli train`, with underscores. Everything that goes wrong is one of
`seqcli.errors`. Torch is imported by what needs it: not by `import seqcli`, nor to write text on a processor.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import errors

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seqcli.core import events
    from seqcli.core.catalogue import Run
    from seqcli.core.events import Event
    from seqcli.core.options import TrainingOptions

__all__ = ["Config", "errors", "events", "fit", "load", "resume", "runs", "train"]

Files = str | Path | Sequence[str | Path]


def load(
    run: str | Path | None = None,
    *,
    task: str | None = None,
    device: str = "auto",
    threads: int = 0,
    runs_dir: str | Path = "runs",
) -> Any:
    """Open a trained model: by a run's name, its directory or a .safetensors file. None is the newest run, of that
    `task` if one is given: lm, translate, tag, classify or embed.

    `device` is auto, cpu, cuda or mps. With `threads` torch is told to use so many; 0 leaves their number as it is.
    Raises CheckpointError when there is no such model, or when it is damaged, of another task or of another version.
    """
    from seqcli.core import runs

    return runs.open_model(run, task, runs_dir=runs_dir, device=device, threads=threads)


def Config(files: Files = (), *, config: str | Path | None = None, **options: Any) -> "TrainingOptions":  # noqa: N802 - it makes one, as a class would
    """The options of a training, checked: those of the task that `task` or the files' names tell.

    `config` is a YAML file of options, or a recipe by its name: "recipe:char-gru"; those given here win over it. Raises
    ConfigError with a sentence for everything that is wrong: an unknown name is answered with the nearest one.
    """
    from seqcli.core.recipes import read_options
    from seqcli.core.tasks.registry import build, named

    given = named(read_options(config), str(config)) if config is not None else {}
    found: TrainingOptions = build({**given, **({"files": files} if files else {}), **options})
    return found


def train(
    files: "Files | TrainingOptions" = (),
    *,
    run: str | None = None,
    runs_dir: str | Path = "runs",
    config: str | Path | None = None,
    **options: Any,
) -> "Iterator[Event]":
    """Train a model on files, into `runs_dir/run`, yielding events (see `seqcli.events`); options as for `Config`.

    Closing the iterator early saves a checkpoint to resume from. Raises ConfigError, DataError and TrainingError.
    """
    from seqcli.core import runs
    from seqcli.core.options import TrainingOptions

    asked = files if isinstance(files, TrainingOptions) else Config(files, config=config, **options)
    if asked is files and (options or config):
        raise errors.ConfigError("Give options as a Config, or by their names, not both.")
    return runs.train(asked, run=run, runs_dir=runs_dir)


def resume(run: str | Path, *, runs_dir: str | Path = "runs", **changes: Any) -> "Iterator[Event]":
    """Go on with a run from its newest checkpoint, to the same bits as if it had never stopped; yields events.

    `changes` may lengthen its budget or change how often it reports. Raises CheckpointError when there is nothing to
    go on from, and ConfigError for any other change.
    """
    from seqcli.core import runs

    return runs.resume(run, changes, runs_dir=runs_dir)


def fit(
    files: "Files | TrainingOptions" = (),
    *,
    run: str | None = None,
    runs_dir: str | Path = "runs",
    config: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Any:
    """Train a model to its end, as `train` does, and open it; with `progress` a line on stderr says how it goes."""
    from seqcli.core.events import Finished, Logged

    place: Path | None = None
    for event in train(files, run=run, runs_dir=runs_dir, config=config, **options):
        if isinstance(event, Logged) and progress:
            of = f" of {event.total_steps}" if event.total_steps else ""
            print(f"\rstep {event.step}{of}, loss {event.loss:.4f}  ", end="", file=sys.stderr)  # noqa: T201 - asked for
        elif isinstance(event, Finished):
            place = event.run_dir
            if progress:
                print(file=sys.stderr)  # noqa: T201 - the end of that line
    if place is None:
        raise errors.TrainingError("The training ended before its end.")
    return load(place)


def runs(runs_dir: str | Path = "runs") -> "list[Run]":
    """The runs in a directory, newest first: their names, options and figures. Damaged ones are passed over."""
    from seqcli.core.catalogue import list_runs

    return list_runs(runs_dir)


def __getattr__(name: str) -> object:
    if name == "events":
        from seqcli.core import events

        return events
    raise AttributeError(f"module 'seqcli' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
