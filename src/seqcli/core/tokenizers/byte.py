"""UTF-8 bytes as tokens: no token is ever unknown, and any file can be a text."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from seqcli.core.tokenizers.base import SPECIALS, ByteStream, Ids, Tokenizer

FIRST = len(SPECIALS)
# Bytes that are not UTF-8 are represented in a str by lone surrogates (PEP 383), and encoded back to the same bytes.
ERRORS = "surrogateescape"


class ByteTokenizer(Tokenizer):
    """One token for each byte: id = 4 + byte. The text is not normalized."""

    name = "byte"
    options = ()
    vocab_size = FIRST + 256

    @classmethod
    def train(cls, blocks: Iterable[str], **_: Any) -> "ByteTokenizer":
        return cls()

    def encode(self, text: str) -> Ids:
        try:
            data = text.encode("utf-8", ERRORS)
        except UnicodeEncodeError:  # a lone surrogate that does not represent a byte
            data = text.encode("utf-8", "surrogatepass")
        return np.frombuffer(data, dtype=np.uint8).astype(np.int32) + FIRST

    def decode(self, ids: Sequence[int] | Ids) -> str:
        array = np.asarray(ids, dtype=np.int64)
        return (array[array >= FIRST] - FIRST).astype(np.uint8).tobytes().decode("utf-8", "replace")

    def stream_decoder(self) -> ByteStream:
        return ByteStream(lambda id: bytes((id - FIRST,)) if id >= FIRST else b"")

    def token(self, id: int) -> str:
        return SPECIALS[id] if id < FIRST else f"0x{id - FIRST:02x}"

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ByteTokenizer":
        return cls()
