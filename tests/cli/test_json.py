"""What --json prints can be read by every program, whatever the figures are."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqcli.core.tasks.lm.job import LMJob
from seqcli.core.tasks.lm.trained import LanguageModel

Run = Callable[..., Any]


def strictly(text: str) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def test_figures_that_are_not_finite(seqcli: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"loss": 800.5, "perplexity": math.inf, "accuracy": math.nan, "tokens": 3}
    monkeypatch.setattr(LanguageModel, "evaluate", lambda *a, **k: dict(found))
    (line,) = strictly(seqcli("eval", "corpus.txt", "--json").out)
    assert (line["loss"], line["perplexity"], line["accuracy"]) == (800.5, None, None)


def test_a_training_with_such_figures(seqcli: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LMJob, "evaluate", lambda job: {"loss": 800.5, "perplexity": math.inf})
    result = seqcli("train", corpus, "--steps", 2, "--hidden", 4, "--run", "r", "--json")
    assert result.code == 0, result.err
    events = strictly(result.out)
    assert [e["figures"] for e in events if e["event"] == "evaluated"] == [{"perplexity": None}]
    assert [p["perplexity"] for p in strictly(Path("runs/r/metrics.jsonl").read_text()) if "val_loss" in p] == [None]
    for command in (("info", "r", "--json"), ("runs", "--json")):
        assert strictly(seqcli(*command).out)
    assert "None" not in seqcli("info", "r").out


def test_a_training_that_was_never_finite_is_not_done(
    seqcli: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LMJob, "evaluate", lambda job: {"loss": math.nan})
    result = seqcli("train", corpus, "--steps", 2, "--hidden", 4, "--run", "r")
    assert result.code == 1
    assert "was never a finite number" in result.err
    assert "Done" not in result.err
    assert "best.safetensors" not in result.err
    assert "val_loss" in seqcli("runs").out
