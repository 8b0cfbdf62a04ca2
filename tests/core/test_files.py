"""Writing whole, reading with suspicion, locks. Links, pipes and devices here are ones that the tests make."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seqcli.core import files
from seqcli.core.files import (
    Lock,
    check_target,
    files_below,
    is_own_output,
    making,
    open_regular,
    read_small,
    write_whole,
    writing,
)
from seqcli.core.training.checkpoint import read
from seqcli.errors import CheckpointError, DataError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.2)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# --- writing --------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)  # a temporary name must not be longer
    write_whole(path, b"first")
    path.chmod(0o640)
    with writing(path) as file:
        file.write(b"sec")
        file.flush()
        assert path.read_bytes() == b"first"
        file.write(b"ond")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("error", [OSError(28, "full"), ValueError(), KeyboardInterrupt(), UnicodeError()])
def test_whatever_goes_wrong_nothing_changes_and_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    write_whole(path, b"first")
    with pytest.raises(type(error)), writing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


def test_the_directory_is_brought_to_the_disk_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def told(opened: int) -> None:
        done.append("directory" if Path(f"/dev/fd/{opened}").is_dir() else "file")
        fsync(opened)

    def renamed(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr("os.fsync", told)
    monkeypatch.setattr(Path, "replace", renamed)
    write_whole(tmp_path / "a", b"x")
    assert done == ["file", "rename", "directory"]
    done.clear()
    with making(tmp_path / "d") as place:
        (place / "one").write_bytes(b"1")
        (place / "two").write_bytes(b"2")
    assert done == ["file", "file", "directory", "rename", "directory"]
    assert names(tmp_path / "d") == ["one", "two"]


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), making(tmp_path / "d") as place:
        (place / "one").write_bytes(b"1")
        assert not (tmp_path / "d").exists()
        raise KeyboardInterrupt
    assert names(tmp_path) == []
    with making(tmp_path / "d") as place:
        (place / "one").write_bytes(b"1")
        (tmp_path / "d").mkdir()  # another process was quicker
        (tmp_path / "d" / "theirs").write_bytes(b"2")
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == ["theirs"]


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name, target in (("old", "far/old"), ("new", "far/new"), ("chain", "old")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "far" / "old").write_bytes(b"before")
    for name in ("old", "new", "chain"):
        write_whole(tmp_path / name, name.encode())
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "far" / "old").read_bytes() == b"chain"
    assert (tmp_path / "far" / "new").read_bytes() == b"new"
    assert names(tmp_path / "far") == ["new", "old"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "loop", b"")


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="nobody reads from this pipe"):
        write_whole(pipe, b"lost")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"x" * 200_000)  # more than a pipe holds
    reader.join()
    assert got == [b"x" * 200_000]
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="a system without /proc")
def test_own_output_is_written_on_and_not_replaced(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from seqcli.core.files import write_whole, is_own_output\n"
        "print('before', flush=True); write_whole(Path('/proc/self/fd/1'), b'data '); print('after')\n"
        "assert is_own_output(Path('/proc/self/fd/1')) and not is_own_output(Path('elsewhere'))"
    )
    out = tmp_path / "out"
    with out.open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert out.read_text() == "before\ndata after\n"
    piped = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"before\ndata after\n"
    assert not is_own_output(out)


def test_a_target_is_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    (tmp_path / "astray").symlink_to("no/where")
    for good in ("new", "file", "pipe"):
        check_target(tmp_path / good)
    for bad, why in [
        (".", "it is a directory"),
        ("no/where", "there is no directory"),
        ("astray", "there is no directory"),
        ("file/below", "Not a directory"),
        ("loop", "symbolic links"),
        ("n" * 300, "too long"),
        ("a\0b", "no name of a file"),
    ]:
        with pytest.raises(DataError, match=why):
            check_target(tmp_path / bad)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match="may not be written to"):
        check_target(tmp_path / "new")
    assert (tmp_path / "file").read_text() == "x"


# --- reading --------------------------------------------------------------------------------------------------------


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, terminal: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"text"
    opens: list[Callable[[Path], object]] = [open_regular, read_small]
    for open_ in opens:
        for bad, why in (("loop", "symbolic links"), (".", "it is a directory"), ("none", "No such file")):
            with pytest.raises(OSError, match=why):
                open_(tmp_path / bad)
        with pytest.raises(OSError, match="it is a device"):
            open_(terminal)
        with pytest.raises(OSError, match="no name of a file"):
            open_(Path("a\0b"))
    with pytest.raises(OSError, match="it is a pipe"):
        open_regular(tmp_path / "pipe")


def test_a_small_file_is_read_to_a_bound_and_a_pipe_while_something_comes(tmp_path: Path) -> None:
    path, pipe = tmp_path / "file", tmp_path / "pipe"
    path.write_bytes(b"12345")
    assert read_small(path, most=5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_small(path, most=4)
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="nothing came through"):
        read_small(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            for part in (b"cell", b": gru"):
                file.write(part)
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_small(pipe) == b"cell: gru"
    writer.join()


def test_a_directory_too_large_to_be_meant_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.txt", "a.txt", "notes.md", "sub/c.txt", "sub/deep/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "sub" / "up").symlink_to("..")
    assert [str(p.relative_to(tmp_path)) for p in files_below(tmp_path, ".txt")] == [
        "a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt",
    ]  # fmt: skip
    monkeypatch.setattr(files, "MOST_ENTRIES", 6)
    with pytest.raises(DataError, match="holds more than 6 files"):
        files_below(tmp_path, ".txt")


# --- locks ----------------------------------------------------------------------------------------------------------


def test_a_lock_is_held_once_and_freed_by_the_death_of_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path) as lock:
        assert lock.works
        with pytest.raises(BlockingIOError):
            Lock(path)
    Lock(path).__exit__()
    code = (
        "import sys, time; from pathlib import Path; from seqcli.core.files import Lock\n"
        "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            Lock(path)
        child.kill()
    Lock(path).__exit__()


def test_a_file_system_without_locks_is_known_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none_here)
    with Lock(tmp_path / "lock") as lock:
        assert not lock.works
        assert lock.in_place()


def test_a_lock_knows_that_its_file_is_gone_or_another(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with Lock(tmp_path / "run" / "lock") as lock:
        assert lock.in_place()
        (tmp_path / "run").rename(tmp_path / "moved")
        assert not lock.in_place()
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "lock").touch()
        assert not lock.in_place()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        Lock(tmp_path / "pipe")


def test_a_cut_file_whose_size_looks_like_a_pickle_is_damaged_all_the_same() -> None:
    """The first byte of a safetensors file is its header's size, which may be 0x80, a pickle's first one."""
    Path("cut.safetensors").write_bytes((0x280).to_bytes(8, "little") + b'{"w":')
    with pytest.raises(CheckpointError, match="is damaged"):
        read(Path("cut.safetensors"))
    Path("model.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(CheckpointError, match="pickled"):
        read(Path("model.pt"))
