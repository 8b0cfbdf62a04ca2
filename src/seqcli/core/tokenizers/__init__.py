"""Tokenizers, which turn text into ids and back, and their registry. The library for BPE is imported when needed."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core.tokenizers.base import BOS, EOS, PAD, SPECIALS, UNK, Ids, Tokenizer
from seqcli.core.tokenizers.byte import ByteTokenizer
from seqcli.core.tokenizers.char import CharTokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import CheckpointError, ConfigError

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "SPECIALS",
    "TOKENIZERS",
    "UNK",
    "Ids",
    "Tokenizer",
    "from_array",
    "from_json",
    "to_array",
    "to_json",
    "tokenizer_class",
    "train",
]


def _bpe() -> type[Tokenizer]:
    from seqcli.core.tokenizers.bpe import BPETokenizer

    return BPETokenizer


TOKENIZERS: dict[str, Callable[[], type[Tokenizer]]] = {
    "char": lambda: CharTokenizer,
    "byte": lambda: ByteTokenizer,
    "word": lambda: WordTokenizer,
    "bpe": _bpe,
}


def tokenizer_class(name: str) -> type[Tokenizer]:
    """Return the class of the tokenizer with this name. Raises ConfigError, listing the choices, if there is none."""
    if name not in TOKENIZERS:
        raise ConfigError(f"There is no tokenizer {name!r}; they are {', '.join(TOKENIZERS)}.")
    return TOKENIZERS[name]()


def train(name: str, blocks: Iterable[str], **options: Any) -> Tokenizer:
    """Train a tokenizer of this kind on the text in `blocks`."""
    return tokenizer_class(name).train(blocks, **options)


def to_json(tokenizer: Tokenizer, *, ascii: bool = True) -> str:
    """Return the tokenizer as JSON."""
    return json.dumps({"kind": tokenizer.name, **tokenizer.to_json()}, ensure_ascii=ascii)


def from_json(text: str) -> Tokenizer:
    """Return the tokenizer that `to_json` wrote. Raises CheckpointError when the text is damaged."""
    try:
        data = json.loads(text)
        return tokenizer_class(data["kind"]).from_json(data)
    except (ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)[:200].rstrip(".")
        raise CheckpointError(f"The tokenizer in the checkpoint is damaged: {what}.") from None


def to_array(tokenizer: Tokenizer) -> NDArray[np.uint8]:
    """Return the tokenizer as an array (n,) of the bytes of its JSON.

    A model file stores it in this form, because its header has a limited length and a vocabulary may be large.
    """
    return np.frombuffer(to_json(tokenizer, ascii=False).encode("utf-8"), dtype=np.uint8).copy()


def from_array(data: NDArray[np.uint8]) -> Tokenizer:
    """Return the tokenizer that `to_array` wrote. Raises CheckpointError when the array is damaged."""
    try:
        return from_json(data.tobytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CheckpointError(f"The tokenizer in the checkpoint is damaged: {error}.") from None
