"""Reading our safetensors files: tensors by name, and metadata. Whatever a file holds is checked.

Metadata are JSON values, which are stored in the header of the file, or NumPy arrays, which are stored among the
tensors. The arrays exist because a header has a limited length, and a tokenizer with millions of words is long. Nothing
here needs torch, so that a language model can be used without it.
"""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from seqcli.core import strict_json
from seqcli.core.files import open_regular
from seqcli.errors import CheckpointError

FORMAT = 3
ARRAY = "metadata."  # the beginning of the name of a tensor that is an array of the metadata
LONGEST = 1 << 24  # the largest number of bytes of all JSON values together, and of the rest of the header
TYPES = {"pt": ("F32", "F16", "BF16", "I64", "U8"), "np": ("F32", "F16", "I64", "U8")}  # dtypes that are read
ARRAYS = ("U8", "I64")  # dtypes of arrays of the metadata


@dataclass(frozen=True)
class Stored:
    """The content of a file: tensors by name (torch's or NumPy's), and metadata (JSON values and NumPy arrays)."""

    tensors: dict[str, Any]
    metadata: dict[str, Any]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the name of a file to any CheckpointError that is raised within the `with` block."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be used. {error}") from None


def read(path: Path, framework: Literal["pt", "np"] = "pt") -> Stored:
    """Read a file that `checkpoint.write` wrote, with its tensors as torch's ("pt") or as NumPy arrays ("np").

    Raises CheckpointError for any other file, and says what it is.
    """
    return _read(path, framework, "")


def read_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata of a file without its weights. Raises CheckpointError as `read` does."""
    return _read(path, "np", ARRAY).metadata


def texts_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the JSON values of the metadata as texts for the header. Raises CheckpointError when they are too long."""
    values = {key: value for key, value in metadata.items() if not isinstance(value, np.ndarray)}
    texts = {key: json.dumps(value, allow_nan=False) for key, value in values.items()}
    if sum(map(len, texts.values())) > LONGEST:
        longest = max(texts, key=lambda key: len(texts[key]))
        raise CheckpointError(
            f"The {longest} take {len(texts[longest]) >> 20} MiB of text, and a model file has room for "
            f"{LONGEST >> 20}: there are too many of them, or they are too long."
        )
    return texts | {"seqcli_format": str(FORMAT)}


def _read(path: Path, framework: str, beginning: str) -> Stored:
    """Read the metadata, and the tensors whose names start with `beginning`."""
    try:
        with open_regular(path) as start:
            size = int.from_bytes(start.read(8), "little")
        if 2 * LONGEST < size < path.stat().st_size:
            raise CheckpointError(f"{path} is no file of seqcli, or damaged: its header takes {size >> 20} MiB.")
        with safe_open(path, framework=framework) as file:
            texts = file.metadata() or {}
            _check_format(path, texts)
            tensors = {
                name: _tensor(path, file, name, ARRAYS if name.startswith(ARRAY) else TYPES[framework])
                for name in file.keys()  # noqa: SIM118 - no mapping, has no iterator
                if name.startswith((beginning, ARRAY))
            }
    except FileNotFoundError:
        raise CheckpointError(f"There is no file {path}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    except SafetensorError as error:
        raise CheckpointError(_what_it_is(path, error)) from None
    arrays = {name: tensors.pop(name) for name in list(tensors) if name.startswith(ARRAY)}
    metadata: dict[str, Any] = {name[len(ARRAY) :]: np.asarray(array) for name, array in arrays.items()}
    return Stored(tensors, _parsed(path, texts) | metadata)


def _tensor(path: Path, file: Any, name: str, types: Collection[str]) -> Any:
    """Read one tensor, after checking its dtype and shape."""
    part = file.get_slice(name)
    shape = part.get_shape()
    if part.get_dtype() not in types or len(shape) > 8 or math.prod(max(1, n) for n in shape) >= 1 << 60:
        raise CheckpointError(
            f"{path} is damaged: {name[:80]!r} is {part.get_dtype()} {shape[:8]}, which it cannot be."
        )
    return file.get_tensor(name)


def _check_format(path: Path, texts: Mapping[str, str]) -> None:
    """Raise CheckpointError unless a file is of the format that this version reads."""
    if "seqcli_format" not in texts:
        raise CheckpointError(f"{path} is a safetensors file, but not one that seqcli wrote.")
    version = texts["seqcli_format"]
    if not re.fullmatch("[0-9]{1,9}", version):
        raise CheckpointError(f"{path} is damaged: its format is no number.")
    if int(version) > FORMAT:
        raise CheckpointError(
            f"{path} is of format {version}, from a newer seqcli; this one reads format {FORMAT}. Upgrade seqcli."
        )
    if int(version) < FORMAT:
        raise CheckpointError(
            f"{path} is of format {version}, from an earlier seqcli; this one reads format {FORMAT}. Train it again."
        )


def _parsed(path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON values that the texts of a header stand for. Raises CheckpointError."""
    try:
        if sum(map(len, texts.values())) > LONGEST:
            raise ValueError("it is longer than any that seqcli writes")
        return {k: strict_json.loads(v) for k, v in texts.items() if k != "seqcli_format"}
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged: what it says of itself cannot be read ({str(error)[:80]})."
        ) from None


def _what_it_is(path: Path, error: Exception) -> str:
    """Return a sentence that says what a file is that could not be read as a safetensors file."""
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file begins with the size of its header in eight bytes, the first of which may happen to be 0x80,
    # like that of a pickle; then comes JSON.
    begins = head[8:] == b"{"
    if head[:2] == b"PK" or (head[:1] == b"\x80" and not begins):
        return (
            f"{path} is a pickled torch file. Such a file can run any code when opened, so seqcli never reads one; "
            "convert it to safetensors where you trust it."
        )
    return f"{path} is damaged or is no safetensors file ({str(error)[:200]})."
