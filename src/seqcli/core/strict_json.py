"""JSON that every program can read: no NaN, no Infinity, no half of a character; and JSON from files, whatever is in
them."""

import json
import math
import re
from typing import Any

HALVES = re.compile("[\ud800-\udfff]")  # lone surrogates, which UTF-8 cannot hold: they are written by their numbers


def dumps(value: Any) -> str:
    """A value as one line of JSON. A number that is not finite is null; what JSON has no form for is a string."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        value = _finite(value)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    return HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; NaN and Infinity are None. Raises ValueError for whatever is wrong with it."""
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
