"""Opens, lists and names runs: the one door from a command, or from Python, to training and to a trained model.

runs/NAME/config.yaml       everything, resolved
          metrics.jsonl     one line a log point or evaluation
          best.safetensors  the model to use; enough by itself
          checkpoints/      the newest few, to resume from
          .lock             locked while the run is trained
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, overload

from seqcli.core.config import Config, build, check_task, nearest, read_yaml
from seqcli.core.files import Lock, write_whole
from seqcli.core.places import CONFIG, check_place, check_there, locked, new_place, not_made
from seqcli.core.training.points import read_points
from seqcli.errors import CheckpointError, ConfigError, SeqcliError, TrainingError

if TYPE_CHECKING:  # torch is imported when a model is
    from typing_extensions import Unpack

    from seqcli.core.events import Event
    from seqcli.core.tasks import Classifier, LanguageModel, Model, Tagger, Translator, WordVectors
    from seqcli.core.training.job import Job
    from seqcli.core.training.loop import Loop

Say = Callable[[str], None]
BEST = "best.safetensors"


class Kind(NamedTuple):
    """What a trained model is called, how one is trained, and the command that uses it."""

    noun: str
    file: str
    command: str


KINDS = {
    None: Kind("model", "FILE", ""),
    "lm": Kind("language model", "TEXT.txt", "sample"),
    "translate": Kind("translation model", "PAIRS.tsv", "translate"),
    "tag": Kind("tagger", "SENTENCES.conllu", "tag"),
    "classify": Kind("classifier", "--task classify LABELLED.tsv", "classify"),
    "embed": Kind("model of word vectors", "--task embed TEXT.txt", "neighbors"),
}
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


@dataclass(frozen=True)
class Run:
    """What is on disk of a run."""

    name: str
    path: Path
    config: Config

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl that can be read."""
        return read_points(self.path)

    @property
    def step(self) -> int:
        """The last step that was written down."""
        return int(self.points[-1]["step"]) if self.points else 0

    @property
    def best(self) -> dict[str, Any] | None:
        """The evaluation that the model was chosen by: that with the lowest loss, or the highest `select`."""
        figure, sign = ("val_loss", 1) if self.config.select in (None, "loss") else (self.config.select, -1)
        known = [point for point in self.points if isinstance(point.get(figure), (int, float))]
        return min(known, key=lambda point: (sign * point[figure], point.get("val_loss") or 0.0), default=None)

    @property
    def val_loss(self) -> float | None:
        """The validation loss of that evaluation."""
        loss = (self.best or {}).get("val_loss")
        return float(loss) if isinstance(loss, (int, float)) else None

    @property
    def finished_at(self) -> float:
        """When it last wrote a model, in seconds since 1970."""
        return _written_at(self.path)


def list_runs(runs_dir: str | Path = "runs", damaged: list[str] | None = None) -> list[Run]:
    """The runs in a directory, newest first.

    What is no run is passed over; so is a damaged run, and what is wrong with it is added to `damaged`.
    """
    found = []
    for path in _run_dirs(Path(runs_dir)):
        try:
            run = read_run(path)
            run.points  # noqa: B018 - read now, so that whatever is wrong is found here
            found.append(run)
        except (SeqcliError, OSError) as error:
            if damaged is not None:
                damaged.append(str(error))
    return found


def read_run(path: Path) -> Run:
    """The run in a directory. Raises CheckpointError when it is none, ConfigError when it is damaged."""
    if not (path / CONFIG).is_file():
        raise CheckpointError(f"{path} is no run: it has no {CONFIG}.")
    return Run(path.name, path, build(read_yaml(path / CONFIG), str(path / CONFIG)))


def newest(runs_dir: str | Path = "runs", *tasks: str) -> Path | None:
    """The newest run that has a model, of one of these tasks if some are given."""
    for path in _run_dirs(Path(runs_dir)):
        with suppress(SeqcliError, OSError):
            if (path / BEST).is_file() and (not tasks or read_run(path).config.task in tasks):
                return path
    return None


def _run_dirs(runs_dir: Path) -> list[Path]:
    """The directories that have a configuration in them, that with the newest model first."""
    found = []
    for path in runs_dir.glob(f"*/{CONFIG}"):
        with suppress(OSError):  # it was removed a moment ago
            found.append((_written_at(path.parent), path.parent.name, path.parent))
    return [path for _, _, path in sorted(found, reverse=True)]


