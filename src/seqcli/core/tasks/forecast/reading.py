"""Reading series from files: chunk by chunk to compact arrays, and these onto the grid of their times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.core.data.readers import Invalid, tell_skipped
from seqcli.core.events import Say
from seqcli.core.tasks.forecast.cells import MISSING
from seqcli.core.tasks.forecast.columns import Asked, Peek, Roles, find_roles
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.gridding import Rows, on_grid
from seqcli.core.tasks.forecast.rows import Chunk, TextTable
from seqcli.core.tasks.forecast.series import Floats, Series
from seqcli.core.tasks.forecast.times import TimeColumn
from seqcli.errors import DataError


@dataclass
class Reading:
    """One reading of files with the same columns."""

    paths: Sequence[Path]
    asked: Asked
    skip: bool
    invalid: Invalid
    say: Say
    codes: dict[str, int] = field(default_factory=dict)  # the number of the series by a cell of the column of ids
    ids: dict[str, int] = field(default_factory=dict)  # and by its name

    def series(self, frequency: Frequency | None) -> Series:
        """Read the files. Raises DataError or ConfigError."""
        tables = [TextTable(path, self.skip, self.invalid) for path in self.paths]
        roles = [find_roles(table.path, Peek(table.peek()), self.asked) for table in tables]
        self.times = TimeColumn()
        columns: dict[str, list[NDArray[np.generic]]] = {"lines": [], "codes": [], "times": [], "values": []}
        ends = []
        for table, role in zip(tables, roles, strict=True):
            for chunk in table.chunks(len(role.names), role.header):
                for name, part in self._arrays(table, role, chunk).items():
                    columns[name].append(part)
            ends.append(sum(map(len, columns["lines"])))
        if not ends[-1]:
            raise DataError(f"{self.paths[-1]} has a header and no rows below it.")
        tell_skipped(self.say, sum(table.skipped for table in tables), " and ".join(map(str, self.paths)))
        role = roles[0]
        lines = np.concatenate(columns.pop("lines"))
        values = np.concatenate(columns.pop("values"), axis=1)
        times = None if role.time is None else self.times.finish(np.concatenate(columns.pop("times")).astype(np.int64))
        if role.id is None:
            names = [role.names[k] if role.header else "y" for k in role.values]
            rows = Rows(
                np.repeat(np.arange(len(names), dtype=np.int32), len(lines)),
                None if times is None else np.tile(times, len(names)),
                np.tile(lines, len(names)),
                values.ravel(),
                names,
                list(zip(self.paths, ends, strict=True)),
                len(lines),
            )
        else:
            rows = Rows(
                np.concatenate(columns.pop("codes")).astype(np.int32),
                times,
                lines,
                values[0],
                list(self.ids),
                list(zip(self.paths, ends, strict=True)),
                len(lines),
            )
        return on_grid(rows, self.times, frequency, self.say)

    def _arrays(self, table: TextTable, role: Roles, chunk: Chunk) -> dict[str, NDArray[np.generic]]:
        """Return the rows of a chunk as arrays (n,), bad ones left out; values are (columns, n)."""
        n = len(chunk.lines)
        wrong: dict[int, tuple[str, str]] = {}
        out: dict[str, NDArray[np.generic]] = {"lines": np.asarray(chunk.lines, dtype=np.uint32)}
        if role.time is not None:
            out["times"], bad = self.times.read(chunk.columns[role.time])
            wrong.update(
                {
                    k: (f"column {role.names[role.time]!r} has {what}", chunk.columns[role.time][k])
                    for k, what in bad.items()
                }
            )
        if role.id is not None:
            out["codes"] = self._codes(chunk.columns[role.id])
        values = np.empty((len(role.values), n))
        for v, column in enumerate(role.values):
            values[v], bad = floats(chunk.columns[column])
            wrong.update(
                {k: (f"column {role.names[column]!r} has {what}", chunk.columns[column][k]) for k, what in bad.items()}
            )
        out["values"] = values
        if wrong:
            for k in sorted(wrong):
                table.bad(chunk.lines[k], *wrong[k])
            good = np.delete(np.arange(n), list(wrong))
            out = {name: part[..., good] for name, part in out.items()}
        return out

    def _codes(self, cells: Sequence[str]) -> NDArray[np.int32]:
        """Return the numbers of the series that cells name, (n,)."""
        known = self.codes
        for cell in set(cells) - known.keys():
            known[cell] = -1
        if -1 in known.values():
            for cell in cells:
                if known[cell] < 0:
                    name = cell.strip()
                    known[cell] = self.ids.setdefault(name, len(self.ids))
        return np.fromiter(map(known.__getitem__, cells), dtype=np.int32, count=len(cells))


def floats(cells: Sequence[str]) -> tuple[Floats, dict[int, str]]:
    """Return cells as numbers (n,), NaN for missing ones, and what is wrong with those that are none."""
    wrong: dict[int, str] = {}
    try:
        values = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        values = np.full(len(cells), np.nan)
        for k, cell in enumerate(cells):
            if cell.strip() not in MISSING:
                try:
                    values[k] = float(cell)
                except ValueError:
                    wrong[k] = "no number"
    wrong.update((k, "an infinite value") for k in np.flatnonzero(np.isinf(values)).tolist())
    return values, wrong
