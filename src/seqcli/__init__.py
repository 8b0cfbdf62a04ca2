"""seqcli: a workbench for recurrent sequence models.

    import seqcli

    model = seqcli.fit("corpus.txt", minutes=1)      # or: for event in seqcli.train("corpus.txt", minutes=1): ...
    model = seqcli.load("corpus-lstm")               # a run, its directory, or a .safetensors file
    model.sample("hello", length=200, seed=1)
    model.evaluate("held_out.txt")

A translation model has `translate`, a tagger `tag`, a classifier `classify`, word vectors `neighbors`, a forecaster
`forecast` instead of `sample`. Options have the names of the flags of `seqcli train`, with underscores:
`seqcli train --help-all` lists them.
An error that a user can mend is one of `seqcli.errors`; its message names options by their flags.

Loading and using a model changes nothing of the process: no environment variable, no global random generator, no
warning filter, and torch's number of threads only where `threads` is given. Training sets torch's number of threads (to
`threads`, else to OMP_NUM_THREADS, else to all processors), because a training's last bits depend on it, and nothing
else; torch itself, when its optimizers are first used, sets TORCHINDUCTOR_CACHE_DIR. What the command line does for its
own process, a notebook may do for its own, in its first cell, before torch is imported:

    import os

    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"             # beside other programs: threads that wait sleep, do not spin
    os.environ["OMP_NUM_THREADS"] = "2"                   # as many as the processors that are free for this
    os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "64"  # less memory for kernels of many shapes

    from seqcli.cli.process import keep_freed_memory      # and at any time, on Linux:

    keep_freed_memory()                                   # a step is a twentieth to a fifth shorter

Torch is imported by what needs it: not by `import seqcli`, nor to write text on a processor.
"""

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from seqcli import errors

__version__ = "0.1.0"

if TYPE_CHECKING:  # for type checkers and editors; at runtime all of it is imported by what needs it
    from typing_extensions import Unpack

    from seqcli.core import events
    from seqcli.core.catalogue import Run
    from seqcli.core.events import Event
    from seqcli.core.options import TrainingOptions
    from seqcli.core.runs import Where
    from seqcli.core.tasks.classify.options import ClassifyOptions
    from seqcli.core.tasks.classify.trained import Classifier
    from seqcli.core.tasks.embed.options import EmbedOptions
    from seqcli.core.tasks.embed.trained import WordVectors
    from seqcli.core.tasks.forecast.frames import Frame
    from seqcli.core.tasks.forecast.options import ForecastOptions
    from seqcli.core.tasks.forecast.trained import Forecaster
    from seqcli.core.tasks.lm.options import LMOptions
    from seqcli.core.tasks.lm.trained import LanguageModel
    from seqcli.core.tasks.tag.options import TagOptions
    from seqcli.core.tasks.tag.trained import Tagger
    from seqcli.core.tasks.translate.options import TranslateOptions
    from seqcli.core.tasks.translate.trained import Translator
    from seqcli.core.trained import Trained

__all__ = ["Config", "errors", "events", "fit", "load", "resume", "runs", "train"]

AnyPath = str | os.PathLike[str]
Files = AnyPath | Sequence[AnyPath]
PLACES = ("run", "runs_dir", "config", "progress")  # what `train` and `fit` take beside the options of a training

# --- trained models -------------------------------------------------------------------------------------------------


@overload
def load(run: AnyPath | None = ..., *, task: Literal["lm"], **where: "Unpack[Where]") -> "LanguageModel": ...
@overload
def load(run: AnyPath | None = ..., *, task: Literal["translate"], **where: "Unpack[Where]") -> "Translator": ...
@overload
def load(run: AnyPath | None = ..., *, task: Literal["tag"], **where: "Unpack[Where]") -> "Tagger": ...
@overload
def load(run: AnyPath | None = ..., *, task: Literal["classify"], **where: "Unpack[Where]") -> "Classifier": ...
@overload
def load(run: AnyPath | None = ..., *, task: Literal["embed"], **where: "Unpack[Where]") -> "WordVectors": ...
@overload
def load(run: AnyPath | None = ..., *, task: Literal["forecast"], **where: "Unpack[Where]") -> "Forecaster": ...
@overload
def load(run: AnyPath | None = ..., *, task: str | None = ..., **where: "Unpack[Where]") -> "Trained": ...
def load(
    run: AnyPath | None = None,
    *,
    task: str | None = None,
    device: str = "auto",
    threads: int = 0,
    runs_dir: AnyPath | None = None,
    **others: NoReturn,
) -> "Trained":
    """Open a trained model: by a run's name, its directory, a .safetensors file, or one of `seqcli.runs()`. None is the
    newest run, of that `task` if one is given: lm, translate, tag, classify, embed or forecast.

    With a `task`, a model of any other is refused, and editors know the methods of what comes back.

    `device` is auto, cpu, cuda or mps. With `threads` torch is told to use so many; 0 leaves their number as it is.
    `runs_dir` is where runs are looked for by their names: the directory that SEQCLI_RUNS names, else runs.

    Raises CheckpointError when there is no such model, or when it is damaged, of another task or of another version;
    ConfigError for arguments that cannot be.
    """
    from seqcli.core.config import made, no_others
    from seqcli.core.options import Machine
    from seqcli.core.runs import load as opened

    no_others(others, ("run", "task", "device", "threads", "runs_dir"))
    machine = made(Machine, {"device": device, "threads": threads})  # checked
    place = None if run is None else _path("run", run)
    return opened(place, task=task, runs_dir=_runs_dir(runs_dir), device=machine.device, threads=machine.threads)