def _written_at(path: Path) -> float:
    best = path / BEST
    return (best if best.exists() else path / CONFIG).stat().st_mtime


def find(run: str | Path | None, runs_dir: str | Path = "runs", task: str | None = None) -> Path:
    """The directory of a run, or its .safetensors file, from a name, a path, or None for the newest one with a model
    (for that task).

    Raises CheckpointError when there is none, naming the nearest.
    """
    if run is None:
        if (path := newest(runs_dir, *([task] if task else []))) is not None:
            return path
        noun, file, _ = KINDS[task]
        raise CheckpointError(f"There is no trained {noun} in {runs_dir}/ yet. Train one first: seqcli train {file}")
    for path in (Path(runs_dir) / run, Path(run)) if str(run) else ():
        if path.is_dir() or path.is_file():
            return path
    names = [known.name for known in list_runs(runs_dir)]
    there = f" The runs there are {', '.join(names[:8])}." if names else " There are no runs there yet."
    raise CheckpointError(
        f"There is no run {str(run)!r} in {runs_dir}/ and no such path.{nearest(str(run), names) or there}"
    )


class Where(TypedDict, total=False):
    """Where a model is, and where it computes."""

    runs_dir: str | Path
    device: str
    threads: int


@overload
def load(run: str | Path | None = ..., *, task: Literal["lm"], **where: "Unpack[Where]") -> "LanguageModel": ...
@overload
def load(run: str | Path | None = ..., *, task: Literal["translate"], **where: "Unpack[Where]") -> "Translator": ...
@overload
def load(run: str | Path | None = ..., *, task: Literal["tag"], **where: "Unpack[Where]") -> "Tagger": ...
@overload
def load(run: str | Path | None = ..., *, task: Literal["classify"], **where: "Unpack[Where]") -> "Classifier": ...
@overload
def load(run: str | Path | None = ..., *, task: Literal["embed"], **where: "Unpack[Where]") -> "WordVectors": ...
@overload
def load(run: str | Path | None = ..., *, task: None = ..., **where: "Unpack[Where]") -> "Model": ...
def load(
    run: str | Path | None = None,
    *,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    threads: int = 0,
    task: str | None = None,
) -> "Model":
    """Open a trained model; with `task`, only of that task. Raises CheckpointError."""
    from seqcli.core.tasks import model_class
    from seqcli.core.training.schema import task_in
    from seqcli.core.training.stored import naming, read, read_metadata

    path = find(run, runs_dir, task)
    if path.is_dir():
        if not (path / BEST).is_file():
            hint = f"; resume it: seqcli train --resume {path}" if (path / "checkpoints").is_dir() else ""
            raise CheckpointError(f"The run {path} has no {BEST} yet{hint}.")
        path = path / BEST
    metadata = read_metadata(path)
    with naming(path):
        kind = task_in(metadata)
    if task and kind != task:
        raise CheckpointError(
            f"{path} holds a {KINDS[kind].noun}, not a {KINDS[task].noun}: use seqcli {KINDS[kind].command} for it, "
            "or choose another with --run."
        )
    stored = read(path, "np" if kind == "lm" else "pt")  # a language model writes text without torch
    with naming(path):
        model: Model = model_class(kind).open(stored, device, threads)
    return model


def train(
    config: Config, *, run: str | None = None, runs_dir: str | Path = "runs", say: Say | None = None
) -> "Iterator[Event]":
    """Train into a new run, yielding events.

    `say` is told, in words, what is done before the first event, while it is done; without it, in Notice events
    afterwards. Raises ConfigError, DataError, TrainingError."""
    from seqcli.core.training.loop import Loop

    check_place(run, Path(runs_dir))
    said: list[str] = []
    job = _job(config, say or said.append)
    with new_place(config, run, Path(runs_dir)) as (place, lock):
        loop = Loop(job, place, content=content_of(config))
        try:
            write_whole(place / CONFIG, job.config.to_yaml().encode())
        except OSError as error:
            raise not_made(place, error) from None
        yield from _events(loop, lock, said, say)


