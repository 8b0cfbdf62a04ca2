"""Arrays in files of the cache, mapped into memory and compared with the checksums of their blocks."""

import copy
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli.errors import DataError

BLOCK = 1 << 20  # bytes that have a checksum
AT_ONCE = 64 << 20  # bytes of a file of ids that is compared with its checksums when it is opened


class IdArray(Protocol):
    """Ids by their places: an array, or one in a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, places: Any, /) -> Any: ...


def mapped(path: Path, dtype: str) -> NDArray[Any]:
    """A file of numbers as an array that is read from the disk as it is used."""
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))


def checksums(path: Path) -> list[int]:
    """The CRC-32 of every block of a file."""
    with path.open("rb") as file:
        return [zlib.crc32(block) for block in iter(lambda: file.read(BLOCK), b"")]


class StoredIds:
    """The ids in a file, mapped into memory; each block is compared with its checksum before it is first used.

    A slice gives an array, and so does an array of places. Raises ValueError when a small file is damaged; in a large
    one the damage is found later, and then it is a DataError.
    """

    def __init__(self, path: Path, dtype: str, sums: list[int]) -> None:
        self._path, self._sums = path, sums
        self._all = mapped(path, dtype)
        self._start, self._stop = 0, len(self._all)
        self._unchecked = set(range(len(sums)))
        if len(sums) != -(-self._all.nbytes // BLOCK):
            raise ValueError(f"{path} is cut short")
        if self._all.nbytes <= AT_ONCE:
            self._check(range(len(sums)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of an id."""
        return self._all.dtype

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, places: Any) -> Any:
        if self._unchecked:
            self._use(places)
        return self._all[self._start : self._stop][places]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype=dtype, copy=copy)

    def part(self, start: int, stop: int) -> "StoredIds":
        """The ids from place `start` of the file to place `stop`, which shares with this one what has been checked."""
        found = copy.copy(self)
        found._start, found._stop = start, stop
        return found

    def _use(self, places: Any) -> None:
        """Check the blocks that these places are in. Raises DataError, and removes the file, when one is damaged."""
        per_block = BLOCK // self.dtype.itemsize
        wanted: Iterable[int]
        if isinstance(places, slice):
            first, last, _ = places.indices(len(self))
            wanted = range((self._start + first) // per_block, -(-(self._start + last) // per_block))
        else:
            wanted = np.unique((self._start + np.asarray(places) % len(self)) // per_block).tolist()
        try:
            self._check(wanted)
        except ValueError as error:
            shutil.rmtree(self._path.parent, ignore_errors=True)
            raise DataError(
                f"{error}, and has been removed from the cache. Start again, or resume the run: it is made anew."
            ) from None

    def _check(self, blocks: Iterable[int]) -> None:
        raw = self._all.view(np.uint8).data
        for k in self._unchecked.intersection(blocks):
            if zlib.crc32(raw[k * BLOCK : (k + 1) * BLOCK]) != self._sums[k]:
                raise ValueError(f"{self._path} is damaged")
            self._unchecked.discard(k)
