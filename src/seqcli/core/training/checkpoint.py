"""Checkpoints: safetensors files, written whole or not at all, and read with suspicion.

runs/NAME/best.safetensors                             the weights to use, with all that a command needs to use them
runs/NAME/checkpoints/step-00000500/model.safetensors  the weights to go on from
                                    state.safetensors  optimizer, averages, generators, carried state, position
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from seqcli.core.files import making, open_regular, write_whole
from seqcli.errors import CheckpointError

if TYPE_CHECKING:  # a language model writes text without torch
    from torch import Tensor

FORMAT = 1
STEP = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class Stored:
    """Tensors by name (of torch, or arrays of NumPy where these were asked for), and JSON metadata."""

    tensors: dict[str, Any]
    metadata: dict[str, Any]


def write(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file so that `path` is at every moment the old file or the new one, whole.

    No two tensors may share memory. Raises CheckpointError when it cannot be written.
    """
    from safetensors.torch import save

    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = {key: json.dumps(value) for key, value in metadata.items()}
    text["seqcli_format"] = str(FORMAT)
    try:
        write_whole(path, save(kept, metadata=text))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}.") from None


def read(path: Path, framework: str = "pt") -> Stored:
    """A file that `write` wrote, its tensors for torch ("pt") or as NumPy arrays ("np").

    Raises CheckpointError for anything else, saying what it is.
    """
    with _opened(path, framework) as (file, metadata):
        return Stored({name: file.get_tensor(name) for name in file.keys()}, metadata)  # noqa: SIM118 - no mapping


def read_metadata(path: Path) -> dict[str, Any]:
    """What such a file says of itself; its tensors are not read. Raises CheckpointError as `read` does."""
    with _opened(path, "np") as (_, metadata):
        return metadata


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    try:
        open_regular(path).close()  # a pipe would be waited for without end
        with safe_open(path, framework=framework) as file:
            yield file, _metadata(path, file.metadata() or {})
    except FileNotFoundError:
        raise CheckpointError(f"There is no file {path}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    except SafetensorError as error:
        raise CheckpointError(_what_it_is(path, error)) from None


def _metadata(path: Path, text: Mapping[str, str]) -> dict[str, Any]:
    if "seqcli_format" not in text:
        raise CheckpointError(f"{path} is a safetensors file, but not one that seqcli wrote.")
    try:
        metadata = {key: json.loads(value) for key, value in text.items()}
        version = int(metadata.pop("seqcli_format"))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: what it says of itself cannot be read ({error}).") from None
    if version > FORMAT:
        raise CheckpointError(
            f"{path} is of format {version}, from a newer seqcli; this one reads up to {FORMAT}. Upgrade seqcli."
        )
    return metadata


def _what_it_is(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(9)
    begins = head[8:] == b"{"  # a safetensors file: eight bytes of size, any of them 0x80 by chance, then JSON
    if head[:2] == b"PK" or (head[:1] == b"\x80" and not begins):
        return (
            f"{path} is a pickled torch file. Such a file can run any code when opened, so seqcli never reads one; "
            "convert it to safetensors where you trust it."
        )
    return f"{path} is damaged or is no safetensors file ({error})."


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


def newest_checkpoint(run_dir: Path) -> tuple[Stored, Stored, list[str]]:
    """Model and state of the newest checkpoint that is whole, and a sentence for each damaged one passed over.

    Raises CheckpointError when there is none to go on from.
    """
    complaints: list[str] = []
    for place in reversed(checkpoints(run_dir)):
        try:
            return read(place / "model.safetensors"), read(place / "state.safetensors"), complaints
        except CheckpointError as error:
            complaints.append(f"{error} The checkpoint before it is used.")
    raise CheckpointError(
        " ".join(
            [
                *(c.removesuffix(" The checkpoint before it is used.") for c in complaints),
                f"{run_dir} has no checkpoint to resume from.",
            ]
        )
    )
