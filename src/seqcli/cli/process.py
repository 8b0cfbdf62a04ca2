"""What the command line sets in its own process, before torch is loaded; a notebook's process is left as it is."""

import contextlib
import os
import time
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # how OpenMP's threads wait, in three dialects


def prepare() -> None:
    """Threads, waiting and memory, each where the user has not said otherwise."""
    wait_asleep()
    use_all_processors()
    keep_few_kernels()
    keep_freed_memory()


def wait_asleep() -> None:
    """Let the threads of a product that have done their part sleep until the others have, where the processor is busy
    and nothing else is asked for. They would spin by default, and take the time that the others need; where it is free,
    they are sooner at work that way.

    OpenMP reads this once, when torch is loaded, so it must be said before.
    """
    if not any(name in os.environ for name in WAITING) and others_running():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def others_running() -> bool:
    """Whether other programs leave fewer processors free than this process may use: at three moments, not just one."""
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
    """Let torch have as many threads as there are processors; by itself it counts two that share a core as one."""
    os.environ.setdefault("OMP_NUM_THREADS", str(processors()))


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_few_kernels() -> None:
    """Let oneDNN keep 64 kernels. It makes one for every shape that it meets and keeps 1,024 of them by default:
    gigabytes, where batches have many shapes."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next step, which needs as much again. By default it gives large blocks back
    to the system, and gets them anew page by page: a twentieth to a fifth of a step. Nothing happens elsewhere.
    """
    import ctypes

    trim_threshold, mmap_max = -1, -4  # of malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)  # no block is a mapping of its own, which is given back at once
        libc.mallopt(trim_threshold, 1 << 30)
