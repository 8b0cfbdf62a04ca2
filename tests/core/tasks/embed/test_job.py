"""Learning word vectors: a sentence, topics, a killed run that goes on to the same bits, and bad input."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqcli.core import catalogue, runs
from seqcli.core.events import Evaluated, Finished, Logged, Saved
from seqcli.core.places import new_place
from seqcli.core.tasks.embed import skipgrams
from seqcli.core.tasks.embed.job import EmbedJob
from seqcli.core.tasks.union import build
from seqcli.core.training.checkpoint import read
from seqcli.errors import ConfigError, DataError

SENTENCE = "you say goodbye and i say hello ."
FAST = {"task": "embed", "threads": 1, "min_count": 1}


def topics(lines: int = 300) -> str:
    """Lines of one of two topics, whose words never meet, and a word of both."""
    random = np.random.default_rng(0)
    words = [[f"{name}{k}" for k in range(8)] for name in ("sea", "sky")]
    rows = [[*random.choice(words[k % 2], 9), "and"] for k in range(lines)]
    return "\n".join(" ".join(random.permutation(row)) for row in rows) + "\n"


def train(text: str, run: str = "r", **options: Any) -> list[Any]:
    Path("text.txt").write_text(text)
    return list(runs.train(build({**FAST, "files": ("text.txt",), **options}), run=run))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_sentence_of_the_textbooks_by_cbow_and_full_softmax(seed: int) -> None:
    """Eight places, told by one word to each side. "goodbye" and "i" both stand between "say" and "and", so two places
    of eight cost ln 2 at best, and one of the two words is told wrongly."""
    how = {"objective": "cbow", "window": 1, "negatives": 0, "subsample": 0, "embedding_dim": 5, "steps": 300}
    events = train(SENTENCE, seed=seed, log_every=10, **how)
    losses = [event.loss for event in events if isinstance(event, Logged)]
    model = runs.load("r", task="embed")
    tables = read(Path("runs/r/best.safetensors")).tensors
    words, right = SENTENCE.split(), []
    for k, word in enumerate(words):
        near = [model.vector(w) for w in words[max(0, k - 1) : k] + words[k + 1 : k + 2]]
        scores = tables["outputs"].numpy() @ np.mean(near, axis=0)
        right.append(model.words[int(scores.argmax()) - 4] == word)
    assert losses[0] > 1
    assert losses[-1] == pytest.approx(math.log(2) / 4, abs=0.01)
    assert sum(right) == 7


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("negatives", [5, 0])
def test_words_of_a_topic_come_together(objective: str, negatives: int) -> None:
    train(topics(), objective=objective, negatives=negatives, embedding_dim=10, epochs=30, subsample=0)
    model = runs.load("r", task="embed")
    found = [word for word, _ in model.neighbors("sea3", 7)]
    assert sum(word.startswith("sea") for word in found) == 7, found
    assert model.similarity("sky1", "sky2") > model.similarity("sky1", "sea2") + 0.3


def test_many_epochs_do_not_learn_a_text_by_heart() -> None:
    """Lines of sixteen topics, a third of their words common to all: at the rate of few epochs, two thirds of the
    neighbours are right."""
    random = np.random.default_rng(0)
    own, common = 1 / np.arange(1, 16), 1 / np.arange(1, 51)
    lines = []
    for k in range(1000):
        inner = [f"t{k % 16}w{i}" for i in random.choice(15, 12, p=own / own.sum())]
        outer = [f"c{i}" for i in random.choice(50, 12, p=common / common.sum())]
        lines.append(" ".join(np.where(random.random(12) < 1 / 3, outer, inner)))
    train("\n".join(lines), objective="cbow", embedding_dim=30, epochs=200)
    model = runs.load("r", task="embed")
    words = [word for word in model.words if word.startswith("t")]
    right = [found.split("w")[0] == word.split("w")[0] for word in words for found, _ in model.neighbors(word, 10)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
def test_a_killed_run_goes_on_to_the_same_bits(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgrams, "STRETCH", 400)
    how = {"objective": objective, "epochs": 2, "save_every": 5, "log_every": 4, "negatives": 5, "threads": 2}
    whole = train(topics(), "whole", **how)
    last = next(event.step for event in whole if isinstance(event, Finished))
    assert last == 18
    events = runs.train(build({**FAST, "files": ("text.txt",), **how}), run="killed")
    for event in events:
        if isinstance(event, Saved) and event.step == 10:
            break
    del events
    list(runs.resume("killed"))
    for name in ("best.safetensors", "checkpoints/step-00000018/model.safetensors"):
        a, b = (read(Path("runs") / run / name).tensors for run in ("whole", "killed"))
        assert a.keys() == b.keys() == {"vectors", "outputs"}
        assert all(torch.equal(a[key], b[key]) for key in a)
    points = [[p["loss"] for p in catalogue.read_run(Path("runs") / run).points] for run in ("whole", "killed")]
    assert points[0] == points[1]
    assert len(points[0]) == 5


def test_auto_values_are_chosen_and_written() -> None:
    train(topics(), steps=1)
    c = catalogue.read_run(Path("runs/r")).options
    assert (c.negatives, c.window, c.embedding_dim, c.optimizer) == (0, 5, 100, "sgd")
    assert c.valid_split == 0
    assert c.epochs is None
    how = {**FAST, "files": ("text.txt",), "negatives": 5, "min_count": None}
    job = EmbedJob(build(how))
    assert job.plan.min_count == 5
    assert job.plan.epochs == 200
    once = EmbedJob(build({**how, "epochs": 1})).plan
    assert once.lr == pytest.approx(0.035)
    assert job.plan.lr == pytest.approx(0.035 * (5 / 200) ** 0.5)
    assert job.plan.lr == EmbedJob(build({**how, "epochs": None, "steps": 200})).plan.lr  # a step is an epoch here
    assert once.lr == EmbedJob(build({**how, "minutes": 1})).plan.lr
    assert once.batch_size == job.plan.batch_size
    assert job.plan.batch_size == EmbedJob(build({**how, "lr": 0.001})).plan.batch_size
    words = job.batches._words
    pulls = 6 * (5 * words.noise.max() + words.kept.max())
    assert 0 < once.lr * pulls * job.plan.batch_size <= 6
    run = catalogue.read_run(Path("runs/r"))
    with new_place(run.options, None, Path("runs")) as (place, _):
        assert place.name == "text-skipgram"


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("negatives", [5, 0])
def test_a_text_of_one_very_frequent_word_does_not_run_away(objective: str, negatives: int) -> None:
    random = np.random.default_rng(0)
    words = ["a"] * 50 + [f"w{k}" for k in range(150)]
    text = "\n".join(" ".join(random.choice(words, 20)) for _ in range(500))
    events = train(text, subsample=0, epochs=10, objective=objective, negatives=negatives, log_every=1)
    losses = [event.loss for event in events if isinstance(event, Logged)]
    assert losses[-1] < losses[0] + 0.1
    assert read(Path("runs/r/best.safetensors")).tensors["vectors"].norm(dim=1).max() < 10


def test_validation_is_the_same_loss_on_other_text_and_chooses_the_best() -> None:
    Path("valid.txt").write_text(topics(40) + "unknown words\n")
    how = {"valid": "valid.txt", "epochs": 20, "eval_every": 5, "embedding_dim": 10, "negatives": 3, "subsample": 0}
    found = [event for event in train(topics(), **how) if isinstance(event, Evaluated)]
    assert len(found) == 4
    assert found[-1].val_loss < found[0].val_loss - 0.01
    job = EmbedJob(build({**FAST, "files": ("text.txt",), **how}))
    once = job.evaluate()
    assert once == job.evaluate()
    assert once is not None
    assert once["loss"] == pytest.approx(4 * math.log(2), rel=0.01)  # at the start every score is 0
    half = EmbedJob(build({**FAST, "files": ("text.txt",), "valid_split": 0.5}))
    assert half.valid_tokens == pytest.approx(half.train_tokens, rel=0.05)
    tenth = EmbedJob(build({**FAST, "files": ("text.txt",), "valid_split": 0.1}))
    assert tenth.valid_tokens == pytest.approx(tenth.train_tokens / 9, rel=0.05)
    assert EmbedJob(build({**FAST, "files": ("text.txt",)})).valid_tokens == 0


def test_a_validation_text_without_neighbours_is_no_validation() -> None:
    """A loss of 0 over no words would look better than any other."""
    alone = "sea1\nsky2\n" * 5
    Path("valid.txt").write_text(alone)
    Path("text.txt").write_text(topics(30) + alone)
    for how in ({"valid": "valid.txt"}, {"valid_split": 0.04}):
        said: list[str] = []
        job = EmbedJob(build({**FAST, "files": ("text.txt",), **how}), said.append)
        assert (job.valid_tokens, job.evaluate()) == (0, None)
        assert any("nothing is validated" in text for text in said)


def test_a_text_that_leaves_few_words_is_answered_with_the_option() -> None:
    Path("text.txt").write_text("the cat and the dog " * 6 + "a bird")
    said: list[str] = []
    EmbedJob(build({"task": "embed", "files": ("text.txt",)}), said.append)
    assert any("--min-count 1" in text for text in said)
    said.clear()
    for least, text in ((2, "the cat and the dog " * 6 + "a bird"), (None, "the cat and the dog " * 6)):
        Path("text.txt").write_text(text)
        EmbedJob(build({"task": "embed", "files": ("text.txt",), "min_count": least}), said.append)
    assert not any("--min-count" in text for text in said)


def test_words_are_lower_cased_and_counted() -> None:
    train("The cat and the dog\nthe CAT and a dog\n" * 3, lowercase=True, steps=1, min_count=4)
    assert runs.load("r", task="embed").words == ["the", "and", "cat", "dog"]


@pytest.mark.parametrize(
    ("text", "options", "error", "said"),
    [
        ("a b c d", {"min_count": None}, DataError, "no word that occurs 5 times or more"),
        ("a a a b", {"min_count": 3}, DataError, "one word only"),
        ("", {}, DataError, "is empty"),
        ("a\nb\na\nb\n", {}, DataError, "no two words in one line that occur 1 times or more"),
        ("a x\nb y\na z\nb w\n", {"min_count": 2}, DataError, "no two words in one line that occur 2 times or more"),
        ("a b a b", {"tokens": "char"}, ConfigError, "--tokens is 'char', but must be word"),
        ("a b a b", {"optimizer": "adamw"}, ConfigError, "--optimizer is 'adamw', but must be sgd"),
        ("a b a b", {"precision": "bf16"}, ConfigError, "--precision is 'bf16', but must be one of auto, fp32"),
        ("a b a b", {"hidden": 8}, ConfigError, "--hidden is for --task lm"),
        ("a b a b", {"vectors": "v.txt"}, ConfigError, "--vectors is for --task lm"),
        ("a b a b", {"valid": "other.txt"}, DataError, "other.txt has no word of the vocabulary"),
    ],
)
def test_what_cannot_be_learnt_from(text: str, options: dict[str, Any], error: type[Exception], said: str) -> None:
    Path("other.txt").write_text("x y\nz\n")
    with pytest.raises(error, match=said):
        train(text, **options)
    assert not Path("runs").exists()


HOSTILE = {
    "one word is nearly all": lambda: "the " * 900 + " ".join(f"w{k % 30}" for k in range(100)),
    "long runs of one word": lambda: "\n".join(f"{'* ' * 40}\nline {k % 7} of text {k % 5}" for k in range(60)),
    "twenty words": lambda: " ".join(f"w{(k * k) % 20}" for k in range(3000)),
    "ten words": lambda: " ".join(f"w{(k * 7) % 10}" for k in range(3000)),
    "two words": lambda: "a b b a a a b " * 400,
    "more words than text": lambda: " ".join(f"w{k}" for k in range(300)),
    "short lines of one word": lambda: "yes\n" * 500 + "no no yes\n" * 20,
}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("negatives", [5, 0])
def test_no_text_makes_the_vectors_run_away(text: str, objective: str, negatives: int) -> None:
    """At the default rates and far above them, over many epochs: the loss falls, or stays, and no vector is long."""
    for run, how in {"plain": {}, "fast": {"lr": 5.0}, "large": {"batch_size": 512, "lr": 0.5}}.items():
        options = {"embedding_dim": 8, "epochs": 40, "subsample": 0, "log_every": 1, **how}
        events = train(HOSTILE[text](), run, objective=objective, negatives=negatives, **options)
        losses = [event.loss for event in events if isinstance(event, Logged)]
        assert losses[-1] <= max(1.05 * losses[0], losses[0] + 0.1)
        assert runs.load(run, task="embed").matrix.norm(dim=1).max().item() < 100
