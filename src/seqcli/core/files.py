"""Files that are written whole and read with suspicion, and locks.

Everything that seqcli keeps is written by `writing` or `making`: under a temporary name in the same directory, brought
to the disk, and only then moved to its place. So a reader, a crash or a full disk finds the old file or the new one,
never a half.
"""

import errno
import os
import secrets
import select
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from seqcli.errors import DataError

PATIENCE = 5.0  # seconds that somebody at the other end of a pipe is waited for
MOST_ENTRIES = 200_000  # of a directory that is searched for files
NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # Windows has no pipes among its files

# --- writing --------------------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path`, whole, when the block ends; if it fails, nothing changes.

    A link is followed, and what it points to is replaced. What is no regular file, such as a pipe or a device, and
    what this process already writes its output to, is written to and never replaced. Raises OSError.
    """
    there = _stat(path)
    if there is not None and (own := _own_output(there)) is not None:
        with os.fdopen(os.dup(own), "wb") as file:
            yield file
        return
    if there is not None and not stat.S_ISREG(there.st_mode):
        with _open_special(path, there.st_mode) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    temporary = _beside(target)
    try:
        with temporary.open("xb") as file:
            if there is not None:
                with suppress(OSError):  # not every file system has permissions
                    temporary.chmod(stat.S_IMODE(there.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, as `writing` does. Raises OSError, and leaves what was there."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def making(place: Path) -> Iterator[Path]:
    """A directory to write files into, which becomes `place`, whole, when the block ends.

    A directory with files that stands there already, because another process has made the same one, is left as it is.
    Raises OSError.
    """
    temporary = _beside(place)
    temporary.mkdir()
    try:
        yield temporary
        for path in temporary.iterdir():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        sync_directory(temporary)
        try:
            temporary.replace(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_directory(place.parent)


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to the disk, where the system can do that."""
    with suppress(OSError):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def check_target(path: Path) -> None:
    """Raises DataError when no file can be written there, so that it is said before the work and not after it."""
    why = None
    try:
        there = _stat(path)
        if there is not None and stat.S_ISDIR(there.st_mode):
            why = "it is a directory"
        elif there is not None and not stat.S_ISREG(there.st_mode):
            why = None if os.access(path, os.W_OK) else "it may not be written to"
        else:
            folder = Path(os.path.realpath(path)).parent
            if not folder.is_dir():
                why = f"there is no directory {folder}"
            elif not os.access(folder, os.W_OK | os.X_OK):
                why = f"the directory {folder} may not be written to"
    except OSError as error:
        why = error.strerror
    if why:
        raise DataError(f"{path} cannot be written: {why}.")


def is_own_output(path: Path) -> bool:
    """Whether this path, like /dev/stdout, is where this process writes its output."""
    try:
        there = _stat(path)
    except OSError:
        return False
    return there is not None and _own_output(there) is not None


def _own_output(there: os.stat_result) -> int | None:
    """The number of the output stream, 1 or 2, that is this very file."""
    for number in (1, 2):
        with suppress(OSError):  # it may be closed
            if os.path.samestat(os.fstat(number), there):
                return number
    return None


def _beside(path: Path) -> Path:
    """A new name in the same directory, hidden, and short enough where the path's own name is long."""
    return path.with_name(f".{path.name[:32]}.{secrets.token_hex(6)}.tmp")


def _open_special(path: Path, mode: int) -> IO[bytes]:
    """Open a pipe or a device to write to. Raises OSError when nobody comes to read from the pipe."""
    opened = None
    until = time.monotonic() + PATIENCE
    while opened is None:
        try:
            opened = os.open(path, os.O_WRONLY | (NONBLOCK if stat.S_ISFIFO(mode) else 0))
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(mode):
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, "nobody reads from this pipe", str(path)) from None
            time.sleep(0.02)
    os.set_blocking(opened, True)
    return os.fdopen(opened, "wb")


# --- reading --------------------------------------------------------------------------------------------------------


def open_regular(path: Path, buffering: int = -1) -> IO[bytes]:
    """Open a file for reading; links are followed.

    Raises OSError, with words for its reason, for what is no regular file: a pipe could be waited for without end, and
    a device may have no end.
    """
    _check_kind(path, pipes=False)
    file = open(path, "rb", buffering, opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it was changed meanwhile
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def read_small(path: Path, most: int = 1 << 22) -> bytes:
    """What a small file holds; a pipe is read too, as long as something comes every few seconds.

    Raises OSError, with words for its reason, for a directory or a device, and for more than `most` bytes.
    """
    _check_kind(path, pipes=True)
    data = b""
    with open(path, "rb", 0, opener=_open_at_once) as file:
        pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
        while len(data) <= most:
            if pipe and not _arrives(file.fileno()):
                raise OSError(errno.ETIMEDOUT, "nothing came through this pipe", str(path))
            block = file.read(most + 1 - len(data))
            if not block:
                return data
            data += block
    raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))


def files_below(directory: Path, suffix: str) -> list[Path]:
    """The regular files with that ending in a directory and those below it, in sorted order; linked directories are
    not entered.

    Raises DataError for a directory so large that it can hardly be meant, such as the root of a disk.
    """
    found: list[Path] = []
    seen = 0
    for folder, folders, names in os.walk(directory):
        seen += len(folders) + len(names)
        if seen > MOST_ENTRIES:
            raise DataError(
                f"The directory {directory} holds more than {MOST_ENTRIES:,} files and directories; name the ones "
                "below it that hold the texts."
            )
        found += (path for name in names if name.endswith(suffix) and (path := Path(folder, name)).is_file())
    return sorted(found)


def _stat(path: Path) -> os.stat_result | None:
    """What stands there, links followed; None where there is nothing. Raises OSError, for impossible names too."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except ValueError:  # a NUL, or a letter that no file name can have
        raise OSError(errno.EINVAL, "this is no name of a file", str(path)) from None


def _check_kind(path: Path, *, pipes: bool) -> None:
    """Raises OSError for what is neither a regular file nor, where they are allowed, a pipe."""
    there = _stat(path)
    if there is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    mode = there.st_mode
    if stat.S_ISREG(mode) or (pipes and stat.S_ISFIFO(mode)):
        return
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    kind = kinds.get(stat.S_IFMT(mode), "something else")
    raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | NONBLOCK, 0o666)


def _arrives(opened: int) -> bool:
    """Whether the pipe has something to read, or its end, before patience is lost."""
    poll = select.poll()
    poll.register(opened, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(PATIENCE * 1000))


# --- the lock of a run ----------------------------------------------------------------------------------------------


class Lock:
    """A lock on a file, made where it is missing: one process at a time holds it, and the system takes it back when
    that process ends, however it ends.

    `works` is False where the file system has no locks. Raises BlockingIOError when another process holds it, OSError
    when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "ab", opener=_open_at_once)  # noqa: SIM115 - held until `__exit__`
        try:
            self.works = self._take()
            self._numbered = self._is_the_one()  # some network file systems number a file anew whenever it is asked for
        except BaseException:
            self._file.close()
            raise

    def _take(self) -> bool:
        try:
            import fcntl
        except ImportError:  # Windows
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise BlockingIOError(error.errno, error.strerror, str(self._path)) from None
            return False
        return True

    def in_place(self) -> bool:
        """Whether the file still stands where it was locked: not removed, not moved away with its directory."""
        if self._numbered:
            return self._is_the_one()
        return self._path.exists()

    def _is_the_one(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            return False

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
