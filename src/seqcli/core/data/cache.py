"""The cache directory: where it is, remembered digests of files, and small JSON files with a checksum ("notes").

The cache only saves time. It may be deleted at any moment, and what is missing or damaged is made again.

CACHE/files/HASH.json            the SHA-256 of a file, valid as long as the file has not been touched
CACHE/vocabularies/KEY.json      the tokenizer that was trained on a text
CACHE/frames/KEY.csv             series that came as a data frame: see tasks/forecast/frames.py
CACHE/tokens/KEY/                a text as token ids of a tokenizer: see tokenfile.py
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

LARGE = 200 << 20  # reading a file of more bytes takes a while, so the user is told
YOUNG = 2_000_000_000  # nanoseconds; the resolution of the coarsest clock that a file system may have


def cache_dir() -> Path:
    """Return the cache directory: SEQCLI_CACHE, or seqcli in XDG_CACHE_HOME, or ~/.cache/seqcli.

    Raises ConfigError when it would be in a home directory that does not exist.
    """
    named = os.environ.get("SEQCLI_CACHE")
    try:
        if named:
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqcli"
    except RuntimeError:
        where = f"SEQCLI_CACHE is {named!r}, but there is no such user's" if named else "There is no"
        raise ConfigError(f"{where} home directory to keep a cache in; name a directory in SEQCLI_CACHE.") from None


def key_of(value: Any) -> str:
    """Return a name for a JSON value, made from its SHA-256: different values have different names."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def write_note(path: Path, value: Any) -> None:
    """Write a value as JSON, with a checksum that `read_note` verifies. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"key": key_of(value), "value": value}).encode())


def read_note(path: Path) -> Any:
    """Read the value that `write_note` wrote.

    Raises FileNotFoundError when there is no such file, ValueError when it is damaged, OSError when it cannot be read.
    """
    with open_regular(path) as file:
        found = strict_json.loads(file.read())
    if not isinstance(found, dict) or "value" not in found or found.get("key") != key_of(found["value"]):
        raise ValueError(f"{path} is damaged")
    return found["value"]


def file_digest(path: Path, progress: Callable[[str], None] = lambda text: None) -> str:
    """Return the SHA-256 of a file's content, from the cache if the file has not been touched since it was computed.

    Whether it was touched is seen by size, times and inode number. A program can change a file and then restore its
    size and modification time, but not its ctime, the time of its last change of any kind. Raises DataError when the
    file cannot be read.
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
    # A file that is changed twice within one tick of the file system's clock looks untouched, so the digest of a file
    # that was changed only just now is not remembered.
    if before == after and before["ctime_ns"] < begun - YOUNG:
        with suppress(OSError):  # then the file is read again next time
            write_note(note, {"file": before, "sha256": digest})
    return digest


def _identity(opened: int) -> dict[str, int]:
    """Return what identifies an open file and its last change; `opened` is its file descriptor."""
    found = os.fstat(opened)
    times = {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns}
    return {"size": found.st_size, **times, "inode": found.st_ino}
