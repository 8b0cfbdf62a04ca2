import contextlib
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from seqcli.core.layers import Stack
from seqcli.core.tasks.classify.network import RecurrentClassifier
from seqcli.core.tasks.lm.network import RecurrentLM
from seqcli.core.tasks.tag.network import RecurrentTagger
from seqcli.core.tasks.translate.network import Seq2Seq
from seqcli.core.training import checkpoint, schedule
from seqcli.core.training.averaging import Averaged, using
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.device import pick_device, pick_precision
from seqcli.core.training.optimizer import Muon, make_optimizers
from seqcli.core.training.plan import PEAK
from seqcli.errors import CheckpointError, ConfigError

# --- schedule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "half", "end"),
    [
        ("linear", 0.51, 0.02),
        ("cosine", 0.51, 0.02),
        ("constant", 1.0, 1.0),
        ("plateau", 1.0, 1.0),
        ("step", 0.3, 0.09),
    ],
)
def test_schedules(name: str, half: float, end: float) -> None:
    at = [schedule.factor(name, step, 10, 110, step / 110) for step in range(111)]
    assert at[:10] == [pytest.approx((k + 1) / 10) for k in range(10)]
    assert at[10] == pytest.approx(1.0)
    assert at[61] == pytest.approx(half, abs=0.02)
    assert at[110] == pytest.approx(end)
    assert schedule.factor(name, 500, 10, None, 0.0) == 1.0


def test_warm_up_is_never_more_than_a_tenth() -> None:
    assert schedule.factor("linear", 4, 50, 50, 4 / 50) == pytest.approx(1.0)


# --- optimizers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_muon_updates_are_nearly_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    muon = Muon([nn.Parameter(torch.zeros(shape))], 0.1)
    values = torch.linalg.svdvals(muon.orthogonalize(torch.randn(shape)))
    assert values.min() > 0.1
    assert values.max() < 1.4


@pytest.mark.parametrize("name", PEAK)
def test_every_optimizer_descends_and_decays_matrices_only(name: str) -> None:
    torch.manual_seed(0)
    stack = Stack("lstm", 3, 4)
    x = torch.randn(2, 5, 3)
    optimizers = make_optimizers(stack, name, 0.01, 0.5)
    first = stack(x)[0].square().sum()
    for _ in range(20):
        stack.zero_grad()
        loss = stack(x)[0].square().sum()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert loss < first
    decays = {p.ndim: g["weight_decay"] for o in optimizers for g in o.param_groups for p in g["params"]}
    assert decays == {2: 0.5, 1: 0.0}
    covered = [p for o in optimizers for g in o.param_groups for p in g["params"]]
    assert {id(p) for p in covered} == {id(p) for p in stack.parameters()}


def muon_names(network: nn.Module) -> set[str]:
    optimizers = make_optimizers(network, "muon", 0.01, 0.1)
    taken = {id(p) for o in optimizers if isinstance(o, Muon) for g in o.param_groups for p in g["params"]}
    return {name for name, p in network.named_parameters() if id(p) in taken}


def test_muon_takes_the_matrices_of_cells_that_read_vectors() -> None:
    """So both directions of an encoder alike, and no first layer of one-hot vectors, in either direction."""
    seq2seq = muon_names(Seq2Seq(11, 13, hidden=7, embedding_dim=5))
    cells = ("encoder.layers.0", "encoder.layers.1", "decoder.layers.0")
    assert seq2seq == {f"{cell}.weight_{way}_l0" for cell in cells for way in ("ih", "hh")}
    lm = muon_names(RecurrentLM(11, hidden=7, embedding_dim=5, layers=2))
    assert lm == {f"stack.layers.{k}.weight_{way}_l0" for k in (0, 1) for way in ("ih", "hh")}
    one_hot = muon_names(RecurrentLM(11, hidden=7, one_hot=True, layers=2))
    assert lm - one_hot == {"stack.layers.0.weight_ih_l0"}
    classifier = muon_names(RecurrentClassifier(11, 3, hidden=7, one_hot=True))
    assert classifier == {"stack.layers.0.weight_hh_l0", "stack.layers.1.weight_hh_l0"}
    tagger = muon_names(RecurrentTagger(11, 13, 3, hidden=7, embedding_dim=5))
    cells = ("stack.layers.0", "stack.layers.1", "spelling.stack.layers.0", "spelling.stack.layers.1")
    assert tagger == {f"{cell}.weight_{way}_l0" for cell in cells for way in ("ih", "hh")}


