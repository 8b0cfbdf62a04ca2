"""Words and punctuation as tokens, by Unicode's idea of a word character."""

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


# a marked-up token such as <unk>; a word, with its inner apostrophes and hyphens; one sign; a line's end
PIECE = re.compile(r"<\w+>|\w+(?:['’\-]\w+)*|[^\w\s]|\n")


@cache
def marks() -> frozenset[str]:
    """What belongs to the letter or sign before it and is no word character to `re`: the vowel signs of Hindi or Thai,
    combining accents; and the joiners of Indic and Persian words and of emoji."""
    codes = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))  # there are no others
    return frozenset(c for c in map(chr, codes) if unicodedata.category(c)[0] == "M") | {"\u200c", "\u200d"}


@cache
def piece_with(pages: frozenset[int]) -> re.Pattern[str]:
    """PIECE, where letters and signs keep the marks of these pages of 256 characters."""
    found = "".join(sorted(mark for mark in marks() if ord(mark) >> 8 in pages))
    word = rf"\w[\w{found}]*"
    return re.compile(rf"<\w+>|{word}(?:['’\-]{word})*|[^\w\s][{found}]*|\n")


def find_pieces(text: str) -> list[str]:
    """The tokens of a normalized text."""
    found = marks().intersection(text) if not text.isascii() else None
    return (piece_with(frozenset(ord(mark) >> 8 for mark in found)) if found else PIECE).findall(text)


class WordTokenizer(Tokenizer):
    """Words, single signs and line ends; the most frequent ones, most frequent first, the others are <unk>."""

    name = "word"
    options = ("normalize", "lowercase", "min_count", "vocab_size")

    def __init__(self, words: list[str], normalize: str = "nfc", lowercase: bool = False) -> None:
        self.words, self.normalization, self.lowercase = words, normalize, lowercase
        self._normalize = normalizer(normalize)
        self._id_of = {word: id for id, word in enumerate(words, len(SPECIALS))}
        self._id_of[SPECIALS[UNK]] = UNK  # texts come with rare words replaced; other marks are words

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
        """A tokenizer of the words that occur often enough."""
        counts.pop(SPECIALS[UNK], None)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        most = (vocab_size or 30_000) - len(SPECIALS)
        return cls([w for w in ranked if counts[w] >= min_count][:most], normalize, lowercase)

    def split(self, text: str) -> list[str]:
        """The tokens of a text, as strings."""
        return find_pieces(self.form(text))

    def split_keeping_case(self, text: str) -> list[str]:
        """The tokens of a text, with their capitals."""
        return find_pieces(self._normalize(text))

    def encode(self, text: str) -> Ids:
        return self._ids(self.split(text))

    def form(self, word: str) -> str:
        """A word as the vocabulary has it: normalized, lower-cased where that is asked for."""
        word = self._normalize(word)
        return word.lower() if self.lowercase else word

    def lookup(self, words: Sequence[str]) -> Ids:
        """Ids of words that are given one by one, whatever is in them."""
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
        """Words and signs as readable text."""
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
    """Makes readable text of words and signs, one after the other: knows whether a space goes before the next."""

    def __init__(self) -> None:
        self.quoted = False  # between a double quote and the one that ends it
        self.glue = True  # no space before the next token, as before the first

    def add(self, word: str) -> str:
        """The next word or sign, with the space before it."""
        closes = word == '"' and self.quoted
        space = "" if self.glue or word in NO_SPACE_BEFORE or closes else " "
        if word == '"':
            self.quoted = not self.quoted
        self.glue = word in NO_SPACE_AFTER or (word == '"' and self.quoted)
        return space + word


class WordStream(StreamDecoder):
    """A word is written as it comes: all that matters of the past is in the joiner, however long the text is."""

    def __init__(self, tokenizer: WordTokenizer) -> None:
        self._tokenizer, self._joiner = tokenizer, Joiner()

    def push(self, id: int) -> str:
        return self._joiner.add(self._tokenizer.token(id)) if id > EOS or id == UNK else ""
