"""How the threads of a product wait for each other, said before torch is loaded, where it is read."""

import os
import time
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # how OpenMP's threads wait, in three dialects


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
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return others + own > (os.cpu_count() or 1)


def wait_asleep() -> None:
    """Let the threads of a product that have done their part sleep until the others have, where the processor is busy
    and nothing else is asked for. They would spin by default, and take the time that the others need; where it is free,
    they are sooner at work that way.

    OpenMP reads this once, when torch is loaded, so it must be said before.
    """
    if not any(name in os.environ for name in WAITING) and others_running():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
