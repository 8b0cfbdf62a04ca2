"""Reading labelled texts from TEXT TAB LABEL lines, or from two named columns of a CSV or TSV file with a header."""

import csv
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.core.data.readers import MEND, Invalid, bad_line, read_lines
from seqcli.errors import ConfigError, DataError

CELL = 1 << 24  # the largest number of characters in a CSV cell; a longer one means that a quote was not closed
PEEK = 200  # how many rows are looked at to guess which columns are meant
NAMES_OF_LABELS = ("label", "class", "category", "sentiment", "stars", "rating", "score", "target", "type", "tag")
Row = tuple[int, list[str]]  # the number of its first line, and its cells


@dataclass(frozen=True)
class Labelled:
    """A text and its label."""

    text: str
    label: str


@dataclass
class LabelReader:
    """Reads labelled texts. With `skip`, bad lines are skipped and counted in `skipped`.

    Without names of columns there is no header, and a line is TEXT TAB LABEL (TEXT,LABEL in a .csv file).
    """

    text_column: str | None = None
    label_column: str | None = None
    skip: bool = False
    invalid: Invalid = "error"
    skipped: int = 0

    def read(self, paths: Iterable[Path]) -> Iterator[Labelled]:
        """Yield the labelled texts of all files.

        Raises DataError for a bad line, ConfigError for a column that does not exist.
        """
        if (self.text_column is None) != (self.label_column is None):
            raise ConfigError("--text-column and --label-column go together: they name columns of a file's header.")
        for path in paths:
            rows: Iterator[Row] = (row for row in self._rows(path) if any(cell.strip() for cell in row[1]))
            text, label, width = 0, 1, 2
            if self.text_column is not None and self.label_column is not None:
                _, header = next(rows, (0, []))
                text, label = (self._find(path, name, header) for name in (self.text_column, self.label_column))
                width = len(header)
            else:
                first = list(islice(rows, PEEK))
                check_columns(path, [cells for _, cells in first])
                rows = chain(first, rows)
            for number, row in rows:
                if len(row) == width and row[text].strip() and row[label].strip():
                    yield Labelled(row[text].strip(), " ".join(row[label].split()))
                elif self.skip:
                    self.skipped += 1
                else:
                    raise self._complaint(path, number, row, width, text)

    def _complaint(self, path: Path, number: int, row: list[str], width: int, text: int) -> DataError:
        """Return a sentence that says what is wrong with a row, and what to do."""
        csv_file = is_csv(path)
        line = ("," if csv_file else "\t").join(row)
        what = f"{len(row)} column{'s' * (len(row) != 1)} where "
        if len(row) == width:
            what = f"an empty {'label' if row[text].strip() else 'text'}"
        elif self.text_column:
            what += f"the header has {width}"
        else:
            what += f"a labelled text has 2, {'TEXT,LABEL' if csv_file else 'TEXT TAB LABEL'}"
        mend = MEND
        other = next((sign for sign in ("\t", ";", "|") if sign in line), None)
        if len(row) == number == 1 and other:
            wanted = "commas" if csv_file else "tabs"
            mend = f"Columns are parted by {wanted} here; are yours by {other!r}? Then save them with {wanted}."
        return bad_line(path, number, what, line, mend)

    def _rows(self, path: Path) -> Iterator[Row]:
        """Yield the rows of a file as cells, with their line numbers. Quotes have a meaning in .csv files only."""
        lines = read_lines(path, invalid=self.invalid)
        if not is_csv(path):
            yield from ((number, line.split("\t")) for number, line in enumerate(lines, 1))
            return
        rows = csv.reader((line + "\n" for line in lines), strict=True)
        while True:
            number = rows.line_num + 1
            usual = csv.field_size_limit(CELL)  # the limit holds for the whole process, so it is restored at once
            try:
                row = next(rows, None)
            except csv.Error as error:
                left_open = "field larger" in str(error) or "end of data" in str(error)
                why = "a quote that begins there does not end" if left_open else str(error)
                raise DataError(f"{path}, line {number}: this is no CSV: {why}.") from None
            finally:
                csv.field_size_limit(usual)
            if row is None:
                return
            yield number, row

    def _find(self, path: Path, name: str, header: list[str]) -> int:
        """Return the number of the column with this name. Raises ConfigError if there is none."""
        names = [column.strip() for column in header]
        if name not in names:
            raise ConfigError(f"{path} has no column {name!r}; its columns are {', '.join(names) or 'none'}.")
        return names.index(name)


def is_csv(path: Path) -> bool:
    """Return whether the columns of a file are separated by commas, going by its name."""
    return path.suffix.lower() == ".csv"


def check_columns(path: Path, rows: Sequence[list[str]]) -> None:
    """Raise DataError for a table with more than two columns. If its first line is a header, the error has the command
    to type."""
    widths = {len(row) for row in rows}
    if len(rows) < 2 or len(widths) > 1 or widths <= {1, 2}:
        return
    header, *below = ([cell.strip() for cell in row] for row in rows)
    columns = f"{path} has {len(header)} columns where a labelled text has 2. "
    if len(set(header)) < len(header) or not all(header) or any(map(is_number, header)):
        raise DataError(
            f"{columns}Its first line, {', '.join(map(repr, header))}, does not name them. "
            "Write one before it that does, and say which hold the texts and the labels: --text-column, --label-column."
        )
    text = max(range(len(header)), key=lambda k: sum(len(row[k]) for row in below))
    others = [k for k in range(len(header)) if k != text]
    named = [k for k in others if any(name in header[k].lower() for name in NAMES_OF_LABELS)]
    distinct = {k: len({row[k] for row in below}) for k in others}
    label = min(named or others, key=lambda k: (distinct[k] < 2, distinct[k]))
    words = ["seqcli", "train", str(path), "--text-column", header[text], "--label-column", header[label]]
    raise DataError(
        f"{columns}Its first line names them: {', '.join(header)}. Say which hold the texts and the labels, like: "
        f"{shlex.join(words)}"
    )


def is_number(text: str) -> bool:
    """Return whether a text is a number as programs write it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def stratified(labels: NDArray[np.int64], part: float, seed: int | tuple[int, ...]) -> NDArray[np.bool_]:
    """Choose texts to hold out at random: about the fraction `part` of every label.

    labels (n,) are the labels as numbers. Returns a mask (n,), True where a text is held out. Of each label at least
    one text is not held out.
    """
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))  # the texts with this label, shuffled
        held[places[: min(len(places) - 1, round(part * len(places)))]] = True
    return held


def at_most(labels: NDArray[np.int64], lengths: NDArray[np.int64], tokens: int, seed: int) -> NDArray[np.bool_]:
    """Choose texts at random such that together they have at most `tokens` tokens (0: all), but at least one text.

    labels and lengths are (n,). Returns a mask (n,), True where a text is kept: about the same fraction of every label.
    """
    total = int(lengths.sum())
    if not tokens or total <= tokens:
        return np.ones(len(labels), dtype=bool)
    some = np.flatnonzero(stratified(labels, tokens / total, (seed, 1)))
    order = np.random.default_rng((seed, 2)).permutation(some if len(some) else len(labels))
    fitting = max(1, int(np.searchsorted(np.cumsum(lengths[order]), tokens, side="right")))
    kept = np.zeros(len(labels), dtype=bool)
    kept[order[:fitting]] = True
    return kept