def runs(runs_dir: AnyPath | None = None) -> "list[Run]":
    """Return the runs in a directory, newest first, with their names, options and figures. Damaged ones are skipped.

    The directory is `runs_dir` or, without it, the one that the environment variable SEQCLI_RUNS names, or else runs.
    Each run can be given to `load` and `resume`.
    """
    from seqcli.core.catalogue import list_runs

    return list_runs(_runs_dir(runs_dir))


# --- training -------------------------------------------------------------------------------------------------------


@overload
def Config(files: Files = ..., *, task: Literal["lm"], **options: Any) -> "LMOptions": ...
@overload
def Config(files: Files = ..., *, task: Literal["translate"], **options: Any) -> "TranslateOptions": ...
@overload
def Config(files: Files = ..., *, task: Literal["tag"], **options: Any) -> "TagOptions": ...
@overload
def Config(files: Files = ..., *, task: Literal["classify"], **options: Any) -> "ClassifyOptions": ...
@overload
def Config(files: Files = ..., *, task: Literal["embed"], **options: Any) -> "EmbedOptions": ...
@overload
def Config(files: Files = ..., *, task: Literal["forecast"], **options: Any) -> "ForecastOptions": ...
@overload
def Config(files: Files = ..., *, config: AnyPath | None = ..., **options: Any) -> "TrainingOptions": ...
def Config(files: Files = (), *, config: AnyPath | None = None, **options: Any) -> "TrainingOptions":  # noqa: N802 - it makes one, as a class would
    """Check the options of a training and return them, as an object of the task that `task` or the names of files tell.

    `files` is one path or several. `config` is a YAML file of options, or the name of a recipe such as
    "recipe:char-gru"; options given here win over it. The object is frozen; its method `with_(hidden=64)` returns a
    changed copy. Raises ConfigError with a sentence for everything that is wrong; for an unknown name it suggests the
    most similar one.
    """
    return _config(files, config, options)


def train(
    files: "Files | TrainingOptions" = (),
    *,
    run: str | None = None,
    runs_dir: AnyPath | None = None,
    config: AnyPath | None = None,
    **options: Any,
) -> "Generator[Event, None, None]":
    """Train a model on files, yielding events (see `seqcli.events`). The run is the directory `runs_dir/run`.

    Series may also be given as a data frame of pandas or polars, which is kept in the cache, so that the run can be
    resumed.

    The options are those of `Config`; a `Config` may also be given in place of files and options. They are checked at
    once, but the training itself happens while the events are read: `for event in seqcli.train(...)`. Closing the
    iterator early saves a checkpoint to resume from. Without `run` a name is made from those of the file and of the
    model. Raises ConfigError, DataError or TrainingError.
    """
    from seqcli.core import runs

    asked = _asked(files, config, options)
    if run is not None and not isinstance(run, str):
        raise errors.ConfigError(f"The name of a run is a text, not {run!r}.")
    return runs.train(asked, run=run, runs_dir=_runs_dir(runs_dir))


def resume(run: AnyPath, *, runs_dir: AnyPath | None = None, **changes: Any) -> "Generator[Event, None, None]":
    """Go on with a run from its newest checkpoint, to the same bits as if it had never stopped; yields events.

    `changes` may lengthen its budget (`steps=`, `epochs=`, `minutes=`) or change how often it reports. They are checked
    at once. Raises CheckpointError when there is nothing to go on from, and ConfigError for any other change.
    """
    from seqcli.core import runs

    place, _ = runs.to_resume(_path("run", run), changes, _runs_dir(runs_dir))
    return runs.resume(place, changes)


