"""The runs on disk: listed, found by name, and read as far as they say something of themselves."""

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seqcli.core.config import SHORT, nearest, read_yaml
from seqcli.core.options import TrainingOptions
from seqcli.core.places import CONFIG
from seqcli.core.tasks.registry import TASKS, build
from seqcli.core.training.points import read_points
from seqcli.errors import CheckpointError, SeqcliError

BEST = "best.safetensors"
Place = str | os.PathLike[str]  # a run by its name, its directory, or a model file; a Run is one of these, too


@dataclass(frozen=True, repr=False)
class Run:
    """What is on disk of a run. It stands for its directory wherever a path may be given."""

    name: str
    path: Path
    options: TrainingOptions

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
        figure, sign = ("val_loss", 1) if self.options.chosen_by == "loss" else (self.options.chosen_by, -1)
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

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        told = [SHORT.repr(self.name), self.options.task, self.options.model_in_words]
        with suppress(SeqcliError, OSError):  # a damaged run can be shown, too
            told.append(f"step {self.step:,}")
            told += [] if self.val_loss is None else [f"val_loss {self.val_loss:.4g}"]
        return f"Run({', '.join(told)})"


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
            if (path / BEST).is_file() and (not tasks or read_run(path).options.task in tasks):
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


def find(run: Place | None, runs_dir: str | Path = "runs", task: str | None = None) -> Path:
    """The directory of a run, or its .safetensors file, from a name, a path, or None for the newest one with a model
    (for that task).

    Raises CheckpointError when there is none, naming the nearest.
    """
    if run is None:
        if (path := newest(runs_dir, *([task] if task else []))) is not None:
            return path
        noun, file = (TASKS[task].noun, TASKS[task].example) if task else ("model", "FILE")
        raise CheckpointError(f"There is no trained {noun} in {runs_dir}/ yet. Train one first: seqcli train {file}")
    for path in (Path(runs_dir) / run, Path(run)) if str(run) else ():
        with suppress(OSError):  # a name that no file can have
            if path.is_dir() or path.is_file():
                return path
    names = [known.name for known in list_runs(runs_dir)]
    there = f" The runs there are {', '.join(names[:8])}." if names else " There are no runs there yet."
    raise CheckpointError(
        f"There is no run {str(run)!r} in {runs_dir}/ and no such path.{nearest(str(run), names) or there}"
    )
