"""Arrays in files of the cache: mapped into memory, and verified block by block with checksums."""

import copy
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli.errors import DataError

BLOCK = 1 << 20  # bytes that share one checksum
AT_ONCE = 64 << 20  # a file of ids with at most this many bytes is verified completely when it is opened


class IdArray(Protocol):
    """Something that is indexed like an array of ids: a NumPy array, or StoredIds."""

    def __len__(self) -> int: ...

    def __getitem__(self, places: Any, /) -> Any: ...


def mapped(path: Path, dtype: str) -> NDArray[Any]:
    """Return a file of numbers as an array whose parts are read from the disk when they are used (n,)."""
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))


def checksums(path: Path) -> list[int]:
    """Return the CRC-32 of every block of a file."""
    with path.open("rb") as file:
        return [zlib.crc32(block) for block in iter(lambda: file.read(BLOCK), b"")]


class StoredIds:
    """The ids in a file, mapped into memory. Each block is verified with its checksum before it is first used.

    Indexing with a slice or with an array of positions gives a NumPy array. A small file is verified when it is opened,
    which raises ValueError if it is damaged. Damage to a large one is found later, when the block is used; then a
    DataError is raised.
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
        """The dtype of the ids."""
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
        """Return the ids from position `start` to `stop` of the file. Both objects share which blocks are verified."""
        found = copy.copy(self)
        found._start, found._stop = start, stop
        return found

    def _use(self, places: Any) -> None:
        """Verify the blocks in which these positions are. If one is damaged, delete the file and raise DataError."""
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
        """Verify those of the blocks that have not been verified yet. Raises ValueError if one is damaged."""
        raw = self._all.view(np.uint8).data
        for k in self._unchecked.intersection(blocks):
            if zlib.crc32(raw[k * BLOCK : (k + 1) * BLOCK]) != self._sums[k]:
                raise ValueError(f"{self._path} is damaged")
            self._unchecked.discard(k)
