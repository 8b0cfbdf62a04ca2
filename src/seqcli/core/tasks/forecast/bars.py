"""Numbers as a line of bars, for a terminal."""

import math
from collections.abc import Iterable

BARS = "▁▂▃▄▅▆▇█"


def bars(values: Iterable[float], low: float, high: float, gap: str = " ") -> str:
    """Return a bar for each value, from `low` to `high`, and `gap` where a value is NaN."""
    wide = high - low if high > low else 1.0
    parts = [(value - low) / wide for value in values]
    return "".join(gap if math.isnan(part) else BARS[min(7, max(0, int(part * 8)))] for part in parts)
