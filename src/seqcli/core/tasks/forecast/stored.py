"""The end of the series that a forecaster was trained on, in its model file, so that it can forecast what follows.

They are one array of bytes: the length of a header, the header as JSON, and then numbers. Like everything in a model
file they may come from anybody, and are checked when they are read.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core import strict_json
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.numbers import LARGEST
from seqcli.core.tasks.forecast.plan import ForecastPlan
from seqcli.core.tasks.forecast.series import Column, Series

Bytes = NDArray[np.uint8]
KEPT = 1_000_000  # values that are kept of all series together, if they are enough for the network
LONGEST = 1 << 50  # the largest number of a time on the grid
KINDS = ("known", "past", "static")


def tail(series: Series, plan: ForecastPlan) -> Series:
    """Return the end of every series: what the network sees of it, and more of it where there is room.

    The more is used when the model is measured, for the errors of naive forecasts within the past. The future of known
    covariates is kept.
    """
    room = max(plan.history, KEPT // max(1, len(series)))
    lengths = np.diff(series.offsets)
    cut = np.maximum(0, series.ends - room)  # (S,) steps left out at the beginning of each series
    steps = np.arange(len(series.values)) - np.repeat(series.offsets[:-1], lengths)  # (N,) within their series
    kept = steps >= np.repeat(cut, lengths)

    def part(column: Column) -> Column:
        return (column[0][kept], column[1]) if isinstance(column, tuple) else column[kept]

    return Series(
        series.ids,
        np.concatenate([[0], np.cumsum(lengths - cut)]).astype(np.int64),
        series.starts + cut,
        series.values[kept],
        series.ends - cut,
        series.frequency,
        {name: part(column) for name, column in series.known.items()},
        {name: part(column) for name, column in series.past.items()},
        series.static,
    )


def stored(series: Series) -> Bytes:
    """Return series as bytes (n,); `read_stored` is the way back."""
    head: dict[str, Any] = {"frequency": series.frequency.as_dict(), "ids": series.ids}
    arrays: list[NDArray[Any]] = [series.offsets, series.starts, series.ends, series.values]
    for kind in KINDS:
        head[kind] = {}
        for name, column in getattr(series, kind).items():
            if isinstance(column, list):
                head[kind][name] = column
            elif isinstance(column, tuple):
                head[kind][name] = column[1]
                arrays.append(column[0].astype(np.int64))
            else:
                head[kind][name] = None
                arrays.append(column)
    text = json.dumps(head).encode()
    numbers = [array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays]
    return np.frombuffer(bytearray(b"".join([len(text).to_bytes(8, "little"), text, *numbers])), np.uint8)


def read_stored(value: object) -> Series:
    """Return the series that bytes stand for. Raises ValueError if they stand for none."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 1 or len(value) < 8:
        raise ValueError("no bytes")
    data = value.tobytes()
    end = 8 + int.from_bytes(data[:8], "little")
    head = strict_json.loads(data[8:end].decode("utf-8"))
    if not isinstance(head, dict) or set(head) != {"frequency", "ids", *KINDS}:
        raise ValueError("no series")
    ids = different(head["ids"])
    if not ids:
        raise ValueError("no names of series")
    numbers, S = Numbers(data, end), len(ids)
    offsets, starts, ends = numbers.integers(S + 1), numbers.integers(S), numbers.integers(S)
    lengths = np.diff(offsets)
    if offsets[0] != 0 or (offsets < 0).any() or (lengths < 0).any() or offsets[-1] > len(data):
        raise ValueError("lengths that no series have")
    if (ends < 1).any() or (ends > lengths).any() or (np.abs(starts) > LONGEST).any():
        raise ValueError("ends that no series have")
    N = int(offsets[-1])
    values = numbers.floats(N)
    if np.isnan(values[offsets[:-1] + ends - 1]).any():
        raise ValueError("series that do not end with a value")
    columns: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for kind in KINDS:
        if not isinstance(head[kind], dict):
            raise ValueError("no columns")
        for name, names in head[kind].items():
            if names is None:
                columns[kind][name] = numbers.floats(S if kind == "static" else N)
            elif kind == "static":
                columns[kind][name] = texts(names, S)
            else:
                columns[kind][name] = numbers.codes(N, len(different(names))), names
    numbers.check_end()
    return Series(ids, offsets, starts, values, ends, Frequency.of(head["frequency"]), **columns)


class Numbers:
    """The numbers behind the header, read one array after the other. Everything raises ValueError for what is wrong."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def _next(self, count: int, kind: str) -> NDArray[Any]:
        if len(self._data) - self._at < 8 * count:
            raise ValueError("fewer numbers than there should be")
        found = np.frombuffer(self._data, kind, count, self._at).astype(kind[1:])
        self._at += 8 * count
        return found

    def integers(self, count: int) -> NDArray[np.int64]:
        """Read so many whole numbers."""
        return self._next(count, "<i8")

    def floats(self, count: int) -> NDArray[np.float64]:
        """Read so many numbers, none of them larger than those that are read from a table."""
        found = self._next(count, "<f8")
        if (np.abs(found) > LARGEST).any():
            raise ValueError("values that are no numbers")
        return found

    def codes(self, count: int, names: int) -> NDArray[np.int32]:
        """Read which of so many names each of `count` steps has; -1 is none."""
        found = self.integers(count)
        if (found < -1).any() or (found >= names).any():
            raise ValueError("a column of unknown names")
        return found.astype(np.int32)

    def check_end(self) -> None:
        """Raise ValueError if there are more numbers."""
        if self._at != len(self._data):
            raise ValueError("more numbers than there should be")


def different(value: object) -> list[str]:
    """Check that a value is a list of texts, no two of them the same, and return it."""
    found = texts(value)
    if len(set(found)) != len(found):
        raise ValueError("the same name twice")
    return found


def texts(value: object, count: int | None = None) -> list[str]:
    """Check that a value is a list of texts, of so many where that is given, and return it."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("no list of texts")
    if count is not None and len(value) != count:
        raise ValueError("not a text for each series")
    return value
