"""How long a training lasts and how often it reports: steps, epochs and minutes as one number of steps."""

import math

from seqcli.core.events import Planned
from seqcli.core.training.job import Job
from seqcli.core.training.state import Progress


class Budget:
    """The smallest of the steps, epochs and minutes that are set; minutes become steps once some have been timed."""

    def __init__(self, job: Job) -> None:
        self.job, self.config = job, job.config
        self._timed_from: tuple[int, float] | None = None

    def begin(self, at: Progress) -> None:
        """Count from here, unless this budget has begun already: one given anew is a further one."""
        c = self.config
        given = [c.steps, c.epochs, c.minutes]
        if at.budget != given:
            at.budget, at.budget_from = given, at.seconds
            at.total_steps = self.limit() if c.minutes is None else None

    def limit(self) -> int | None:
        """The steps and epochs in steps; the smaller one. None when there are none."""
        c, limits = self.config, []
        if c.steps:
            limits.append(c.steps)
        if c.epochs:
            limits.append(max(1, round(c.epochs * self.job.steps_per_epoch)))
        return min(limits, default=None)

    def measure(self, at: Progress, now: float) -> list[Planned]:
        """Time some steps of a budget of minutes, then set their number."""
        allowed, bound = (self.config.minutes or 0) * 60, self.limit()
        if self._timed_from is None:
            if bound is not None and at.step >= max(1, bound // 10):
                at.total_steps = bound  # too short a run to be worth measuring
            elif at.step >= 3:  # the first steps are slower
                self._timed_from = at.step, now
            return []
        steps, passed = at.step - self._timed_from[0], now - self._timed_from[1]
        early = (passed < min(6.0, 0.1 * allowed) or steps < 5) and passed < 0.5 * allowed
        if early and (bound is None or at.step < bound // 10):
            return []
        at.total_steps = max(at.step, self.plan(at, passed / steps))
        return [Planned(at.total_steps, passed / steps)]

    def plan(self, at: Progress, one: float) -> int:
        """The minutes as a number of steps that take `one` second each."""
        assert self.config.minutes is not None
        one_eval = self.job.valid_tokens * one / max(1, at.tokens / max(1, at.steps)) * 0.35
        left = self.config.minutes * 60 - (at.seconds - at.budget_from) - one_eval
        more = int(left / (one * 1.1))  # evaluations, samples, checkpoints and drift take a tenth
        total = at.step + max(0, more)
        return min(total, self.limit() or total)

    def due(self, name: str, at: Progress) -> bool:
        """Whether a log point, an evaluation or a sample comes after this step."""
        every = self.every(name, at.total_steps)
        return every > 0 and at.step % every == 0

    def every(self, name: str, total: int | None) -> int:
        """Steps between log points, evaluations, samples: as set, or by the length of the run."""
        chosen = getattr(self.config, name)
        if chosen is not None:
            return int(chosen)
        if name == "log_every":
            return 10 if total is None else max(10, total // 100)
        if total is None:
            return 1 << 60
        if name == "sample_every":
            return max(1, total // 5)
        # an evaluated token costs about a third of a trained one: at most some 5 % of the time
        tokens = self.job.train_tokens / self.job.steps_per_epoch
        return max(1, total // 20, math.ceil(6 * self.job.valid_tokens / tokens))
