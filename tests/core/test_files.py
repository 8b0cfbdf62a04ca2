from pathlib import Path

import pytest

from seqcli.core import files
from seqcli.core.training.checkpoint import read
from seqcli.core.training.points import METRICS, add_point, forget_points_after, read_points
from seqcli.errors import CheckpointError

SPOILT = b'{"step": 2, "lo\n\xff\xfe\0\n[3]\n{"loss": 1}\n{"step": "3"}\nnull\n\n'


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

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        forget_points_after(tmp_path, 1)
    assert read_points(tmp_path) == [{"step": 1}]
    assert [p.name for p in tmp_path.iterdir()] == [METRICS]


def test_a_cut_file_whose_size_looks_like_a_pickle_is_damaged_all_the_same() -> None:
    """The first byte of a safetensors file is its header's size, which may be 0x80, a pickle's first one."""
    Path("cut.safetensors").write_bytes((0x280).to_bytes(8, "little") + b'{"w":')
    with pytest.raises(CheckpointError, match="is damaged"):
        read(Path("cut.safetensors"))
    Path("model.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(CheckpointError, match="pickled"):
        read(Path("model.pt"))
