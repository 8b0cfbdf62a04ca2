import json
import math
from pathlib import Path

import pytest

from seqcli.core.training.points import METRICS, add_point, forget_points_after, read_points

SPOILT = b'{"step": 2, "lo\n\xff\xfe\0\n[3]\n{"loss": 1}\n{"step": "3"}\n{"step": true}\n{"step": -1}\nnull\n\n'


def test_points_are_appended_and_read(tmp_path: Path) -> None:
    assert read_points(tmp_path) == []
    add_point(tmp_path, step=1, loss=1 / 3)
    add_point(tmp_path, step=2, val_loss=0.1)
    assert read_points(tmp_path) == [{"step": 1, "loss": 1 / 3}, {"step": 2, "val_loss": 0.1}]


def test_spoilt_lines_are_passed_over_and_later_points_forgotten(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    path.write_bytes(b'{"step": 1, "loss": 0.1}\n' + SPOILT + b'{"step": 3}\n{"step": 4}\n{"step": 5}\n{"step": 3')
    assert [point["step"] for point in read_points(tmp_path)] == [1, 3, 4, 5]
    forget_points_after(tmp_path, 4)
    assert path.read_text() == '{"step": 1, "loss": 0.1}\n{"step": 3}\n{"step": 4}\n'


def test_points_are_not_lost_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_point(tmp_path, step=1)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        forget_points_after(tmp_path, 1)
    assert read_points(tmp_path) == [{"step": 1}]
    assert [p.name for p in tmp_path.iterdir()] == [METRICS]


def test_numbers_that_are_not_finite_are_null_in_the_file_and_when_read(tmp_path: Path) -> None:
    add_point(tmp_path, step=1, loss=math.nan, grad_norm=math.inf)
    line = (tmp_path / METRICS).read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 1,
        "loss": None,
        "grad_norm": None,
    }
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 2, "loss": NaN, "a": -Infinity, "b": 1e999, "c": %s, "d": 3}\n' % ("9" * 400))
    assert read_points(tmp_path)[1] == {"step": 2, "loss": None, "a": None, "b": None, "c": None, "d": 3}


def test_lines_that_are_meant_to_break_a_reader(tmp_path: Path) -> None:
    lines = [
        b"[" * 100_000,
        b'{"step": ' + b"9" * 100_000 + b"}",
        b'{"step": 10000000000000000000000}',
        b"x" * 3_000_000,
    ]
    (tmp_path / METRICS).write_bytes(b"\n".join([*lines, b'{"step": 7}']))
    assert read_points(tmp_path) == [{"step": 7}]


def test_half_a_character_in_a_point(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"step": 1, "a": "\\ud800"}\n')
    forget_points_after(tmp_path, 1)
    assert read_points(tmp_path) == [{"step": 1, "a": "\ud800"}]
