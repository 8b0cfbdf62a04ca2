"""Token files: a text as token ids, written once in constant memory, kept in the cache and mapped into memory.

CACHE/tokens/KEY/tokens.bin      the ids, uint16 or uint32
                 lines.bin       with unit line: where each line ends, int64
                 index.bin       at some thousand positions, the number of tokens, characters, bytes and unknown tokens
                                 before it
                 meta.json       the dtype of the ids, their number, and the checksums of the other files

Small files are verified with their checksums when they are opened, and are made again if they are damaged. The ids of a
large text are verified block by block, each when it is first read, so that training can start at once.

The "unit" of a text is "stream", when it is one long text, or "line", when each line is a text of its own that ends
with <eos>.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core import tokenizers
from seqcli.core.data.cache import cache_dir, file_digest, key_of, read_note, write_note
from seqcli.core.data.readers import Invalid, read_blocks
from seqcli.core.data.stored import StoredIds, checksums, mapped
from seqcli.core.files import making
from seqcli.core.tokenizers import EOS, UNK, Ids, Tokenizer
from seqcli.errors import CheckpointError, DataError

FORMAT = 4  # part of the key in the cache; files of other formats are never read
# About how many entries the index of a large text has. Counts for a part of the text may be off by what is between two
# entries at most.
ENTRIES = 1 << 12
LEAST = 1 << 10  # the smallest number of characters between two entries of the index

Progress = Callable[[str], None]


@dataclass(frozen=True)
class TokenFile:
    """A text, or a part of one, as token ids."""

    whole: StoredIds  # the ids of the whole text
    # (entries, 4): tokens, characters, bytes and unknown tokens before some positions; the first entry is all zero
    index: NDArray[np.int64]
    ends: NDArray[np.int64] | None  # with unit line, where each line ends, after its <eos>: (lines,)
    tokenizer: Tokenizer
    start: int  # where in the whole text this part begins
    stop: int  # ... and where it ends
    lines: NDArray[np.int64] | None = None  # with unit line, the numbers of the lines that belong to it; None: all

    @cached_property
    def ids(self) -> StoredIds:
        """The ids, (n,)."""
        return self.whole.part(self.start, self.stop)

    @property
    def tokens(self) -> int:
        """The number of ids, of the chosen lines alone if some were chosen."""
        if self.ends is None or self.lines is None:
            return len(self.ids)
        return int(np.diff(self.ends, prepend=0)[self.lines].sum())

    def choose(self, lines: NDArray[np.int64]) -> "TokenFile":
        """Return the same text with only some lines chosen, by their numbers. `ids` and `ends` stay as they are."""
        return replace(self, lines=lines)

    @property
    def characters(self) -> int:
        """The number of characters of the text that the ids stand for."""
        return self._counts[0]

    @property
    def bytes(self) -> int:
        """The number of bytes of that text in UTF-8."""
        return self._counts[1]

    @property
    def unknown(self) -> int:
        """The number of ids that are <unk>."""
        return self._counts[2]

    @property
    def predicted(self) -> "TokenFile":
        """The part whose tokens a language model predicts: all of it, except the first token of a stream."""
        return self if self.ends is not None else replace(self, start=min(self.start + 1, self.stop))

    def part(self, start: float, stop: float) -> "TokenFile":
        """Return the part between two fractions (0 to 1) of the text. With unit line it is cut between lines."""
        total = len(self.ids) if self.ends is None else len(self.ends)
        i, j = round(total * start), round(total * stop)
        if self.ends is None:
            return replace(self, start=self.start + i, stop=self.start + j)
        first, last = (int(self.ends[k - 1]) if k else 0 for k in (i, j))
        return replace(self, start=self.start + first, stop=self.start + last, ends=self.ends[i:j] - first)

    def head(self, tokens: int) -> "TokenFile":
        """Return the beginning with at most `tokens` tokens (0: all). With unit line it is at least one line."""
        if not tokens or len(self.ids) <= tokens:
            return self
        if self.ends is None:
            return self.part(0, tokens / len(self.ids))
        lines = max(1, int(np.searchsorted(self.ends, tokens, side="right")))
        return self.part(0, lines / len(self.ends))

    @cached_property
    def _counts(self) -> list[int]:
        """Characters, bytes and unknown tokens."""
        if self.ends is not None and self.lines is not None:
            starts = self.ends - np.diff(self.ends, prepend=0)
            each = [self._decoded(self.ids[starts[k] : self.ends[k]]) for k in self.lines.tolist()]
            return [sum(counts) for counts in zip(*each, strict=True)] or [0, 0, 0]
        return [b - a for a, b in zip(self._until(self.start), self._until(self.stop), strict=True)]

    def _until(self, place: int) -> list[int]:
        """Return the characters, bytes and unknown tokens before a position of the whole text.

        They are exact at the entries of the index. Between two entries they are interpolated by the lengths of the
        decoded ids. That is exact too, unless the text was normalized, or its words have lost spaces and capitals.
        """
        entry = int(np.searchsorted(self.index[:, 0], place, side="right")) - 1
        begin, *before = self.index[entry].tolist()
        if place in (0, begin):
            return before if place else [0, 0, 0]
        end, *after = self.index[entry + 1].tolist()
        some, all_ = (self._decoded(self.whole[begin:at]) for at in (place, end))
        return [b + (a - b) * s // max(1, n) for b, a, s, n in zip(before, after, some, all_, strict=True)]

    def _decoded(self, ids: Ids) -> list[int]:
        """Return the characters, bytes and unknown tokens of the decoded ids. <eos> counts as one line end."""
        ends, unknown = (int((ids == special).sum()) for special in (EOS, UNK))
        text = self.tokenizer.decode(ids)
        raw = self.tokenizer.name == "byte"  # decoding half a character would give more bytes than there are
        size = len(ids) if raw else len(text.encode("utf-8", "surrogatepass")) + ends
        return [len(text) + ends, size, unknown]


def open_tokens(
    paths: list[Path],
    *,
    unit: str,
    invalid: Invalid = "error",
    tokenizer: Tokenizer | None = None,
    kind: str = "char",
    options: dict[str, Any] | None = None,
    progress: Progress = lambda text: None,
) -> TokenFile:
    """Return the token file of these texts, from the cache if it is there, otherwise made now.

    The text is encoded with `tokenizer`. Without one, a tokenizer of `kind` is trained on the text, with `options`.
    `progress` is called with a sentence before any work that takes a while. Raises DataError when a text is wrong or
    the cache cannot be written.
    """
    name = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
    about = {"format": FORMAT, "unit": unit, "invalid": invalid}
    about["content"] = [file_digest(path, progress) for path in paths]

    def blocks(raw: bool) -> Iterator[str]:
        return read_blocks(paths, invalid=invalid, raw=raw, lines=unit == "line")

    try:
        if tokenizer is None:
            note = cache_dir() / "vocabularies" / (key_of({**about, "kind": kind, "options": options or {}}) + ".json")
            tokenizer = _known_tokenizer(note, name, progress)
        if tokenizer is None:
            progress(f"Reading the vocabulary of {name}")
            texts = blocks(kind == "byte") if unit == "stream" else _without_line_ends(blocks(kind == "byte"), kind)
            tokenizer = tokenizers.train(kind, texts, **(options or {}))
            write_note(note, tokenizers.to_json(tokenizer))
        # The key contains the tokenizer itself, so one from a checkpoint finds the file that was made in training.
        place = cache_dir() / "tokens" / key_of({**about, "tokenizer": tokenizers.to_json(tokenizer)})
        if (found := _known_tokens(place, tokenizer, unit, name, progress)) is not None:
            return found
        progress(f"Tokenizing {name}")
        size = max(LEAST, sum(path.stat().st_size for path in paths) // ENTRIES)
        _write(place, _pieces(blocks(tokenizer.name == "byte"), size), tokenizer, unit)
    except OSError as error:
        raise DataError(
            f"The cache {cache_dir()} cannot be written: {error.strerror}. Name another in SEQCLI_CACHE."
        ) from None
    return _open(place, tokenizer, unit)


def _known_tokenizer(note: Path, name: str, progress: Progress) -> Tokenizer | None:
    """Return the tokenizer in the cache, or None when there is none or it is damaged. The user is told about damage."""
    try:
        return tokenizers.from_json(read_note(note))
    except FileNotFoundError:
        return None
    except (ValueError, CheckpointError):
        progress(f"The cached vocabulary of {name} is damaged; it is made anew.")
        return None


def _known_tokens(place: Path, tokenizer: Tokenizer, unit: str, name: str, progress: Progress) -> TokenFile | None:
    """Return the token file in the cache, or None when there is none or it is damaged; the user is told of damage."""
    if not place.exists():
        return None
    try:
        return _open(place, tokenizer, unit)
    except (OSError, ValueError, KeyError, TypeError):
        progress(f"The cached tokens of {name} are damaged; they are made anew.")
        shutil.rmtree(place, ignore_errors=True)
        return None


def _open(place: Path, tokenizer: Tokenizer, unit: str) -> TokenFile:
    """Open the token file in a directory. Raises OSError, ValueError, KeyError or TypeError when it is damaged."""
    meta = read_note(place / "meta.json")

    def checked(name: str, dtype: str) -> NDArray[Any]:
        if checksums(place / name) != meta["sums"][name]:
            raise ValueError(f"{place / name} is damaged")
        return mapped(place / name, dtype)

    ids = StoredIds(place / "tokens.bin", meta["dtype"], meta["sums"]["tokens.bin"])
    if len(ids) != meta["tokens"]:
        raise ValueError(f"{place} is cut short")
    ends = checked("lines.bin", "int64") if unit == "line" else None
    return TokenFile(ids, checked("index.bin", "int64").reshape(-1, 4), ends, tokenizer, 0, len(ids))


# --- making one -----------------------------------------------------------------------------------------------------


def _without_line_ends(blocks: Iterator[str], kind: str) -> Iterator[str]:
    """Remove line ends from the text on which a tokenizer for unit line is trained: there <eos> ends a line."""
    between = "" if kind == "char" else " "
    return (block.replace("\n", between) for block in blocks)


def _pieces(blocks: Iterator[str], size: int) -> Iterator[str]:
    """Cut the blocks into pieces of about `size` characters, one for each entry of the index.

    They are cut at line ends, so that the tokens are the same as without the cuts.
    """
    for block in blocks:
        start = 0
        while len(block) - start > size and (cut := block.find("\n", start + size) + 1):
            yield block[start:cut]
            start = cut
        if start < len(block):
            yield block[start:]


def _encode(blocks: Iterator[str], tokenizer: Tokenizer, unit: str) -> Iterator[tuple[Ids, list[int] | None, str]]:
    """Yield for each block its ids, the lengths of its lines in tokens (None for a stream), and its text."""
    if unit == "stream":
        for block in blocks:
            yield tokenizer.encode(block), None, block
        return
    rest = ""
    eos = np.array([EOS], dtype=np.int32)
    for block in chain(blocks, "\n"):
        lines = (rest + block).split("\n")
        rest = lines.pop()
        parts = [np.concatenate((tokenizer.encode(line), eos)) for line in lines if line.strip()]
        if parts:
            yield np.concatenate(parts), [len(p) for p in parts], "".join(x + "\n" for x in lines if x.strip())


def _write(place: Path, blocks: Iterator[str], tokenizer: Tokenizer, unit: str) -> None:
    """Encode the blocks and write the files of a token file into the directory `place`."""
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32)
    place.parent.mkdir(parents=True, exist_ok=True)
    index = [np.zeros(4, np.int64)]  # running sums: tokens, characters, bytes, unknown tokens
    with making(place) as temporary:
        with (temporary / "tokens.bin").open("wb") as out, (temporary / "lines.bin").open("wb") as ends:
            for ids, lengths, text in _encode(blocks, tokenizer, unit):
                out.write(ids.astype(dtype).tobytes())
                if lengths is not None:
                    ends.write((index[-1][0] + np.cumsum(lengths, dtype=np.int64)).tobytes())
                size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
                index.append(index[-1] + (len(ids), len(text), size, int((ids == UNK).sum())))
        (temporary / "index.bin").write_bytes(np.stack(index).tobytes())
        sums = {path.name: checksums(path) for path in temporary.iterdir()}
        write_note(temporary / "meta.json", {"dtype": dtype.name, "tokens": int(index[-1][0]), "sums": sums})
