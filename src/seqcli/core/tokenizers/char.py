"""Characters (Unicode code points) as tokens."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tokenizers.base import SPECIALS, UNK, Ids, StreamDecoder, Tokenizer, normalizer

CODE_POINTS = 0x110000
FIRST = len(SPECIALS)


class CharTokenizer(Tokenizer):
    """One token for each code point, with ids in code point order. Text is normalized first; unknown characters become
    <unk>."""

    name = "char"
    options = ("normalize", "min_count")

    def __init__(self, chars: str, normalize: str = "nfc") -> None:
        self.chars, self.form = chars, normalize
        self._normalize = normalizer(normalize)
        codes = code_points(chars)
        self._id_of = np.full(CODE_POINTS, UNK, dtype=np.int32)
        self._id_of[codes] = np.arange(FIRST, FIRST + len(codes))
        # <unk> decodes to U+FFFD; the other special tokens are dropped before decoding, so their code does not matter
        self._code_of = np.concatenate((np.array([0, 0xFFFD, 0, 0], dtype=np.uint32), codes))

    @property
    def vocab_size(self) -> int:
        return FIRST + len(self.chars)

    @classmethod
    def train(cls, blocks: Iterable[str], *, normalize: str = "nfc", min_count: int = 1, **_: Any) -> "CharTokenizer":
        to_form = normalizer(normalize)
        counts = np.zeros(CODE_POINTS, dtype=np.int64)
        for block in blocks:
            found = np.bincount(code_points(to_form(block)))
            counts[: len(found)] += found
        return cls(text_of(np.flatnonzero(counts >= min_count)), normalize)

    def encode(self, text: str) -> Ids:
        return self._id_of[code_points(self._normalize(text))]

    def decode(self, ids: Sequence[int] | Ids) -> str:
        array = np.asarray(ids, dtype=np.int64)
        return text_of(self._code_of[array[(array >= FIRST) | (array == UNK)]])

    def pieces(self, text: str) -> list[str]:
        return list(self._normalize(text))

    def stream_decoder(self) -> "CharStream":
        return CharStream(self)

    def token(self, id: int) -> str:
        return SPECIALS[id] if id < FIRST else self.chars[id - FIRST]

    def to_json(self) -> dict[str, Any]:
        # as numbers, because lone surrogates may be among the characters, and UTF-8 cannot represent them
        return {"codes": code_points(self.chars).tolist(), "normalize": self.form}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "CharTokenizer":
        codes = data["codes"]
        if not isinstance(codes, list) or not all(type(code) is int and 0 <= code < CODE_POINTS for code in codes):
            raise ValueError("its characters are no list of code points")
        if len(set(codes)) != len(codes):
            raise ValueError("some of its characters are there twice")
        return cls(text_of(np.array(codes, dtype=np.uint32)), data["normalize"])


class CharStream(StreamDecoder):
    """Decodes each token by looking up its character."""

    def __init__(self, tokenizer: CharTokenizer) -> None:
        self._texts: list[str] = ["", "\ufffd", "", "", *tokenizer.chars]

    def push(self, id: int) -> str:
        return self._texts[id]


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the code points of a text, (n,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def text_of(codes: NDArray[Any]) -> str:
    """Return the text that code points (n,) stand for."""
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
