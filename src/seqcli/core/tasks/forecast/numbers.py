"""Reading columns of numbers, whose fractions and thousands are parted by points or by commas."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcli.core.events import Say
from seqcli.core.tasks.forecast.cells import MISSING, Style, number, styles_of, why_not
from seqcli.errors import DataError

Floats = NDArray[np.float64]
How = Literal["plain", "dot", "comma", "text"]  # "plain": as programs write numbers; "text": a column that has others
LARGEST = 1e100
_NAN = dict.fromkeys(MISSING, "nan")


class Undecided(Exception):  # noqa: N818 - no error: it says that all of a column must be looked at
    """A cell is no plain number, so that the whole column has to say how its numbers are written."""


def floats(cells: Sequence[str], how: How) -> tuple[Floats, dict[int, str]]:
    """Return cells as numbers (n,), NaN for missing ones, and what is wrong with those that are none.

    Raises Undecided if `how` is plain and some cell is not.
    """
    values: Floats
    if how in ("plain", "dot"):
        try:
            values = _plain(cells)
        except ValueError:
            if how == "plain":
                raise Undecided from None
        else:
            return values, _infinite(cells, values)
    style: Style = "comma" if how == "comma" else "dot"
    by_cell: dict[str, float] = {}
    for cell in set(cells):
        try:
            by_cell[cell] = number(cell, style)
        except ValueError:
            by_cell[cell] = math.inf  # as an infinite one, it is looked at again below
    values = np.fromiter(map(by_cell.__getitem__, cells), dtype=np.float64, count=len(cells))
    return values, _infinite(cells, values)


def _plain(cells: Sequence[str]) -> Floats:
    """Return cells as numbers (n,). Raises ValueError if some are not such as programs write."""
    try:
        values = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        values = np.array([float(_NAN.get(cell.strip(), cell)) for cell in cells], dtype=np.float64)
    if "_" in "".join(cells):  # 1_000 is a number in Python only
        raise ValueError
    return values


def _infinite(cells: Sequence[str], values: Floats) -> dict[int, str]:
    """Return what is wrong with the cells whose numbers are infinite, or too large to be squared and summed up."""
    return {k: why_not(cells[k]) for k in np.flatnonzero(np.abs(values) > LARGEST).tolist()}


@dataclass
class Evidence:
    """What a whole column says about how its numbers are written: for each kind of cell the first, and where it is.

    The kinds are the style that a cell must have, "dot" or "comma"; "open," and "open." for cells such as 1,234 and
    1.234, which both styles have; and "text" for what is no number.
    """

    name: str
    may_be_text: bool
    first: dict[str, tuple[str, str]] = field(default_factory=dict)

    def see(self, cells: Sequence[str], place: Callable[[int], str]) -> None:
        """Look at some more cells; `place` says where each is."""
        for cell in dict.fromkeys(cells):
            plain = cell.strip()
            if plain not in MISSING and not plain.isdigit():
                styles = styles_of(plain)
                kind = next(iter(styles)) if len(styles) == 1 else "text" if not styles else ""
                kind = kind or next((f"open{sign}" for sign in ",." if sign in plain), "")
                if kind and kind not in self.first:
                    self.first[kind] = (cell, place(cells.index(cell)))

    @property
    def style(self) -> Style | None:
        """What parts the fraction, None if no cell says so. Raises DataError if two cells disagree."""
        if "dot" in self.first and "comma" in self.first:
            (one, place), (other, there) = self.first["dot"], self.first["comma"]
            raise DataError(
                f"Column {self.name!r} has numbers of two styles: {one!r} in {place}, and {other!r} in {there}. "
                "Write the fraction after a point in all of them."
            )
        return "dot" if "dot" in self.first else "comma" if "comma" in self.first else None


def decide(columns: Sequence[Evidence], delimiter: str, say: Say) -> list[How]:
    """Return how the numbers of columns are written, by all their cells. Raises DataError if two cells disagree.

    A column in which no cell tells is written like the others. If none of them tells, what was guessed is said.
    """
    numeric = [column for column in columns if not (column.may_be_text and "text" in column.first)]
    styles = {style for column in numeric if (style := column.style)}
    usual: Style = next(iter(styles)) if len(styles) == 1 else "dot"
    out: list[How] = []
    for column in columns:
        how: How = "text" if column not in numeric else column.style or usual
        if how != "text" and column.style is None and not styles and "open," in column.first:
            guess: Style = "dot" if delimiter == "," else "comma"
            how = guess
            cell, place = column.first["open,"]
            read = number(cell, guess)
            say(f"{place}: column {column.name!r} has numbers like {cell!r}, which was read as {read:g}.")
        out.append(how)
    return out
