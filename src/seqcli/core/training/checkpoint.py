"""Checkpoints: safetensors files that are written completely or not at all, and checked when they are read.

runs/NAME/best.safetensors                             the best weights, with all that is needed to use the model
runs/NAME/checkpoints/step-00000500/model.safetensors  the weights to resume the training from, and beside them
                                    state.safetensors  optimizer state, averages, random generator, carried recurrent
                                                       state, position in the training
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from seqcli.core.files import making, write_whole
from seqcli.core.places import checkpoint_dir, checkpoints, step_of
from seqcli.core.training.stored import ARRAY, Stored, naming, read, texts_of
from seqcli.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Stored",
    "checkpoint_dir",
    "checkpoints",
    "forget_after",
    "newest_checkpoint",
    "read",
    "save_checkpoint",
    "write",
]


def write(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file atomically: at every moment `path` is either the complete old file or the new one.

    Metadata are JSON values and NumPy arrays (see stored.py). No two tensors may share memory. Raises CheckpointError
    when the file cannot be written.
    """
    import torch
    from safetensors.torch import save

    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    arrays = {key: value for key, value in metadata.items() if isinstance(value, np.ndarray)}
    kept |= {ARRAY + key: torch.from_numpy(value) for key, value in arrays.items()}
    try:
        write_whole(path, save(kept, metadata=texts_of(metadata)))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}.") from None
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be written: {error}.") from None


# --- checkpoints to resume from -------------------------------------------------------------------------------------


def save_checkpoint(run_dir: Path, step: int, model: Stored, state: Stored, keep: int) -> Path:
    """Write the checkpoint of a step, then delete all checkpoints but the newest `keep`. Returns its directory.

    The two files appear together or not at all. If the step has a checkpoint already, it is left as it is: a run is
    deterministic, so it would be the same. Raises CheckpointError when it cannot be written.
    """
    place = checkpoint_dir(run_dir, step)
    try:
        if not place.exists():
            # The run's own directory is not created: if it is missing, somebody has removed it.
            place.parent.mkdir(exist_ok=True)
            with making(place) as temporary:
                write(temporary / "model.safetensors", model.tensors, model.metadata)
                write(temporary / "state.safetensors", state.tensors, state.metadata)
    except OSError as error:
        raise CheckpointError(f"{place} cannot be written: {error.strerror}.") from None
    for old in checkpoints(run_dir)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def forget_after(run_dir: Path, step: int) -> None:
    """Delete checkpoints after `step`, and files that a killed process left half written.

    A run is resumed from its newest checkpoint that can be read, so any later one is damaged.
    """
    for place in checkpoints(run_dir):
        if step_of(place) > step:
            shutil.rmtree(place, ignore_errors=True)
    for left in (run_dir / "checkpoints").glob(".step-*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    for left in run_dir.glob(".*.tmp"):
        left.unlink(missing_ok=True)


def newest_checkpoint(
    run_dir: Path, check: Callable[[Stored, Stored], None] = lambda model, state: None
) -> tuple[Stored, Stored, list[str]]:
    """Read the newest checkpoint of a run that is not damaged.

    Returns its model, its state, and a sentence about each damaged one that was skipped. A checkpoint counts as damaged
    when one of its two files cannot be read, or when `check(model, state)` raises CheckpointError. Raises
    CheckpointError when there is none to resume from.
    """
    complaints: list[str] = []
    for place in reversed(checkpoints(run_dir)):
        try:
            model, state = read(place / "model.safetensors"), read(place / "state.safetensors")
            with naming(place):
                check(model, state)
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            return model, state, [f"{complaint} The checkpoint before it is used." for complaint in complaints]
    raise CheckpointError(" ".join([*complaints, f"{run_dir} has no checkpoint to resume from."]))
