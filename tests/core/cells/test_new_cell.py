"""A new cell is a class and a line in the registry: it trains, resumes, samples and translates by that alone."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import seqcli as package
from seqcli.core.cells import CELLS
from seqcli.core.cells.base import Cell
from seqcli.core.cells.numpy_steps import STEPS
from seqcli.core.training.checkpoint import read


class ToyState(NamedTuple):
    h: Tensor  # (B, H)
    memory: Tensor  # (B, H)


class ToyCell(Cell):
    """m' = s m + (1 - s) W x, h' = tanh(m' + U h), with a learnt s for every unit."""

    state_type = ToyState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.w = nn.Parameter(torch.empty(hidden_size, input_size))
        self.u = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.s = nn.Parameter(torch.empty(hidden_size))

    def step(self, x: Tensor, state: ToyState) -> tuple[Tensor, ToyState]:
        s = self.s.sigmoid()
        memory = s * state.memory + (1 - s) * (self.vectors(x) @ self.w.T)
        h = torch.tanh(memory + state.h @ self.u.T)
        return h, ToyState(h, memory)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell, and `train` imported anew, since the choices in its help are those of that moment; both as they were
    afterwards."""
    train = importlib.import_module("seqcli.cli.commands.train").__name__
    monkeypatch.setitem(CELLS, "toy", ToyCell)
    monkeypatch.delitem(sys.modules, train)


@pytest.mark.parametrize("encoding", ["embedding", "one-hot"])
def test_it_learns_and_writes_text(seqcli: Callable[..., Any], corpus: Path, encoding: str) -> None:
    how = ("--cell", "toy", "--hidden", 24, "--encoding", encoding, "--lr", 0.02, "--run", "r")
    result = seqcli("train", corpus, *how, "--steps", 60)
    assert result.code == 0 and "toy 1 x 24" in result.err, result.err
    losses = [point["loss"] for point in package.runs()[0].points if "loss" in point]
    assert losses[-1] < 0.8 * losses[0]
    assert "toy" not in STEPS, "it is sampled by its own step"
    model = package.load("r")
    assert model.sample("the", length=20, seed=1) == model.sample("the", length=20, seed=1)
    assert model.evaluate(corpus)["loss"] < losses[0]
    assert "toy" in seqcli("train", "--help").out


def test_it_resumes_to_the_same_bits(corpus: Path) -> None:
    how: dict[str, Any] = {"cell": "toy", "hidden": 7, "layers": 2, "dropout": 0.2, "save_every": 5}
    list(package.train(corpus, run="whole", steps=12, **how))
    events = package.train(corpus, run="broken", steps=12, **how)
    for event in events:
        if isinstance(event, package.events.Stepped) and event.step == 7:
            break
    events.close()  # type: ignore[attr-defined]  # it is a generator
    list(package.resume("broken"))
    a, b = (read(Path("runs") / run / "best.safetensors").tensors for run in ("whole", "broken"))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("beam", [1, 3])
def test_it_translates(beam: int) -> None:
    Path("pairs.tsv").write_text("".join(f"{k} {k + 1}\t{k + 1} {k}\n" for k in range(40)))
    model = package.fit("pairs.tsv", cell="toy", hidden=7, embedding_dim=5, tie=False, steps=3)
    assert isinstance(model.translate("3 4", beam=beam, max_length=5).text, str)
    padded = model.translate(["3 4", "10 11", "7"], beam=beam, max_length=5)
    assert padded[2].text == model.translate("7", beam=beam, max_length=5).text


@pytest.mark.parametrize("decode", ["direct", "sample"])
def test_it_forecasts(decode: str) -> None:
    Path("series.csv").write_text("".join(f"{k % 5 + k % 3}\n" for k in range(60)))
    how: dict[str, Any] = {"task": "forecast", "cell": "toy", "hidden": 7, "layers": 2, "horizon": 4}
    made = package.fit("series.csv", decode=decode, steps=3, **how).forecast(seed=2, samples=9)
    assert made.mean.shape == (1, 4) and (made.lower[80] <= made.upper[80]).all()
    model = package.load(package.runs()[0])
    assert list(model.forecast(seed=2, samples=9)) == list(made)


def test_rows_of_different_lengths_go_their_own_ways() -> None:
    """The default `sequence` with a mask, and `step_shared`, equal rows alone."""
    torch.manual_seed(0)
    cell = ToyCell(3, 5)
    cell.initialize(None)
    nn.init.normal_(cell.s)
    x, mask = torch.randn(2, 4, 3), torch.tensor([[True, True, True, True], [True, True, False, False]])
    y, last = cell.sequence(x, cell.initial_state(2), mask)  # (2, 4, 5)
    alone, of_one = cell.sequence(x[1:, :2], cell.initial_state(1))
    torch.testing.assert_close(y[1, :2], alone[0])
    assert not y[1, 2:].any()
    torch.testing.assert_close(last.memory[1], of_one.memory[0])
    ids, which, state = torch.tensor([2, 0]), torch.tensor([1, 0, 1]), cell.initial_state(3)
    torch.testing.assert_close(cell.step_shared(ids, which, state)[0], cell.step(ids[which], state)[0])
