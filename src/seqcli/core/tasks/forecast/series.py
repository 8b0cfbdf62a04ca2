"""Series of numbers: reading them from tables, onto the regular grid of their times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.core.data.readers import Invalid
from seqcli.core.events import Say, silent
from seqcli.core.tasks.forecast.frequency import Frequency, Ints

Floats = NDArray[np.float64]
Coded = tuple[NDArray[np.int32], list[str]]  # which name each row has (-1: none), and the names
Column = Floats | Coded


@dataclass(frozen=True)
class Series:
    """S series of numbers, one after the other, on the regular grid of their times: N steps in all."""

    ids: list[str]  # (S,)
    offsets: Ints  # (S + 1,) series k has the steps from offsets[k] to offsets[k + 1]
    starts: Ints  # (S,) the number of each series' first step on the grid of `frequency`
    values: Floats  # (N,) NaN = unobserved
    ends: Ints  # (S,) how many steps of a series lie before the end of its observed values; later ones are its future
    frequency: Frequency
    known: dict[str, Column] = field(default_factory=dict)  # by name: (N,) what is known of the future as well
    past: dict[str, Column] = field(default_factory=dict)  # by name: (N,) what is known of the past only
    static: dict[str, list[str] | Floats] = field(default_factory=dict)  # by name: (S,) what does not change

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, k: int) -> Floats:
        """Return the values of series k up to the last one observed."""
        return self.values[self.offsets[k] : self.offsets[k] + self.ends[k]]

    def times(self, k: int) -> list[str]:
        """Return the times of all steps of series k, written like those of the file."""
        return self.frequency.texts(self.starts[k] + np.arange(self.offsets[k + 1] - self.offsets[k]))

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> "Series":
        """Return some of the series, given by their numbers, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        steps = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], lengths)

        def part(column: Column) -> Column:
            return (column[0][steps], column[1]) if isinstance(column, tuple) else column[steps]

        return Series(
            [self.ids[k] for k in chosen.tolist()],
            offsets,
            self.starts[chosen],
            self.values[steps],
            self.ends[chosen],
            self.frequency,
            {name: part(column) for name, column in self.known.items()},
            {name: part(column) for name, column in self.past.items()},
            {
                name: [of[k] for k in chosen.tolist()] if isinstance(of, list) else of[chosen]
                for name, of in self.static.items()
            },
        )


def read_series(
    paths: Sequence[Path],
    *,
    id_column: str | None = None,
    time_column: str | None = None,
    value_column: str | None = None,
    known: Sequence[str] = (),
    past: Sequence[str] = (),
    static: Sequence[str] = (),
    skip_bad_lines: bool = False,
    invalid_utf8: Invalid = "error",
    frequency: Frequency | None = None,
    say: Say = silent,
) -> Series:
    """Read series from tables: long (id, time, value), wide (a column a series), or one bare column of numbers.

    Columns that are not named are found by their names or by what is in them. `known`, `past` and `static` name
    columns of covariates. With `frequency`, which is that of a model, the times must be on such a grid. `say` is told
    what was understood and mended. Raises DataError for what is wrong in a file, ConfigError for a column that does not
    exist.
    """
    from seqcli.core.tasks.forecast.columns import Asked
    from seqcli.core.tasks.forecast.reading import Reading

    asked = Asked(id_column, time_column, value_column, tuple(known), tuple(past), tuple(static))
    return Reading([Path(path) for path in paths], asked, skip_bad_lines, invalid_utf8, say).series(frequency)
