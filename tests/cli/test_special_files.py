"""Pipes, devices, links in circles and whole disks in the place of files: a sentence at once, and nothing replaced."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqcli.core import files
from seqcli.core.data.vectors import read_vectors

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.1)


@pytest.fixture
def pipe() -> Path:
    """A pipe that nobody writes to or reads from."""
    os.mkfifo("pipe.txt")
    return Path("pipe.txt")


@pytest.fixture
def vectors(seqcli: Run) -> str:
    """A run of word vectors."""
    Path("words.txt").write_text("one two three four\nfour three two one\n" * 20)
    result = seqcli("train", "--task", "embed", "words.txt", "--steps", 2, "--dim", 3, "--run", "vectors", "-q")
    assert result.code == 0, result.err
    return "vectors"


def refused(result: Any, code: int, *parts: str) -> None:
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err.replace("\n", " "), result.err


# --- read from ------------------------------------------------------------------------------------------------------


def test_no_command_waits_for_a_pipe(seqcli: Run, trained: Path, corpus: Path, pipe: Path) -> None:
    os.mkfifo("pipe.tsv")
    few = ("--steps", 1, "--hidden", 4)
    refused(seqcli("train", corpus, "--config", pipe), 2, "pipe.txt cannot be read: nothing came through this pipe")
    refused(seqcli("train", pipe, *few), 1, "pipe.txt is a pipe")
    refused(seqcli("train", corpus, "--valid", pipe, *few), 1, "pipe.txt is a pipe")
    refused(seqcli("train", corpus, "--test", pipe, *few), 1, "pipe.txt is a pipe")
    refused(seqcli("train", corpus, "--vectors", pipe, *few), 1, "pipe.txt is a pipe")
    refused(seqcli("eval", "pipe.tsv", "--run", "small"), 1, "pipe.tsv is a pipe")
    refused(seqcli("eval", "pipe.tsv"), 1)
    refused(seqcli("sample", "--run", pipe), 1, "no run 'pipe.txt'")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["small"]


@pytest.mark.parametrize("what", ["pipe", "device", "directory", "circle", "root", "nothing", "long", "nul"])
def test_what_is_no_run_is_named_by_every_command(seqcli: Run, terminal: Path, corpus: Path, what: str) -> None:
    os.mkfifo("pipe")
    Path("directory").mkdir()
    Path("circle").symlink_to("circle")
    place = {"device": str(terminal), "root": "/", "long": "x" * 300, "nul": "a\0b"}.get(what, what)
    before = sorted(Path().rglob("*"))
    for command in (
        *(("sample", "--run"), ("info",), ("train", "--resume"), ("plot", "-o", "a.html"), ("eval", corpus, "--run")),
        *(("translate", "--text", "a", "--run"), ("tag", "a", "--run"), ("classify", "a", "--run")),
        *(("neighbors", "a", "--run"), ("analogy", "a", "b", "c", "--run")),
    ):
        refused(seqcli(*command, place), 1, "Error: ")
    refused(seqcli("export", place, "vectors.txt"), 1, "Error: ")
    refused(seqcli("sample", "--runs-dir", place), 1, "Error: ")
    assert sorted(Path().rglob("*")) == before, "nothing is written"


def test_a_device_has_no_end(seqcli: Run, corpus: Path, terminal: Path) -> None:
    refused(seqcli("train", corpus, "--config", terminal), 2, "it is a device, not a regular file")
    refused(seqcli("train", corpus, "--vectors", terminal), 1, "is a device")
    refused(seqcli("train", terminal), 1, "is a device")


def test_a_configuration_may_come_through_a_pipe(corpus: Path) -> None:
    command = f"{sys.executable} -m seqcli train --show-config --config <(echo 'cell: gru')"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert "\ncell: gru " in done.stdout


def test_links_in_a_circle(seqcli: Run, trained: Path, corpus: Path) -> None:
    Path("loop").symlink_to("loop")
    few = ("--steps", 1, "--hidden", 4)
    refused(seqcli("train", "loop", *few), 1, "loop cannot be read")
    refused(seqcli("train", corpus, "--config", "loop"), 2, "loop cannot be read")
    refused(seqcli("train", corpus, "--vectors", "loop"), 1, "loop cannot be read")
    refused(seqcli("train", corpus, "--runs-dir", "loop", *few), 2, "cannot be made")
    refused(seqcli("sample", "--run", "loop"), 1, "no run 'loop'")
    refused(seqcli("eval", "loop", "--run", "small"), 1, "loop cannot be read")
    refused(seqcli("train", "--resume", "loop"), 1, "no run 'loop'")


def test_a_whole_disk_is_not_searched(
    seqcli: Run, trained: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_ENTRIES", 5)
    Path("disk").mkdir()
    for k in range(6):
        Path(f"disk/{k}.txt").write_text("text")
    refused(seqcli("train", corpus, "--test", "disk", "--steps", 1), 1, "The directory disk holds more than 5 files")
    refused(seqcli("eval", "disk"), 1, "holds more than 5 files")


def test_an_empty_name_is_not_that_of_the_current_directory(seqcli: Run, corpus: Path, trained: Path) -> None:
    """As of a variable of the shell that is not set: it would train on all texts here, or leave its runs here."""
    before = sorted(Path().rglob("*"))
    few = ("--steps", 1, "--hidden", 4)
    for option in ("--valid", "--test", "--vectors", "--config"):
        refused(seqcli("train", corpus, option, "", *few), 2, f"{option} is empty, but must be the name of a file")
    refused(seqcli("train", corpus, "--runs-dir", "", *few), 2, "--runs-dir is empty", "directory")
    refused(seqcli("train", "--resume", ""), 2, "--resume is empty, but must be the name of a run")
    for args in (("train", ""), ("train", corpus, ""), ("eval", ""), ("eval", "", "--run", "small"), ("translate", "")):
        refused(seqcli(*args), 2, "FILE is empty, but must be the name of a file")
    refused(seqcli("sample", "--run", ""), 2, "--run is empty")
    refused(seqcli("info", ""), 2, "RUN is empty")
    assert sorted(Path().rglob("*")) == before


def test_a_stack_that_nobody_can_wait_for(seqcli: Run, corpus: Path) -> None:
    refused(seqcli("train", corpus, "--layers", 1_000_000), 2, "--layers is '1000000'", "100")


def test_homes_that_are_not_there(seqcli: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQCLI_CACHE", "~nobody-of-that-name/x")
    refused(seqcli("train", corpus, "--steps", 1), 2, "SEQCLI_CACHE is '~nobody-of-that-name/x'")


def test_measuring_word_vectors_on_a_directory(seqcli: Run, vectors: str) -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("one two 3\n")
    Path("texts/b.txt").write_text("one two 3\n")
    refused(seqcli("eval", "texts", "--run", vectors), 1, "texts is a directory; give the files in it")


# --- written to -----------------------------------------------------------------------------------------------------


def test_an_export_follows_links_and_keeps_pipes(seqcli: Run, vectors: str, pipe: Path) -> None:
    Path("far").mkdir()
    Path("link").symlink_to("far/vectors.txt")
    assert seqcli("export", vectors, "link").out == "link\n"
    assert Path("link").is_symlink()
    assert len(read_vectors("far/vectors.txt").words) == 4
    refused(seqcli("export", vectors, pipe), 1, "pipe.txt cannot be written: nobody reads from this pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert seqcli("export", vectors, pipe).code == 0
    reader.join()
    assert got == [Path("far/vectors.txt").read_bytes()]
    assert pipe.is_fifo()
    assert [path.name for path in Path("far").iterdir()] == ["vectors.txt"]


def test_a_picture_follows_links_and_keeps_pipes(seqcli: Run, trained: Path) -> None:
    Path("far").mkdir()
    for kind in ("html", "svg", "png"):
        Path(f"link.{kind}").symlink_to(f"far/a.{kind}")
        assert seqcli("plot", "small", "-o", f"link.{kind}").code == 0
        assert Path(f"link.{kind}").is_symlink()
        assert Path(f"far/a.{kind}").stat().st_size > 1000
        os.mkfifo(f"pipe.{kind}")
        refused(seqcli("plot", "small", "-o", f"pipe.{kind}"), 1, "nobody reads from this pipe")
        assert Path(f"pipe.{kind}").is_fifo()
    assert len(list(Path("far").iterdir())) == 3


def test_what_a_run_writes_follows_links(seqcli: Run, trained: Path) -> None:
    """A run whose files somebody keeps on another disk."""
    Path("far").mkdir()
    for name in ("best.safetensors", "config.yaml", "metrics.jsonl"):
        (trained / name).rename(Path("far") / name)
        (trained / name).symlink_to(Path("far").absolute() / name)
    before = {path.name: path.read_bytes() for path in Path("far").iterdir()}
    result = seqcli("train", "--resume", "small", "--steps", 40, "-q")
    assert result.code == 0, result.err
    for name, data in before.items():
        assert (trained / name).is_symlink()
        assert (Path("far") / name).read_bytes() != data
    assert len(list(Path("far").iterdir())) == 3


def test_a_target_that_cannot_be_is_refused_before_the_model_is_read(
    seqcli: Run, vectors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcli.core.runs.load", lambda *a, **k: pytest.fail("read"))
    Path("place").mkdir()
    refused(seqcli("export", vectors, "place"), 1, "place cannot be written: it is a directory")
    refused(seqcli("export", vectors, "no/where"), 1, "no/where cannot be written: there is no directory")
    refused(seqcli("plot", vectors, "--what", "vectors", "-o", "no/a.html"), 1, "no/a.html cannot be written")


def test_a_failed_export_leaves_nothing(seqcli: Run, vectors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out").mkdir()
    for error in (KeyboardInterrupt(), MemoryError(), OSError(28, "No space left on device")):

        def failing(opened: int, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr("os.fsync", failing)
        assert seqcli("export", vectors, "out/o.txt").code != 0
        assert list(Path("out").iterdir()) == []
