"""Settings of the process that the command line makes before torch is loaded. Used from Python, seqcli makes none."""

import contextlib
import os
import time
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # variables by which a user says how threads wait


def prepare() -> None:
    """Set the number of threads, the way they wait, and the handling of memory, unless the user has set them."""
    wait_asleep()
    use_all_processors()
    keep_few_kernels()
    keep_freed_memory()


def wait_asleep() -> None:
    """On a busy processor, let OpenMP's threads sleep while they wait for each other, unless the user has chosen.

    Threads that have done their part of a matrix product wait for the others. By default they spin, which means that
    they keep a processor busy while they wait. When other programs need the processors too, that takes time from the
    very threads that are waited for. On an idle processor spinning is better, because the threads continue sooner.
    OpenMP reads the variable only once, when torch is loaded, so it must be set before.
    """
    if not any(name in os.environ for name in WAITING) and others_running():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def others_running() -> bool:
    """Return whether other programs leave fewer processors free than this process may use.

    It looks at three moments and takes the least busy one, so that one short activity does not count.
    """
    others = 1 << 30
    try:
        for _ in range(3):
            running = int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[0])
            others = min(others, running - 1)  # this process is among them
            time.sleep(0.002)
    except (OSError, ValueError, IndexError):  # not Linux
        return False
    return others + processors() > (os.cpu_count() or 1)


def use_all_processors() -> None:
    """Let torch use as many threads as there are processors. By default it counts two that share a core as one."""
    os.environ.setdefault("OMP_NUM_THREADS", str(processors()))


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_few_kernels() -> None:
    """Let oneDNN keep only 64 kernels.

    It makes a kernel for every shape of matrices and keeps 1,024 of them by default, which takes gigabytes when batches
    have many shapes.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next training step, which needs as much again.

    By default glibc returns large blocks to the system and gets them back page by page, which takes a twentieth to a
    fifth of the time of a step. With another C library than glibc this does nothing.
    """
    import ctypes

    trim_threshold, mmap_max = -1, -4  # of malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)  # no block is a mapping of its own, which is given back at once
        libc.mallopt(trim_threshold, 1 << 30)
