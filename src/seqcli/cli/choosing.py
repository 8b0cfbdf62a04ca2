"""Choosing the run that a command uses, and telling the user which one it is if they did not name it."""

from seqcli.cli import console
from seqcli.core.catalogue import Place, find
from seqcli.core.tasks.registry import TASKS


def chosen(run: str | None, runs_dir: str, task: str, *, quiet: bool) -> Place:
    """Return the run that the user named, or otherwise the newest run of a task.

    In the second case a line on stderr names it, unless `quiet`. Raises CheckpointError when there is no run.
    """
    if run is not None:
        return run
    path = find(None, runs_dir, task)
    if not quiet:
        console.notice(f"Run {path.name}, the newest {TASKS[task].noun}:")
    return path
