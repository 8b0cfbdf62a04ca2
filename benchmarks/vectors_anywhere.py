"""Word vectors on texts that nothing was tuned on: seqcli beside gensim, for the same epochs, by a known truth.

    python benchmarks/vectors_anywhere.py [TEXT.txt ...] [--surnames names.tsv] [--seeds 1 2] [--epochs N]

Without TEXT the texts are made from what a machine has: the licences in /usr/share/common-licenses, the docstrings of
Python's standard library, the Korean messages of the programs installed (/usr/share/locale/ko), names in lines of
families (data/first-names.tsv, and SURNAME TAB LANGUAGE lines by --surnames), and generated lines about topics. What
is not there is left out, and said. A text has as many epochs as seqcli chooses for it, and gensim has as many.

The figure is the mean over words of the part of the ten nearest that is right. Of names, those of the same language are
right; of generated words, those of the same topic; of another text's 1,000 most frequent words, the ten nearest by
the classical count vectors of that text: positive pointwise mutual information, contexts smoothed by 0.75, window 5
with weights that fall with the distance, 100 dimensions of its singular value decomposition times the square roots of
its singular values (Levy 2015). Both programs have their defaults but for the objective, the epochs, the seed, and
gensim's width (100), window (5) and least count (5), which are seqcli's. One JSON object a text, objective and seed;
means at the end. How far two runs of one program agree that differ in the seed alone says what can be expected.
"""

import argparse
import ast
import gettext
import json
import shutil
import statistics
import sys
import sysconfig
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.core import runs
from seqcli.core.events import Logged, Started
from seqcli.core.tasks.union import build
from seqcli.core.tokenizers.word import find_pieces
from seqcli.errors import SeqcliError

Truth = dict[str, set[str]]  # a word's right neighbours
Nearest = Callable[[str, int], list[str]]
HERE = Path(__file__).parent


# --- the texts ------------------------------------------------------------------------------------------------------


def licences() -> list[str]:
    """The lines of the licences that Debian's packages name."""
    found = sorted(Path("/usr/share/common-licenses").glob("*"))
    return [line for path in found for line in path.read_text(encoding="utf-8", errors="replace").split("\n")]


