"""Checkpoints: safetensors files, written whole or not at all, and read with suspicion.

runs/NAME/best.safetensors                             the weights to use, with all that a command needs to use them
runs/NAME/checkpoints/step-00000500/model.safetensors  the weights to go on from
                                    state.safetensors  optimizer, averages, generators, carried state, position
"""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from seqcli.core.files import making, write_whole
from seqcli.core.training.stored import ARRAY, Stored, naming, read, texts_of
from seqcli.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "STEP",
    "Stored",
    "checkpoint_dir",
    "checkpoints",
    "forget_after",
    "newest_checkpoint",
    "read",
    "save_checkpoint",
    "write",
]

STEP = re.compile(r"step-(\d{8,})")


def write(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file so that `path` is at every moment the old file or the new one, whole.

    Metadata are JSON values and NumPy arrays (see `stored`). No two tensors may share memory. Raises CheckpointError
    when it cannot be written.
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


# --- what to go on from ---------------------------------------------------------------------------------------------


def checkpoint_dir(run_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return run_dir / "checkpoints" / f"step-{step:08d}"


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    found = [p for p in (run_dir / "checkpoints").glob("step-*") if STEP.fullmatch(p.name)]
    return sorted(found, key=lambda p: int(p.name[5:]))


def save_checkpoint(run_dir: Path, step: int, model: Stored, state: Stored, keep: int) -> Path:
    """Write the pair of files of a step, whole, and only then remove all but the newest `keep`.

    A run comes to a step in one state only, so a checkpoint that stands is left as it is.
    """
    place = checkpoint_dir(run_dir, step)
    try:
        if not place.exists():
            place.parent.mkdir(exist_ok=True)  # not the run's directory too: where that is gone, it was removed
            with making(place) as temporary:
                write(temporary / "model.safetensors", model.tensors, model.metadata)
                write(temporary / "state.safetensors", state.tensors, state.metadata)
    except OSError as error:
        raise CheckpointError(f"{place} cannot be written: {error.strerror}.") from None
    for old in checkpoints(run_dir)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def forget_after(run_dir: Path, step: int) -> None:
    """Remove damaged checkpoints beyond the one gone on from, and what a killed process left half written."""
    for place in checkpoints(run_dir):
        if int(place.name[5:]) > step:
            shutil.rmtree(place, ignore_errors=True)
    for left in (run_dir / "checkpoints").glob(".step-*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    for left in run_dir.glob(".*.tmp"):
        left.unlink(missing_ok=True)


def newest_checkpoint(
    run_dir: Path, check: Callable[[Stored, Stored], None] = lambda model, state: None
) -> tuple[Stored, Stored, list[str]]:
    """Model and state of the newest checkpoint that is whole, and a sentence for each damaged one passed over.

    It is whole when its two files can be read and `check` of them raises no CheckpointError. Raises CheckpointError
    when there is none to go on from.
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
