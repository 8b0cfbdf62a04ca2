"""Reading series from files: chunk by chunk to compact arrays, and these onto the grid of their times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.data.readers import Invalid, tell_skipped
from seqcli.core.events import Say
from seqcli.core.tasks.forecast.cells import MISSING
from seqcli.core.tasks.forecast.columns import Asked, Peek, Roles, find_roles
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.gridding import Rows, on_grid
from seqcli.core.tasks.forecast.numbers import Evidence, How, Undecided, decide, floats
from seqcli.core.tasks.forecast.parquet import ParquetTable
from seqcli.core.tasks.forecast.rows import Chunk, TextTable
from seqcli.core.tasks.forecast.series import Column, Series
from seqcli.core.tasks.forecast.times import TimeColumn
from seqcli.errors import ConfigError, DataError

Table = TextTable | ParquetTable
Arrays = dict[str | int, NDArray[Any]]  # of rows: "lines", "codes", "times", and the numbers of columns


@dataclass
class Names:
    """Texts as numbers, in the order in which they come first."""

    numbers: dict[str, int] = field(default_factory=dict)
    by_cell: dict[str, int] = field(default_factory=dict)  # the same for cells, which may have spaces around

    def read(self, cells: Sequence[str], missing: int | None = None) -> NDArray[np.int32]:
        """Return the numbers of cells (n,), `missing` for empty ones if it is given."""
        for cell in dict.fromkeys(cells):
            if cell not in self.by_cell:
                text = cell.strip()
                if missing is not None and text in MISSING:
                    self.by_cell[cell] = missing
                else:
                    self.by_cell[cell] = self.numbers.setdefault(text, len(self.numbers))
        return np.fromiter(map(self.by_cell.__getitem__, cells), dtype=np.int32, count=len(cells))


class Reading:
    """One reading of files with the same columns."""

    def __init__(self, paths: Sequence[Path], asked: Asked, skip: bool, invalid: Invalid, say: Say) -> None:
        """Look at the beginning of the files. Raises DataError or ConfigError."""
        self.asked, self.say = asked, say
        self.tables: list[Table] = [
            ParquetTable(path) if path.suffix.lower() == ".parquet" else TextTable(path, skip, invalid)
            for path in paths
        ]
        peeks = [Peek(table.peek()) for table in self.tables]
        self.headers = [peek.header for peek in peeks]
        self.roles: Roles = find_roles(paths[0], peeks[0], asked, self._delimiter)
        for path, peek in zip(paths, peeks, strict=True):
            if peek.names != self.roles.names:
                theirs, ours = ", ".join(peek.names), ", ".join(self.roles.names)
                raise DataError(f"{path} has the columns {theirs}, but {paths[0]} has {ours}; read them apart.")
        columns = [*self.roles.values, *self.roles.covariates.values()]
        self.how: dict[int, How] = {k: "plain" if peeks[0].numbers(k) else "text" for k in columns}
        self.how.update((k, "plain") for k in self.roles.values)

    def series(self, frequency: Frequency | None) -> Series:
        """Read the files. Raises DataError or ConfigError."""
        try:
            rows = self._rows(frequency)
        except Undecided:
            self._look_at_numbers()
            rows = self._rows(frequency)
        tell_skipped(self.say, sum(table.skipped for table in self.tables), " and ".join(map(str, self.paths)))
        series = on_grid(rows, self.times, frequency, self.asked, self.say)
        self.say(self._summary(series))
        return series

    @property
    def paths(self) -> list[Path]:
        """The files that are read."""
        return [table.path for table in self.tables]

    @property
    def _delimiter(self) -> str:
        """What parts the columns of the first file; a comma if nothing does."""
        return self.tables[0].delimiter

    def _summary(self, series: Series) -> str:
        """Return a sentence that says what was read."""
        names, roles = self.roles.names, self.roles
        many = f"{len(series):,} series" if len(series) > 1 else "One series"
        gaps = int(series.ends.sum()) - int((~np.isnan(series.values)).sum())
        value = f"values in {names[roles.values[0]]!r}" if len(roles.values) == 1 else "a column each"
        time = "no times, so rows are taken as equal steps" if roles.time is None else f"times in {names[roles.time]!r}"
        id_ = f", names in {names[roles.id]!r}" if roles.id is not None else ""
        without = f"; {gaps:,} of {int(series.ends.sum()):,} steps have no value" if gaps else ""
        return f"{many}, {series.frequency.name}: {time}{id_}, {value}{without}."

    # --- numbers ----------------------------------------------------------------------------------------------------

    def _look_at_numbers(self) -> None:
        """Find out how the numbers of each column are written, from all its cells."""
        numeric = [k for k, how in self.how.items() if how != "text"]
        seen = [Evidence(self.roles.names[k], k not in self.roles.values) for k in numeric]
        for table, header in zip(self.tables, self.headers, strict=True):
            for chunk in table.chunks(len(self.roles.names), header):
                for k, evidence in zip(numeric, seen, strict=True):
                    evidence.see(chunk.columns[k], partial(_place, table, chunk))
            table.skipped = 0
        self.how.update(zip(numeric, decide(seen, self._delimiter, self.say), strict=True))

    # --- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, frequency: Frequency | None) -> Rows:
        """Return all rows of all files. Raises Undecided, DataError or ConfigError."""
        roles = self.roles
        plain = frequency is not None and frequency.kind == "integers"
        self.times = TimeColumn(plain or (roles.time is not None and roles.names[roles.time].lower() in ("step", "t")))
        self.ids = Names()
        self.categories = {k: Names() for k, how in self.how.items() if how == "text"}
        kept: dict[str | int, list[NDArray[Any]]] = {}
        ends = []
        for table, header in zip(self.tables, self.headers, strict=True):
            table.skipped = 0
            for chunk in table.chunks(len(roles.names), header):
                for name, part in self._arrays(table, chunk).items():
                    kept.setdefault(name, []).append(part)
            ends.append(sum(map(len, kept.get("lines", []))))
            if ends[-1] == sum(ends[-2:-1]):
                below = "has a header and no rows below it" if header else "has no row that can be read"
                raise DataError(f"{table.path} {below}; give it some rows of numbers.")
        files = list(zip(self.paths, ends, strict=True))
        return self._joined({name: _pop(kept, name) for name in list(kept)}, files)

    def _joined(self, arrays: Arrays, files: list[tuple[Path, int]]) -> Rows:
        """Return arrays of rows as rows of series; with several columns of values, each is a series."""
        roles = self.roles
        times = arrays.pop("times", None)
        lines: NDArray[np.uint32] = arrays.pop("lines")
        dated = None if times is None else self.times.finish(times)
        columns: dict[str, Column] = {
            name: (arrays[k], list(self.categories[k].numbers)) if k in self.categories else arrays[k]
            for name, k in roles.covariates.items()
        }
        read = len(lines)
        if roles.id is not None:
            codes: NDArray[np.int32] = arrays.pop("codes")
            used = np.bincount(codes, minlength=len(self.ids.numbers)) > 0
            ids = [name for name, is_used in zip(self.ids.numbers, used.tolist(), strict=True) if is_used]
            if len(ids) < len(used):  # all rows of some series were bad
                codes = (np.cumsum(used) - 1).astype(np.int32)[codes]
            return Rows(codes, dated, lines, arrays.pop(roles.values[0]), columns, ids, files, read)
        many = len(roles.values)
        ids = [roles.names[k] if self.headers[0] or many > 1 else "y" for k in roles.values]
        if many > 1:
            if twice := next((name for name in ids if ids.count(name) > 1), None):
                raise DataError(f"{files[0][0]} has two columns named {twice!r}; give each its own name.")
            if self.asked.static:
                raise ConfigError("--static says something of each series of a long table, but here each is a column.")
            dated = None if dated is None else np.tile(dated, many)
            lines = np.tile(lines, many)
            columns = {
                name: (np.tile(c[0], many), c[1]) if isinstance(c, tuple) else np.tile(c, many)
                for name, c in columns.items()
            }
        values = np.concatenate([arrays.pop(k) for k in roles.values])
        codes = np.repeat(np.arange(many, dtype=np.int32), read)
        return Rows(codes, dated, lines, values, columns, ids, files, read)

    def _arrays(self, table: Table, chunk: Chunk) -> Arrays:
        """Return the rows of a chunk as arrays (n,), bad ones left out. Raises DataError unless they are skipped."""
        roles, cells = self.roles, chunk.columns
        wrong: dict[int, tuple[str, str]] = {}

        def note(column: int, bad: dict[int, str]) -> None:
            wrong.update(
                (k, (f"column {roles.names[column]!r} has {what}", cells[column][k])) for k, what in bad.items()
            )

        out: Arrays = {"lines": np.asarray(chunk.lines, dtype=np.uint32)}
        for column, how in self.how.items():
            if how == "text":
                out[column] = self.categories[column].read(cells[column], missing=-1)
            else:
                out[column], bad = floats(cells[column], how)
                note(column, bad)
        if roles.time is not None:
            out["times"], bad = self.times.read(cells[roles.time], partial(_place, table, chunk))
            note(roles.time, bad)
        if roles.id is not None:
            out["codes"] = self.ids.read(cells[roles.id])
            if "" in self.ids.numbers:
                note(roles.id, {k: "no name of a series" for k, cell in enumerate(cells[roles.id]) if not cell.strip()})
        if wrong:
            for k in sorted(wrong):
                table.bad(chunk.lines[k], *wrong[k])
            good = np.delete(np.arange(len(chunk.lines)), list(wrong))
            out = {name: part[good] for name, part in out.items()}
        return out


def _place(table: Table, chunk: Chunk, k: int) -> str:
    """Return where row k of a chunk is, in words."""
    return f"{table.path}, line {chunk.lines[k]}"


def _pop(kept: dict[str | int, list[NDArray[Any]]], name: str | int) -> NDArray[Any]:
    """Join the parts of an array and forget them."""
    return np.concatenate(kept.pop(name))
