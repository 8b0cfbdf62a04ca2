"""Labelled texts: TEXT TAB LABEL lines, or two named columns of a CSV or TSV file with a header."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.core.data.readers import Invalid, read_lines
from seqcli.errors import ConfigError, DataError


@dataclass(frozen=True)
class Labelled:
    """A text and its label."""

    text: str
    label: str


@dataclass
class LabelReader:
    """Reads labelled texts; counts the bad lines that `skip` passes over.

    Without column names a line is TEXT TAB LABEL (in a .csv file TEXT,LABEL) and there is no header.
    """

    text_column: str | None = None
    label_column: str | None = None
    skip: bool = False
    invalid: Invalid = "error"
    skipped: int = 0

    def read(self, paths: Iterable[Path]) -> Iterator[Labelled]:
        """The texts of all files. Raises DataError at a bad line, ConfigError for a column that is not there."""
        if (self.text_column is None) != (self.label_column is None):
            raise ConfigError("--text-column and --label-column go together: they name columns of a file's header.")
        for path in paths:
            rows = self._rows(path)
            text, label, width = 0, 1, 2
            if self.text_column is not None and self.label_column is not None:
                _, header = next(rows, (0, []))
                text, label = (self._find(path, name, header) for name in (self.text_column, self.label_column))
                width = len(header)
            for number, row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                what = ""
                if len(row) != width:
                    wanted = f"the header has {width}" if self.text_column else "a labelled text has 2, TEXT TAB LABEL"
                    what = f"{len(row)} column{'s' * (len(row) > 1)} where {wanted}"
                elif not row[text].strip() or not row[label].strip():
                    what = f"an empty {'label' if row[text].strip() else 'text'}"
                if not what:
                    yield Labelled(row[text].strip(), row[label].strip())
                elif self.skip:
                    self.skipped += 1
                else:
                    line = "\t".join(row)
                    shown = line if len(line) <= 60 else line[:57] + "..."
                    raise DataError(
                        f"{path}, line {number}: {what}: {shown!r}. Mend it, or pass such lines over with "
                        "--skip-bad-lines."
                    )

    def _rows(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Lines as cells, with their numbers; quotes count in .csv files only."""
        lines = read_lines(path, invalid=self.invalid)
        if path.suffix.lower() != ".csv":
            yield from ((number, line.split("\t")) for number, line in enumerate(lines, 1))
            return
        rows = csv.reader((line + "\n" for line in lines), strict=True)
        try:
            for row in rows:
                yield rows.line_num, row
        except csv.Error as error:
            raise DataError(f"{path}, line {rows.line_num}: this is no CSV: {error}.") from None

    def _find(self, path: Path, name: str, header: list[str]) -> int:
        names = [column.strip() for column in header]
        if name not in names:
            raise ConfigError(f"{path} has no column {name!r}; its columns are {', '.join(names) or 'none'}.")
        return names.index(name)


def stratified(labels: NDArray[np.int64], part: float, seed: int) -> NDArray[np.bool_]:
    """Which texts (n,) are held out: about `part` of every label, by chance; of a single one of its label none."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        held[places[: min(len(places) - 1, round(part * len(places)))]] = True
    return held
