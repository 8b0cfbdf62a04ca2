"""Learning rate schedules: the learning rate at each step, as a fraction of its peak."""

import math

FLOOR = 0.02  # where the linear and the cosine schedule end, as a fraction of the peak


def factor(name: str, step: int, warmup: int, total: int | None, done: float) -> float:
    """Return the learning rate for update number `step` (from 0), as a fraction of the peak rate.

    `total` is the number of steps of the training, or None while a budget in minutes has not been turned into steps.
    `done`, from 0 to 1, is the fraction of the training that has been done: step / total, unless the total was changed
    on the way.

    After a linear warm-up over `warmup` steps (at most a tenth of the training) the schedules are:

    linear, cosine  fall to 2 % of the peak at the end
    constant        stays at the peak
    step            is multiplied by 0.3 after half of the rest of the training, and again after three quarters of it
    plateau         is constant here; the loop halves the peak when an evaluation is no better than the best one
    """
    if total is not None:
        warmup = min(warmup, max(1, total // 10))
    if step < warmup:
        return (step + 1) / warmup
    if total is None or name in ("constant", "plateau"):
        return 1.0
    part = min(1.0, max(0.0, done * total - warmup) / max(1, total - warmup))  # how much after the warm-up is done
    if name == "step":
        return 1.0 if part < 0.5 else 0.3 if part < 0.75 else 0.09
    if name == "cosine":
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * part))
    return 1 - (1 - FLOOR) * part
