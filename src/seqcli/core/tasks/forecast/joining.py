"""Joining newer values of series to the past of them that is known."""

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tasks.forecast.series import Column, Series

Ints = NDArray[np.int64]


def joined(past: Series, newer: Series, gap: int) -> tuple[Series, Ints]:
    """Return the newer series, each with what is known of its past before it, and where it goes on beyond that (S,).

    A series of the past is joined to the newer one of the same name if that begins after it does, and at most `gap`
    steps after its end; the steps in between are unobserved. What both have is taken from the newer one. The other
    newer series are returned as they are, and go on from step 0.
    """
    number = {name: k for k, name in enumerate(past.ids)}
    rows = np.array([number.get(name, -1) for name in newer.ids], dtype=np.int64)
    begun = past.starts[rows]
    ended = begun + past.ends[rows]  # the number of the first step after the past
    joins = (rows >= 0) & (newer.starts > begun) & (newer.starts <= ended + gap)
    before = np.where(joins, newer.starts - begun, 0)  # (S,) steps that are put in front
    since = np.where(joins, np.minimum(ended - begun, before + newer.ends), 0)
    lengths = before + np.diff(newer.offsets)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    k = np.repeat(np.arange(len(newer)), lengths)  # (N,) the series of each step
    step = np.arange(offsets[-1]) - offsets[k]  # (N,) within its series
    new = step >= before[k]
    at_new = np.where(new, newer.offsets[k] + step - before[k], 0)
    old = ~new & (step < np.diff(past.offsets)[rows[k]])  # also what was known of its future
    at_old = np.where(old, past.offsets[rows[k]] + step, 0)

    def together(mine: Column | None, theirs: Column) -> Column:
        if isinstance(theirs, tuple) != isinstance(mine, tuple):
            mine = None  # numbers in one file and names in the other
        if isinstance(theirs, tuple):
            names = list(dict.fromkeys([*(mine[1] if isinstance(mine, tuple) else []), *theirs[1]]))
            code = {name: number for number, name in enumerate(names)}
            translated = np.array([*map(code.__getitem__, theirs[1]), -1], dtype=np.int32)  # -1 is the last
            earlier = mine[0][at_old] if isinstance(mine, tuple) and len(mine[0]) else np.int32(-1)
            return np.where(new, translated[theirs[0][at_new]], np.where(old, earlier, np.int32(-1))), names
        there = mine[at_old] if mine is not None and not isinstance(mine, tuple) and len(mine) else np.nan
        return np.where(new, theirs[at_new], np.where(old, there, np.nan))

    values = together(past.values, newer.values)
    assert not isinstance(values, tuple)
    made = Series(
        newer.ids,
        offsets,
        np.where(joins, begun, newer.starts),
        values,
        before + newer.ends,
        newer.frequency,
        {name: together(past.known.get(name), column) for name, column in newer.known.items()},
        {name: together(past.past.get(name), column) for name, column in newer.past.items()},
        newer.static,
    )
    return made, since
