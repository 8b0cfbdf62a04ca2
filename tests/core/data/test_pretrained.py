"""Embeddings that start from a file of vectors: the right rows, the right width, and rows that stay as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seqcli.core import catalogue, runs
from seqcli.core.data.pretrained import start_from
from seqcli.core.layers import Embedding
from seqcli.core.tasks.union import build
from seqcli.core.training.checkpoint import read
from seqcli.errors import ConfigError, DataError

Run = Callable[..., Any]
SMALL = {"cell": "gru", "hidden": 6, "batch_size": 4, "window": 8, "threads": 1, "precision": "fp32"}
GIVEN = {"the": [1.0, 2.0, 3.0], "cat": [4.0, 5.0, 6.0], "gate": [0.5, 0.25, -1.0]}


@pytest.fixture
def vectors() -> str:
    lines = [" ".join([word, *map(str, row)]) for word, row in GIVEN.items()]
    Path("v.txt").write_text("\n".join([*lines, "unseen 1 1 1", "cat 9 9 9"]) + "\n")
    return "v.txt"


def train(corpus: Path, run: str, **options: Any) -> dict[str, torch.Tensor]:
    list(runs.train(build({**SMALL, "files": (str(corpus),), **options}), run=run))
    return read(Path("runs") / run / "checkpoints" / f"step-{options['steps']:08d}" / "model.safetensors").tensors


def test_rows_found_missing_and_in_lower_case(vectors: str) -> None:
    torch.manual_seed(0)
    table, said = Embedding(8, 3), list[str]()
    before = table.weight.detach().clone()
    found = start_from(table, ["dog", "Cat", "the", "cat"], vectors, said.append)
    assert found.tolist() == [5, 6, 7]
    assert table.weight[5:].tolist() == [GIVEN["cat"], GIVEN["the"], GIVEN["cat"]]
    assert torch.equal(table.weight[:5], before[:5])
    assert "3 of the 4 words" in said[0]
    assert "1 of them in lower case only" in said[0]
    assert "1 words come twice" in said[0]


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "sgd", "rmsprop", "adagrad"])
def test_frozen_rows_stay_to_the_bit_and_the_others_learn(corpus: Path, vectors: str, optimizer: str) -> None:
    c = {"vectors": vectors, "freeze_vectors": True, "steps": 4, "optimizer": optimizer, "weight_decay": 0.3}
    weight = train(corpus, "r", **c)["encoding.weight"]
    words = runs.load("r", task="lm").tokenizer.words  # type: ignore[attr-defined]  # a word tokenizer
    assert weight.shape[1] == 3
    for word, row in GIVEN.items():
        assert weight[4 + words.index(word)].tolist() == row
    start = train(corpus, "s", **{**c, "steps": 1})["encoding.weight"]
    dog = 4 + words.index("dog")
    assert not torch.equal(weight[dog], start[dog])
    assert catalogue.read_run(Path("runs/r")).options.embedding_dim == 3
    learnt = train(corpus, "t", **{**c, "freeze_vectors": False})["encoding.weight"]
    assert learnt[4 + words.index("cat")].tolist() != GIVEN["cat"]


def test_a_killed_run_goes_on_to_the_same_bits_without_the_file(corpus: Path, vectors: str) -> None:
    c = {**SMALL, "files": (str(corpus),), "vectors": vectors, "freeze_vectors": True, "save_every": 3, "steps": 6}
    whole = train(corpus, "whole", **{k: v for k, v in c.items() if k not in (*SMALL, "files")})
    events = runs.train(build(c), run="killed")
    for event in events:
        if getattr(event, "step", 0) == 3 and type(event).__name__ == "Saved":
            break
    del events
    Path(vectors).unlink()
    list(runs.resume("killed"))
    again = read(Path("runs/killed/checkpoints/step-00000006/model.safetensors")).tensors
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())


@pytest.mark.parametrize("joint", [False, True])
def test_translation_starts_its_source_side(tmp_path: Path, vectors: str, joint: bool) -> None:
    Path("p.tsv").write_text("the cat\tcat the\nthe dog\tdog the\n" * 10)
    options = {"vectors": vectors, "joint_tokens": joint, "hidden": 5, "steps": 1, "freeze_vectors": True}
    list(runs.train(build({"files": ("p.tsv",), "precision": "fp32", **options}), run="t"))
    model = runs.load("t", task="translate")
    cat = 4 + model.source_tokenizer.words.index("cat")  # type: ignore[attr-defined]
    assert model.model.source_embedding.weight[cat].tolist() == GIVEN["cat"]
    in_target = model.model.target_embedding.weight[4 + model.tokenizer.words.index("cat")].tolist()  # type: ignore[attr-defined]
    assert (in_target == GIVEN["cat"]) is joint


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"embedding_dim": 4}, ConfigError, "--embedding-dim is 4, but the vectors in v.txt have 3 numbers"),
        ({"tokens": "char"}, ConfigError, "--tokens word, not char"),
        ({"encoding": "one-hot"}, ConfigError, "--encoding one-hot has none"),
        ({"vectors": "none.txt"}, DataError, "no file none.txt"),
        ({"vectors": "other.txt"}, DataError, "None of the"),
        ({"vectors": None, "freeze_vectors": True}, ConfigError, "--vectors FILE"),
    ],
)
def test_what_does_not_fit(
    corpus: Path, vectors: str, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    Path("other.txt").write_text("der 1 2 3\n")
    with pytest.raises(error, match=said):
        train(corpus, "r", **{"vectors": vectors, "steps": 1, **options})
