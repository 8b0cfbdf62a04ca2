"""Every test has its own cache, its own directory to stand in, and the command line at hand."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seqcli.cli.app import main

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the machine may be busy; torch is not loaded yet
TEXT = "the cat sat on the mat. the dog sat on the log. a cat and a dog met at the gate.\n" * 40


@dataclass
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


class Stream(io.TextIOWrapper):
    """A text stream over memory that keeps what was written after it is closed."""

    def __init__(self) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, encoding="utf-8", write_through=True)

    @property
    def text(self) -> str:
        return self.raw_bytes.getvalue().decode("utf-8")


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SEQCLI_RUNS", raising=False)


@pytest.fixture
def terminal() -> Iterator[Path]:
    """A device that is nobody's: a terminal made for the test."""
    ours, theirs = os.openpty()
    yield Path(os.ttyname(theirs))
    os.close(ours)
    os.close(theirs)


@pytest.fixture
def seqcli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process: seqcli("sample", "--prime", "a") -> code, out, err."""

    def run(*args: object) -> Result:
        out, err = Stream(), Stream()
        monkeypatch.setattr(sys, "argv", ["seqcli", *map(str, args)])
        from seqcli.cli import console

        monkeypatch.setattr(console.stderr, "file", err)
        monkeypatch.setattr(console.stdout, "file", out)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        return Result(code, out.text, err.text)

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A small text."""
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def trained(seqcli: Callable[..., Result], corpus: Path) -> Path:
    """A run of a few steps on the small text."""
    result = seqcli("train", corpus, "--steps", 6, "--hidden", 8, "--run", "small", "--quiet")
    assert result.code == 0, result.err
    return Path("runs/small")


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Makes bytes the standard input, with a file descriptor of its own."""
    opened = []

    def give(data: bytes) -> None:
        (tmp_path / "stdin").write_bytes(data)
        opened.append((tmp_path / "stdin").open(encoding="utf-8"))
        monkeypatch.setattr(sys, "stdin", opened[-1])

    yield give
    for file in opened:
        file.close()
