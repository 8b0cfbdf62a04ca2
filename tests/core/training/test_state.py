"""A checkpoint whose state is not what a training keeps is named, and the whole one before it is used."""

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from seqcli.core import runs
from seqcli.core.events import Finished, Notice
from seqcli.core.tasks.model_file import check_whole
from seqcli.core.tasks.registry import TASKS
from seqcli.core.tasks.union import build
from seqcli.core.training import stored
from seqcli.core.training.checkpoint import newest_checkpoint, read, write
from seqcli.errors import CheckpointError

SMALL = {"hidden": 7, "embedding_dim": 5, "batch_size": 3, "window": 9, "threads": 1, "precision": "fp32"}
TEXT = "the cat sat on the mat. the dog sat on the log. a cat and a dog met at the gate.\n" * 10
OPTIMIZERS = ("muon", "adamw", "rmsprop", "adagrad", "sgd")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs of four steps, with checkpoints after two and four, one an optimizer."""
    place = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("SEQCLI_CACHE", str(place / "cache"))
        Path("text.txt").write_text(TEXT)
        for name in OPTIMIZERS:
            options = {"optimizer": name, "steps": 4, "save_every": 2, "files": (str(place / "text.txt"),)}
            list(runs.train(build({**SMALL, **options}), run=name))
    yield place


def newest(run: str, home: Path) -> Path:
    """A copy of that run, here; the place of its newest checkpoint."""
    shutil.copytree(home / "runs" / run, Path("runs") / run)
    return Path("runs") / run / "checkpoints" / "step-00000004"


def found(run: str) -> tuple[int, list[str]]:
    """The step that a run would go on from, and what is said about the checkpoints passed over."""
    _, state, complaints = newest_checkpoint(Path("runs") / run, partial(check_whole, TASKS["lm"]))
    return state.metadata["position"]["step"], complaints


@pytest.mark.parametrize("run", OPTIMIZERS)
def test_what_every_optimizer_keeps_is_known(home: Path, run: str) -> None:
    newest(run, home)
    assert found(run) == (4, [])


FIRST, PROJECTION = "optimizer.0.stack.layers.0.weight_ih_l0.", "optimizer.1.projection.weight."
CHANGES: dict[str, tuple[str, str, Callable[[dict[str, Any], dict[str, Any]], Any]]] = {
    "a weight is missing": ("model", "lacks encoding.weight", lambda t, m: t.pop("encoding.weight")),
    "a weight has another shape": (
        "model",
        r"projection.bias is \[3\]",
        lambda t, m: t.update({"projection.bias": torch.zeros(3)}),
    ),
    "a weight is NaN": ("model", "projection.bias holds", lambda t, m: t["projection.bias"].fill_(torch.nan)),
    "another task": ("model", "damaged|for tag", lambda t, m: m.update(task="tag")),
    "no configuration": ("model", "config", lambda t, m: m.update(config=3)),
    "half a tokenizer": ("model", "tokenizer", lambda t, m: m.update(tokenizer=m["tokenizer"][:20].copy())),
    "a moment is missing": ("state", "lacks .*exp_avg", lambda t, m: t.pop(f"{PROJECTION}exp_avg")),
    "a moment has another shape": (
        "state",
        "momentum is",
        lambda t, m: t.update({f"{FIRST}momentum": torch.zeros(28, 6)}),
    ),
    "a moment has another type": (
        "state",
        "momentum is",
        lambda t, m: t.update({f"{FIRST}momentum": t[f"{FIRST}momentum"].half()}),
    ),
    "a moment is infinite": ("state", "momentum holds", lambda t, m: t[f"{FIRST}momentum"].fill_(torch.inf)),
    "a square is negative": ("state", "below zero", lambda t, m: t[f"{PROJECTION}exp_avg_sq"].fill_(-1.0)),
    "a moment of another optimizer": (
        "state",
        "no place",
        lambda t, m: t.update({f"{FIRST}exp_avg": t[f"{FIRST}momentum"].clone()}),
    ),
    "an average is missing": ("state", "lacks projection.bias", lambda t, m: t.pop("average.projection.bias")),
    "a state is missing": ("state", "lacks carry.1", lambda t, m: t.pop("carry.1")),
    "a state has another shape": ("state", "carry.0 is", lambda t, m: t.update({"carry.0": torch.zeros(4, 7)})),
    "more states than there are": ("state", "carries 3", lambda t, m: m.update(carried=3)),
    "fewer than no states": ("state", "carried", lambda t, m: m.update(carried=-1)),
    "no generator": ("state", "generator", lambda t, m: t.pop("generator")),
    "half a generator": ("state", "generator", lambda t, m: t.update(generator=t["generator"][:9].clone())),
    "a generator of zeros": ("state", "generator", lambda t, m: t["generator"].zero_()),
    "a tensor too many": ("state", "no place", lambda t, m: t.update(more=torch.zeros(2))),
    "progress is no mapping": ("state", "position", lambda t, m: m.update(position=[1, 2])),
    "progress has no such field": ("state", "position", lambda t, m: m["position"].update(more=1)),
    "a step is no number": ("state", "position", lambda t, m: m["position"].update(step="4")),
    "a step is negative": ("state", "position", lambda t, m: m["position"].update(step=-4)),
    "a rate grows": ("state", "position", lambda t, m: m["position"].update(peak=1e300)),
    "a scale of zero": ("state", "scaler", lambda t, m: m.update(scaler={"scale": 0.0})),
    "no content": ("state", "content", lambda t, m: m.pop("content")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_that_does_not_fit_is_passed_over(home: Path, change: str) -> None:
    which, message, apply = CHANGES[change]
    path = newest("muon", home) / f"{which}.safetensors"
    whole = read(path)
    tensors = {name: tensor.clone() for name, tensor in whole.tensors.items()}
    apply(tensors, whole.metadata)
    write(path, tensors, whole.metadata)
    step, (complaint,) = found("muon")
    assert step == 2
    assert "step-00000004 cannot be used" in complaint
    assert "before it is used" in complaint
    assert re.search(message, complaint), complaint


def test_a_run_goes_on_from_the_checkpoint_before(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQCLI_CACHE", str(home / "cache"))
    path = newest("muon", home) / "state.safetensors"
    whole = read(path)
    write(path, whole.tensors, {**whole.metadata, "position": None})
    events = list(runs.resume("muon"))
    assert [e.text for e in events if isinstance(e, Notice) and "before it is used" in e.text]
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.step == 4
    assert read(path).metadata["position"]["step"] == 4
    for name, tensor in read(home / path).tensors.items():  # the same bits as when nothing had been damaged
        assert torch.equal(tensor, read(path).tensors[name]), name


def test_labels_that_no_file_has_room_for_stop_a_training_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("many.tsv").write_text("".join(f"text {k}\t{'label' * 30}{k}\n" for k in range(60) for _ in range(2)))
    monkeypatch.setattr(stored, "LONGEST", 8000)
    with pytest.raises(CheckpointError, match=r"The labels take .* too many of them"):
        list(runs.train(build({"files": ("many.tsv",), "task": "classify", "steps": 1, "hidden": 4})))
    assert not Path("runs").exists()
