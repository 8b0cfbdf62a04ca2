"""Reading Parquet tables, with pyarrow, as the same cells of text that other tables have."""

import datetime
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from seqcli.core.data.readers import bad_line
from seqcli.core.tasks.forecast.rows import CELLS, CHUNK, PEEK, Chunk
from seqcli.errors import ConfigError, DataError


class ParquetTable:
    """A Parquet file. Its rows are counted like lines, after a first one with the names of the columns."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises ConfigError if pyarrow is not installed, DataError if the file cannot be read."""
        try:
            parquet = import_module("pyarrow.parquet")
        except ImportError:
            raise ConfigError(
                f'{path} is a Parquet table, which pyarrow reads: pip install "seqcli[parquet]", or save it as .csv.'
            ) from None
        self.path = path
        self.delimiter = ","  # nothing parts its columns
        self.skipped = 0  # its cells have types, so no row is bad
        try:
            self.file: Any = parquet.ParquetFile(path)
            self.names = [str(name) for name in self.file.schema_arrow.names]
        except (OSError, ValueError) as error:  # pyarrow's errors are of these classes
            raise DataError(f"{path} cannot be read as a Parquet table: {error}") from None

    def peek(self) -> list[list[str]]:
        """Return the names of the columns, and the first rows."""
        rows: Iterator[list[str]] = (
            list(row)
            for chunk in self.chunks(len(self.names), header=True, size=PEEK)
            for row in zip(*chunk.columns, strict=True)
        )
        return [self.names, *islice(rows, PEEK)]

    def chunks(self, width: int, header: bool, size: int = CHUNK) -> Iterator[Chunk]:
        """Yield the rows as cells. Raises DataError if the file is damaged."""
        begin = 2
        batches = self.file.iter_batches(batch_size=max(1, min(size, CELLS // max(1, width))))
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                columns = [[text_of(value) for value in column.to_pylist()] for column in batch.columns]
            except (OSError, ValueError) as error:
                raise DataError(f"{self.path} cannot be read as a Parquet table: {error}") from None
            lines: Sequence[int] = range(begin, begin + batch.num_rows)
            begin += batch.num_rows
            if lines:
                yield Chunk(lines, columns)

    def bad(self, number: int, what: str, line: str) -> None:
        """Raise DataError for a bad row."""
        raise bad_line(self.path, number, what, line)


def text_of(value: Any) -> str:
    """Return a value of a Parquet table as a cell of text: "" for none, times as in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return str(value)
