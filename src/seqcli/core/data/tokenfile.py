"""A text as a file of token ids, made once in constant memory, kept in the cache, and mapped into memory.

CACHE/files/HASH.json            a file's digest, for as long as its size and time stay the same
CACHE/tokens/KEY/tokens.bin      the ids, uint16 or uint32
CACHE/tokens/KEY/lines.bin       with unit line: where each line ends, int64
CACHE/tokens/KEY/meta.json       tokenizer, type, counts of characters and bytes; written last
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.core import tokenizers
from seqcli.core.data.readers import Invalid, read_blocks
from seqcli.core.tokenizers import EOS, Ids, Tokenizer
from seqcli.errors import DataError

FORMAT = 3


@dataclass(frozen=True)
class TokenFile:
    """Ids of a text (n,), memory-mapped. With unit line, `ends` (lines,) holds the end of each line, <eos> included."""

    ids: NDArray[Any]
    ends: NDArray[np.int64] | None
    tokenizer: Tokenizer
    characters: int
    bytes: int
    unknown: int  # how many ids are <unk>

    def part(self, start: float, stop: float) -> "TokenFile":
        """The part between two fractions of the text, cut between lines when they are its unit."""
        total = len(self.ids) if self.ends is None else len(self.ends)
        i, j = round(total * start), round(total * stop)
        if self.ends is None:
            ids, ends = self.ids[i:j], None
        else:
            first = int(self.ends[i - 1]) if i else 0
            last = int(self.ends[j - 1]) if j else 0
            ids, ends = self.ids[first:last], self.ends[i:j] - first
        share = len(ids) / max(1, len(self.ids))
        return TokenFile(
            ids,
            ends,
            self.tokenizer,
            round(self.characters * share),
            round(self.bytes * share),
            round(self.unknown * share),
        )

    def head(self, tokens: int) -> "TokenFile":
        """At most so many tokens from the start (0: all)."""
        if not tokens or len(self.ids) <= tokens:
            return self
        if self.ends is None:
            return self.part(0, tokens / len(self.ids))
        lines = max(1, int(np.searchsorted(self.ends, tokens, side="right")))
        return self.part(0, lines / len(self.ends))


def cache_dir() -> Path:
    """SEQCLI_CACHE, or seqcli in XDG_CACHE_HOME, or ~/.cache/seqcli."""
    if named := os.environ.get("SEQCLI_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqcli"


def open_tokens(
    paths: list[Path],
    *,
    unit: str,
    invalid: Invalid = "error",
    tokenizer: Tokenizer | None = None,
    kind: str = "char",
    options: dict[str, Any] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> TokenFile:
    """The token file of these texts, from the cache or made now.

    With a `tokenizer` the text is written in its ids; without, one of `kind` is trained on the text with `options`.
    `progress` is told, in words, before any work that a user would wait for. Raises DataError.
    """
    how: dict[str, Any] = {"unit": unit, "invalid": invalid, "format": FORMAT}
    how |= {"tokenizer": tokenizers.to_json(tokenizer)} if tokenizer else {"kind": kind, "options": options or {}}
    how["content"] = [file_digest(path, progress) for path in paths]
    key = hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()[:32]
    place = cache_dir() / "tokens" / key
    if not (place / "meta.json").is_file():
        raw = (tokenizer.name if tokenizer else kind) == "byte"

        def blocks() -> Iterator[str]:
            return read_blocks(paths, invalid=invalid, raw=raw, lines=unit == "line")

        try:
            if tokenizer is None:
                progress(f"Reading the vocabulary of {_name(paths)}")
                texts = blocks() if unit == "stream" else _without_line_ends(blocks(), kind)
                tokenizer = tokenizers.train(kind, texts, **(options or {}))
            progress(f"Tokenizing {_name(paths)}")
            _write(place, blocks(), tokenizer, unit)
        except OSError as error:
            raise DataError(
                f"The cache {cache_dir()} cannot be written: {error.strerror}. Name another in SEQCLI_CACHE."
            ) from None
    return _open(place)


def _name(paths: list[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"


def _without_line_ends(blocks: Iterator[str], kind: str) -> Iterator[str]:
    """For unit line, where <eos> ends a line and no token may."""
    between = "" if kind == "char" else " "
    return (block.replace("\n", between) for block in blocks)


def file_digest(path: Path, progress: Callable[[str], None] = lambda text: None) -> str:
    """SHA-256 of a file's content, remembered while its size and modification time stay the same."""
    stat = path.stat()
    known = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    note = cache_dir() / "files" / (hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32] + ".json")
    try:
        found = json.loads(note.read_text())
        if {k: found[k] for k in known} == known:
            return str(found["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if stat.st_size > 200 << 20:
        progress(f"Looking through {path}")
    try:
        with path.open("rb") as file:
            digest = (
                hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)
            )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({**known, "sha256": digest}))
    except OSError:
        pass  # then it is looked through again next time
    return digest


def _sha256(file: Any) -> str:
    hasher = hashlib.sha256()  # Python 3.10 has no hashlib.file_digest
    while block := file.read(1 << 20):
        hasher.update(block)
    return hasher.hexdigest()


def _encode(blocks: Iterator[str], tokenizer: Tokenizer, unit: str) -> Iterator[tuple[Ids, list[int] | None, str]]:
    """For each block: ids, the lengths of its lines when they are the unit, and the text it stands for."""
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
    """Write the token file beside its place and move it there whole."""
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32)
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=".making-"))
    try:
        characters = size = unknown = end = 0
        with (temporary / "tokens.bin").open("wb") as out, (temporary / "lines.bin").open("wb") as ends:
            for ids, lengths, text in _encode(blocks, tokenizer, unit):
                out.write(ids.astype(dtype).tobytes())
                if lengths is not None:
                    ends.write((end + np.cumsum(lengths, dtype=np.int64)).tobytes())
                end += len(ids)
                characters += len(text)
                size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
                unknown += int((ids == tokenizers.UNK).sum())
        meta = {
            "dtype": dtype.name,
            "unit": unit,
            "tokens": end,
            "characters": characters,
            "bytes": size,
            "unknown": unknown,
            "tokenizer": tokenizers.to_json(tokenizer),
        }
        (temporary / "meta.json").write_text(json.dumps(meta))
        try:
            temporary.replace(place)
        except OSError:
            if not (place / "meta.json").is_file():  # else another process made the same meanwhile
                shutil.rmtree(place, ignore_errors=True)
                temporary.replace(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(place: Path) -> TokenFile:
    try:
        return _opened(place)
    except (OSError, ValueError, KeyError):
        shutil.rmtree(place, ignore_errors=True)
        raise DataError(
            f"The cached token file {place} was damaged and has been removed; start again to make it anew."
        ) from None


def _opened(place: Path) -> TokenFile:
    meta = json.loads((place / "meta.json").read_text())

    def mapped(name: str, dtype: str) -> NDArray[Any]:
        if (place / name).stat().st_size == 0:  # an empty file cannot be mapped
            return np.zeros(0, dtype)
        return np.memmap(place / name, dtype=dtype, mode="r")

    ids = mapped("tokens.bin", meta["dtype"])
    if len(ids) != meta["tokens"]:
        raise ValueError("cut short")
    ends = mapped("lines.bin", "int64") if meta["unit"] == "line" else None
    return TokenFile(
        ids, ends, tokenizers.from_json(meta["tokenizer"]), meta["characters"], meta["bytes"], meta["unknown"]
    )
