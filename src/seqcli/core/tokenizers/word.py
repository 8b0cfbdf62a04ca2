"""Words and punctuation as tokens. What a word character is, Unicode says."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from seqcli.core.tokenizers.base import EOS, SPECIALS, UNK, Ids, StreamDecoder, Tokenizer, distinct_words, normalizer

NEWLINE = "\n"
NO_SPACE_BEFORE = set(".,;:!?)]}%…’”'\n")
NO_SPACE_AFTER = set("([{“‘$#\n")


# A token is a mark such as <unk>, a word with its inner apostrophes and hyphens, a single sign, or a line end.
PIECE = re.compile(r"<\w+>|\w+(?:['’\-]\w+)*|[^\w\s]|\n")


@cache
def marks() -> frozenset[str]:
    """Return the characters that belong to the letter or sign before them, but are no word characters for `re`.

    They are Unicode's marks, such as the vowel signs of Hindi and Thai or combining accents, and the two joiners of
    Indic and Persian words and of emoji.
    """
    codes = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))  # all marks are in these ranges
    return frozenset(c for c in map(chr, codes) if unicodedata.category(c)[0] == "M") | {"\u200c", "\u200d"}


@cache
def piece_with(pages: frozenset[int]) -> re.Pattern[str]:
    """Return PIECE extended so that letters and signs keep the marks behind them.

    It knows only the marks in these pages of 256 code points each, which keeps the pattern short.
    """
    found = "".join(sorted(mark for mark in marks() if ord(mark) >> 8 in pages))
    word = rf"\w[\w{found}]*"
    return re.compile(rf"<\w+>|{word}(?:['’\-]{word})*|[^\w\s][{found}]*|\n")


def find_pieces(text: str) -> list[str]:
    """Return the tokens of a normalized text."""
    found = marks().intersection(text) if not text.isascii() else None
    return (piece_with(frozenset(ord(mark) >> 8 for mark in found)) if found else PIECE).findall(text)


class WordTokenizer(Tokenizer):
    """Words, single signs and line ends as tokens.

    The vocabulary has the most frequent ones, in the order of their frequency. All others become <unk>.
    """

    name = "word"
    options = ("normalize", "lowercase", "min_count", "vocab_size")

    def __init__(self, words: list[str], normalize: str = "nfc", lowercase: bool = False) -> None:
        self.words, self.normalization, self.lowercase = words, normalize, lowercase
        self._normalize = normalizer(normalize)
        self._id_of = {word: id for id, word in enumerate(words, len(SPECIALS))}
        # Some data sets have rare words replaced by <unk> already. Other marks, such as <s>, are ordinary words.
        self._id_of[SPECIALS[UNK]] = UNK

    @property
    def vocab_size(self) -> int:
        return len(SPECIALS) + len(self.words)

    @classmethod
    def train(
        cls,
        blocks: Iterable[str],
        *,
        normalize: str = "nfc",
        lowercase: bool = False,
        min_count: int = 1,
        vocab_size: int | None = None,
        **_: Any,
    ) -> "WordTokenizer":
        split = cls([], normalize, lowercase).split
        counts: Counter[str] = Counter()
        for block in blocks:
            counts.update(split(block))
        return cls.of_counts(counts, normalize, lowercase, min_count, vocab_size)

    @classmethod
    def of_counts(
        cls, counts: Counter[str], normalize: str, lowercase: bool, min_count: int = 1, vocab_size: int | None = None
    ) -> "WordTokenizer":
        """Make a tokenizer from the counts of words.

        It has the words that occur at least `min_count` times, and with its special tokens at most `vocab_size` ids
        (None: 30,000). `counts` loses its entry for <unk>.
        """
        counts.pop(SPECIALS[UNK], None)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        most = (vocab_size or 30_000) - len(SPECIALS)
        return cls([w for w in ranked if counts[w] >= min_count][:most], normalize, lowercase)

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text, as strings in the form that the vocabulary has."""
        return find_pieces(self.form(text))

    def split_keeping_case(self, text: str) -> list[str]:
        """Return the tokens of a text, as strings that keep their capitals."""
        return find_pieces(self._normalize(text))

    def encode(self, text: str) -> Ids:
        return self._ids(self.split(text))

    def form(self, word: str) -> str:
        """Return text in the form that the vocabulary has: normalized, and in lower case if `lowercase` is set."""
        word = self._normalize(word)
        return word.lower() if self.lowercase else word

    def lookup(self, words: Sequence[str]) -> Ids:
        """Return the ids (n,) of n words that are split already. Each gets one id, whatever characters it has."""
        return self._ids([self.form(word) for word in words])

    def _ids(self, words: Sequence[str]) -> Ids:
        id_of = self._id_of
        return np.fromiter((id_of.get(w, UNK) for w in words), dtype=np.int32, count=len(words))

    def pieces(self, text: str) -> list[str]:
        return self.split(text)

    def decode(self, ids: Sequence[int] | Ids) -> str:
        shown = (id for id in np.asarray(ids, dtype=np.int64).tolist() if id > EOS or id == UNK)
        return self.join([self.token(id) for id in shown])

    def join(self, words: Sequence[str]) -> str:
        """Join words and signs to readable text, with spaces where they belong."""
        return "".join(map(Joiner().add, words))

    def stream_decoder(self) -> "WordStream":
        return WordStream(self)

    def token(self, id: int) -> str:
        return SPECIALS[id] if id <= EOS else self.words[id - len(SPECIALS)]

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "normalize": self.normalization, "lowercase": self.lowercase}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "WordTokenizer":
        return cls(distinct_words(data["words"], "words"), data["normalize"], data["lowercase"] is True)


class Joiner:
    """Joins words and signs to readable text, one at a time. It knows whether a space comes before the next one."""

    def __init__(self) -> None:
        self.quoted = False  # whether a double quote is open
        self.glue = True  # whether the next token follows without a space, as the first one does

    def add(self, word: str) -> str:
        """Return the next word or sign, with a space before it if one belongs there."""
        closes = word == '"' and self.quoted
        space = "" if self.glue or word in NO_SPACE_BEFORE or closes else " "
        if word == '"':
            self.quoted = not self.quoted
        self.glue = word in NO_SPACE_AFTER or (word == '"' and self.quoted)
        return space + word


class WordStream(StreamDecoder):
    """Decodes words one at a time. Everything that matters of the text before is in the joiner."""

    def __init__(self, tokenizer: WordTokenizer) -> None:
        self._tokenizer, self._joiner = tokenizer, Joiner()

    def push(self, id: int) -> str:
        return self._joiner.add(self._tokenizer.token(id)) if id > EOS or id == UNK else ""