def resume(
    run: str | Path, changes: dict[str, Any] | None = None, *, runs_dir: str | Path = "runs", say: Say | None = None
) -> "Iterator[Event]":
    """Go on with a run from its newest checkpoint, to the same bits as if it had never stopped.

    `changes` may lengthen its budget or change how often it reports; anything else is a ConfigError.
    """
    from seqcli.core.tasks import task_of
    from seqcli.core.tasks.whole import check_whole
    from seqcli.core.training.checkpoint import newest_checkpoint
    from seqcli.core.training.loop import Loop

    place, config = to_resume(run, changes, runs_dir)
    said: list[str] = []
    with locked(place) as lock:
        found = newest_checkpoint(place, partial(check_whole, task_of(config)))
        job = _job(config, say or said.append, found[0].metadata)
        loop = Loop(job, place, content=content_of(config))
        with _watched(place, lock):
            loop.load(*found)
            write_whole(place / CONFIG, job.config.to_yaml().encode())
        del found  # a copy of all weights
        yield from _events(loop, lock, said, say)


def to_resume(
    run: str | Path, changes: dict[str, Any] | None = None, runs_dir: str | Path = "runs"
) -> tuple[Path, Config]:
    """The directory of a run and the configuration that it goes on with; see `resume`."""
    place = find(run, runs_dir)
    if place.is_file():
        raise CheckpointError(f"{place} is a file; resume a run by its name or directory, which has its checkpoints.")
    config = read_run(place).config
    changes = dict(changes or {})
    if BUDGETS & set(changes):  # a new budget takes the place of the old one
        changes = dict.fromkeys(BUDGETS) | changes
    if fixed := sorted(set(changes) - MAY_CHANGE):
        names = ", ".join("--" + name.replace("_", "-") for name in fixed)
        raise ConfigError(f"{names} cannot change when a run goes on; train a new run for that.")
    return place, config.with_(**changes)


def resolved(config: Config, say: Say = lambda text: None) -> Config:
    """What a training with this configuration would be: its data read, sizes and rates chosen by them."""
    return _job(config, say).config


def _job(config: Config, say: Say, metadata: Mapping[str, Any] | None = None) -> "Job":
    """What is to be learnt, its data read. With the `metadata` of a checkpoint, what goes on from it."""
    from seqcli.core.data.readers import find_files, find_texts
    from seqcli.core.tasks import job_class, task_of
    from seqcli.core.training.device import precision_warning

    task = task_of(config)
    check_task(config, task)
    if config.test is not None:
        (find_texts if task == "lm" else find_files)([config.test])  # before the training, not after it
    job: Job = job_class(task)(config, say, metadata)
    if warning := precision_warning(job.config.precision, job.device):
        say(warning)
    return job


def content_of(config: Config) -> str:
    """A digest of the files that a training depends on, for as long as it lasts.

    Those of --valid too, by which the best weights are chosen; not of --vectors, which are in the checkpoint; nor of
    --test, which is read when all is done.
    """
    from seqcli.core.data.cache import file_digest
    from seqcli.core.data.readers import find_texts

    texts = find_texts(config.files or [str(config.source), str(config.target)])
    texts += find_texts([config.valid]) if config.valid is not None else []
    return hashlib.sha256("".join(file_digest(path) for path in texts).encode()).hexdigest()


def _events(loop: "Loop", lock: Lock, said: list[str], say: Say | None) -> "Iterator[Event]":
    """The events of a training, while its run is locked, and then the figures of the test file."""
    from seqcli.core.events import Finished, Notice, Saved, Tested

    place, config = loop.run_dir, loop.config
    yield from (Notice(text) for text in said)
    if not lock.works:
        yield Notice(f"The file system of {place} has no locks; take care that nothing else trains this run.")
    with _watched(place, lock), closing(loop.__iter__()) as events:
        for event in events:
            if isinstance(event, (Saved, Finished)):
                check_there(place, lock)
            yield event
    if config.test is not None:
        said = []
        skip = {"skip_bad_lines": True} if config.skip_bad_lines else {}  # set for tasks alone that have it
        model = load(place, threads=config.threads, device=config.device)
        figures = model.evaluate(config.test, say=say or said.append, **skip)
        yield from (Notice(text) for text in said)
        yield Tested(config.test, figures)


@contextmanager
def _watched(place: Path, lock: Lock) -> Iterator[None]:
    """Within, a file that cannot be written is a TrainingError, which says so when the whole directory is gone."""
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
