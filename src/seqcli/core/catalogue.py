"""The runs on disk: listing them, finding one by name, and reading what is shown about them. No model is loaded."""

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seqcli.core.config import SHORT, nearest, read_yaml
from seqcli.core.options import TrainingOptions
from seqcli.core.places import CONFIG, checkpoints, step_of
from seqcli.core.tasks.registry import TASKS
from seqcli.core.tasks.union import build
from seqcli.core.training.points import read_points
from seqcli.errors import CheckpointError, SeqcliError

BEST = "best.safetensors"
Place = str | os.PathLike[str]  # a run by its name, its directory, or a model file; a Run is one of these, too


@dataclass(frozen=True, repr=False)
class Run:
    """A run on disk. It can be used as the path of its directory wherever a path may be given."""

    name: str
    path: Path
    options: TrainingOptions

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """The points of its learning curve: the lines of metrics.jsonl that can be read."""
        return read_points(self.path)

    @property
    def step(self) -> int:
        """The step that it goes on from when it is resumed, that of its newest checkpoint.

        Where there is no checkpoint, as in a copied run, it is the last step in metrics.jsonl; 0 if there is none.
        """
        kept = checkpoints(self.path)
        return step_of(kept[-1]) if kept else int(self.points[-1]["step"]) if self.points else 0

    @property
    def best(self) -> dict[str, Any] | None:
        """The evaluation that the model was chosen by, a point of the curve.

        It has the lowest validation loss, or the best value of the metric in --select. None before any evaluation.
        """
        figure = "val_loss" if self.options.chosen_by == "loss" else self.options.chosen_by
        sign = 1 if self.options.lower_is_better else -1
        known = [point for point in self.points if isinstance(point.get(figure), (int, float))]
        return min(known, key=lambda point: (sign * point[figure], point.get("val_loss") or 0.0), default=None)

    @property
    def val_loss(self) -> float | None:
        """The validation loss of that evaluation."""
        loss = (self.best or {}).get("val_loss")
        return float(loss) if isinstance(loss, (int, float)) else None

    @property
    def finished_at(self) -> float:
        """When the model was last written, in seconds since 1970."""
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
    """Return the runs in a directory, the newest first.

    Other directories are skipped, and so are damaged runs; for each of those a sentence is appended to `damaged`.
    """
    found = []
    for path in _run_dirs(Path(runs_dir)):
        try:
            run = read_run(path)
            run.points  # noqa: B018 - read now, so that anything wrong with it is found here
            found.append(run)
        except (SeqcliError, OSError) as error:
            if damaged is not None:
                damaged.append(str(error))
    return found


def read_run(path: Path) -> Run:
    """Read the run in a directory. Raises CheckpointError when there is none, ConfigError when it is damaged."""
    if not (path / CONFIG).is_file():
        raise CheckpointError(f"{path} is no run: it has no {CONFIG}.")
    return Run(path.name, path, build(read_yaml(path / CONFIG), str(path / CONFIG)))


def newest(runs_dir: str | Path = "runs", *tasks: str) -> Path | None:
    """Return the newest run that has a model, of one of these tasks if any are given. None if there is none."""
    for path in _run_dirs(Path(runs_dir)):
        with suppress(SeqcliError, OSError):
            if (path / BEST).is_file() and (not tasks or read_run(path).options.task in tasks):
                return path
    return None


def _run_dirs(runs_dir: Path) -> list[Path]:
    """Return the directories of runs, the one with the newest model first."""
    found = []
    for path in runs_dir.glob(f"*/{CONFIG}"):
        with suppress(OSError):  # it may have been deleted a moment ago
            found.append((_written_at(path.parent), path.parent.name, path.parent))
    return [path for _, _, path in sorted(found, reverse=True)]


def _written_at(path: Path) -> float:
    """Return when the model of a run was last written or, if it has none yet, its configuration."""
    best = path / BEST
    return (best if best.exists() else path / CONFIG).stat().st_mtime


def find(run: Place | None, runs_dir: str | Path = "runs", task: str | None = None) -> Path:
    """Find a run by its name or by a path; None finds the newest run with a model, of `task` if that is given.

    A plain name is looked for among the runs first, and only then as a path; for anything else it is the other way
    round. Returns the directory of the run, or the path of a .safetensors file if that was given. Raises
    CheckpointError when there is no such run, and suggests the name that is most similar.
    """
    if run is None:
        if (path := newest(runs_dir, *([task] if task else []))) is not None:
            return path
        noun, file = (TASKS[task].noun, TASKS[task].example) if task else ("model", "FILE")
        raise CheckpointError(f"There is no trained {noun} in {runs_dir}/ yet. Train one first: seqcli train {file}")
    among_runs, literal = Path(runs_dir) / run, Path(run)
    places = (among_runs, literal) if literal.name == run else (literal, among_runs)
    for path in places if str(run) else ():
        with suppress(OSError):  # raised for a name that no file can have
            if path.is_dir() or path.is_file():
                return path
    names = [known.name for known in list_runs(runs_dir)]
    there = f" The runs there are {', '.join(names[:8])}." if names else " There are no runs there yet."
    raise CheckpointError(
        f"There is no run {str(run)!r} in {runs_dir}/ and no such path.{nearest(str(run), names) or there}"
    )
