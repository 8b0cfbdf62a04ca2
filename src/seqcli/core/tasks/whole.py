"""Whether a checkpoint can be gone on from, before its run is."""

from seqcli.core.layers.network import shapes_of
from seqcli.core.tasks import job_class, model_class
from seqcli.core.training.schema import model_file
from seqcli.core.training.state import check_state
from seqcli.core.training.stored import Stored
from seqcli.core.weights import check_weights
from seqcli.errors import CheckpointError


def check_whole(task: str, model: Stored, state: Stored) -> None:
    """Raises CheckpointError, naming what is wrong, when these are not the model and the state of a training for the
    task: by what they say of themselves, and by the names, shapes and types of all tensors."""
    about = model_file(model.metadata)
    if about.task != task:
        raise CheckpointError(f"It is of a training for {about.task}, and not for {task}.")
    network = model_class(task).network(about)
    check_weights(model.tensors, shapes_of(network))
    check_state(network, about.config, state, learns_itself=hasattr(job_class(task), "update"))
