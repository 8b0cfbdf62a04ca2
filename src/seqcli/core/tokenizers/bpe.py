"""Byte-level byte-pair encoding (Sennrich 2016; on bytes as in GPT-2), with the `tokenizers` library."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from seqcli.core.tokenizers.base import EOS, SPECIALS, ByteStream, Ids, Tokenizer, distinct_words, normalizer
from seqcli.errors import ConfigError

SAMPLE_BLOCKS = 64  # merges are learned from this many blocks of the text, each about 1 MiB
# Merges never cross these pieces: words with a leading space, numbers, signs, spaces. Each line end is a piece of its
# own, so that encoding a text line by line gives the same tokens.
SPLIT = Regex(r"\n| ?\p{L}[\p{L}\p{M}]*| ?\p{N}+| ?[^\s\p{L}\p{N}]+|[^\S\n]+(?=[^\S\n])|[^\S\n]")

# Byte-level BPE writes bytes as characters, as in GPT-2: the printable ones of Latin-1 are themselves, the others are
# code points from 256 on.
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTE_OF = {chr(b): b for b in PRINTABLE} | {chr(256 + k): b for k, b in enumerate(sorted({*range(256)} - {*PRINTABLE}))}


class BPETokenizer(Tokenizer):
    """Subwords made of bytes. Every text can be encoded, so nothing is unknown.

    It is defined by its tokens, in the order of their ids, and by the pairs of tokens that are merged, in the order in
    which merges are tried.
    """

    name = "bpe"
    options = ("normalize", "vocab_size")

    def __init__(self, tokens: list[str], merges: list[tuple[str, str]], normalize: str = "nfc") -> None:
        self.tokens, self.merges, self.form = tokens, merges, normalize
        self._normalize = normalizer(normalize)
        self.inner = around(models.BPE({token: id for id, token in enumerate(tokens)}, merges))

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(
        cls,
        blocks: Iterable[str],
        *,
        normalize: str = "nfc",
        vocab_size: int | None = None,
        **_: Any,
    ) -> "BPETokenizer":
        inner = around(models.BPE())
        smallest = len(SPECIALS) + 256
        size = vocab_size or 4000
        if size < smallest:
            raise ConfigError(
                f"--vocab-size is {size}; byte-level BPE needs at least {smallest}: the bytes and the special tokens."
            )
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(SPECIALS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        to_form = normalizer(normalize)
        inner.train_from_iterator(map(encodable, map(to_form, islice(blocks, SAMPLE_BLOCKS))), trainer)
        learnt = json.loads(inner.to_str())["model"]
        return cls(sorted(learnt["vocab"], key=learnt["vocab"].get), list(map(tuple, learnt["merges"])), normalize)

    def encode(self, text: str) -> Ids:
        # line by line, because the library encodes the members of a batch in parallel, and short ones faster
        *lines, last = encodable(self._normalize(text)).split("\n")
        lines = [line + "\n" for line in lines] + [last] * bool(last)
        parts = self.inner.encode_batch_fast(lines, add_special_tokens=False)
        return np.fromiter((id for part in parts for id in part.ids), dtype=np.int32)

    def encode_lines(self, lines: Sequence[str]) -> list[Ids]:
        texts = [encodable(self._normalize(line)) for line in lines]
        return [np.array(e.ids, np.int32) for e in self.inner.encode_batch_fast(texts, add_special_tokens=False)]

    def decode(self, ids: Sequence[int] | Ids) -> str:
        kept = [int(id) for id in ids if id > EOS]
        return str(self.inner.decode(kept, skip_special_tokens=False))

    def stream_decoder(self) -> ByteStream:
        def bytes_of(id: int) -> bytes:
            return bytes(BYTE_OF[char] for char in self.inner.id_to_token(id) or "") if id > EOS else b""

        return ByteStream(bytes_of)

    def token(self, id: int) -> str:
        return SPECIALS[id] if id <= EOS else str(self.inner.decode([id]))

    def to_json(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "merges": [f"{a} {b}" for a, b in self.merges], "normalize": self.form}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "BPETokenizer":
        tokens = distinct_words(data["tokens"], "tokens")
        merges = [(a, b) for a, _, b in (merge.partition(" ") for merge in distinct_words(data["merges"], "merges"))]
        known = set(tokens)
        if tuple(tokens[: len(SPECIALS)]) != SPECIALS or not known.issuperset(pre_tokenizers.ByteLevel.alphabet()):
            raise ValueError("its tokens lack a special one or a byte")
        if not all(known.issuperset((a, b, a + b)) for a, b in merges):
            raise ValueError("one of its merges is of tokens that it does not have")
        return cls(tokens, merges, data["normalize"])


def around(model: models.BPE) -> tokenizers.Tokenizer:
    """Make a tokenizer of the library from a BPE model: text is split into words first, then written as bytes."""
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(SPLIT, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    return inner


def encodable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot represent, by U+FFFD. The library accepts only valid text."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text) if has_surrogate(text) else text


def has_surrogate(text: str) -> bool:
    """Return whether the text has a code point that UTF-8 cannot represent."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
