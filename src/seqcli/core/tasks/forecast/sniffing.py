"""A quick look at a table: does it hold series of numbers, or labelled texts? Without numpy."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

from seqcli.core.tasks.forecast.cells import is_integer
from seqcli.core.tasks.forecast.columns import TIMES, Peek
from seqcli.core.tasks.forecast.rows import TextTable

Looks = Literal["series", "labels", "either"]


def fits(path: Path) -> bool | None:
    """Return whether a table holds series of numbers; None if its columns may also be texts and their labels."""
    return {"series": True, "labels": False, "either": None}[looks_like(path)]


def looks_like(path: Path) -> Looks:
    """Return whether a table looks like series of numbers or like labelled texts, by its first rows.

    "either" means that both can be meant, so that the user should be asked. Raises DataError for a file that is
    missing, empty or no text.
    """
    if path.suffix.lower() == ".parquet":
        return "series"
    peek = Peek(TextTable(path, invalid="replace").peek())
    columns = range(len(peek.names))
    dates = [k for k in columns if peek.dates(k)]
    numbers = [k for k in columns if k not in dates and peek.cells(k) and peek.numbers(k)]
    texts = [k for k in columns if k not in dates and peek.cells(k) and not peek.numbers(k)]
    if not numbers:
        return "labels"
    if not texts:
        return "series"
    words = max(_wordiness(peek.cells(k)) for k in texts)
    if dates:
        return "either" if words > 3 else "series"
    if len(numbers) > 1 and words <= 2 and any(_counts(peek, k, texts) for k in numbers):
        return "series"
    names = peek.cells(texts[0])
    may_be_names = len(texts) == 1 and words < 1.5 and len(set(names)) < len(names)  # a series has several rows
    return "either" if may_be_names else "labels"


def _wordiness(cells: Sequence[str]) -> float:
    """Return how many words a cell has on average, long ones counted as several; 1 for names that come again and again.

    So the names of series have about 1, and texts more.
    """
    if 2 * len(set(cells)) <= len(cells):
        return 1.0
    return sum(max(len(cell.split()), sum(map(str.isalpha, cell)) / 10) for cell in cells) / len(cells)


def _counts(peek: Peek, column: int, texts: Sequence[int]) -> bool:
    """Return whether a column is one of steps: by its name, or because it goes on by 1 as long as the texts stay."""
    if not all(map(is_integer, peek.cells(column))):
        return False
    if peek.header and peek.names[column].lower() in TIMES.split():
        return True
    rows = [(row[column], [row[k] for k in texts]) for row in peek.below if is_integer(row[column])]
    steps = [int(b) - int(a) for (a, same), (b, too) in pairwise(rows) if same == too]
    return len(steps) > 1 and set(steps) == {1}
