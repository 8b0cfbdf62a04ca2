"""How long a training lasts and how often it reports: steps, epochs and minutes as one number of steps."""

import math

from seqcli.core.events import Planned
from seqcli.core.training.job import Job
from seqcli.core.training.state import Position

SLOW_STEPS = 3  # the first steps of a process are slower than those that follow
OFF = 0.2  # a plan is made anew when what is left would take so much more, or less, than the time that is left
LEAST = 0.05  # ... but only where the difference is at least such a part of all the minutes


class Budget:
    """The smallest of the steps, epochs and minutes that are set.

    Minutes become a number of steps once some steps have been timed. From then on the speed is watched: where the
    machine becomes slower or faster, the number is planned anew, so that the minutes hold.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.plan = job, job.plan
        self._allowed = (self.plan.minutes or 0) * 60
        self._block = 0, 0.0  # steps, and the seconds that they took, since the last look at the speed
        self._off = 0  # the blocks in a row after which the plan was off, with the sign of the difference
        self._seen = 0  # steps in this sitting
        self._since = 0, 0.0, 0.0  # steps, seconds in steps, all seconds: of this sitting, when the plan was made

    def begin(self, at: Position) -> None:
        """Count from here, unless this budget has begun already: one given anew is a further one."""
        c = self.plan
        given = [c.steps, c.epochs, c.minutes]
        if at.budget != given:
            at.budget, at.budget_from = given, at.seconds
            at.planned_from, at.planned_done = 0, 0.0
            at.total_steps = self.limit() if c.minutes is None else None
        self._since = at.step, 0.0, at.seconds

    def limit(self) -> int | None:
        """The steps and epochs in steps; the smaller one. None when there are none."""
        c, limits = self.plan, []
        if c.steps:
            limits.append(c.steps)
        if c.epochs:
            limits.append(max(1, round(c.epochs * self.job.steps_per_epoch)))
        return min(limits, default=None)

    # --- minutes ----------------------------------------------------------------------------------------------

    def watch(self, at: Position, seconds: float) -> list[Planned]:
        """Hear that a step has taken so many seconds; plan when it is time to, or when the plan no longer holds."""
        if not self._allowed:
            return []
        begun, stepping, since = self._since
        self._since = begun, stepping + seconds, since
        self._seen += 1
        used = at.seconds - at.budget_from
        if self._seen > SLOW_STEPS or used >= 0.1 * self._allowed:
            self._block = self._block[0] + 1, self._block[1] + seconds
        if at.total_steps is None:
            return self._first(at)
        steps, passed = self._block
        if used >= self._allowed:  # a little may still be done, but then the time is over
            late = steps and (at.total_steps - at.step) * passed / steps > LEAST * self._allowed
            return self._plan(at, passed / steps, at.step) if late else []
        if passed < max(0.5, 0.025 * self._allowed) and steps < 0.1 * (at.total_steps - begun):
            return []
        self._block = 0, 0.0
        return self._again(at, passed / steps)

    def _first(self, at: Position) -> list[Planned]:
        """The first plan, once enough steps have been timed, or the limit is too near to wait for that."""
        (steps, passed), bound = self._block, self.limit()
        near = bound is not None and at.step >= max(1, bound // 10)
        if not steps:
            at.total_steps = bound if near else None
            return []
        early = (passed < min(6.0, 0.1 * self._allowed) or steps < 5) and passed < 0.5 * self._allowed
        one = passed / steps
        return [] if early and not near else self._plan(at, one, self._fitting(at, one))

    def _again(self, at: Position, one: float) -> list[Planned]:
        """A new plan, when a step has taken `one` second and the plan was off for the second time in a row."""
        assert at.total_steps is not None
        left, need = self._left(at, one), (at.total_steps - at.step) * (one + self._overhead(at, one))
        if abs(need - left) <= max(OFF * left, LEAST * self._allowed):
            self._off = 0
            return []
        sign = int(math.copysign(1, need - left))
        self._off = self._off + sign if self._off * sign > 0 else sign
        total = self._fitting(at, one)
        # once may be chance: another program's moment
        changed = abs(self._off) > 1 and abs(total - at.total_steps) > 0.05 * (total - at.step)
        return self._plan(at, one, total) if changed else []

    def _fitting(self, at: Position, one: float) -> int:
        """The total that fits into the time when a step takes `one` second, at most the limit."""
        more = int(self._left(at, one) / (one + self._overhead(at, one)))
        total = at.step + max(0, more)
        return max(at.step, min(total, self.limit() or total))

    def _left(self, at: Position, one: float) -> float:
        """Seconds left for steps: the last evaluation comes after them."""
        return self._allowed - (at.seconds - at.budget_from) - self._evaluation(one)

    def _evaluation(self, one: float) -> float:
        """Seconds of an evaluation: a token takes about a third of the time that it takes in training."""
        tokens = self.job.train_tokens / self.job.steps_per_epoch  # in a step
        return 0.35 * one * self.job.valid_tokens / tokens

    def _overhead(self, at: Position, one: float) -> float:
        """Seconds beside each step, for evaluations, samples and checkpoints: as measured, or at first as supposed."""
        begun, stepping, since = self._since
        steps = at.step - begun
        if at.total_steps is not None and steps >= 0.1 * (at.total_steps - begun):
            return max(0.0, at.seconds - since - stepping) / steps
        every = self.every("eval_every", at.step + max(1, int(self._left(at, one) / one)))
        return 0.03 * one + self._evaluation(one) / every

    def _plan(self, at: Position, one: float, total: int) -> list[Planned]:
        before = at.total_steps
        if before is not None:
            at.planned_from, at.planned_done = at.step, at.done
        at.total_steps = total
        self._since, self._block, self._off = (at.step, 0.0, at.seconds), (0, 0.0), 0
        return [Planned(total, one, before)]

    # --- reports ----------------------------------------------------------------------------------------------

    def due(self, name: str, at: Position) -> bool:
        """Whether a log point, an evaluation or a sample comes after this step."""
        every = self.every(name, at.total_steps)
        return every > 0 and at.step % every == 0

    def every(self, name: str, total: int | None) -> int:
        """Steps between log points, evaluations, samples: as set, or by the length of the run."""
        chosen = getattr(self.plan, name)
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
