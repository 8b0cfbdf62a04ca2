"""Text from a language model: one implementation, whichever door it is asked through."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

import seqcli as package
from seqcli.core import runs
from seqcli.core.tasks.lm import trained as numpy_lm
from seqcli.core.tasks.lm.trained import LanguageModel
from seqcli.core.tasks.union import build
from seqcli.errors import CheckpointError, ConfigError

Run = Callable[..., Any]
FILTERED: dict[str, Any] = {"temperature": 1.1, "top_k": 9, "top_p": 0.95, "repetition_penalty": 1.2}


def made(corpus: Path, run: str, **options: Any) -> LanguageModel:
    """A model of a few steps."""
    config = build({"files": (str(corpus),), "steps": 3, "hidden": 9, "embedding_dim": 5, "sample_every": 0, **options})
    list(runs.train(config, run=run))
    return runs.load(run, task="lm")


@pytest.mark.parametrize("options", [{}, FILTERED, {"stop": "the"}], ids=["plain", "filtered", "stop"])
def test_a_seed_gives_the_same_first_samples_however_many_are_made(trained: Path, options: dict[str, Any]) -> None:
    model = runs.load("small", task="lm")
    many = model.samples("a cat", num_samples=5, length=150, seed=3, **options)
    assert model.samples("a cat", num_samples=2, length=150, seed=3, **options) == many[:2]
    assert model.sample("a cat", length=150, seed=3, **options) == "a cat" + many[0].text
    assert len({sample.text for sample in many}) == 5
    assert model.samples("a cat", length=150, seed=4, **options) != many[:1]


def test_unseeded_samples_differ(trained: Path) -> None:
    model = runs.load("small", task="lm")
    assert model.sample(length=60) != model.sample(length=60)


def test_lines_end_by_themselves_for_each_sample(corpus: Path) -> None:
    model = made(corpus, "lines", unit="line", cell="gru", layers=2, encoding="one-hot", embedding_dim=None)
    many = model.samples(num_samples=4, length=40, seed=2, temperature=1.0)
    assert many[0] == model.samples(length=40, seed=2, temperature=1.0)[0]
    assert all("\n" not in sample.text for sample in many)
    assert {sample.ended for sample in many} <= {"eos", "length"}
    assert "eos" in {s.ended for s in model.samples(num_samples=30, length=400, seed=1, temperature=1.5)}


def test_the_command_and_python_write_the_same(seqcli: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "restored by the fixture afterwards")
    how = ("--prime", "the ", "--length", 50, "--seed", 5)
    text = package.load("small").sample("the ", length=50, seed=5)  # type: ignore[union-attr]  # a language model
    assert seqcli("sample", *how).out == text + "\n"
    assert seqcli("sample", *how, "-n", 3).out.split("-" * 20)[0].startswith(text)
    assert seqcli("sample", *how, "--device", "cpu", "--threads", 1).out == text + "\n"


def test_a_cell_without_steps_in_numpy_is_sampled_by_torch(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        runs.load("small", task="lm").samples("the", num_samples=2, length=40, seed=1, **o) for o in ({}, FILTERED)
    ]
    monkeypatch.delitem(numpy_lm.STEPS, "lstm")
    model = runs.load("small", task="lm")
    assert not model.writes_in_numpy
    assert [model.samples("the", num_samples=2, length=40, seed=1, **o) for o in ({}, FILTERED)] == wanted


def test_a_device_that_is_not_there(trained: Path) -> None:
    with pytest.raises(ConfigError, match="--device is 'gpu', but must be one of auto"):
        runs.load("small", task="lm", device="gpu")


def test_a_seed_below_zero(trained: Path) -> None:
    with pytest.raises(ConfigError, match="--seed is -1"):
        runs.load("small", task="lm").sample(seed=-1)


def test_weights_that_are_no_numbers(trained: Path) -> None:
    model = runs.load("small", task="lm")
    broken = {**model.weights, "projection.bias": np.full_like(model.weights["projection.bias"], np.nan)}
    with pytest.raises(CheckpointError, match="no finite numbers"):
        LanguageModel(broken, model.tokenizer, model.plan).sample(length=3)


def test_measuring_and_writing_go_together(trained: Path, corpus: Path) -> None:
    model = runs.load("small", task="lm")
    before = model.sample("the", length=30, seed=1)
    assert model.evaluate(corpus)["loss"] > 0
    assert model.sample("the", length=30, seed=1) == before


def test_measuring_needs_no_float64_of_a_device(trained: Path, corpus: Path) -> None:
    """An Apple GPU has none: what is added up in it has come to the processor before."""
    asked: list[tuple[str, bool]] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked.append((func.__name__, any(value is torch.float64 for value in (*args, *(kwargs or {}).values()))))
            return func(*args, **(kwargs or {}))

    model = runs.load("small", task="lm")
    with Watch():
        model.evaluate(corpus)
    before = [earlier[0] for earlier, (_, double) in pairwise(asked) if double]
    assert set(before) == {"cpu"}


@pytest.mark.parametrize(("tokens", "needed"), [("char", set()), ("word", set()), ("bpe", {"tokenizers"})])
@pytest.mark.parametrize("door", ["command", "python"])
def test_writing_text_needs_no_torch(corpus: Path, tokens: str, needed: set[str], door: str) -> None:
    made(corpus, "r", tokens=tokens, **({"vocab_size": 262} if tokens == "bpe" else {}))
    call = (
        "sys.argv = ['seqcli', 'sample', '-n', '2', '--top-k', '5', '--length', '5']\n"
        "from seqcli.cli.app import main\n"
        "main()\n"
        if door == "command"
        else "import seqcli\nprint(seqcli.load('r').sample('the', length=5))\n"
    )
    code = f"import sys\n{call}print(*{{'torch', 'tokenizers', 'sacrebleu', 'conllu'}} & {{*sys.modules}})"
    if door == "command":
        code = code.replace("main()\n", "try: main()\nexcept SystemExit: pass\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split("\n")[-2].split()) == needed
