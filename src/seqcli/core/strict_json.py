"""JSON that every program can read: no NaN, no Infinity, no lone surrogates. And safe reading of JSON from any file."""

import json
import math
import re
from typing import Any

HALVES = re.compile("[\ud800-\udfff]")  # lone surrogates, which UTF-8 cannot represent; they are written as escapes


def dumps(value: Any) -> str:
    """Return a value as one line of JSON. Numbers that are not finite become null; unknown types become strings."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        value = _finite(value)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    return HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def _finite(value: Any) -> Any:
    """Return a value with None in place of numbers that are not finite, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text; NaN and Infinity become None. Raises ValueError for anything wrong with it."""
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
