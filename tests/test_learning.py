"""Small things must be learnt, at a fixed seed, by the recipes as they are. Slow: make test-all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqcli as package
from seqcli.core import catalogue, runs
from seqcli.core.events import Finished
from seqcli.core.metrics.translation import exact
from seqcli.core.tasks.translate.trained import Translator
from seqcli.core.tasks.union import build

Run = Callable[..., Any]
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _project_at_hand() -> None:
    Path("data").symlink_to(ROOT / "data")


def recipe(name: str) -> Path:
    return ROOT / "recipes" / name


def test_every_recipe_is_valid(seqcli: Run) -> None:
    found = sorted((ROOT / "recipes").glob("*.yaml"))
    assert len(found) >= 9
    for path in found:
        assert seqcli("train", "--config", path, "--show-config").code == 0


def test_the_first_textbook_network_reproduces_its_sentence(seqcli: Run) -> None:
    assert seqcli("train", "--config", recipe("hello-rnn.yaml"), "--quiet").code == 0
    assert seqcli("sample", "--temperature", 0).out == Path("data/hello.txt").read_text()


@pytest.mark.slow
def test_hello() -> None:
    """h -> e -> l -> l -> o: the network must remember which l it is at."""
    Path("h.txt").write_text("hello\n")
    for cell in ("rnn", "gru", "lstm"):
        options = {"files": ("h.txt",), "unit": "line", "cell": cell, "hidden": 8, "steps": 150, "valid_split": 0.0}
        list(runs.train(build({**options, "encoding": "one-hot", "dropout": 0.0}), run=cell))
        assert package.load(cell).sample("h", temperature=0) == "hello"


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_cell_learns_prose(cell: str) -> None:
    config = build({"files": ("data/island.txt",), "cell": cell, "hidden": 128, "steps": 600})
    last = list(runs.train(config))[-1]
    assert isinstance(last, Finished)
    assert last.val_loss is not None
    assert last.val_loss < 1.75


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("attention", ["dot", "general", "concat", "scaled-dot", "none"])
def test_copy_and_reverse_are_learnt(cell: str, attention: str) -> None:
    """Strings to themselves and backwards: 99 % of new strings are right; without attention, of short ones."""
    random = np.random.default_rng(1)
    longest = 4 if attention == "none" else 8
    strings = {"".join(random.choice(list("abcdef"), random.integers(1, longest + 1))) for _ in range(4000)}
    for name, change in (("copy", slice(None)), ("reverse", slice(None, None, -1))):
        Path(f"{name}.tsv").write_text("".join(f"{s}\t{s[change]}\n" for s in sorted(strings)))
        config = build({
            "files": (f"{name}.tsv",), "cell": cell, "attention": attention, "hidden": 64, "embedding_dim": 32,
            "dropout": 0.0, "label_smoothing": 0.0, "tie": False, "batch_size": 64, "steps": 500, "select": "exact",
        })  # fmt: skip
        list(runs.train(config, run=name))
        best = catalogue.read_run(Path("runs") / name).points
        assert max(point.get("exact", 0.0) for point in best) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("name", "longest", "steps"), [("dates", 99, 600), ("sums", 5, 1000)])
def test_every_beam_decodes_what_was_learnt(name: str, longest: int, steps: int) -> None:
    """Dates and short sums, with smoothed labels, that make every cut-off answer likely enough to be found early."""
    lines = (ROOT / "data" / f"{name}.tsv").read_text().splitlines()
    pairs = [(s, t) for s, t in (line.split("\t") for line in lines) if len(s) <= longest]
    held, rest = pairs[:300], pairs[300:]
    Path("pairs.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in rest))
    config = build({
        "files": ("pairs.tsv",), "hidden": 128, "embedding_dim": 64, "tie": False, "dropout": 0.0, "batch_size": 64,
        "steps": steps, "valid_split": 0.0,
    })  # fmt: skip
    assert config.label_smoothing == 0.1
    list(runs.train(config, run=name))
    model = package.load(name)
    assert isinstance(model, Translator)
    sources, targets = [s for s, _ in held], [t for _, t in held]
    greedy = model.translate(sources, beam=1)
    right = exact([t.text for t in greedy], targets)
    assert right >= 0.96
    for beam in (2, 3, 5, 10):
        found = model.translate(sources, beam=beam)
        assert exact([t.text for t in found], targets) >= right - 0.01
        for ours, one in zip(found, greedy, strict=True):
            assert ours.score >= one.score - 0.02  # as of rounding, where products of other shapes are in bf16


@pytest.mark.slow
def test_names_are_names(seqcli: Run) -> None:
    assert seqcli("train", "--config", recipe("names-line.yaml"), "--quiet").code == 0
    names = seqcli("sample", "-n", 50, "--seed", 1).out.split("\n")[:-1]
    assert len(names) == 50
    assert sum(name[:1].isupper() and name.replace(" ", "").isalpha() and 3 < len(name) < 30 for name in names) > 40
    known = set(Path("data/villages.txt").read_text().split("\n"))
    assert sum(name not in known for name in names) > 10  # it makes up names, it does not only repeat them
