"""The commands of word vectors, from training to a file that other programs read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from seqcli.cli import console
from seqcli.core import runs

Run = Callable[..., Any]


@pytest.fixture
def embedded(seqcli: Run, corpus: Path) -> Path:
    result = seqcli("train", "--task", "embed", corpus, "--dim", 6, "--steps", 3, "--run", "v", "--negatives", 5)
    assert result.code == 0, result.err
    assert "skipgram, window 5, 5 negatives, width 6" in result.err
    assert "seqcli neighbors WORD --run v" in result.err
    return Path("runs/v")


def test_neighbors(seqcli: Run, embedded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = runs.load("v", task="embed")
    result = seqcli("neighbors", "cat", "dog", "-n", 2)
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [row[:2] for row in rows] == [[w, other] for w in ("cat", "dog") for other, _ in model.neighbors(w, 2)]
    assert float(rows[0][2]) == pytest.approx(model.neighbors("cat")[0][1], abs=1e-5)
    first = json.loads(seqcli("neighbors", "cat", "--json", "-n", 1).out)
    assert first["word"] == "cat"
    assert first["neighbors"][0]["word"] == rows[0][1]
    two = seqcli("neighbors", "xyzzy", "cat", "-n", 1)
    assert two.code == 1
    assert "'xyzzy' is not among" in two.err
    assert two.out.startswith("cat\t"), "one unknown word does not silence the others"
    monkeypatch.setattr(console, "stdout_is_terminal", lambda: True)
    shown = seqcli("neighbors", "cat", "-n", 2).out
    assert "cosine" in shown
    assert f"{float(rows[0][2]):.4f}" in shown


def test_analogy(seqcli: Run, embedded: Path) -> None:
    wanted = runs.load("v", task="embed").analogy("cat", "dog", "mat", 3)
    result = seqcli("analogy", "cat", "dog", "mat", "-n", 3)
    assert [line.split("\t")[:4] for line in result.out.splitlines()] == [["cat", "dog", "mat", w] for w, _ in wanted]
    answers = json.loads(seqcli("analogy", "cat", "dog", "mat", "--json").out)["answers"]
    assert answers[0]["word"] == wanted[0][0]


@pytest.mark.parametrize(("form", "binary", "header"), [("word2vec", False, True), ("word2vec-binary", True, True)])
def test_export_is_read_by_gensim_and_by_us(seqcli: Run, embedded: Path, form: str, binary: bool, header: bool) -> None:
    result = seqcli("export", "v", "--to", form, "out.vec")
    assert (result.code, result.out) == (0, "out.vec\n")
    model, theirs = runs.load("v", task="embed"), KeyedVectors.load_word2vec_format("out.vec", binary=binary)
    assert theirs.index_to_key == model.words
    assert np.array_equal(theirs.vectors, model.matrix.numpy())
    again = seqcli("train", "corpus.txt", "--vectors", "out.vec", "--steps", 1, "--hidden", 4, "--run", "lm")
    assert again.code == 0, again.err
    assert "13 of the 14 words of the vocabulary" in again.err  # the other one is the line's end
    about = json.loads(seqcli("export", "v", "out.glove", "--to", "glove", "--json").out)
    assert about == {"path": "out.glove", "form": "glove", "words": len(model.words), "width": 6}


def test_eval_takes_the_newest_run_for_such_a_file(seqcli: Run, trained: Path, embedded: Path) -> None:
    Path("pairs.tsv").write_text("cat\tdog\t9\nmat\tlog\t5\nsat\tgate\t1\nking\tcat\t3\n")
    result = seqcli("eval", "pairs.tsv")
    assert result.code == 0, result.err
    assert "Spearman's correlation" in result.out
    assert json.loads(seqcli("eval", "pairs.tsv", "--json").out)["pairs"] == 3
    assert "perplexity" in seqcli("eval", "corpus.txt").out


def test_plot(seqcli: Run, embedded: Path) -> None:
    for name in ("p.html", "p.svg"):
        assert seqcli("plot", "v", "--what", "vectors", "--text", "cat dog mat log", "-o", name).code == 0
        text = Path(name).read_text()
        assert all(f">{word}<" in text for word in ("cat", "dog", "mat", "log"))
        assert ">gate<" not in text
    assert seqcli("plot", "--what", "vectors", "-o", "all.html").code == 0
    assert ">gate<" in Path("all.html").read_text()


def test_runs_and_python(seqcli: Run, embedded: Path) -> None:
    import seqcli as package

    assert "skipgram 6" in seqcli("runs").out
    assert package.load("v").neighbors("cat", 1)  # type: ignore[union-attr]  # this run has word vectors


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("neighbors", "catt"), 1, "Did you mean cat"),
        (("analogy", "cat", "dog", "xyzzy"), 1, "'xyzzy' is not among"),
        (("plot", "--what", "vectors", "--text", "cat dog"), 2, "three different words"),
        (("plot", "--what", "vectors", "--text", "cat dog xyzzy"), 1, "'xyzzy' is not among"),
        (("export", "ghost", "x"), 1, "no run 'ghost'"),
        (("export", "v", "no/x.txt"), 1, "no/x.txt cannot be written"),
        (("sample", "--run", "v"), 1, "use seqcli neighbors"),
        (("train", "--resume", "v", "--dim", "7"), 2, "--embedding-dim cannot change"),
    ],
)
def test_bad_input(seqcli: Run, embedded: Path, command: tuple[str, ...], code: int, said: str) -> None:
    result = seqcli(*command)
    assert result.code == code, result.err
    assert said in result.err.replace("\n", " ")
    assert "Traceback" not in result.err


def test_no_vectors_yet(seqcli: Run, trained: Path) -> None:
    result = seqcli("neighbors", "cat")
    assert result.code == 1
    assert "no trained model of word vectors in runs/ yet. Train one first: seqcli train --task embed" in result.err
