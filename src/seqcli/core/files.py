"""Atomic writing of files and directories, careful reading, and file locks.

Everything that seqcli keeps is written by `writing` or `making`. They write under a temporary name in the same
directory, flush the data to the disk (fsync), and then rename. So whatever happens, even a crash or a full disk, there
is either the complete old file or the complete new one, never a half-written one.
"""

import errno
import os
import select
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from seqcli.errors import DataError

PATIENCE = 5.0  # how many seconds to wait for a program at the other end of a pipe
MOST_ENTRIES = 200_000  # `files_below` gives up on a directory with more entries
NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # Windows has no named pipes among its files, and no such flag

# --- writing --------------------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `path` when the `with` block ends. If the block fails, nothing changes.

    A symbolic link is followed, and the file that it points to is replaced. If `path` is not a regular file but a pipe
    or a device, or if it is the file that this process already writes its output to, it is written to directly and not
    replaced. Raises OSError.
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
    except BaseException as error:
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the temporary name says nothing to the user
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically, as `writing` does. Raises OSError; then the old file is unchanged."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def making(place: Path) -> Iterator[Path]:
    """Make a directory to write files into. It becomes `place` when the `with` block ends, if that succeeds.

    If `place` exists by then, because another process has made the same directory meanwhile, that one is kept. Raises
    OSError.
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
    """Flush the entries of a directory to the disk, so that a renaming survives a crash, where that is possible."""
    with suppress(OSError):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def check_target(path: Path) -> None:
    """Raise DataError if no file can be written at this path, so that the user hears of it before the work is done."""
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
    """Return whether a path is the file that this process writes its output to, as /dev/stdout is."""
    try:
        there = _stat(path)
    except OSError:
        return False
    return there is not None and _own_output(there) is not None


def _own_output(there: os.stat_result) -> int | None:
    """Return the file descriptor, 1 or 2, of the output stream that is this file, or None."""
    for number in (1, 2):
        with suppress(OSError):  # the stream may be closed
            if os.path.samestat(os.fstat(number), there):
                return number
    return None


def _beside(path: Path) -> Path:
    """Return a new path with a hidden name in the same directory. It is short even if the name of `path` is long."""
    return path.with_name(f".{path.name[:32]}.{os.urandom(6).hex()}.tmp")


def _open_special(path: Path, mode: int) -> IO[bytes]:
    """Open a pipe or a device for writing. Raises OSError when no program reads from the pipe within `PATIENCE`."""
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
    """Open a regular file for reading. Symbolic links are followed.

    Raises OSError, with a readable reason, for anything else: reading from a pipe could wait forever, and a device may
    have no end.
    """
    _check_kind(path, pipes=False)
    file = open(path, "rb", buffering, opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it was replaced after the check
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def read_small(path: Path, most: int = 1 << 22) -> bytes:
    """Read the whole of a small file, or of a pipe as long as data come through it at least every few seconds.

    Raises OSError, with a readable reason, for a directory or a device, and for more than `most` bytes.
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
    """Return the regular files whose names end with `suffix` in a directory and its subdirectories, sorted.

    Symbolic links to directories are not followed. Raises DataError for a directory with so many entries that it can
    hardly be meant, such as the root of a disk.
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
    """Return the status of a file, following links, or None if it does not exist.

    Raises OSError, also for names that no file can have.
    """
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except ValueError:  # the name has a NUL, or another character that no file name can have
        raise OSError(errno.EINVAL, "this is no name of a file", str(path)) from None


def _check_kind(path: Path, *, pipes: bool) -> None:
    """Raise OSError unless a path is a regular file or, where `pipes` allows it, a pipe."""
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
    """An opener for `open` that does not wait for the other end of a pipe."""
    return os.open(path, flags | NONBLOCK, 0o666)


def _arrives(opened: int) -> bool:
    """Wait until a pipe has data to read or is closed. Returns False if neither happens within `PATIENCE`.

    `opened` is its file descriptor.
    """
    poll = select.poll()
    poll.register(opened, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(PATIENCE * 1000))


# --- the lock of a run ----------------------------------------------------------------------------------------------


class Lock:
    """A lock on a file, which only one process at a time can hold. The file is created if it does not exist.

    The operating system releases the lock when the process ends, however it ends. `works` is False where the file
    system has no locks. Raises BlockingIOError when another process holds the lock, OSError when the file cannot be
    written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "ab", opener=_open_at_once)  # noqa: SIM115 - held until `__exit__`
        try:
            self.works = self._take()
            # Some network file systems give a file another inode number each time, so it cannot be recognized by that.
            self._numbered = self._is_the_one()
        except BaseException:
            self._file.close()
            raise

    def _take(self) -> bool:
        """Take the lock. Returns False where there are no locks; raises BlockingIOError if another process holds it."""
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
        """Return whether the locked file is still at its path: neither deleted nor moved away with its directory."""
        if self._numbered:
            return self._is_the_one()
        return self._path.exists()

    def _is_the_one(self) -> bool:
        """Return whether the file at the path is the one that was opened."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            return False

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
