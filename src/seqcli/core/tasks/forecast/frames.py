"""Data frames of pandas or polars, where the user has one, as files that are read like any other."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqcli.core.config import SHORT
from seqcli.core.data.cache import cache_dir, key_of
from seqcli.core.files import write_whole
from seqcli.errors import DataError

Frame = Any  # a pandas.DataFrame or a polars.DataFrame; neither is a dependency


@contextmanager
def as_file(data: "str | Path | Frame") -> Iterator[Path]:
    """Give the path of a file, or a frame as a CSV file for as long as the `with` block runs.

    Raises DataError for anything else.
    """
    if isinstance(data, (str, Path)):
        yield Path(data)
        return
    with tempfile.TemporaryDirectory(prefix="seqcli-") as place:
        path = Path(place) / "frame.csv"
        path.write_text(as_csv(data), encoding="utf-8")
        yield path


def kept(frame: Frame) -> str:
    """Keep a frame as a CSV file in the cache, named after its content, and return its path: a training that is resumed
    reads it again."""
    text = as_csv(frame)
    path = cache_dir() / "frames" / f"{key_of(text)}.csv"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode("utf-8"))
        except OSError as error:
            raise DataError(f"The frame cannot be kept at {path}: {error.strerror}.") from None
    return str(path)


def as_csv(frame: Frame) -> str:
    """Return a data frame as CSV. The index of a pandas frame is a column, unless it only counts rows."""
    if hasattr(frame, "write_csv"):  # polars
        return str(frame.write_csv())
    if hasattr(frame, "to_csv") and hasattr(frame, "columns"):  # pandas
        counts = type(frame.index).__name__ == "RangeIndex"
        label = None if counts else str(frame.index.name or "ds")
        names = [name if isinstance(name, str) else f"column {name}" for name in frame.columns]  # 0 would be a value
        return str(frame.to_csv(index=not counts, index_label=label, header=names))
    raise DataError(f"A file or a data frame is wanted, and {SHORT.repr(frame)} is neither.")
