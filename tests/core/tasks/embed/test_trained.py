"""Word vectors in use: neighbours, analogies and ranks as gensim and scipy have them; words without a vector."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors
from gensim.test.utils import datapath
from scipy.stats import spearmanr
from torch.overrides import TorchFunctionMode

from seqcli.core.metrics.ranks import spearman
from seqcli.core.tasks.embed.trained import WordVectors, read_similarities
from seqcli.core.tasks.union import build
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import ConfigError, DataError, VocabularyError

WORDS = ["the", "king", "queen", "man", "woman", "London", "london"]
TABLE = torch.from_numpy(np.random.default_rng(4).normal(size=(11, 5)).astype(np.float32))


@pytest.fixture
def model() -> WordVectors:
    return WordVectors(TABLE, WordTokenizer(WORDS), build({"task": "embed", "embedding_dim": 5}))


def theirs() -> KeyedVectors:
    found = KeyedVectors(5)
    found.add_vectors(WORDS, TABLE[4:].numpy())
    return found


def test_neighbors_and_analogies_are_gensims(model: WordVectors) -> None:
    a, b = model.neighbors("king", 4), theirs().most_similar("king", topn=4)
    assert [word for word, _ in a] == [word for word, _ in b]
    assert [c for _, c in a] == pytest.approx([c for _, c in b], abs=1e-6)
    a = model.analogy("man", "king", "woman", 4)
    b = theirs().most_similar(positive=["king", "woman"], negative=["man"], topn=4)
    assert [word for word, _ in a] == [word for word, _ in b]
    assert [c for _, c in a] == pytest.approx([c for _, c in b], abs=1e-6)
    assert model.similarity("the", "queen") == pytest.approx(theirs().similarity("the", "queen"), abs=1e-6)
    assert np.array_equal(model.vector("the"), TABLE[4].numpy())


def test_there_are_no_more_neighbors_than_words(model: WordVectors) -> None:
    assert len(model.neighbors("king", 100)) == 6
    assert len(model.analogy("king", "king", "man", 100)) == 5


def test_a_word_without_a_vector(model: WordVectors) -> None:
    with pytest.raises(
        VocabularyError, match=r"'quen' is not among the 7 words that have a vector\. Did you mean queen"
    ):
        model.neighbors("quen")
    with pytest.raises(VocabularyError, match=r"vector\.$"):
        model.vector("xyz")
    assert "quen" not in model
    lower = WordVectors(TABLE, WordTokenizer(WORDS, lowercase=True), model.plan)
    assert lower.neighbors("KING") == model.neighbors("king")


def test_word_similarity(model: WordVectors) -> None:
    Path("pairs.tsv").write_text(
        "# scores\nWord 1\tWord 2\tHuman\nking\tqueen\t8\nMAN\tWoman\t7.5\nthe\tLondon\t1\nman\tqueen\t3\nking\tno\t9\n"
    )
    said: list[str] = []
    found = model.evaluate("pairs.tsv", say=said.append)
    cosines = [model.similarity(*p) for p in (("king", "queen"), ("man", "woman"), ("the", "London"), ("man", "queen"))]
    wanted = spearmanr(cosines, [8, 7.5, 1, 3])[0]
    assert found == {"spearman": pytest.approx(wanted), "pairs": 4, "unknown_pairs": 1}
    assert "1 of 5 pairs" in said[0]
    for separator in (",", "  "):
        Path("other.txt").write_text(
            Path("pairs.tsv").read_text().replace("Word 1\tWord 2", "a\tb").replace("\t", separator)
        )
        assert model.evaluate("other.txt") == found
    assert len(list(read_similarities(datapath("wordsim353.tsv")))) == 353


def test_bad_similarity_files(model: WordVectors) -> None:
    Path("bad.tsv").write_text("king\tqueen\t8\nking\tqueen\n")
    with pytest.raises(DataError, match=r"line 2: .* is not WORD TAB WORD TAB SCORE"):
        model.evaluate("bad.tsv")
    Path("bad.tsv").write_text("a\tb\t8\nc\td\thigh\n")
    with pytest.raises(DataError, match="line 2"):
        model.evaluate("bad.tsv")
    Path("bad.tsv").write_text("a\tb\t8\n")
    with pytest.raises(DataError, match="None of the 1 pairs"):
        model.evaluate("bad.tsv")


def test_rank_correlation_with_ties_is_scipys() -> None:
    random = np.random.default_rng(0)
    for _ in range(5):
        a, b = random.integers(0, 6, 30), random.integers(0, 9, 30)
        assert spearman(a.tolist(), b.tolist()) == pytest.approx(spearmanr(a, b)[0], abs=1e-12)
    assert np.isnan(spearman([1, 1], [1, 2]))


def test_the_plane_is_the_one_of_the_principal_components(model: WordVectors) -> None:
    words = ["king", "queen", "man", "woman", "the"]
    points = np.array(model.plane(words))
    unit = np.array([model.vector(w) / np.linalg.norm(model.vector(w)) for w in words], dtype=np.float64)
    centred = unit - unit.mean(0)
    variances = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    assert (points**2).sum(0) == pytest.approx(variances[:2])
    assert points.T @ points == pytest.approx(np.diag(variances[:2]), abs=1e-9)
    # distances in the plane are never more than in full
    full = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    assert (np.linalg.norm(points[:, None] - points[None], axis=2) <= full + 1e-9).all()
    with pytest.raises(ConfigError, match="three different words"):
        model.plane(["king", "queen"])


def test_the_plane_needs_no_float64_of_a_device(model: WordVectors) -> None:
    """An Apple GPU has none: what is computed in it has come to the processor before."""
    asked: list[str] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Watch():
        model.plane(["king", "queen", "man"])
    assert "cpu" in asked[: asked.index("double")]
