"""The directory of a run: choosing its name, creating it, finding its checkpoints, locking it, and noticing when it
disappears.
"""

import errno
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqcli.core.files import Lock
from seqcli.core.options import TrainingOptions
from seqcli.errors import CheckpointError, ConfigError, TrainingError

CONFIG = "config.yaml"
LOCK = ".lock"
STEP = re.compile(r"step-(\d{8,})")  # the name of the directory of a checkpoint


def check_place(run: str | None, runs_dir: Path) -> None:
    """Raise ConfigError if the name of a run is taken or no valid name, or if `runs_dir` cannot be written to."""
    if run is not None:
        if run in ("", ".", "..") or Path(run).name != run or not run.isprintable():
            raise ConfigError(f"--run {run!r} must be a plain name; say where with --runs-dir.")
        if os.path.lexists(runs_dir / run):
            raise _taken(runs_dir / run)
    there = next(path for path in (runs_dir, *runs_dir.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        number = errno.EACCES if there.is_dir() else errno.ENOTDIR
        raise not_made(runs_dir / (run or ""), OSError(number, os.strerror(number)))


@contextmanager
def new_place(options: TrainingOptions, run: str | None, runs_dir: Path) -> Iterator[tuple[Path, Lock]]:
    """Create the directory of a new run and lock it. Gives the directory and the lock to the `with` block.

    Without a name, the first free one is taken. Creating the directory is what claims the name, so two processes can
    never have the same one. If the block ends before it has written the configuration, the directory is deleted again.
    Raises ConfigError when it cannot be created.
    """
    made = [path for path in (runs_dir, *runs_dir.parents) if not path.exists()]
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        place = _made(runs_dir / run) if run is not None else _first_free(runs_dir, _name_for(options))
    except OSError as error:
        raise not_made(runs_dir / (run or ""), error) from None
    try:
        with locked(place) as lock:
            yield place, lock
    finally:
        if not (place / CONFIG).exists():
            with suppress(OSError):
                (place / LOCK).unlink(missing_ok=True)
                for path in (place, *made):
                    path.rmdir()


def _made(place: Path) -> Path:
    """Create a directory. Raises ConfigError if it exists."""
    try:
        place.mkdir()
    except FileExistsError:
        raise _taken(place) from None
    return place


def _first_free(runs_dir: Path, name: str) -> Path:
    """Create the first directory of NAME, NAME-2, NAME-3, ... that does not exist yet, and return it."""
    for count in itertools.count(1):
        place = runs_dir / (name if count == 1 else f"{name}-{count}")
        with suppress(FileExistsError):
            place.mkdir()
            break
    return place


def _name_for(options: TrainingOptions) -> str:
    """Return a name for a run, made of the name of its first file and the kind of its model."""
    named = options.inputs[0] if options.inputs else "text"
    stem = os.fsencode(Path(os.path.realpath(named)).stem)[:150].decode("utf-8", "ignore")
    return re.sub(r"[^\w.-]+", "-", f"{stem}-{options.kind}").strip("-.") or "run"


# --- its checkpoints ------------------------------------------------------------------------------------------------


def checkpoint_dir(run_dir: Path, step: int) -> Path:
    """Return the directory of the checkpoint of a step, whether it exists or not."""
    return run_dir / "checkpoints" / f"step-{step:08d}"


def checkpoints(run_dir: Path) -> list[Path]:
    """Return the directories of a run's checkpoints, the oldest first."""
    found = [p for p in (run_dir / "checkpoints").glob("step-*") if STEP.fullmatch(p.name)]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    """Return the step of a checkpoint, given its directory."""
    return int(checkpoint.name.removeprefix("step-"))


# --- its lock -------------------------------------------------------------------------------------------------------


@contextmanager
def locked(place: Path) -> Iterator[Lock]:
    """Lock the directory of a run during the `with` block, so that no other process trains it.

    Raises CheckpointError when another process does, or when the directory cannot be written to.
    """
    try:
        lock = Lock(place / LOCK)
    except BlockingIOError:
        raise CheckpointError(
            f"The run {place} is being trained by another process; stop that one first, or wait for its end."
        ) from None
    except OSError as error:
        raise CheckpointError(f"The run {place} cannot be written to: {error.strerror}.") from None
    with lock:
        yield lock


def check_there(place: Path, lock: Lock) -> None:
    """Raise TrainingError if the directory of a run has been deleted, moved or replaced since it was locked."""
    if not (lock.in_place() and (place / CONFIG).is_file()):
        raise TrainingError(
            f"The run directory {place} was removed, moved or replaced while the run was trained: what it learnt "
            "cannot be kept there. Train it again, and leave its directory alone."
        )


def _taken(place: Path) -> ConfigError:
    """Return the error for a name of a run that exists already."""
    if (place / CONFIG).exists():
        return ConfigError(
            f"There is a run {place} already. "
            f"Go on with it (--resume {place.name}), choose another --run, or remove it."
        )
    return ConfigError(f"{place} exists already, and is no run. Choose another --run, or remove it.")


def not_made(place: Path, error: OSError) -> ConfigError:
    """Return the error for a directory that cannot be created."""
    return ConfigError(f"The run directory {place} cannot be made: {error.strerror}. Choose another with --runs-dir.")