def docstrings() -> list[str]:
    """A paragraph of a docstring of the standard library a line, its words and signs apart."""
    lines = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node) or ""
                lines += [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return [line for line in lines if line]


def korean() -> list[str]:
    """The Korean messages of the programs installed, one a line."""
    lines: list[str] = []
    for path in sorted(Path("/usr/share/locale/ko/LC_MESSAGES").glob("*.mo")):
        with path.open("rb") as file:
            messages = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # there is no other list
        lines += [" ".join(text.split()) for key, text in messages.items() if key and isinstance(text, str)]
    return lines


def names(surnames: Path | None, lines: int = 6000) -> tuple[list[str], Truth]:
    """Lines of four people each, mostly of one language; the truth is the language."""
    random = np.random.default_rng(1)
    kinds: dict[str, list[list[str]]] = {}
    for k, path in enumerate([HERE.parent / "data" / "first-names.tsv", surnames]):
        for line in path.read_text(encoding="utf-8").splitlines() if path else []:
            name, language = line.split("\t")
            kinds.setdefault(language, [[], []])[k].append(name)
    kinds = {language: both for language, both in kinds.items() if both[0] and (both[1] or surnames is None)}
    languages, text = list(kinds), []
    for _ in range(lines):
        own = random.choice(languages)
        people = []
        for _ in range(4):
            first, last = kinds[own if random.random() < 0.8 else random.choice(languages)]
            people += [random.choice(first), *([random.choice(last)] if last else [])]
        text.append(" ".join(people))
    return text, same_class({name: language for language, both in kinds.items() for part in both for name in part})


def topics(lines: int = 10_000, kinds: int = 40, each: int = 25, common: int = 100) -> tuple[list[str], Truth]:
    """Lines of words of one topic, a third of them words that are everywhere; few are frequent, most are rare."""
    random = np.random.default_rng(2)
    own, every = 1 / np.arange(1, each + 1), 1 / np.arange(1, common + 1)
    text = []
    for _ in range(lines):
        topic = random.integers(kinds)
        inner = random.choice(each, 12, p=own / own.sum())
        outer = random.choice(common, 12, p=every / every.sum())
        is_common = random.random(12) < 1 / 3
        text.append(
            " ".join(f"c{o}" if c else f"t{topic}w{i}" for c, o, i in zip(is_common, outer, inner, strict=True))
        )
    return text, same_class({f"t{t}w{i}": t for t in range(kinds) for i in range(each)})


def apart(lines: list[str]) -> list[str]:
    """Words and signs with spaces between, as seqcli takes them, so that gensim takes them for the same words."""
    return [" ".join(find_pieces(unicodedata.normalize("NFC", line))) for line in lines]


def same_class(kind: dict[str, Any]) -> Truth:
    """The right neighbours of a word are the others of its class."""
    members: dict[Any, set[str]] = {}
    for word, of in kind.items():
        members.setdefault(of, set()).add(word)
    return {word: members[of] - {word} for word, of in kind.items()}


def counted(lines: list[str], window: int = 5, least: int = 5, queries: int = 1000, dim: int = 100) -> Truth:
    """The ten nearest of the most frequent words by vectors of counts (see the head of this file)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import svds

    sentences = [line.split() for line in lines]
    counts = Counter(word for words in sentences for word in words)
    words = [word for word, n in counts.most_common() if n >= least]
    row = {word: k for k, word in enumerate(words)}
    ids = [np.array([row[word] for word in sentence if word in row], dtype=np.int64) for sentence in sentences]
    a, b, weights = [], [], []
    for x in ids:
        for d in range(1, min(window, len(x) - 1) + 1):
            a += [x[:-d], x[d:]]
            b += [x[d:], x[:-d]]
            weights.append(np.full(2 * (len(x) - d), (window + 1 - d) / window))
    shape = (len(words), len(words))
    together = (
        coo_matrix((np.concatenate(weights), (np.concatenate(a), np.concatenate(b))), shape=shape).tocsr().tocoo()
    )
    total = np.asarray(together.sum(1)).ravel()
    smoothed = total**0.75
    expected = total[together.row] * (smoothed / smoothed.sum())[together.col]
    together.data = np.maximum(0, np.log(together.data / expected))
    u, s, _ = svds(together.tocsr(), k=min(dim, len(words) - 1), random_state=0)
    unit = u * np.sqrt(s)
    unit = unit / np.maximum(1e-9, np.linalg.norm(unit, axis=1, keepdims=True))
    cosines = unit[:queries] @ unit.T
    cosines[np.arange(len(cosines)), np.arange(len(cosines))] = -np.inf
    best = np.argsort(-cosines, axis=1)[:, :10]
    return {words[k]: {words[j] for j in near} for k, near in enumerate(best)}


def made(surnames: Path | None) -> Iterator[tuple[str, list[str], Truth]]:
    """The five texts, as far as this machine has them."""
    for name, found in (("licences", licences), ("docstrings", docstrings), ("korean", korean)):
        lines = apart(found())
        if lines:
            yield name, lines, counted(lines)
        else:
            print(f"There is no text for {name} on this machine.", file=sys.stderr)
    yield "names", *names(surnames)
    yield "topics", *topics()


# --- the programs ---------------------------------------------------------------------------------------------------


def ours(text: Path, **options: Any) -> tuple[Nearest, set[str], dict[str, float]]:
    """seqcli train --task embed; the nearest words, the vocabulary, the epochs and the last loss."""
    place = tempfile.mkdtemp()
    try:
        try:
            events = list(
                runs.train(build({"task": "embed", "files": (str(text),), **options}), run="v", runs_dir=place)
            )
        except SeqcliError as error:
            print(f"seqcli: {error}", file=sys.stderr)
            return lambda word, n: [], set(), {"epochs": options["epochs"] or 5}
        model = runs.load(Path(place) / "v", task="embed")
    finally:
        shutil.rmtree(place)
    losses = [event.loss for event in events if isinstance(event, Logged)]
    epochs = next(event.plan.epochs for event in events if isinstance(event, Started))
    figures = {"epochs": float(epochs or 5), "loss": losses[-1]}
    return lambda word, n: [found for found, _ in model.neighbors(word, n)], set(model.words), figures


def gensims(text: Path, objective: str, seed: int, epochs: float) -> tuple[Nearest, set[str]]:
    """Word2Vec with one worker."""
    from gensim.models import Word2Vec

    sg, whole = int(objective == "skipgram"), max(1, round(epochs))
    model = Word2Vec(
        corpus_file=str(text),
        sg=sg,
        vector_size=100,
        window=5,
        negative=5,
        workers=1,
        min_count=5,
        seed=seed,
        epochs=whole,
    )
    known = model.wv
    return lambda word, n: [found for found, _ in known.most_similar(word, topn=n)], set(known.index_to_key)


def right(nearest: Nearest, known: set[str], truth: Truth) -> float:
    """The mean part of the ten nearest that is right, over the words that have right neighbours."""
    parts = []
    for word, wanted in truth.items():
        right = wanted & known
        if word in known and right:
            n = min(10, len(wanted))
            parts.append(len(wanted.intersection(nearest(word, n))) / n)
    return statistics.mean(parts) if parts else 0.0


def main() -> None:
    """Turns by text, objective and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="*", type=Path)
    parser.add_argument("--surnames", type=Path)
    parser.add_argument("--only", nargs="+", help="of the five texts")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--objectives", nargs="+", default=["skipgram", "cbow"])
    args = parser.parse_args()
    read = ((path, apart(path.read_text(encoding="utf-8", errors="replace").split("\n"))) for path in args.text)
    texts = ((path.stem, lines, counted(lines)) for path, lines in read) if args.text else made(args.surnames)
    place = Path(tempfile.mkdtemp())
    means: list[dict[str, Any]] = []
    try:
        for name, lines, truth in texts:
            if args.only and name not in args.only:
                continue
            text = place / f"{name}.txt"
            text.write_text("\n".join(lines) + "\n", encoding="utf-8")
            for objective in args.objectives:
                scores: dict[str, list[float]] = {"gensim": [], "seqcli": []}
                for seed in args.seeds:
                    near, known, figures = ours(text, objective=objective, seed=seed, epochs=args.epochs)
                    scores["seqcli"].append(right(near, known, truth))
                    scores["gensim"].append(right(*gensims(text, objective, seed, figures["epochs"]), truth))
                    both = {program: round(score[-1], 4) for program, score in scores.items()}
                    print(
                        json.dumps({"text": name, "objective": objective, "seed": seed, **figures, **both}), flush=True
                    )
                both = {program: round(statistics.mean(score), 3) for program, score in scores.items()}
                means.append(
                    {"text": name, "words": sum(len(line.split()) for line in lines), "objective": objective, **both}
                )
    finally:
        shutil.rmtree(place)
    for mean in means:
        print(json.dumps(mean))


if __name__ == "__main__":
    main()
