"""The base class of all tokenizers, and the special tokens that all of them share."""

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
    """Turns text into ids and back. Ids 0 to 3 are the special tokens. A trained tokenizer never changes."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]]  # names of the options that it is trained with

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """The number of ids, special tokens included."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Return the ids of a text, (n,)."""

    def encode_lines(self, lines: Sequence[str]) -> list[Ids]:
        """Return the ids of every line separately, (n,) each."""
        return [self.encode(line) for line in lines]

    def pieces(self, text: str) -> list[str]:
        """Return the tokens of a text as readable strings, one for every id of `encode`.

        Unlike `token` of an id, this may show what an unknown token was in the text.
        """
        return [self.token(id) for id in self.encode(text).tolist()]

    @abstractmethod
    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Return the text that ids stand for. Special tokens are left out, except <unk>."""

    @abstractmethod
    def token(self, id: int) -> str:
        """Return the token of one id as a readable string."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return everything that `from_json` needs, as JSON values."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> "Tokenizer":
        """Return the tokenizer that `to_json` wrote.

        Raises ValueError, KeyError, TypeError or ConfigError when the values are damaged.
        """

    @classmethod
    @abstractmethod
    def train(cls, blocks: Iterable[str], **options: Any) -> "Tokenizer":
        """Train a tokenizer on the text in `blocks`, which are read once, in constant memory."""

    @abstractmethod
    def stream_decoder(self) -> "StreamDecoder":
        """Return a decoder that decodes token by token, to show text while it is generated."""


class StreamDecoder(ABC):
    """Decodes a growing list of ids. All pieces of text put together are what `decode` gives for all ids.

    Time and memory for a token do not depend on how many came before.
    """

    @abstractmethod
    def push(self, id: int) -> str:
        """Return the text that this token adds. It may be empty until the last bytes of a character have come."""

    def finish(self) -> str:
        """Return the text that is still held back at the end."""
        return ""

    def go_on_after(self, ids: Sequence[int]) -> None:
        """Continue after these ids, whose text is not returned."""
        for id in ids:
            self.push(id)


class ByteStream(StreamDecoder):
    """A decoder for tokens that are bytes. It never returns half a character; invalid bytes become U+FFFD."""

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        self._bytes_of = bytes_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        return self._decoder.decode(self._bytes_of(id))

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


def distinct_words(value: object, what: str) -> list[str]:
    """Check that a value from a file is a list of distinct strings, and return it. Raises ValueError otherwise.

    `what` names the value in the message.
    """
    if not isinstance(value, list) or not all(type(word) is str and word for word in value):
        raise ValueError(f"its {what} are no list of strings")
    if len(set(value)) != len(value):
        raise ValueError(f"some of its {what} are there twice")
    "".join(value).encode()  # raises UnicodeEncodeError, a ValueError, for lone surrogates, which are no valid text
    return value


def normalizer(form: str) -> Any:
    """Return a function that brings text into a Unicode normal form: "nfc", "nfd" or "nfkc"; "none" changes nothing.

    Raises ConfigError for other names.
    """
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
