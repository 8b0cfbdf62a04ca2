"""Opens, lists and names runs: the one door from a command, or from Python, to training and to a trained model.

runs/NAME/config.yaml       everything, resolved
          metrics.jsonl     one line a log point or evaluation
          best.safetensors  the model to use; enough by itself
          checkpoints/      the newest few, to resume from
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from seqcli.core.config import Config, build, check_task, nearest, read_yaml
from seqcli.core.events import Event, Notice, Tested
from seqcli.core.training.files import read_points, write_whole
from seqcli.errors import CheckpointError, ConfigError

if TYPE_CHECKING:  # torch is imported when a model is
    from typing_extensions import Unpack

    from seqcli.core.tasks import Classifier, LanguageModel, Model, Tagger, Translator, WordVectors

Say = Callable[[str], None]
BEST = "best.safetensors"
KINDS = {
    None: ("model", "FILE"),
    "lm": ("language model", "TEXT.txt"),
    "translate": ("translation model", "PAIRS.tsv"),
    "tag": ("tagger", "SENTENCES.conllu"),
    "classify": ("classifier", "--task classify LABELLED.tsv"),
    "embed": ("model of word vectors", "--task embed TEXT.txt"),
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
    """What is on disk of a run. `points` are the lines of metrics.jsonl."""

    name: str
    path: Path
    config: Config
    points: list[dict[str, Any]]

    @property
    def step(self) -> int:
        """The last step that was written down."""
        return int(self.points[-1]["step"]) if self.points else 0

    @property
    def best(self) -> dict[str, Any] | None:
        """The evaluation that the model was chosen by: that with the lowest loss, or the highest `select`."""
        figure, sign = ("val_loss", 1) if self.config.select in (None, "loss") else (self.config.select, -1)
        found = (p for p in self.points if figure in p)
        return min(found, key=lambda p: (sign * float(p[figure]), float(p["val_loss"])), default=None)

    @property
    def finished_at(self) -> float:
        """When it last wrote a model, in seconds since 1970."""
        best = self.path / BEST
        return (best if best.exists() else self.path / "config.yaml").stat().st_mtime


def list_runs(runs_dir: str | Path = "runs") -> list[Run]:
    """The runs in a directory, newest first. What is no run is passed over."""
    found = []
    for path in Path(runs_dir).glob("*/config.yaml"):
        try:
            found.append(read_run(path.parent))
        except (CheckpointError, ConfigError):
            continue
    return sorted(found, key=lambda run: run.finished_at, reverse=True)


def read_run(path: Path) -> Run:
    """The run in a directory. Raises CheckpointError when it is none."""
    if not (path / "config.yaml").is_file():
        raise CheckpointError(f"{path} is no run: it has no config.yaml.")
    config = build(read_yaml(path / "config.yaml"), str(path / "config.yaml"))
    return Run(path.name, path, config, read_points(path))


def newest(runs_dir: str | Path = "runs", *tasks: str) -> Path | None:
    """The newest run that has a model, of one of these tasks if some are given."""
    for known in list_runs(runs_dir):
        if (known.path / BEST).is_file() and (not tasks or known.config.task in tasks):
            return known.path
    return None


def find(run: str | Path | None, runs_dir: str | Path = "runs", task: str | None = None) -> Path:
    """The directory of a run, or its .safetensors file, from a name, a path, or None for the newest one with a model
    (for that task).

    Raises CheckpointError when there is none, naming the nearest.
    """
    if run is None:
        if (path := newest(runs_dir, *([task] if task else []))) is not None:
            return path
        kind, file = KINDS[task]
        raise CheckpointError(f"There is no trained {kind} in {runs_dir}/ yet. Train one first: seqcli train {file}")
    for path in (Path(runs_dir) / run, Path(run)):
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
    from seqcli.core.tasks import MODELS
    from seqcli.core.training.checkpoint import read
    from seqcli.core.training.schema import task_in
    from seqcli.core.training.stored import naming

    path = find(run, runs_dir, task)
    if path.is_dir():
        if not (path / BEST).is_file():
            hint = f"; resume it: seqcli train --resume {path}" if (path / "checkpoints").is_dir() else ""
            raise CheckpointError(f"The run {path} has no {BEST} yet{hint}.")
        path = path / BEST
    stored = read(path)
    with naming(path):
        kind = task_in(stored.metadata)
        if task and kind != task:
            raise CheckpointError(
                f"It was trained for {kind}, but this command needs a model for {task}. Choose another with --run."
            )
        model: Model = MODELS[kind].open(stored, device, threads)
    return model


def train(
    config: Config, *, run: str | None = None, runs_dir: str | Path = "runs", say: Say | None = None
) -> Iterator[Event]:
    """Train into a new run, yielding events.

    `say` is told, in words, what is done before the first event, while it is done; without it, in Notice events
    afterwards. Raises ConfigError, DataError, TrainingError."""
    place = new_place(config, run, Path(runs_dir))
    yield from _train(config, place, say, resume=False)


def resume(
    run: str | Path, changes: dict[str, Any] | None = None, *, runs_dir: str | Path = "runs", say: Say | None = None
) -> Iterator[Event]:
    """Go on with a run from its newest checkpoint, to the same bits as if it had never stopped.

    `changes` may lengthen its budget or change how often it reports; anything else is a ConfigError.
    """
    place, config = to_resume(run, changes, runs_dir)
    yield from _train(config, place, say, resume=True)


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
    from seqcli.core.tasks import TASKS, task_of

    task = task_of(config)
    check_task(config, task)
    return TASKS[task](config, say).config


def new_place(config: Config, run: str | None, runs_dir: Path) -> Path:
    """The directory of a new run. Raises ConfigError when the name is taken or is no name."""
    if run is None:
        named = config.files[0] if config.files else config.source or "text"
        stem = Path(named).resolve().stem
        base = (
            re.sub(r"[^\w.-]+", "-", f"{stem}-{config.objective if config.task == 'embed' else config.cell}").strip(
                "-."
            )
            or "run"
        )
        run, count = base, 1
        while (runs_dir / run).exists():
            count += 1
            run = f"{base}-{count}"
    elif run in (".", "..") or Path(run).name != run:
        raise ConfigError(f"--run {run!r} must be a plain name; say where with --runs-dir.")
    if (runs_dir / run).exists():
        raise ConfigError(
            f"There is a run {runs_dir / run} already. "
            f"Go on with it (--resume {run}), choose another --run, or remove it."
        )
    return runs_dir / run


def _train(config: Config, place: Path, say: Say | None, *, resume: bool) -> Iterator[Event]:
    from seqcli.core.data.readers import find_files, find_texts
    from seqcli.core.data.tokenfile import file_digest
    from seqcli.core.tasks import TASKS, task_of
    from seqcli.core.tasks.whole import check_whole
    from seqcli.core.training.checkpoint import newest_checkpoint
    from seqcli.core.training.loop import Loop

    said: list[str] = []
    task = task_of(config)
    found = newest_checkpoint(place, partial(check_whole, task)) if resume else None
    check_task(config, task)
    if config.test is not None:
        (find_texts if task == "lm" else find_files)([config.test])  # before the training, not after it
    job = TASKS[task](config, say or said.append, found[0].metadata if found else None)
    texts = find_texts(config.files or [str(config.source), str(config.target)])
    content = hashlib.sha256("".join(file_digest(path) for path in texts).encode()).hexdigest()
    loop = Loop(job, place, content=content)
    if found is not None:
        loop.load(*found)
        write_whole(place / "config.yaml", job.config.to_yaml().encode())
    else:
        try:
            place.mkdir(parents=True)
            (place / "config.yaml").write_text(job.config.to_yaml(), encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"The run directory {place} cannot be made: {error.strerror}. Choose another with --runs-dir."
            ) from None
    del found  # a copy of all weights
    yield from (Notice(text) for text in said)
    yield from loop
    if job.config.test is not None:
        said.clear()
        skip = {"skip_bad_lines": True} if job.config.skip_bad_lines else {}  # set for tasks alone that have it
        model = load(place, threads=job.config.threads, device=job.config.device)
        figures = model.evaluate(job.config.test, say=say or said.append, **skip)
        yield from (Notice(text) for text in said)
        yield Tested(job.config.test, figures)
