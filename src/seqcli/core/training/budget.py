"""How long a training lasts and how often it reports. Steps, epochs and minutes all become a number of steps."""

import math

from seqcli.core.events import Planned
from seqcli.core.training.job import Job
from seqcli.core.training.state import Position

SLOW_STEPS = 3  # the first steps of a process are slower than those that follow, so they are not timed
# The number of steps is planned again when the steps that are left would take longer, or less long, than the time that
# is left by more than this fraction of it ...
OFF = 0.2
LEAST = 0.05  # ... and by more than this fraction of the whole budget in minutes.


class Budget:
    """The budget of a training: the smallest of the steps, epochs and minutes that were given.

    Minutes are turned into a number of steps once some steps have been timed. From then on the speed is watched: when
    the machine becomes slower or faster, the number of steps is planned again, so that the training still takes the
    minutes that it was given. The present number is `position.total_steps`; the methods read and change the position
    that they are given.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.plan = job, job.plan
        self._allowed = (self.plan.minutes or 0) * 60
        self._block = 0, 0.0  # number of steps since the speed was last looked at, and the seconds that they took
        # In how many blocks in a row the plan was wrong: positive for too little time, negative for too much.
        self._off = 0
        self._seen = 0  # steps since this process began to train
        # When the plan was made or this process began, whichever is later: the step number then, the seconds spent in
        # steps since then, and the total seconds of training then.
        self._since = 0, 0.0, 0.0

    def begin(self, at: Position) -> None:
        """Start the budget at this position, or continue it.

        A resumed run whose budget has not changed continues it. If a new budget was given, it starts now, in addition
        to what was spent before.
        """
        c = self.plan
        given = [c.steps, c.epochs, c.minutes]
        if at.budget != given:
            at.budget, at.budget_from = given, at.seconds
            at.planned_from, at.planned_done = 0, 0.0
            at.total_steps = self.limit() if c.minutes is None else None
        self._since = at.step, 0.0, at.seconds

    def limit(self) -> int | None:
        """Return the smaller of the given steps and epochs, in steps; None if only minutes were given."""
        c, limits = self.plan, []
        if c.steps:
            limits.append(c.steps)
        if c.epochs:
            limits.append(max(1, round(c.epochs * self.job.steps_per_epoch)))
        return min(limits, default=None)

    # --- minutes ----------------------------------------------------------------------------------------------

    def watch(self, at: Position, seconds: float) -> list[Planned]:
        """Take note that a step took `seconds`, and plan the number of steps if it is time to or no longer right.

        To be called after every step. Returns a list with a Planned event if the number was planned, otherwise an empty
        list. Without a budget in minutes it does nothing.
        """
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
        if used >= self._allowed:  # the time is over: stop, unless the few steps that are left take little time
            late = steps and (at.total_steps - at.step) * passed / steps > LEAST * self._allowed
            return self._plan(at, passed / steps, at.step) if late else []
        if passed < max(0.5, 0.025 * self._allowed) and steps < 0.1 * (at.total_steps - begun):
            return []
        self._block = 0, 0.0
        return self._again(at, passed / steps)

    def _first(self, at: Position) -> list[Planned]:
        """Make the first plan once enough steps have been timed, or once the limit in steps is too near to wait."""
        (steps, passed), bound = self._block, self.limit()
        near = bound is not None and at.step >= max(1, bound // 10)
        if not steps:
            at.total_steps = bound if near else None
            return []
        early = (passed < min(6.0, 0.1 * self._allowed) or steps < 5) and passed < 0.5 * self._allowed
        one = passed / steps
        return [] if early and not near else self._plan(at, one, self._fitting(at, one))

    def _again(self, at: Position, one: float) -> list[Planned]:
        """Make a new plan if the present one proves wrong, in the same direction, for the second time in a row.

        `one` is the time that a step took lately, in seconds.
        """
        assert at.total_steps is not None
        left, need = self._left(at, one), (at.total_steps - at.step) * (one + self._overhead(at, one))
        if abs(need - left) <= max(OFF * left, LEAST * self._allowed):
            self._off = 0
            return []
        sign = int(math.copysign(1, need - left))
        self._off = self._off + sign if self._off * sign > 0 else sign
        total = self._fitting(at, one)
        # being off once may be chance, when another program was busy for a moment
        changed = abs(self._off) > 1 and abs(total - at.total_steps) > 0.05 * (total - at.step)
        return self._plan(at, one, total) if changed else []

    def _fitting(self, at: Position, one: float) -> int:
        """Return the total steps that fit into the minutes if a step takes `one` seconds; at most the limit."""
        more = int(self._left(at, one) / (one + self._overhead(at, one)))
        total = at.step + max(0, more)
        return max(at.step, min(total, self.limit() or total))

    def _left(self, at: Position, one: float) -> float:
        """Return the seconds that are left for steps: the time left, without the evaluation at the end."""
        return self._allowed - (at.seconds - at.budget_from) - self._evaluation(one)

    def _evaluation(self, one: float) -> float:
        """Estimate the seconds of one evaluation: a token takes about a third of its time in training."""
        tokens = self.job.train_tokens / self.job.steps_per_epoch  # tokens in a step
        return 0.35 * one * self.job.valid_tokens / tokens

    def _overhead(self, at: Position, one: float) -> float:
        """Return the seconds for each step that evaluations, samples and checkpoints take besides the step itself.

        They are measured since the last plan, or estimated as long as too few steps have been made since then.
        """
        begun, stepping, since = self._since
        steps = at.step - begun
        if at.total_steps is not None and steps >= 0.1 * (at.total_steps - begun):
            return max(0.0, at.seconds - since - stepping) / steps
        every = self.every("eval_every", at.step + max(1, int(self._left(at, one) / one)))
        return 0.03 * one + self._evaluation(one) / every

    def _plan(self, at: Position, one: float, total: int) -> list[Planned]:
        """Set the total number of steps, and begin to measure again."""
        before = at.total_steps
        if before is not None:  # so that `at.done`, and with it the learning rate, does not jump
            at.planned_from, at.planned_done = at.step, at.done
        at.total_steps = total
        self._since, self._block, self._off = (at.step, 0.0, at.seconds), (0, 0.0), 0
        return [Planned(total, one, before)]

    # --- reports ----------------------------------------------------------------------------------------------

    def due(self, name: str, at: Position) -> bool:
        """Return whether it is time for something after this step.

        `name` is the option that says how often: log_every, eval_every or sample_every.
        """
        every = self.every(name, at.total_steps)
        return every > 0 and at.step % every == 0

    def every(self, name: str, total: int | None) -> int:
        """Return the number of steps between two log points, evaluations or samples; 0 is never.

        It is the value of the option `name` if one was given. Otherwise it depends on `total`, the length of the run in
        steps.
        """
        chosen = getattr(self.plan, name)
        if chosen is not None:
            return int(chosen)
        if name == "log_every":
            return 10 if total is None else max(10, total // 100)
        if total is None:
            return 1 << 60
        if name == "sample_every":
            return max(1, total // 5)
        # Evaluating a token costs about a third of training on it, so evaluations take about 5 % of the time at most.
        tokens = self.job.train_tokens / self.job.steps_per_epoch  # tokens in a step
        return max(1, total // 20, math.ceil(6 * self.job.valid_tokens / tokens))
