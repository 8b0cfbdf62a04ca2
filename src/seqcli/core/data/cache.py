"""The cache: where it is, the digests of files it has seen, and small JSON files with a checksum.

Nothing in the cache is needed, and nothing in it is trusted: what is missing or damaged is made anew.

CACHE/files/HASH.json            a file's digest, for as long as the file stays untouched
CACHE/vocabularies/KEY.json      the tokenizer that was trained on a text
CACHE/tokens/KEY/                a text in the ids of a tokenizer: see tokenfile.py
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seqcli.core import strict_json
from seqcli.core.files import open_regular, write_whole
from seqcli.errors import ConfigError, DataError

LARGE = 200 << 20  # bytes of a file that takes a while to look through
YOUNG = 2_000_000_000  # nanoseconds; the coarsest clock of a file system


def cache_dir() -> Path:
    """SEQCLI_CACHE, or seqcli in XDG_CACHE_HOME, or ~/.cache/seqcli. Raises ConfigError when there is no such home."""
    named = os.environ.get("SEQCLI_CACHE")
    try:
        if named:
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqcli"
    except RuntimeError:
        where = f"SEQCLI_CACHE is {named!r}, but there is no such user's" if named else "There is no"
        raise ConfigError(f"{where} home directory to keep a cache in; name a directory in SEQCLI_CACHE.") from None


def key_of(value: Any) -> str:
    """A name for a value of plain JSON: another value has another one."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def write_note(path: Path, value: Any) -> None:
    """Write a value as JSON, with a checksum that `read_note` compares. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"key": key_of(value), "value": value}).encode())


def read_note(path: Path) -> Any:
    """The value that `write_note` wrote. Raises FileNotFoundError when there is none, ValueError when it is damaged,
    OSError when it cannot be read."""
    with open_regular(path) as file:
        found = strict_json.loads(file.read())
    if not isinstance(found, dict) or "value" not in found or found.get("key") != key_of(found["value"]):
        raise ValueError(f"{path} is damaged")
    return found["value"]


def file_digest(path: Path, progress: Callable[[str], None] = lambda text: None) -> str:
    """SHA-256 of a file's content, remembered while nothing has touched the file. Raises DataError.

    Whoever changes a file can set back its size and its time of modification, but not the time of its last change of
    any kind (ctime), nor that of a file put in its place.
    """
    note = cache_dir() / "files" / (hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32] + ".json")
    try:
        with open_regular(path) as file:
            before = _identity(file.fileno())
            with suppress(OSError, ValueError, KeyError, TypeError):
                found = read_note(note)
                if found["file"] == before:
                    return str(found["sha256"])
            if before["size"] > LARGE:
                progress(f"Looking through {path}")
            begun = time.time_ns()
            hasher = hashlib.sha256()
            while block := file.read(1 << 20):
                hasher.update(block)
            after = _identity(file.fileno())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    digest = hasher.hexdigest()
    # a file changed twice within a tick of its clock would look untouched: one so young is looked through again
    if before == after and before["ctime_ns"] < begun - YOUNG:
        with suppress(OSError):  # then it is looked through again next time
            write_note(note, {"file": before, "sha256": digest})
    return digest


def _identity(opened: int) -> dict[str, int]:
    found = os.fstat(opened)
    times = {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns}
    return {"size": found.st_size, **times, "inode": found.st_ino}
