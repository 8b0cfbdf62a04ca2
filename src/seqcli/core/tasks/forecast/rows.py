"""Reading tables of text: what parts the columns, and the cells, chunk by chunk."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli.core.data.readers import MEND, Invalid, bad_line, read_blocks, read_lines
from seqcli.errors import DataError

if TYPE_CHECKING:
    import _csv

CELL = 1 << 24  # the largest number of characters in a cell; a longer one means that a quote was not closed
PEEK = 200  # how many rows are looked at to see what a file holds
CHUNK = 10_000  # how many rows with quotes are held as text at a time
CELLS = 200_000  # and how many cells, at most
DELIMITERS = ("\t", ";", ",")


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
    """A file of comma-, semicolon- or tab-separated values. With `skip`, bad rows are passed over and counted.

    `peek` has to be called first: it finds the delimiter.
    """

    path: Path
    skip: bool = False
    invalid: Invalid = "error"
    skipped: int = 0
    delimiter: str = ","

    def peek(self) -> list[list[str]]:
        """Return the first rows as they are, blank ones left out. Raises DataError if there are none."""
        lines = [line + "\n" for line in islice(read_lines(self.path, invalid=self.invalid), PEEK)]
        self.delimiter = sniff(lines)
        rows = []
        try:
            for row in csv.reader(lines, delimiter=self.delimiter, strict=True):
                rows.append([cell.strip() for cell in row])
        except csv.Error:
            pass  # it is said when the file is read from its beginning
        rows = [row for row in rows if any(row)]
        if not rows:
            raise DataError(f"{self.path} is empty; give it some rows of numbers.")
        return rows

    def chunks(self, width: int, header: bool) -> Iterator[Chunk]:
        """Yield the rows, with `header` those below the first one. Blank rows are left out.

        In a single column a blank row is an empty cell. Raises DataError for a row that has not `width` cells.
        """
        blocks = self._blocks()
        number = 1
        for block in blocks:
            if '"' in block:  # from here on cells may be quoted, which takes longer
                yield from self._quoted(chain([block], blocks), number, width, header)
                return
            lines = block.split("\n")[:-1]
            numbers: Sequence[int] = range(number, number + len(lines))
            number += len(lines)
            if header:
                k = next((k for k, line in enumerate(lines) if line.strip()), len(lines))
                lines, numbers, header = lines[k + 1 :], numbers[k + 1 :], k == len(lines)
            blank = self.delimiter * (width - 1)
            if (blank and blank in lines) or {line.count(self.delimiter) for line in lines} != {width - 1}:
                rows = [line.split(self.delimiter) for line in lines]
                kept, numbers = self._of_width(rows, numbers, width)
                lines = [self.delimiter.join(row) for row in kept]
            if lines:
                cells = self.delimiter.join(lines).split(self.delimiter)
                yield Chunk(numbers, [cells[k::width] for k in range(width)])

    def _blocks(self) -> Iterator[str]:
        """Yield the text of the file in blocks of whole lines."""
        held = ""
        for block in read_blocks([self.path], invalid=self.invalid):
            held += block
            if held.endswith("\n"):
                yield held
                held = ""
        if held:
            yield held + "\n"

    def _quoted(self, blocks: Iterable[str], number: int, width: int, header: bool) -> Iterator[Chunk]:
        """Yield the rows as `chunks` does, from blocks that begin on line `number`."""
        lines = (line + "\n" for block in blocks for line in block.split("\n")[:-1])
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while rows := self._some(reader, max(1, min(CHUNK, CELLS // width)), number):
            numbers = []
            for row in rows:
                numbers.append(number)
                number += 1 + sum(cell.count("\n") for cell in row)
            if header:
                k = next((k for k, row in enumerate(rows) if any(map(str.strip, row))), len(rows))
                rows, numbers, header = rows[k + 1 :], numbers[k + 1 :], k == len(rows)
            rows, numbers = self._of_width(rows, numbers, width)
            if rows:
                yield Chunk(numbers, list(zip(*rows, strict=True)))

    def _some(self, reader: "_csv.Reader", size: int, number: int) -> list[list[str]]:
        """Return the next rows, of which the first begins on line `number`. Raises DataError if they are no CSV."""
        rows: list[list[str]] = []
        usual = csv.field_size_limit(CELL)  # the limit holds for the whole process, so it is restored at once
        try:
            rows.extend(islice(reader, size))
        except csv.Error as error:
            number += sum(1 + sum(cell.count("\n") for cell in row) for row in rows)
            left_open = "field larger" in str(error) or "end of data" in str(error)
            why = "a quote that begins there does not end" if left_open else str(error)
            raise DataError(f"{self.path}, line {number}: this is no table: {why}.") from None
        finally:
            csv.field_size_limit(usual)
        return rows

    def _of_width(
        self, rows: Sequence[list[str]], lines: Sequence[int], width: int
    ) -> tuple[list[list[str]], list[int]]:
        """Return the rows that have `width` cells, blank ones left out. Raises DataError for any others."""
        kept, numbers = [], []
        for number, row in zip(lines, rows, strict=True):
            if width == 1 and not row:
                row = [""]  # noqa: PLW2901 - how csv reads a blank line
            blank = width > 1 and not any(map(str.strip, row))
            if len(row) == width and not blank:
                kept.append(row)
                numbers.append(number)
            elif not blank:
                what = f"{len(row)} cell{'s' * (len(row) != 1)} where the first line has {width}"
                self.bad(number, what, self.delimiter.join(row))
        return kept, numbers

    def bad(self, number: int, what: str, line: str) -> None:
        """Count a bad row or, unless bad rows are skipped, raise DataError."""
        if not self.skip:
            raise bad_line(self.path, number, what, line, MEND)
        self.skipped += 1
