import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqcli.cli.commands import demo

Run = Callable[..., Any]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same commands with a budget of a moment."""
    train, sample = demo.COMMANDS
    assert train[-2:] == ("--minutes", "1")
    monkeypatch.setattr(demo, "COMMANDS", ((*train[:-2], "--steps", "3", "--hidden", "8"), sample))


def said(err: str) -> list[str]:
    """The commands that the demo shows."""
    return [line.removeprefix("$ ") for line in err.splitlines() if line.startswith("$ ")]


def test_it_trains_and_samples_and_says_by_which_commands(seqcli: Run, short: None) -> None:
    result = seqcli("demo")
    assert result.code == 0, result.err
    train, sample = said(result.err)
    assert train.startswith("seqcli train --config recipe:char-lstm ")
    assert result.out.startswith("Anna looked at the sea")
    assert len(result.out) == len("Anna looked at the sea") + 300 + 1
    assert [path.name for path in Path("runs").iterdir()] == ["island-lstm"]
    assert seqcli(*shlex.split(sample)[1:], "--seed", 1).code == 0, "what was shown can be typed"
    assert seqcli(*shlex.split(train)[1:], "--quiet").code == 0


def test_it_is_quiet_and_goes_elsewhere_when_asked(seqcli: Run, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    result = seqcli("demo", "--quiet", "--runs-dir", "a b")
    assert (result.code, result.err) == (0, "")
    assert Path("a b/island-lstm/best.safetensors").is_file()
    assert all("--runs-dir 'a b'" in command for command in said(seqcli("demo", "--runs-dir", "a b").err))
    monkeypatch.setenv("SEQCLI_RUNS", "c")
    assert all("--runs-dir" not in command for command in said(seqcli("demo").err))
    assert Path("c/island-lstm").is_dir()


def test_what_fails_ends_it_as_it_ends_train(seqcli: Run, short: None) -> None:
    Path("taken").write_text("a file")
    result, alone = seqcli("demo", "--runs-dir", "taken"), seqcli("train", *demo.COMMANDS[0][1:], "--runs-dir", "taken")
    assert result.code == alone.code == 2
    assert result.out == ""
    assert result.err.endswith(alone.err)
    assert len(said(result.err)) == 1


def test_ctrl_c_saves_and_says_how_to_go_on() -> None:
    args = [sys.executable, "-m", "seqcli", "demo"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("step 1"):
                break
        child.send_signal(signal.SIGINT)
        rest, out = child.stderr.read(), child.stdout.read()
    assert child.returncode == 130
    assert out == ""
    assert "Go on with: seqcli train --resume island-lstm" in rest
    assert "Traceback" not in rest and not said(rest)
    stopped = int(re.search(r"Stopped after step ([\d,]+)", rest)[1].replace(",", ""))  # type: ignore[index]  # or fail
    assert (Path("runs/island-lstm/checkpoints") / f"step-{stopped:08}").is_dir()
