"""Model files of any task: which task they are for, and whether a training can be resumed from one."""

from collections.abc import Mapping
from typing import Any

from seqcli.core.tasks.registry import TASKS, Task
from seqcli.core.training.schema import ModelFile
from seqcli.core.training.stored import Stored
from seqcli.errors import CheckpointError


def task_in(metadata: Mapping[str, Any]) -> Task:
    """Return the task that a model file is for. Raises CheckpointError when it names none, or an unknown one."""
    name = metadata.get("task")
    if not isinstance(name, str):
        raise CheckpointError("The checkpoint is damaged, or holds no model: it does not name its task.")
    if name not in TASKS:
        raise CheckpointError(
            f"It is a model for the task {name[:40]!r}, which this version does not know; it knows {', '.join(TASKS)}."
        )
    return TASKS[name]


def model_file(metadata: Mapping[str, Any]) -> ModelFile:
    """Check the metadata of a model file of any task, and return them. Raises CheckpointError."""
    found: ModelFile = task_in(metadata).file.of(metadata)
    return found


def check_whole(task: Task, model: Stored, state: Stored) -> None:
    """Raise CheckpointError, which says what is wrong, unless these are model and state of a training for `task`.

    Their metadata are checked, and the names, shapes, types and values of all tensors.
    """
    from seqcli.core.layers.network import shapes_of
    from seqcli.core.training.state import check_state
    from seqcli.core.weights import check_weights

    about = model_file(model.metadata)
    if about.task != task.name:
        raise CheckpointError(f"It is of a training for {about.task}, and not for {task.name}.")
    network = task.trained.network(about)
    check_weights(model.tensors, shapes_of(network))
    check_state(network, about.config, state)
