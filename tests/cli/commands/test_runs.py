"""Listing runs: for people, for pipes, on narrow terminals, and beside damaged ones."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from seqcli.cli import console

Run = Callable[..., Any]


@pytest.fixture
def two(seqcli: Run, trained: Path, corpus: Path) -> Path:
    """The small run, and one without validation, with a long name."""
    name = "a-run-with-a-rather-long-name-of-한국어"
    assert seqcli("train", corpus, "--steps", 2, "--hidden", 4, "--valid-split", 0, "--run", name, "-q").code == 0
    os.utime(trained / "best.safetensors", (1e9, 1e9))
    return trained


def test_a_pipe_gets_tables_without_python_in_them(seqcli: Run, two: Path) -> None:
    head, *rows = (line.split("\t") for line in seqcli("runs").out.splitlines())
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["run"] for row in found] == ["a-run-with-a-rather-long-name-of-한국어", "small"]
    assert found[0]["val_loss"] == ""
    assert len(found[1]["val_loss"]) == 6
    assert float(found[1]["val_loss"]) > 0
    assert "None" not in seqcli("runs").out + seqcli("info", found[0]["run"]).out
    losses = [json.loads(line)["val_loss"] for line in seqcli("runs", "--json").out.splitlines()]
    assert losses[0] is None
    assert round(losses[1], 4) == float(found[1]["val_loss"])


def test_a_run_takes_one_line_however_narrow_it_is(seqcli: Run, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "stdout_is_terminal", lambda: True)
    for width in (20, 40, 60, 80, 120):
        monkeypatch.setattr(console.stdout, "_width", width)
        lines = seqcli("runs").out.splitlines()
        assert len(lines) == 3
        assert max(map(cell_len, lines)) <= width
        assert "val_loss" in lines[0]
        assert ("when" in lines[0]) == (width >= 120)
        assert ("model" in lines[0]) == (width >= 80)
        assert lines[2].strip().startswith("small")


def test_a_name_is_no_markup(seqcli: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained.rename("runs/[red]r[bold]")
    monkeypatch.setattr(console, "stdout_is_terminal", lambda: True)
    assert "[red]r[bold]" in seqcli("runs").out


def test_a_loss_that_grew_beyond_measure_is_short(seqcli: Run, trained: Path) -> None:
    (trained / "metrics.jsonl").write_text('{"step": 3, "val_loss": 1.23456e32}\n')
    assert "\t1.2e+32\t" in seqcli("runs").out


BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in ("ab", "bc", "cd", "de", "ef"))


DAMAGED = [
    ("seed: 2001-99-99", "--seed is '2001-99-99'"),
    (BOMB, "line 1: anchors"),
    ("[" * 100_000, "line 1"),
    ("hiden: 3", "Did you mean hidden?"),
]
STRANGE = [
    '{"step": 1, "val_loss": null}',
    "[" * 100_000,
    '{"step": 1, "val_loss": "x"}',
    '{"step": 1, "val_loss": NaN}',
]


def test_bad_runs_break_no_command(seqcli: Run, trained: Path) -> None:
    def bad(name: str) -> Path:
        place = Path(shutil.copytree(trained, Path("runs") / name))
        os.utime(place / "best.safetensors", (2e9, 2e9))  # it would come first
        return place

    for k, (config, _) in enumerate(DAMAGED):
        (bad(f"damaged-{k}") / "config.yaml").write_text(config)
    for k, metrics in enumerate(STRANGE):
        (bad(f"strange-{k}") / "metrics.jsonl").write_text(metrics + "\n")
    listed = seqcli("runs")
    assert listed.code == 0
    names = [line.split("\t")[0] for line in listed.out.splitlines()[1:]]
    assert names == [*(f"strange-{k}" for k in (3, 2, 1, 0)), "small"]
    for k, (_, reason) in enumerate(DAMAGED):
        assert any(f"damaged-{k}" in line and reason in line for line in listed.err.splitlines())
        assert seqcli("info", f"damaged-{k}").code == 2
    assert listed.err.count("This run is passed over.") == len(DAMAGED)
    for command in (
        ("sample", "--length", 3),
        ("eval", "corpus.txt"),
        ("info",),
        ("plot", "small", "-o", "a.html"),
        ("train", "--resume", "small", "--steps", 7),
        ("sample", "--length", 3, "--run", "damaged-0"),
        ("runs", "--json"),
        *(("info", f"strange-{k}") for k in range(len(STRANGE))),
    ):
        result = seqcli(*command)
        assert result.code == 0, (command, result.err)
        assert "Traceback" not in result.err
    assert "no run 'smal'" in seqcli("info", "smal").err