def test_averages() -> None:
    linear = nn.Linear(2, 1)
    averaged = Averaged(linear)
    before = linear.weight.detach().clone()
    with torch.no_grad():
        linear.weight += 1
    averaged.update(0.9, step=10**6)
    torch.testing.assert_close(averaged.weights["weight"], before + 0.1)
    with using(linear, averaged.weights):
        torch.testing.assert_close(linear.weight.data, before + 0.1)
    torch.testing.assert_close(linear.weight.data, before + 1)


# --- device ---------------------------------------------------------------------------------------------------------


def test_devices() -> None:
    assert pick_precision("auto", torch.device("cpu")) in ("bf16", "fp32")
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        pick_precision("fp16", torch.device("cpu"))
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"--device cuda.*it has cpu"):
            pick_device("cuda")


# --- checkpoints ----------------------------------------------------------------------------------------------------


def test_files_round_trip(tmp_path: Path) -> None:
    w = torch.randn(300, 50)
    path = tmp_path / "x.safetensors"
    checkpoint.write(path, {"a": w, "c": torch.arange(3)}, {"figures": {"loss": 1 / 3}, "이름": [math.pi]})
    found = checkpoint.read(path)
    assert torch.equal(found.tensors["a"], w)
    assert found.metadata == {"figures": {"loss": 1 / 3}, "이름": [math.pi]}
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.write(path, {"a": torch.zeros(3)}, {"n": 1})

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.write(path, {"a": torch.ones(3)}, {"n": 2})
    assert checkpoint.read(path).metadata["n"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    pickled = tmp_path / "model.pt"
    torch.save({"w": torch.zeros(2)}, pickled)
    with pytest.raises(CheckpointError, match="pickled torch file"):
        checkpoint.read(pickled)
    old = tmp_path / "old.pkl"
    old.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CheckpointError, match="pickled"):
        checkpoint.read(old)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, foreign)
    with pytest.raises(CheckpointError, match="not one that seqcli wrote"):
        checkpoint.read(foreign)
    newer = tmp_path / "newer.safetensors"
    save_file({"w": torch.zeros(2)}, newer, metadata={"seqcli_format": "99"})
    with pytest.raises(CheckpointError, match="format 99, from a newer seqcli"):
        checkpoint.read(newer)
    good = tmp_path / "good.safetensors"
    checkpoint.write(good, {"w": torch.zeros(500)}, {})
    good.write_bytes(good.read_bytes()[:700])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.read(good)
    with pytest.raises(CheckpointError, match="no file"):
        checkpoint.read(tmp_path / "none")


def test_only_the_newest_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        checkpoint.save_checkpoint(
            tmp_path, step, Stored({"w": torch.full((9,), float(step))}, {}), Stored({}, {"step": step}), keep=2
        )
    assert [p.name for p in checkpoint.checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    damaged = checkpoint.checkpoint_dir(tmp_path, 4) / "state.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:20])
    model, state, complaints = checkpoint.newest_checkpoint(tmp_path)
    assert state.metadata["step"] == 3
    assert model.tensors["w"][0] == 3
    assert len(complaints) == 1
    assert "step-00000004" in complaints[0]
    assert "is used" in complaints[0]
    (checkpoint.checkpoint_dir(tmp_path, 3) / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        checkpoint.newest_checkpoint(tmp_path)


def test_saving_a_step_again_never_loses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, state = Stored({"w": torch.randn(3)}, {}), Stored({}, {"step": 7})
    checkpoint.save_checkpoint(tmp_path, 7, model, state, keep=1)
    rename = Path.replace

    def killed_before_moving_a_directory(self: Path, target: Path) -> Path:
        if self.is_dir():
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", killed_before_moving_a_directory)
    with contextlib.suppress(KeyboardInterrupt):
        checkpoint.save_checkpoint(tmp_path, 7, model, state, keep=1)
    found, _, complaints = checkpoint.newest_checkpoint(tmp_path)
    assert torch.equal(found.tensors["w"], model.tensors["w"])
    assert not complaints
