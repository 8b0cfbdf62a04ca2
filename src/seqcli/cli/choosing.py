"""Which run a command uses, and telling that where nobody named one."""

from seqcli.cli import console
from seqcli.core.catalogue import Place, find
from seqcli.core.tasks.registry import TASKS


def chosen(run: str | None, runs_dir: str, task: str, *, quiet: bool) -> Place:
    """The run that was named or else, told on stderr unless `quiet`, the newest one of a task.

    Raises CheckpointError when there is none.
    """
    if run is not None:
        return run
    path = find(None, runs_dir, task)
    if not quiet:
        console.notice(f"Run {path.name}, the newest {TASKS[task].noun}:")
    return path
