"""What every tokenizer does, and the special tokens that all of them share."""

import codecs
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from seqcli.errors import ConfigError

Ids = NDArray[np.integer[Any]]

SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
PAD, UNK, BOS, EOS = range(4)
FORMS = ("nfc", "nfd", "nfkc", "none")


class Tokenizer(ABC):
    """Text to ids and back. Ids 0 to 3 are the special tokens; the others never change once trained."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]]  # of the configuration, what it is trained with

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Ids of a text, (n,)."""

    def encode_lines(self, lines: Sequence[str]) -> list[Ids]:
        """Ids of every line by itself."""
        return [self.encode(line) for line in lines]

    def pieces(self, text: str) -> list[str]:
        """The text's tokens for people to read, one for every id of `encode`, the unknown ones too."""
        return [self.token(id) for id in self.encode(text).tolist()]

    @abstractmethod
    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Text of ids; special tokens but <unk> are left out."""

    @abstractmethod
    def token(self, id: int) -> str:
        """The token of one id, for people to read."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All that `from_json` needs, as JSON values."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> "Tokenizer":
        """The tokenizer that `to_json` wrote. Raises ValueError, KeyError, TypeError or ConfigError when it is none."""

    @classmethod
    @abstractmethod
    def train(cls, blocks: Iterable[str], **options: Any) -> "Tokenizer":
        """A tokenizer of the text in `blocks`, which are read once, in constant memory."""

    @abstractmethod
    def stream_decoder(self) -> "StreamDecoder":
        """Decodes token after token, for showing text while it is made."""


class StreamDecoder(ABC):
    """Text of a growing list of ids: the pieces together are what `decode` makes of them all, however many they are."""

    @abstractmethod
    def push(self, id: int) -> str:
        """The text that this token adds; it may be empty until its character is whole."""

    def finish(self) -> str:
        """Whatever is still held back."""
        return ""

    def go_on_after(self, ids: Sequence[int]) -> None:
        """The text of these ids has been written already; what is pushed next goes on from it."""
        for id in ids:
            self.push(id)


class ByteStream(StreamDecoder):
    """For tokens that are bytes: never shows half of a character, and U+FFFD for bytes that are none."""

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        self._bytes_of = bytes_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        return self._decoder.decode(self._bytes_of(id))

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


def distinct_words(value: object, what: str) -> list[str]:
    """The value, which comes from a file, as a list of distinct strings. Raises ValueError when it is none."""
    if not isinstance(value, list) or not all(type(word) is str and word for word in value):
        raise ValueError(f"its {what} are no list of strings")
    if len(set(value)) != len(value):
        raise ValueError(f"some of its {what} are there twice")
    "".join(value).encode()  # a lone surrogate is no text: UnicodeEncodeError is a ValueError
    return value


def normalizer(form: str) -> Any:
    """A function str -> str for nfc, nfd, nfkc or none; ASCII text passes at once. Raises ConfigError for others."""
    if form not in FORMS:
        raise ConfigError(f"There is no normalization {form!r}; they are {', '.join(FORMS)}.")
    if form == "none":
        return lambda text: text
    name = cast(Any, form.upper())

    def normalize(text: str) -> str:
        if text.isascii() or unicodedata.is_normalized(name, text):
            return text
        return unicodedata.normalize(name, text)

    return normalize
