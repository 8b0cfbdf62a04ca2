"""Text to ids and back; the registry of tokenizers. BPE's library is imported when it is used."""

import json
from collections.abc import Callable, Iterable
from typing import Any

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
    "from_json",
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
    """The tokenizer of that name. Raises ConfigError listing the choices."""
    if name not in TOKENIZERS:
        raise ConfigError(f"There is no tokenizer {name!r}; they are {', '.join(TOKENIZERS)}.")
    return TOKENIZERS[name]()


def train(name: str, blocks: Iterable[str], **options: Any) -> Tokenizer:
    """A tokenizer of that name for the text in `blocks`."""
    return tokenizer_class(name).train(blocks, **options)


def to_json(tokenizer: Tokenizer) -> str:
    """The tokenizer as one JSON text, as it is saved in a checkpoint."""
    return json.dumps({"kind": tokenizer.name, **tokenizer.to_json()}, ensure_ascii=True)


def from_json(text: str) -> Tokenizer:
    """The tokenizer that `to_json` wrote. Raises CheckpointError when it is none."""
    try:
        data = json.loads(text)
        return tokenizer_class(data["kind"]).from_json(data)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The tokenizer in the checkpoint cannot be read: {error}.") from None
