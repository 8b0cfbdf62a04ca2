"""The best few weights of a run on disk, and their mean at the end."""

from pathlib import Path

import pytest
import torch
from torch import nn

from seqcli.core import runs
from seqcli.core.events import Evaluated, Finished
from seqcli.core.tasks.union import build
from seqcli.core.training import averaging, stored
from seqcli.core.training.averaging import BestFew
from seqcli.core.training.checkpoint import newest_checkpoint

SMALL = {"hidden": 8, "embedding_dim": 6, "batch_size": 4, "window": 9, "threads": 1, "precision": "fp32"}


def kept() -> list[str]:
    return sorted(path.name for path in Path("averaged").iterdir())


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((1, 2), value), "bias": torch.full((1,), value)}


def test_the_best_are_kept_and_of_equals_the_later(monkeypatch: pytest.MonkeyPatch) -> None:
    best = BestFew(Path(), 2)
    ranks = [(-0.5, 3.0), (-0.5, 2.0), (-0.4, 1.0), (torch.nan, 0.0), (-0.5, 2.0), (-1.0, torch.nan)]
    with monkeypatch.context() as patch:
        patch.setattr(averaging, "read", lambda path: pytest.fail("weights are read to sort by one number"))
        for step, rank in enumerate(ranks):
            best.add(step, rank, weights(float(step)))
    assert kept() == ["step-00000001.safetensors", "step-00000004.safetensors"]
    mean = best.mean(nn.Linear(2, 1))
    assert mean is not None
    assert {name: tensor.tolist() for name, tensor in mean.items()} == {"weight": [[2.5, 2.5]], "bias": [2.5]}


def test_damaged_files_do_not_count_and_go_first() -> None:
    best = BestFew(Path(), 3)
    for step in range(3):
        best.add(step, (1.0, float(step)), weights(float(step)))
    Path("averaged/step-00000000.safetensors").write_bytes(b"no")
    stored_, other = Path("averaged/step-00000002.safetensors"), nn.Linear(3, 1)
    assert best.mean(other) is None
    mean = best.mean(nn.Linear(2, 1))
    assert mean is not None
    assert mean["bias"].tolist() == [1.5]
    Path("averaged/step-strange.safetensors").write_bytes(b"no")
    best.add(3, (9.0, 9.0), weights(3.0))
    assert stored.read_metadata(stored_)["rank"] == [1.0, 2.0]
    assert "step-00000000.safetensors" not in kept()


def test_what_a_kill_left_half_written_goes_with_what_was_lost() -> None:
    best = BestFew(Path(), 3)
    for step in range(3):
        best.add(step, (1.0, 1.0), weights(1.0))
    Path("averaged/.step-00000003.safetensors.77.tmp").write_bytes(b"half")
    best.forget_after(1)
    assert kept() == ["step-00000000.safetensors", "step-00000001.safetensors"]


@pytest.mark.parametrize("mean_is_best", [True, False])
def test_trying_the_mean_is_no_evaluation_to_be_patient_for(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, mean_is_best: bool
) -> None:
    """The run stopped because two evaluations were no better, and it stays so when it is resumed."""
    losses = iter([3.0, 4.0, 5.0, 2.0 if mean_is_best else 6.0])
    monkeypatch.setattr("seqcli.core.tasks.lm.job.LMJob.evaluate", lambda job: {"loss": next(losses)})
    options = {"steps": 40, "eval_every": 2, "patience": 2, "average": 2, "files": (str(corpus),)}
    events = list(runs.train(build({**SMALL, **options}), run="r"))
    assert [e.best for e in events if isinstance(e, Evaluated)] == [True, False, False, mean_is_best]
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.step, last.val_loss) == ("patience", 6, 2.0 if mean_is_best else 3.0)
    assert newest_checkpoint(Path("runs/r"))[1].metadata["position"]["evals_since_best"] == 2
    again = list(runs.resume("r"))[-1]
    assert isinstance(again, Finished)
    assert (again.reason, again.step) == ("patience", 6)
