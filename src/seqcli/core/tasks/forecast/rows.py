"""Reading tables of text: what parts the columns, whether there is a header, and the cells, chunk by chunk."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli.core.data.readers import MEND, Invalid, bad_line, read_lines
from seqcli.errors import DataError

CELL = 1 << 24  # the largest number of characters in a cell; a longer one means that a quote was not closed
PEEK = 200  # how many rows are looked at to see what a file holds
CHUNK = 50_000  # how many rows are held as text at a time
CELLS = 400_000  # and how many cells, at most
DELIMITERS = ("\t", ";", ",")

if TYPE_CHECKING:
    import _csv


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, column by column."""

    lines: Sequence[int]  # the number of each row's first line, (n,)
    columns: Sequence[Sequence[str]]  # for each column its cells, (columns, n)


def sniff(lines: Sequence[str]) -> str:
    """Return what parts the columns of a file that begins with these lines: a tab, a semicolon or a comma.

    It is the one by which most of the lines have as many columns as the first one, and more than one.
    """
    best, agreed = "", 0
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        agreeing = sum(width == widths[0] for width in widths) if widths and widths[0] > 1 else 0
        if agreeing > agreed:
            best, agreed = delimiter, agreeing
    return best or ";"  # one column: a comma in it is a decimal comma


@dataclass
class TextTable:
    """A file of comma-, semicolon- or tab-separated values. With `skip`, bad rows are passed over and counted."""

    path: Path
    skip: bool = False
    invalid: Invalid = "error"
    skipped: int = 0

    def peek(self) -> list[list[str]]:
        """Return the first rows as they are, blank ones left out. Raises DataError if there are none."""
        lines = list(islice(self._lines(), PEEK))
        self.delimiter = sniff(lines)
        rows = []
        try:
            for row in csv.reader(lines, delimiter=self.delimiter):
                rows.append([cell.strip() for cell in row])
        except csv.Error:
            pass  # said when it is read in earnest
        rows = [row for row in rows if any(row)]
        if not rows:
            raise DataError(f"{self.path} is empty; give it some rows of numbers.")
        return rows

    def _lines(self) -> Iterator[str]:
        return (line + "\n" for line in read_lines(self.path, invalid=self.invalid))

    def chunks(self, width: int, header: bool) -> Iterator[Chunk]:
        """Yield the rows below the header. Raises DataError for a row that has not `width` cells."""
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        size = max(1, min(CHUNK, CELLS // width))
        while True:
            begin = reader.line_num + 1
            rows = self._some(reader, size)
            if not rows:
                return
            lines: list[int] | range = range(begin, begin + len(rows))
            if reader.line_num != lines[-1]:  # some cells have several lines
                lines = []
                for row in rows:
                    lines.append(begin)
                    begin += 1 + sum(cell.count("\n") for cell in row)
            if header:
                k = next((k for k, row in enumerate(rows) if any(map(str.strip, row))), len(rows))
                rows, lines, header = rows[k + 1 :], lines[k + 1 :], k == len(rows)
            if set(map(len, rows)) - {width}:
                rows, lines = self._of_width(rows, lines, width)
            if rows:
                yield Chunk(lines, list(zip(*rows, strict=True)))

    def _some(self, reader: "_csv.Reader", size: int) -> list[list[str]]:
        """Return the next rows. Raises DataError if they are no CSV."""
        rows: list[list[str]] = []
        usual = csv.field_size_limit(CELL)  # the limit holds for the whole process, so it is restored at once
        begin = reader.line_num
        try:
            rows.extend(islice(reader, size))
        except csv.Error as error:
            number = begin + 1 + sum(1 + sum(cell.count("\n") for cell in row) for row in rows)
            left_open = "field larger" in str(error) or "end of data" in str(error)
            why = "a quote that begins there does not end" if left_open else str(error)
            raise DataError(f"{self.path}, line {number}: this is no table: {why}.") from None
        finally:
            csv.field_size_limit(usual)
        return rows

    def _of_width(self, rows: list[list[str]], lines: Sequence[int], width: int) -> tuple[list[list[str]], list[int]]:
        """Return the rows that have `width` cells. Blank rows are left out; for another, DataError is raised."""
        kept, numbers = [], []
        for number, row in zip(lines, rows, strict=True):
            if len(row) == width:
                kept.append(row)
                numbers.append(number)
            elif any(map(str.strip, row)):
                what = f"{len(row)} cell{'s' * (len(row) != 1)} where the first line has {width}"
                self.bad(number, what, self.delimiter.join(row))
        return kept, numbers

    def bad(self, number: int, what: str, line: str) -> None:
        """Count a bad row or, unless bad rows are skipped, raise DataError."""
        if not self.skip:
            raise bad_line(self.path, number, what, line, MEND)
        self.skipped += 1
