"""Trained word vectors: looking at them and measuring them."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.config import SHORT
from seqcli.core.data.readers import Invalid, find_files, read_lines
from seqcli.core.data.vectors import Form, write_vectors
from seqcli.core.events import Say, silent
from seqcli.core.layers.network import shapes_of
from seqcli.core.metrics.ranks import spearman
from seqcli.core.tasks.embed.file import WordVectorsFile
from seqcli.core.tasks.embed.network import WordTables, build_tables
from seqcli.core.tasks.embed.plan import EmbedPlan
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.trained import Trained
from seqcli.core.training.device import pick_device, use_threads
from seqcli.core.training.stored import Stored
from seqcli.core.weights import check_weights, sizes_of_a_file
from seqcli.errors import ConfigError, DataError, VocabularyError

Found = list[tuple[str, float]]  # words and their cosines, the nearest first
FIRST = len(SPECIALS)


class WordVectors(Trained):
    """Words and their vectors, most frequent word first. How similar two words are is the cosine of their vectors."""

    file: ClassVar = WordVectorsFile
    plan: EmbedPlan

    def __init__(
        self, vectors: Tensor, tokenizer: WordTokenizer, plan: EmbedPlan, figures: dict[str, float] | None = None
    ) -> None:
        self.tokenizer, self.plan, self.figures = tokenizer, plan, figures or {}
        self.words = tokenizer.words
        self.matrix = vectors[FIRST:]  # (n, D)
        self._unit = F.normalize(self.matrix.float(), dim=1)
        self._row = {word: row for row, word in enumerate(self.words)}

    @classmethod
    def open(cls, stored: Stored, device: str = "auto", threads: int = 0) -> "WordVectors":
        """Make the model from the content of a `best.safetensors`. Raises CheckpointError if parts do not fit."""
        about = WordVectorsFile.of(stored.metadata)
        with sizes_of_a_file():
            network = cls.network(about)
        check_weights(stored.tensors, shapes_of(network))
        use_threads(threads)
        vectors = stored.tensors["vectors"].to(pick_device(device))
        return cls(vectors, about.tokenizer, about.config, about.figures)

    @classmethod
    def network(cls, about: WordVectorsFile) -> WordTables:
        """Make the tables of a model file, without their values."""
        return build_tables(about.config, about.tokenizer.vocab_size, None)

    def facts(self) -> dict[str, str]:
        return {"words": f"{len(self.words):,}"}

    def examples(self) -> list[str]:
        word = next((word for word in self.words if len(word) > 3), self.words[0] if self.words else "word")
        return [f"model.neighbors({SHORT.repr(word)})", 'model.evaluate("similarities.tsv")["spearman"]']

    @property
    def parameters(self) -> int:
        return self.matrix.numel()

    # --- looking at them --------------------------------------------------------------------------------------

    def row(self, word: str) -> int:
        """Return the row of a word.

        Raises VocabularyError, which suggests similar words, if it has no vector, and ConfigError if it is no text.
        """
        if not isinstance(word, str):
            raise ConfigError(f"One word is wanted, not {SHORT.repr(word)}; ask for words one at a time.")
        split = self.tokenizer.split(word)
        for form in (word, split[0] if len(split) == 1 else word):  # as it is, then normalized as in training
            if form in self._row:
                return self._row[form]
        close = difflib.get_close_matches(word, self.words, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise VocabularyError(f"{word!r} is not among the {len(self.words):,} words that have a vector.{hint}")

    def __contains__(self, word: str) -> bool:
        return word in self._row

    def vector(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word, (D,). Raises VocabularyError."""
        return self.matrix[self.row(word)].cpu().numpy()

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of the vectors of two words, -1 to 1. Raises VocabularyError."""
        return float(self._unit[self.row(a)] @ self._unit[self.row(b)])

    def neighbors(self, word: str, count: int = 10) -> Found:
        """Return the `count` words with the largest cosine to a word, with these cosines. Raises VocabularyError."""
        row = self.row(word)
        return self._nearest(self._unit[row], count, [row])

    def analogy(self, a: str, b: str, c: str, count: int = 5) -> Found:
        """Return the `count` words that are to c as b is to a, with their cosines.

        They are the words nearest to b - a + c, where these are unit vectors (3CosAdd, Mikolov 2013c), without the
        three words themselves. Raises VocabularyError.
        """
        rows = [self.row(word) for word in (a, b, c)]
        u_a, u_b, u_c = self._unit[rows]
        return self._nearest(F.normalize(u_b - u_a + u_c, dim=0), count, rows)

    def _nearest(self, direction: Tensor, n: int, without: list[int]) -> Found:
        """Return the n words whose vectors are nearest to a unit vector (D,), without some rows."""
        cosines = self._unit @ direction  # (n,)
        cosines[without] = -torch.inf
        best = cosines.topk(max(0, min(n, len(self.words) - len(set(without)))))
        return [(self.words[k], c) for k, c in zip(best.indices.tolist(), best.values.tolist(), strict=True)]

    def plane(self, words: Sequence[str]) -> list[tuple[float, float]]:
        """Return words as points (x, y): their unit vectors along the two directions in which these words differ most.

        This is a principal component analysis (PCA) of these words. Raises VocabularyError for a word without a vector,
        ConfigError for fewer than three different words, which always lie on a line.
        """
        if len(set(words)) < 3:
            raise ConfigError("A picture of word vectors needs three different words at least.")
        x = self._unit[[self.row(word) for word in words]].cpu().double()
        x = x - x.mean(0)
        _, _, axes = torch.linalg.svd(x, full_matrices=False)
        # an axis and its negative are equally good; one is chosen, so that the picture is the same every time
        axes = axes[:2] * torch.where(axes[:2].sum(1, keepdim=True) < 0, -1.0, 1.0)  # (2, D); (1, 1) when D is 1
        points = x @ axes.T  # (n, 2); (n, 1) when D is 1
        return [(row[0], row[1] if len(row) > 1 else 0.0) for row in points.tolist()]

    def save(self, path: str | Path, form: Form = "word2vec") -> None:
        """Write the vectors to a file for other programs. Raises DataError when it cannot be written."""
        write_vectors(path, self.words, self.matrix.cpu().numpy(), form)

    # --- measuring --------------------------------------------------------------------------------------------

    def evaluate(self, path: str | Path, *, say: Say = silent, **others: NoReturn) -> dict[str, Any]:
        """Measure how well cosines agree with people's scores, in a file of WORD TAB WORD TAB SCORE lines.

        Returns Spearman's rank correlation and the number of pairs. Pairs with a word that has no vector do not count;
        upper and lower case are ignored if a word as it is has no vector. Raises DataError when no pair is known.
        """
        self.takes_no(others)
        folded: dict[str, int] = {}
        for row, word in enumerate(self.words):
            folded.setdefault(word.casefold(), row)

        def find(word: str) -> int | None:
            return self._row.get(word, folded.get(word.casefold()))

        pairs = list(read_similarities(path, invalid=self.plan.invalid_utf8))
        known = [(i, j, score) for a, b, score in pairs if (i := find(a)) is not None and (j := find(b)) is not None]
        if not known:
            raise DataError(f"None of the {len(pairs)} pairs in {path} has two words of the vocabulary.")
        if len(known) < len(pairs):
            say(f"{len(pairs) - len(known)} of {len(pairs)} pairs have a word without a vector and do not count.")
        first, second = self._unit[[i for i, _, _ in known]], self._unit[[j for _, j, _ in known]]
        cosines = (first * second).sum(1).tolist()
        return {
            "spearman": spearman(cosines, [score for _, _, score in known]),
            "pairs": len(known),
            "unknown_pairs": len(pairs) - len(known),
        }


def read_similarities(path: str | Path, *, invalid: Invalid = "error") -> Iterator[tuple[str, str, float]]:
    """Yield pairs of words with the score of their similarity from a file.

    Columns are separated by tabs, commas or spaces. A line that begins with # is a comment, and the first other line
    may be a header. Raises DataError for a bad line, with its number.
    """
    (file,) = find_files([path])
    first = True
    for number, line in enumerate(read_lines(file, invalid=invalid), 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = line.split("\t" if "\t" in line else "," if "," in line else None)
        try:
            a, b, score = (column.strip() for column in columns[:3])
            yield a, b, float(score)
        except ValueError:
            if first and len(columns) >= 3:
                first = False
                continue
            raise DataError(f"{file}, line {number}: {line[:60]!r} is not WORD TAB WORD TAB SCORE.") from None
        first = False
