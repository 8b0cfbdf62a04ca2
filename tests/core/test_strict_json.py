import json
import math
from pathlib import Path

import numpy as np
import pytest

from seqcli.core import strict_json


def test_what_json_cannot_say_is_null_or_a_string() -> None:
    value = {
        "a": math.nan,
        "b": [math.inf, {"c": (-math.inf, 1.5)}],
        "d": Path("x"),
        "한": np.float64("nan"),
        "n": None,
    }
    text = strict_json.dumps(value)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None, "b": [None, {"c": [None, 1.5]}], "d": "x", "한": None, "n": None,
    }  # fmt: skip
    assert "한" in text
    assert "\n" not in text


def test_what_comes_from_a_file_is_a_value_or_a_value_error() -> None:
    assert strict_json.loads('{"a": NaN, "b": [Infinity, 1]}') == {"a": None, "b": [None, 1]}
    for text in ("[" * 100_000, '{"a":' * 50_000, "", "{", b"\xff", "nul", '{"a": 1}}', "9" * 10_000):
        with pytest.raises(ValueError):
            strict_json.loads(text)


def test_half_a_character_is_escaped() -> None:
    value = {"a\udcff": "한 \ud800", "n": math.nan}
    text = strict_json.dumps(value)
    assert text.encode() and "한" in text
    assert json.loads(text) == {**value, "n": None}
