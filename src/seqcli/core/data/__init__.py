"""Data that several tasks share: finding and reading texts, token files, batches, files of word vectors."""

from seqcli.core.data.readers import find_texts, read_blocks
from seqcli.core.data.tokenfile import TokenFile, open_tokens

__all__ = [
    "TokenFile",
    "find_texts",
    "open_tokens",
    "read_blocks",
]
