"""Taggers and classifiers from Python: what they say does not depend on company; their probabilities mean something."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import seqcli
from seqcli.core import runs
from seqcli.core.layers.dropout import word_dropout
from seqcli.core.tasks.classify.job import ClassifyJob, read_data
from seqcli.core.tasks.classify.trained import Classifier, best_temperature
from seqcli.core.tasks.tag.sentences import SentenceSet
from seqcli.core.tasks.tag.trained import Tagger, predict
from seqcli.core.tasks.union import build
from seqcli.core.tokenizers import UNK
from seqcli.errors import DataError

SMALL: dict[str, Any] = {"hidden": 7, "embedding_dim": 5, "batch_size": 4, "steps": 6, "precision": "fp32"}
TEXTS = ["the cat", "a dog sat on the mat", "birds", "the the the the", "a cat saw one dog"]


@pytest.fixture
def tagger() -> Tagger:
    Path("t.tsv").write_text("\n\n".join("\n".join(f"{w}\t{'XY'[len(w) % 2]}" for w in t.split()) for t in TEXTS * 3))
    list(runs.train(build({**SMALL, "task": "tag", "files": ("t.tsv",), "valid_split": 0}), run="t"))
    model = seqcli.load("t")
    assert isinstance(model, Tagger)
    return model


def test_a_sentence_is_tagged_the_same_alone(tagger: Tagger) -> None:
    data = SentenceSet.of([t.split() for t in TEXTS], tagger.words, tagger.characters)
    together, _ = predict(tagger.model, data, precision="fp32")
    spelled = [t.split() for t in TEXTS]
    for row, words in enumerate(spelled):
        alone, _ = predict(tagger.model, SentenceSet.of([words], tagger.words, tagger.characters), precision="fp32")
        assert alone[0].tolist() == together[row].tolist() and len(together[row]) == len(words)


def test_words_that_training_never_saw_are_parted_where_it_knew_the_parts(tagger: Tagger) -> None:
    tagger.words._id_of |= {"do": 4, "n't": 5, "'s": 6, "-": 7}
    assert tagger.split("The cat's mat, I don't") == ["The", "cat", "'s", "mat", ",", "I", "do", "n't"]
    assert tagger.split("cat-dog cat-fish o'clock") == ["cat", "-", "dog", "cat-fish", "o'clock"]


def test_a_text_is_classified_the_same_alone() -> None:
    Path("c.tsv").write_text("".join(f"{t}\t{len(t) % 3}\n" for t in TEXTS * 4))
    options = {"task": "classify", "tokens": "word", "files": ("c.tsv",), "pool": "attention", "valid_split": 0}
    list(runs.train(build({**SMALL, **options}), run="c"))
    model = seqcli.load("c")
    assert isinstance(model, Classifier)
    together = model.classify(TEXTS, explain=True)
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = model.classify([text], explain=True)
        assert alone.probabilities == pytest.approx(found.probabilities, abs=1e-6)
        assert alone.weights == pytest.approx(found.weights, abs=1e-6) and len(found.pieces) == len(text.split()) + 1


def test_a_classifier_is_validated_on_at_most_so_many_tokens() -> None:
    """And learns from the others; every label stays, though the file is sorted by them."""
    Path("c.tsv").write_text("".join(f"{t}\t{label}\n" for label in "xyz" for t in TEXTS * 12))
    texts = len(TEXTS) * 36
    options = {**SMALL, "task": "classify", "tokens": "word", "files": ("c.tsv",), "valid_split": 0.5}
    whole, some = (ClassifyJob(build({**options, "valid_tokens": tokens})) for tokens in (0, 100))
    assert whole.valid_tokens > 300 and whole.train_tokens + whole.valid_tokens == some.train_tokens + some.valid_tokens
    assert 60 < some.valid_tokens <= 100 and set(some._valid) == {"x", "y", "z"}
    assert len(some._valid) + len(some._wanted) == texts == len(whole._valid) + len(whole._wanted)
    again = ClassifyJob(build({**options, "valid": "c.tsv", "valid_tokens": 100}))
    assert 60 < again.valid_tokens <= 100 and set(again._valid) == {"x", "y", "z"} and len(again._wanted) == texts


def test_labels_that_hardly_are_any_are_asked_about() -> None:
    options = {**SMALL, "task": "classify", "files": ("c.tsv",)}
    cases = {
        "numbers": [f"{k * 1.25}" for k in range(40)] * 3,
        "numbers under a header": ["value", *(f"{k}" for k in range(40)), *"99999"] * 2,
        "as many as texts": [f"title {k}" for k in range(40)],
    }
    for labels in cases.values():
        Path("c.tsv").write_text("".join(f"text {k}\t{label}\n" for k, label in enumerate(labels)))
        with pytest.raises(DataError, match="--many-labels") as error:
            read_data(build(options), lambda text: None)
        assert f"{len(set(labels))} different" in str(error.value)
        assert len(read_data(build({**options, "many_labels": True}), lambda text: None)[0]) > 20
    for fine in (["0", "1"] * 20, [f"{k / 2}" for k in range(10)] * 4, [f"l{k}" for k in range(40)] * 3, list("abc")):
        Path("c.tsv").write_text("".join(f"text {k}\t{label}\n" for k, label in enumerate(fine)))
        read_data(build(options), lambda text: None)


def test_a_word_without_end_is_tagged_at_once(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not tried at every place where it might be parted."""
    endless, tried, known = "it's" * 5000, [], Tagger._known
    monkeypatch.setattr(Tagger, "_known", lambda self, word: tried.append(word) or known(self, word))
    (found,) = tagger.tag([f"the {endless} cat"])
    assert found.words == ["the", endless, "cat"] and len(found.tags) == 3
    assert len(tried) < 10


def test_the_temperature_makes_probabilities_right() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(4000, 5, generator=generator)
    wanted = torch.multinomial(scores.softmax(1), 1, generator=generator)[:, 0]  # right with these probabilities
    assert best_temperature(scores, wanted) == pytest.approx(1, abs=0.1)
    assert best_temperature(3 * scores, wanted) == pytest.approx(3, rel=0.1)
    assert F.cross_entropy(3 * scores / best_temperature(3 * scores, wanted), wanted) < F.cross_entropy(
        3 * scores, wanted
    )


def test_words_are_forgotten_at_a_rate_and_by_step_alone() -> None:
    ids = torch.full((200, 50), 9)
    once = word_dropout(ids, 0.3, UNK, (1, 7))
    assert (once == UNK).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(once, word_dropout(ids, 0.3, UNK, (1, 7))) and not torch.equal(
        once, word_dropout(ids, 0.3, UNK, (1, 8))
    )
    assert torch.equal(word_dropout(ids, 0.0, UNK, (1, 7)), ids)
    assert set(np.unique(once.numpy())) == {UNK, 9}
