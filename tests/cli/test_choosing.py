"""The run that a command takes when none is named is told, and nothing is where nobody asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_the_newest_run_is_told_on_stderr(seqcli: Run, trained: Path) -> None:
    told = seqcli("sample", "--length", 3)
    assert told.err == "Run small, the newest language model:\n"
    for options in (("--quiet",), ("--json",), ("--run", "small")):
        result = seqcli("sample", "--length", 3, *options)
        assert (result.code, result.err) == (0, "")


def test_a_notice_about_one_of_several_runs_names_it(seqcli: Run, trained: Path, corpus: Path) -> None:
    assert seqcli("train", corpus, "--steps", 2, "--hidden", 4, "--run", "other", "--quiet").code == 0
    Path("new.txt").write_text("the cat saw a zebra\n")
    err = seqcli("eval", "new.txt", "--run", "small", "--run", "other").err
    assert err.count("not in the model's vocabulary") == 2
    assert [line.partition(":")[0] for line in err.splitlines() if "vocabulary" in line] == ["small", "other"]
    alone = seqcli("eval", "new.txt", "--run", "small").err
    assert not any(line.startswith("small: ") for line in alone.splitlines())


def test_a_text_without_its_option_is_answered_with_it(seqcli: Run, trained: Path) -> None:
    result = seqcli("sample", "hello", "you")
    assert (result.code, result.out) == (2, "")
    assert "seqcli sample --prime 'hello you'" in result.err
    assert "seqcli sample --run small" in seqcli("sample", "small").err
    assert "Arguments" not in seqcli("sample", "--help").out
