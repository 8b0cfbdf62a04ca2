"""Guessing what a table holds: whether it has a header, and which columns are times, names of series and values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from seqcli.core.config import nearest
from seqcli.core.tasks.forecast.cells import ISO, MISSING, is_clock, is_date, is_integer, is_number, why_not
from seqcli.errors import ConfigError, DataError

IDS = "unique_id id series series_id item item_id store store_id sku product product_id ticker symbol sensor sensor_id"
TIMES = "ds date time timestamp datetime date_time day week month quarter year period step t index hour datum zeit jahr"
WIDEST = 40  # characters of a cell in an error
DATES = "ds date time timestamp datetime date_time"
PARTS = "year jahr quarter month week day hour minute"  # of a time
YEARS = "year jahr"
VALUES = "y value values target sales demand quantity count close price amount consumption load wert"
MOSTLY = 0.7  # the part of its cells that must be of a kind so that a column is; the others are called wrong


@dataclass(frozen=True)
class Asked:
    """The columns that the user named."""

    id: str | None = None
    time: str | None = None
    value: str | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """What each column of a table is; columns are counted from 0."""

    names: list[str]
    header: bool
    time: int | None
    id: int | None
    values: list[int]  # several: each is a series of its own
    covariates: dict[str, int]


class Peek:
    """The first rows of a table, and what their columns look like."""

    def __init__(self, rows: Sequence[list[str]]) -> None:
        width = len(rows[0])
        self.rows = [row for row in rows if len(row) == width]
        below = self.rows[1:]
        self.header = any(self._heads(k, below) for k in range(width)) or not any(map(_is_data, rows[0]))
        self.names = rows[0] if self.header else [f"column {k + 1}" for k in range(width)]
        self.names = [name or f"column {k + 1}" for k, name in enumerate(self.names)]
        self.below = below if self.header else self.rows
        self._dates: dict[int, bool] = {}
        self._numbers: dict[int, bool] = {}

    def _heads(self, k: int, below: Sequence[list[str]]) -> bool:
        """Return whether the first cell of column k is none of the numbers or times below it."""
        cell = self.rows[0][k]
        rest = [row[k] for row in below if row[k] not in MISSING]
        return bool(rest) and cell not in MISSING and not _is_data(cell) and _mostly(_is_data, rest)

    def cells(self, k: int) -> list[str]:
        """Return the cells of column k that are not empty."""
        return [row[k] for row in self.below if row[k] not in MISSING]

    def dates(self, k: int) -> bool:
        """Return whether column k has times."""
        if k not in self._dates:
            self._dates[k] = _mostly(is_date, self.cells(k))
        return self._dates[k]

    def numbers(self, k: int) -> bool:
        """Return whether column k has numbers; so has an empty one."""
        if k not in self._numbers:
            cells = self.cells(k)
            self._numbers[k] = not cells or _mostly(is_number, cells)
        return self._numbers[k]

    def is_nothing(self, k: int) -> bool:
        """Return whether column k has neither a name nor a cell, since each line ends with what parts columns."""
        return self.header and not self.rows[0][k] and not self.cells(k)

    def may_have_values(self, k: int) -> bool:
        """Return whether some cells of column k are numbers, so that it has values if its name says so."""
        return self.numbers(k) or (not self.dates(k) and any(map(is_number, self.cells(k))))

    def steps(self, k: int) -> bool:
        """Return whether column k has whole numbers that go on by the same step."""
        cells = self.cells(k)
        if len(cells) < 3 or not all(map(is_integer, cells)):
            return False
        steps = [int(b) - int(a) for a, b in pairwise(cells)]
        return steps[0] > 0 and len(set(steps)) == 1

    def find(self, path: Path, name: str) -> int:
        """Return the number of the column with this name. Raises ConfigError if there is none, or several."""
        if name not in self.names:
            raise ConfigError(
                f"{path} has no column {name!r}; its columns are {', '.join(self.names)}.{nearest(name, self.names)}"
            )
        if self.names.count(name) > 1:
            raise DataError(f"{path} has two columns named {name!r}; give each its own name.")
        return self.names.index(name)


def _is_data(cell: str) -> bool:
    return is_number(cell) or is_date(cell)


def _mostly(test: Callable[[str], bool], cells: Sequence[str]) -> bool:
    """Return whether most of the cells pass a test; not if there are none."""
    return bool(cells) and sum(map(test, cells)) >= MOSTLY * len(cells)


def find_roles(path: Path, peek: Peek, asked: Asked, delimiter: str = ",") -> Roles:
    """Return what the columns of a table are, as the user said or as it looks. Raises DataError or ConfigError.

    `delimiter` is what parts the columns.
    """
    covariates = {name: peek.find(path, name) for name in (*asked.known, *asked.past, *asked.static)}
    id_, time, value = (None if name is None else peek.find(path, name) for name in (asked.id, asked.time, asked.value))
    named = [k for k in (id_, time, value, *covariates.values()) if k is not None]
    if twice := next((peek.names[k] for k in named if named.count(k) > 1), None):
        raise ConfigError(f"Column {twice!r} is named twice; it can be one thing only: times, names, values or known.")
    free = [k for k in range(len(peek.names)) if k not in named and not peek.is_nothing(k)]
    by_name = [k for k in _named(peek, free, VALUES) if peek.may_have_values(k)]
    others = [k for k in free if k not in by_name]
    valued = value is not None or bool(by_name)
    if time is None:
        time = _time(path, peek, others, valued)
    if id_ is None:
        id_ = _id(path, peek, [k for k in others if k != time], time, valued)
    numeric = [k for k in free if k not in (time, id_) and (k in by_name or peek.numbers(k))]
    if len(peek.names) > 1:
        numeric = [k for k in numeric if k not in _named(peek, numeric, DATES)]
    if value is not None:
        values = [value]
    elif id_ is not None and len(numeric) > 1:
        values = [_value(path, peek, numeric)]
    elif time is not None:  # beside times, no series are what only repeats them, or counts the rows
        aside = {*_named(peek, numeric, PARTS), *(k for k in _named(peek, numeric, IDS) if _counts_rows(peek, k, time))}
        values = [k for k in numeric if k not in aside] or numeric
    else:
        values = numeric
    if not values:
        raise DataError(_no_numbers(path, peek, free))
    if not peek.header and time is None and len(peek.names) == 2 and delimiter == "," and id_ is None:
        line = ",".join(peek.rows[0])
        raise DataError(
            f"{path}, line 1: {line!r} may be one number with a decimal comma, or two columns; write a first line that "
            "names the columns."
        )
    return Roles(peek.names, peek.header, time, id_, values, covariates)


def _no_numbers(path: Path, peek: Peek, columns: Sequence[int]) -> str:
    """Return a sentence for a table without a column of numbers, and why that may be."""
    why = ""
    for k in columns:
        for cell in peek.cells(k)[:1]:
            if not is_number(cell) and (has := why_not(cell)) != "no number":
                why = f" Column {peek.names[k]!r} has {has}: {cell[:WIDEST]!r}."
    if len(peek.names) == 1:
        why = why or " Columns are parted by commas, semicolons or tabs."
    return f"{path} has no column of numbers to forecast; its columns are {', '.join(map(repr, peek.names))}.{why}"


def _named(peek: Peek, columns: Sequence[int], names: str) -> list[int]:
    """Return the columns whose names are among some, in the order of these."""
    order = names.split()
    plain = {k: peek.names[k].lower().replace(" ", "_").replace("-", "_") for k in columns}
    return sorted((k for k in columns if plain[k] in order), key=lambda k: order.index(plain[k]))


def _time(path: Path, peek: Peek, columns: Sequence[int], valued: bool) -> int | None:
    """Return the column of times: of dates if there is one, else of steps, unless it has the only numbers.

    `valued` says that the column of values is another one. Raises DataError for times in two columns, or times that
    are not understood.
    """
    named = _named(peek, columns, TIMES)
    dates = [k for k in (*named, *columns) if peek.dates(k)]
    clocks = [k for k in columns if _mostly(is_clock, peek.cells(k))]
    if dates and not clocks:
        return dates[0]
    parts = [k for k in _named(peek, columns, PARTS) if peek.numbers(k)]
    if clocks or (len(parts) > 1 and any(peek.names[k].lower() in YEARS.split() for k in parts)):
        several = " and ".join(repr(peek.names[k]) for k in [*dates[:1], *clocks[:1]] or parts)
        raise DataError(
            f"{path} has its times in several columns, {several}; join them into one, like 2024-01-31 13:00."
        )
    if not (valued or sum(map(peek.numbers, columns)) > 1) and not any(not peek.numbers(k) for k in named):
        return None
    steps = [k for k in named if peek.numbers(k) and all(map(is_integer, peek.cells(k)))]
    if not steps and (strange := [k for k in _named(peek, columns, DATES) if peek.cells(k)]):
        cell = next((c for c in peek.cells(strange[0]) if not is_date(c) and not is_integer(c)), None)
        if cell is None:
            return strange[0]  # dates and numbers, which is said when they are read
        what = f"{path}: column {peek.names[strange[0]]!r} has {cell[:WIDEST]!r}"
        raise DataError(f"{what}, which is no time that is understood. {ISO}")
    return next(iter(steps or [k for k in columns if peek.steps(k)]), None)


def _id(path: Path, peek: Peek, columns: Sequence[int], time: int | None, valued: bool) -> int | None:
    """Return the column of names of series, if there is one. Raises ConfigError if there may be several.

    `valued` says that the column of values is another one.
    """
    if len(columns) == 1 and not valued:
        return None
    named = [k for k in _named(peek, columns, IDS) if not _counts_rows(peek, k, time)]
    if named:
        return named[0]
    texts = [k for k in columns if not peek.numbers(k) and not peek.dates(k)]
    if len(texts) > 1:
        names = " and ".join(repr(peek.names[k]) for k in texts)
        raise ConfigError(f"{path} has several columns of texts, {names}; say which one names the series: --id-column.")
    return texts[0] if texts else None


def _counts_rows(peek: Peek, k: int, time: int | None) -> bool:
    """Return whether column k only numbers the rows: no value comes twice, though times differ as well."""
    cells = peek.cells(k)
    times = peek.cells(time) if time is not None else []
    return peek.numbers(k) and len(set(cells)) == len(cells) > 1 and len(set(times)) == len(times)


def _value(path: Path, peek: Peek, columns: Sequence[int]) -> int:
    """Return the column of values, of several columns of numbers. Raises ConfigError if it cannot be seen."""
    named = _named(peek, columns, VALUES)
    if not named:
        names = ", ".join(repr(peek.names[k]) for k in columns)
        raise ConfigError(f"{path} has several columns of numbers, {names}; say which one to forecast: --value-column.")
    return named[0]