@overload
def fit(files: Files = ..., *, task: Literal["lm"], progress: bool = ..., **options: Any) -> "LanguageModel": ...
@overload
def fit(files: Files = ..., *, task: Literal["translate"], progress: bool = ..., **options: Any) -> "Translator": ...
@overload
def fit(files: Files = ..., *, task: Literal["tag"], progress: bool = ..., **options: Any) -> "Tagger": ...
@overload
def fit(files: Files = ..., *, task: Literal["classify"], progress: bool = ..., **options: Any) -> "Classifier": ...
@overload
def fit(files: Files = ..., *, task: Literal["embed"], progress: bool = ..., **options: Any) -> "WordVectors": ...
@overload
def fit(
    files: "Files | Frame" = ..., *, task: Literal["forecast"], progress: bool = ..., **options: Any
) -> "Forecaster": ...
@overload
def fit(
    files: "Files | TrainingOptions" = ...,
    *,
    run: str | None = ...,
    runs_dir: AnyPath | None = ...,
    config: AnyPath | None = ...,
    progress: bool = ...,
    **options: Any,
) -> "Trained": ...
def fit(
    files: "Files | TrainingOptions" = (),
    *,
    run: str | None = None,
    runs_dir: AnyPath | None = None,
    config: AnyPath | None = None,
    progress: bool = False,
    **options: Any,
) -> "Trained":
    """Train a model to its end, as `train` does, and open it, on the device that it was trained for.

    With `progress` a line on stderr says how it goes, else nothing is written. Interrupted (Ctrl-C, a notebook's stop
    button), it saves a checkpoint that `resume` goes on from. With a `task` editors know the methods of what comes
    back.
    """
    from seqcli.core.events import Finished
    from seqcli.core.runs import load as opened

    asked = _asked(files, config, options)
    going = train(asked, run=run, runs_dir=runs_dir)
    place: Path | None = None
    with closing(_told(going) if progress else going) as each:
        for event in each:
            if isinstance(event, Finished):
                place = event.run_dir
    if place is None:
        raise errors.TrainingError("The training ended before its end.")
    return opened(place, device=asked.device)


def _told(events: "Generator[Event, None, None]") -> "Generator[Event, None, None]":
    """Yield the same events, and show on stderr how the training goes: on one line that is overwritten again and again.

    Notices are written above that line.
    """
    from seqcli.core.events import Evaluated, Logged, Notice

    line, found = "", ""

    def write(text: str, end: str = "") -> None:
        print(f"\r{text:<{len(line)}}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - it is asked for

    with closing(events):
        try:
            for event in events:
                if isinstance(event, Notice):
                    write(event.text, end="\n")
                    line = ""
                elif isinstance(event, Evaluated):
                    found = f", validation loss {event.val_loss:.4f}"
                elif isinstance(event, Logged):
                    of = f" of {event.total_steps:,}" if event.total_steps else ""
                    told = f"step {event.step:,}{of}, loss {event.loss:.4f}{found}"
                    write(told)
                    line = told
                yield event
        finally:
            if line:
                write(line, end="\n")


# --- what is given --------------------------------------------------------------------------------------------------


def _config(
    files: Files, config: AnyPath | None, options: dict[str, Any], beside: Sequence[str] = ()
) -> "TrainingOptions":
    """Make the options of a training; see `Config`. `beside` are the caller's other arguments, for its errors."""
    from seqcli.core.recipes import read_options
    from seqcli.core.tasks.union import build, check

    written = _path("config", config) if config is not None else None
    given = check(read_options(written), written) if written is not None else {}
    several = {} if isinstance(files, (tuple, list)) and not files else {"files": files}
    found: TrainingOptions = build({**given, **several, **options}, beside=("config", *beside))
    return found


def _asked(files: "Files | TrainingOptions", config: AnyPath | None, options: dict[str, Any]) -> "TrainingOptions":
    """Return the options of a training, which may be given as a Config or by their names."""
    from seqcli.core.options import TrainingOptions

    if hasattr(files, "columns"):  # a data frame, which holds series
        from seqcli.core.tasks.forecast.frames import kept

        return _config(kept(files), config, {"task": "forecast", **options}, PLACES)
    if not isinstance(files, TrainingOptions):
        return _config(files, config, options, PLACES)
    if options or config is not None:
        raise errors.ConfigError("Give options as a Config, or by their names, not both: config.with_(steps=9).")
    return files


def _runs_dir(given: AnyPath | None) -> Path:
    """Return the directory of runs: the one that is given, or that SEQCLI_RUNS names, or runs."""
    return Path(_path("runs_dir", given) if given is not None else os.environ.get("SEQCLI_RUNS") or "runs")


def _path(name: str, given: AnyPath) -> str:
    """Return a path as a text. Raises ConfigError, which names the argument, if it is neither a text nor a path."""
    from seqcli.core.config import SHORT, option_name

    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    raise errors.ConfigError(f"{option_name(name)} is {SHORT.repr(given)}, but must be a name or a path.")


def __getattr__(name: str) -> object:
    if name == "events":
        from seqcli.core import events

        return events
    raise AttributeError(f"module 'seqcli' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
