"""Series in a model file: there and back, what is kept of them, and whatever anybody may have written there."""

import json
import random
from typing import Any

import numpy as np
import pytest
import torch

from seqcli.core.tasks.forecast import stored as storing
from seqcli.core.tasks.forecast.covariates import Covariates
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.options import ForecastOptions
from seqcli.core.tasks.forecast.plan import Sizes, make_plan
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.stored import read_stored, stored, tail
from seqcli.core.tasks.forecast.windows import History
from seqcli.core.tasks.union import build

nan = np.nan
DAILY = Frequency("seconds", 86400, pattern="%d.%m.%Y")


def several() -> Series:
    """Three series of different lengths, with a step of the future each, and columns of every kind."""
    r = np.random.default_rng(1)
    values = np.concatenate([r.normal(size=6), [nan], r.normal(size=9), [nan], [1.5, nan, 3], [nan]])
    values[[8, 9, 10]] = nan
    N = len(values)
    days = r.integers(-1, 3, N).astype(np.int32), ["mo", "tu", "ünï"]
    return Series(
        ["a", "b,c", "\u2028d"], np.array([0, 7, 17, 21]), np.array([19_000, -5, 3]), values, np.array([6, 9, 3]),
        DAILY,
        {"price": r.normal(size=N), "day": days}, {"rain": r.normal(size=N)},
        {"town": ["Ulm", "", "Bonn"], "size": np.array([1.0, nan, 3])},
    )  # fmt: skip


def same(one: Series, other: Series) -> None:
    assert (one.ids, one.frequency) == (other.ids, other.frequency)
    for name in ("offsets", "starts", "values", "ends"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for kind in ("known", "past", "static"):
        mine, theirs = getattr(one, kind), getattr(other, kind)
        assert list(mine) == list(theirs)
        for name, column in mine.items():
            if isinstance(column, tuple):
                np.testing.assert_array_equal(column[0], theirs[name][0])
                assert column[1] == theirs[name][1]
            else:
                np.testing.assert_array_equal(column, theirs[name])


def test_there_and_back() -> None:
    made = several()
    same(read_stored(stored(made)), made)
    plain = Series(["x"], np.array([0, 2]), np.array([0]), np.array([1.0, 2]), np.array([2]), Frequency("integers", 5))
    same(read_stored(stored(plain)), plain)


def plan(history: int) -> Any:
    options = build({"task": "forecast", "files": ("a.csv",), "history": history, "patch": 1})
    assert isinstance(options, ForecastOptions)
    return make_plan(options, Sizes(3, 18, 9), (), 2, torch.device("cpu"))


@pytest.mark.parametrize("room", [0, 15])
def test_the_end_of_every_series_is_kept(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "KEPT", room)
    whole, kept = several(), max(4, room // 3)
    made = tail(whole, plan(4))
    for k in range(3):
        n = min(kept, int(whole.ends[k]))
        np.testing.assert_array_equal(made.of(k), whole.of(k)[-n:])
        assert made.times(k) == whole.times(k)[-n - 1 :], "and one step of the future"
    same(read_stored(stored(made)), made)
    rows = np.arange(3)
    for name in ("z", "known", "past", "static"):  # a window is the same, but for gaps filled from before the cut
        windows = [History.of(s, Covariates.fit(whole), 1).windows(rows, s.ends, 4, 2) for s in (whole, made)]
        one, other = (getattr(window, name)[[0, 2]] for window in windows)
        np.testing.assert_array_equal(one, other)


# --- what anybody may have written ------------------------------------------------------------------------------------


def parts(data: Any) -> tuple[dict[str, Any], bytes]:
    raw = data.tobytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    return json.loads(raw[8:end]), raw[end:]


def whole(head: Any, numbers: bytes) -> Any:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return np.frombuffer(len(text).to_bytes(8, "little") + text + numbers, np.uint8)


def changed_number(at: int, value: float | int) -> Any:
    """The series with one number of 64 bits replaced."""
    head, numbers = parts(stored(several()))
    kind = "<f8" if isinstance(value, float) else "<i8"
    new = bytearray(numbers)
    new[8 * at : 8 * at + 8] = np.array([value], kind).tobytes()
    return whole(head, bytes(new))


OFFSETS, STARTS, ENDS, VALUES = 0, 4, 7, 10
WRONG: list[tuple[str, Any]] = [
    *((str(value)[:20], value) for value in (None, b"", "text", [], 3, {}, np.zeros(9), np.zeros((3, 9), np.uint8))),
    ("too short", np.zeros(7, np.uint8)),
    ("a header without end", np.full(40, 255, np.uint8)),
    ("lengths that are negative", changed_number(OFFSETS + 1, -1)),
    ("a first series that begins later", changed_number(OFFSETS, 1)),
    ("lengths that fall", changed_number(OFFSETS + 1, 18)),
    ("lengths beyond all bounds", changed_number(OFFSETS + 3, 1 << 62)),
    ("an end before the beginning", changed_number(ENDS, -1)),
    ("no value at all", changed_number(ENDS, 0)),
    ("an end beyond its steps", changed_number(ENDS, 8)),
    ("an end that is a gap", changed_number(ENDS, 7)),
    ("a beginning before all time", changed_number(STARTS, -(1 << 62))),
    ("an infinite value", changed_number(VALUES + 1, float("inf"))),
    ("a value beyond all sense", changed_number(VALUES + 1, -1e101)),
    ("a code of no name", changed_number(VALUES + 2 * 21 + 3, 3)),
    ("a negative code", changed_number(VALUES + 2 * 21 + 3, -2)),
    ("numbers missing", whole(parts(stored(several()))[0], parts(stored(several()))[1][:-8])),
    ("numbers left over", whole(parts(stored(several()))[0], parts(stored(several()))[1] + bytes(8))),
]
HEADS: list[dict[str, Any]] = [
    {"ids": []}, {"ids": ["a", "a", "b"]}, {"ids": ["a", "b"]}, {"ids": [1, 2, 3]}, {"ids": "abc"}, {"ids": None},
    {"known": []}, {"known": {"day": ["mo", "mo", "tu"]}}, {"known": {"day": 3}}, {"past": {"rain": ["x"]}},
    {"static": {"town": ["Ulm"]}}, {"static": {"town": None}}, {"frequency": {}}, {"frequency": None}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("value", [value for _, value in WRONG], ids=[name for name, _ in WRONG])
def test_what_is_wrong_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):
        read_stored(value)


@pytest.mark.parametrize("changes", HEADS, ids=str)
def test_headers_that_are_wrong(changes: dict[str, Any]) -> None:
    head, numbers = parts(stored(several()))
    for kind in ("known", "past", "static"):
        if isinstance(changes.get(kind), dict):
            changes = {kind: {**head[kind], **changes[kind]}}
    with pytest.raises(ValueError):
        read_stored(whole({**head, **changes}, numbers))


def test_any_damage_is_told_or_harmless() -> None:
    """Bits, lengths and whole stretches: what is still read can be cut into windows."""
    good, r = stored(several()).tobytes(), random.Random(4)
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(r.choice([1, 1, 4, 30])):
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        if r.random() < 0.2:
            data = data[: r.randrange(len(data))]
        try:
            made = read_stored(np.frombuffer(bytes(data), np.uint8))
        except ValueError:
            refused += 1
            continue
        cut = History.of(made, Covariates({"known": {}, "past": {}, "static": {}}), 1)
        cut.windows(np.arange(len(made)), made.ends, 4, 2)
        made.times(0)
    assert 100 < refused < 400
