"""Training, resuming and opening runs: what the commands and the Python interface are built on.

A run is a directory:

runs/NAME/config.yaml       all options, with everything decided
          metrics.jsonl     the learning curve: one line for each log point and each evaluation
          best.safetensors  the model to use; this one file is enough to use it
          checkpoints/      the newest few checkpoints, to resume from
          .lock             locked while the run is being trained
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from seqcli.core.catalogue import BEST, Place, find, read_run
from seqcli.core.config import no_others, option_name
from seqcli.core.events import Say, silent
from seqcli.core.files import Lock, write_whole
from seqcli.core.options import TrainingOptions
from seqcli.core.places import CONFIG, check_place, check_there, locked, new_place, not_made
from seqcli.core.tasks import registry
from seqcli.core.tasks.union import all_options
from seqcli.errors import CheckpointError, ConfigError, TrainingError

if TYPE_CHECKING:  # torch is imported when a model is
    from typing_extensions import Unpack

    from seqcli.core.events import Event
    from seqcli.core.tasks.classify.trained import Classifier
    from seqcli.core.tasks.embed.trained import WordVectors
    from seqcli.core.tasks.forecast.trained import Forecaster
    from seqcli.core.tasks.lm.trained import LanguageModel
    from seqcli.core.tasks.tag.trained import Tagger
    from seqcli.core.tasks.translate.trained import Translator
    from seqcli.core.trained import Trained
    from seqcli.core.training.job import GradientJob, UpdateJob
    from seqcli.core.training.loop import Loop

BUDGETS = {"steps", "epochs", "minutes"}
MAY_CHANGE = {
    "steps",
    "epochs",
    "minutes",
    "patience",
    "log_every",
    "eval_every",
    "save_every",
    "keep",
    "sample_every",
    "device",
    "threads",
}


class Where(TypedDict, total=False):
    """Keyword arguments of `load`: where the runs are, and where the model computes."""

    runs_dir: str | Path
    device: str
    threads: int


@overload
def load(run: Place | None = ..., *, task: Literal["lm"], **where: "Unpack[Where]") -> "LanguageModel": ...
@overload
def load(run: Place | None = ..., *, task: Literal["translate"], **where: "Unpack[Where]") -> "Translator": ...
@overload
def load(run: Place | None = ..., *, task: Literal["tag"], **where: "Unpack[Where]") -> "Tagger": ...
@overload
def load(run: Place | None = ..., *, task: Literal["classify"], **where: "Unpack[Where]") -> "Classifier": ...
@overload
def load(run: Place | None = ..., *, task: Literal["embed"], **where: "Unpack[Where]") -> "WordVectors": ...
@overload
def load(run: Place | None = ..., *, task: Literal["forecast"], **where: "Unpack[Where]") -> "Forecaster": ...
@overload
def load(run: Place | None = ..., *, task: str | None = ..., **where: "Unpack[Where]") -> "Trained": ...
def load(
    run: Place | None = None,
    *,
    task: str | None = None,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    threads: int = 0,
) -> "Trained":
    """Open a trained model, given by the name of a run, by its directory or by a .safetensors file.

    Raises CheckpointError when there is none, or when it is for another task, damaged, or of another version, and
    ConfigError for an unknown task.
    """
    from seqcli.core.tasks.model_file import task_in
    from seqcli.core.training.stored import naming, read, read_metadata

    path = find(run, runs_dir, registry.task(task).name if task is not None else None)
    if path.is_dir():
        if not (path / BEST).is_file():
            hint = f"; resume it: seqcli train --resume {path}" if (path / "checkpoints").is_dir() else ""
            raise CheckpointError(f"The run {path} has no {BEST} yet{hint}.")
        path = path / BEST
    metadata = read_metadata(path)
    with naming(path):
        found = task_in(metadata)
    if task is not None and found.name != task:
        raise CheckpointError(
            f"{path} holds a {found.noun}, not a {registry.task(task).noun}: use seqcli {found.use} for it, "
            "or choose another run."
        )
    stored = read(path, "pt" if found.needs_torch else "np")
    with naming(path):
        model: Trained = found.trained.open(stored, device, threads)
    return model


def train(
    options: TrainingOptions, *, run: str | None = None, runs_dir: str | Path = "runs", say: Say | None = None
) -> "Generator[Event, None, None]":
    """Train into a new run, yielding events.

    Before the first event the data are read and sizes are chosen. `say` is called with sentences about that while it
    happens; without `say` they come as Notice events afterwards. Raises ConfigError, DataError or TrainingError.
    """
    from seqcli.core.training.loop import Loop

    check_place(run, Path(runs_dir))
    said: list[str] = []
    job = _job(options, say or said.append)
    with new_place(options, run, Path(runs_dir)) as (place, lock):
        loop = Loop(job, place, content=content_of(options))
        try:
            write_whole(place / CONFIG, job.plan.to_yaml().encode())
        except OSError as error:
            raise not_made(place, error) from None
        yield from _events(loop, lock, said, say)


def resume(
    run: Place, changes: dict[str, Any] | None = None, *, runs_dir: str | Path = "runs", say: Say | None = None
) -> "Generator[Event, None, None]":
    """Go on with a run from its newest checkpoint, to the same bits as if it had never stopped.

    `changes` are options that change: the budget, how often it reports, the device, the threads. Raises ConfigError for
    any other option; also CheckpointError, DataError or TrainingError.
    """
    from seqcli.core.tasks.model_file import check_whole
    from seqcli.core.training.checkpoint import newest_checkpoint
    from seqcli.core.training.loop import Loop

    place, options = to_resume(run, changes, runs_dir)
    said: list[str] = []
    with locked(place) as lock:
        found = newest_checkpoint(place, partial(check_whole, registry.task(options.task)))
        job = _job(options, say or said.append, found[0].metadata)
        loop = Loop(job, place, content=content_of(options))
        with _watched(place, lock):
            loop.load(*found)
            write_whole(place / CONFIG, job.plan.to_yaml().encode())
        del found  # a copy of all weights
        yield from _events(loop, lock, said, say)


def to_resume(
    run: Place, changes: dict[str, Any] | None = None, runs_dir: str | Path = "runs"
) -> tuple[Path, TrainingOptions]:
    """Return the directory of a run and the options that it is resumed with; see `resume`."""
    place = find(run, runs_dir)
    if place.is_file():
        raise CheckpointError(f"{place} is a file; resume a run by its name or directory, which has its checkpoints.")
    options = read_run(place).options
    changes = dict(changes or {})
    no_others([name for name in changes if name not in all_options()], sorted(MAY_CHANGE))
    if BUDGETS & set(changes):  # a new budget takes the place of the old one
        changes = dict.fromkeys(BUDGETS) | changes
    if fixed := sorted(set(changes) - MAY_CHANGE):
        names = ", ".join(map(option_name, fixed))
        raise ConfigError(f"{names} cannot change when a run goes on; train a new run for that.")
    return place, options.with_(**changes)


def planned(options: TrainingOptions, say: Say = silent) -> TrainingOptions:
    """Return the plan of a training with these options, without training.

    The data are read, and sizes and rates are chosen as for a training. No network is made, except small trials to
    measure the speed of this machine.
    """
    plan: TrainingOptions = _job(options, say).plan
    return plan


def _job(options: TrainingOptions, say: Say, metadata: Mapping[str, Any] | None = None) -> "GradientJob | UpdateJob":
    """Make the job of a training, which reads its data. `metadata` are those of the checkpoint to resume from."""
    from seqcli.core.data.readers import find_files, find_texts
    from seqcli.core.training.device import precision_warning

    task = registry.task(options.task)
    if options.test is not None:
        (find_texts if task.reads_directories else find_files)([options.test])  # before the training, not after it
    job: GradientJob | UpdateJob = task.job(options, say, metadata)
    if warning := precision_warning(job.plan.precision, job.device):
        say(warning)
    return job


def content_of(options: TrainingOptions) -> str:
    """Return a digest of all files that a training depends on, so that a resumed run notices when they have changed.

    It includes the file of --valid, by which the best weights are chosen. It does not include that of --vectors, since
    the vectors are in the checkpoint, nor that of --test, which is only read at the end.
    """
    from seqcli.core.data.cache import file_digest
    from seqcli.core.data.readers import find_texts

    texts = find_texts(options.inputs)
    texts += find_texts([options.valid]) if options.valid is not None else []
    return hashlib.sha256("".join(file_digest(path) for path in texts).encode()).hexdigest()


def _events(loop: "Loop", lock: Lock, said: list[str], say: Say | None) -> "Generator[Event, None, None]":
    """Yield the events of a training, whose run is locked, and at the end the metrics on the test file."""
    from seqcli.core.events import Finished, Notice, Saved, Tested

    place, plan = loop.run_dir, loop.plan
    yield from (Notice(text) for text in said)
    if not lock.works:
        yield Notice(f"The file system of {place} has no locks; take care that nothing else trains this run.")
    with _watched(place, lock), closing(loop.__iter__()) as events:
        for event in events:
            if isinstance(event, (Saved, Finished)):
                check_there(place, lock)
            yield event
    if plan.test is not None:
        said = []
        model = load(place, threads=plan.threads, device=plan.device)
        figures = model.evaluate(plan.test, say=say or said.append, **model.as_trained())
        yield from (Notice(text) for text in said)
        yield Tested(plan.test, figures)


@contextmanager
def _watched(place: Path, lock: Lock) -> Iterator[None]:
    """Turn an OSError within the `with` block into a TrainingError that says what to do.

    If the cause is that the whole directory of the run has disappeared, the error says that.
    """
    try:
        yield
    except CheckpointError:
        check_there(place, lock)
        raise
    except OSError as error:
        check_there(place, lock)
        raise TrainingError(
            f"{error.filename or place} cannot be written or read: {error.strerror}. Mend that, and go on from the "
            f"last checkpoint: --resume {place.name}"
        ) from None
