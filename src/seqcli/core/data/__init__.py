"""Texts and token files: found, read, and tokenized once."""

from seqcli.core.data.readers import find_texts, read_blocks
from seqcli.core.data.tokenfile import TokenFile, open_tokens

__all__ = [
    "TokenFile",
    "find_texts",
    "open_tokens",
    "read_blocks",
]
