"""Texts and token files: found, read, tokenized once, and cut into batches."""

from seqcli.core.data.batching import Batch, Batches, LineBatches, StreamBatches, held_out_batches
from seqcli.core.data.readers import find_texts, read_blocks
from seqcli.core.data.tokenfile import TokenFile, open_tokens

__all__ = [
    "Batch",
    "Batches",
    "LineBatches",
    "StreamBatches",
    "TokenFile",
    "find_texts",
    "held_out_batches",
    "open_tokens",
    "read_blocks",
]
