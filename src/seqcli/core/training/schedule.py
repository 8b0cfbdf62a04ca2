"""The learning rate over time, as a factor of its peak."""

import math

FLOOR = 0.02  # where linear and cosine end, as a part of the peak


def factor(name: str, step: int, warmup: int, total: int | None, done: float) -> float:
    """The factor for update number `step` (from 0) of `total`; None while a budget of minutes is being measured.
    `done`, 0 .. 1, is the part of the training that is behind: step / total, unless the total was changed meanwhile.

    Linear warm-up, then linear or cosine to 2 %, constant, or 0.3 of it after half and after three quarters ("step").
    "plateau" is constant here: the loop halves the peak when evaluations no longer improve.
    """
    if total is not None:
        warmup = min(warmup, max(1, total // 10))
    if step < warmup:
        return (step + 1) / warmup
    if total is None or name in ("constant", "plateau"):
        return 1.0
    part = min(1.0, max(0.0, done * total - warmup) / max(1, total - warmup))  # of what follows the warm-up
    if name == "step":
        return 1.0 if part < 0.5 else 0.3 if part < 0.75 else 0.09
    if name == "cosine":
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * part))
    return 1 - (1 - FLOOR) * part
