"""The training loop: a generator of events. It knows no task and displays nothing; a Job says what is learned."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from seqcli.core.events import Evaluated, Event, Finished, Logged, Notice, Previewed, Saved, Started, Stepped
from seqcli.core.training import checkpoint, schedule
from seqcli.core.training.averaging import BestFew, using
from seqcli.core.training.budget import Budget
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.device import autocast
from seqcli.core.training.divergence import diverged, follow
from seqcli.core.training.job import GradientJob, Job, UpdateJob
from seqcli.core.training.plan import RecurrentPlan
from seqcli.core.training.points import add_point, forget_points_after
from seqcli.core.training.state import TrainingState
from seqcli.errors import ConfigError, TrainingError

SAVE_SECONDS = 30.0  # the time between checkpoints, unless --save-every says otherwise


class Loop:
    """A training, from its start or from a checkpoint, as long as this process runs. Iterate over it to train.

    Closing the iterator stops the training after the step that is being made and saves a checkpoint. `content` is a
    digest of the training data, by which a resumed run notices that they have changed.
    """

    def __init__(
        self,
        job: GradientJob | UpdateJob,
        run_dir: Path,
        clock: Callable[[], float] = time.perf_counter,
        *,
        content: str = "",
    ) -> None:
        self.job, self.run_dir, self.plan, self._clock = job, run_dir, job.plan, clock
        _check_validation(job)
        self.model, self.state, self.budget = job.model, TrainingState(job, content), Budget(job)
        self.budget.begin(self.state.position)
        self._notices: list[str] = []
        self.best_few = BestFew(run_dir, self.plan.average) if self.plan.average > 1 else None

    def load(self, model: Stored, state: Stored, complaints: list[str]) -> None:
        """Continue from a checkpoint, given as `newest_checkpoint` returns it.

        Raises CheckpointError when it does not belong to this training, or when the data have changed since then.
        """
        self._notices = complaints + self.state.load(model, state)
        total = self.state.position.total_steps
        self.budget.begin(self.state.position)
        if self.state.position.total_steps != total:
            self.state.carry = []  # with another total the next batch is another one: see _number
        checkpoint.forget_after(self.run_dir, self.state.position.step)
        forget_points_after(self.run_dir, self.state.position.step)
        if self.best_few:
            self.best_few.forget_after(self.state.position.step)

    def __iter__(self) -> Generator[Event, None, None]:
        """Train until the budget is used up or patience ends, yielding events. Raises TrainingError if it fails."""
        job, at = self.job, self.state.position
        yield Started(
            self.run_dir,
            job.plan,
            sum(p.numel() for p in self.model.parameters()),
            job.train_tokens,
            job.valid_tokens,
            job.vocab_size,
            at.step,
            at.total_steps,
        )
        yield from (Notice(text) for text in self._notices)
        self.model.train()
        self._start(self._clock())
        if self.reason == "budget":
            yield Notice(
                f"All {at.total_steps} steps of this run are done already, so nothing is trained. To go on, give it "
                "more: --steps, --epochs or --minutes."
            )
        try:
            while self.reason is None:
                yield from self._advance()  # a whole step, so wherever the iterator is closed, the state is consistent
        except GeneratorExit:
            self.state.save(self.run_dir)
            raise
        if job.valid_tokens and at.best_rank is None:
            raise TrainingError(
                f"The validation {self.plan.chosen_by} was never a finite number, so there is no model to "
                f"keep. Lower --lr or --clip, or look into the validation data. {self._last_good()}"
            )
        seconds = self._clock() - self._zero  # the last evaluation included
        epoch = at.step / job.steps_per_epoch
        select = self.plan.chosen_by
        best = at.best_rank if self.plan.lower_is_better or at.best_rank is None else -at.best_rank
        yield Finished(self.run_dir, at.step, epoch, seconds, at.best_step, at.best_loss, select, best, self.reason)

    def _start(self, now: float) -> None:
        """Set the clocks, and find out whether there is anything left to do."""
        at = self.state.position
        self._zero = now - at.seconds  # when the run would have begun if it had never been interrupted
        self._saved_at = self._logged_at = self._stepping_from = now
        self._earlier = at.tokens, at.steps  # counted since the last log point, but before this run was resumed
        done = at.total_steps is not None and at.step >= at.total_steps
        patient = not self.plan.patience or at.evals_since_best < self.plan.patience
        self.reason: str | None = "budget" if done else None if patient else "patience"

    def _advance(self) -> list[Event]:
        """Make one step and everything that is due after it: logging, evaluation, sample, checkpoint."""
        at, c = self.state.position, self.plan
        loss, norm = self._step()
        now = self._clock()
        at.seconds = now - self._zero
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "gradient" if math.isfinite(loss) else "loss"
            raise TrainingError(
                f"At step {at.step} the {what} was no longer a finite number. Lower --lr (it was {c.lr:g}) "
                f"or --clip, or use --precision fp32. {self._last_good()}"
            )
        events: list[Event] = [Stepped(at.step)]
        total = at.total_steps
        for planned in self.budget.watch(at, now - self._stepping_from):
            add_point(self.run_dir, step=at.step, total_steps=planned.total_steps, step_seconds=planned.step_seconds)
            events.append(planned)
        if at.total_steps != total:
            self.state.carry = []  # with another total the next batch is another one: see _number
        if at.total_steps is not None and at.step >= at.total_steps:
            self.reason = "budget"
        last = self.reason is not None
        if wrong := diverged(at, self.job.guessing, last=last):
            raise TrainingError(
                f"The training has diverged at step {at.step}: {wrong}. Lower --lr (it was {c.lr:g}). "
                f"{self._last_good()}"
            )
        if self.budget.due("log_every", at) or last:
            events.append(self._log(now - self._logged_at))
            self._logged_at = now
        if self.budget.due("eval_every", at) or last:
            events += self._evaluate()
            if c.patience and at.evals_since_best >= c.patience:
                self.reason = "patience"
            if self.reason:
                events += self._evaluate_mean()
        if self.budget.due("sample_every", at):
            events += self._preview()
        waited = self._clock() - self._saved_at
        if (at.step % c.save_every == 0 if c.save_every else waited > SAVE_SECONDS) or self.reason:
            at.seconds = self._clock() - self._zero  # the evaluation just made included
            events.append(Saved(at.step, self.state.save(self.run_dir)))
            self._saved_at = self._clock()
        self._stepping_from = self._clock()
        self._logged_at += self._stepping_from - now  # the speed in a log point is that of the steps alone
        return events

    def _step(self) -> tuple[float, float]:
        """Make one update of the weights. Returns its loss and the norm of its gradient."""
        at, c = self.state.position, self.plan
        factor = schedule.factor(c.schedule, at.step, c.warmup, at.total_steps, at.done)
        self._rate = c.lr * at.peak * factor
        if isinstance(self.job, GradientJob):
            value, size, tokens, updated = self._descend(self.job, self._rate)
        else:
            (value, size, tokens), updated = self.job.update(at.step, self._rate), True
        at.step += 1
        at.loss_sum += value * tokens
        at.norm_sum += size
        at.tokens += tokens
        at.steps += 1
        at.updates += updated
        follow(at, value)
        return value, size

    def _descend(self, job: GradientJob, rate: float) -> tuple[float, float, int, bool]:
        """Make one update by the optimizers. Returns loss, gradient norm, tokens, and whether weights were updated.

        They are not updated when fp16 gradients overflow; then only the gradient scaler changes its scale.
        """
        s, at, c = self.state, self.state.position, job.plan
        for optimizer in s.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with autocast(c.precision, job.device):
            loss, tokens, s.carry = job.loss(self._number(), s.carry, at.done)
        self.model.zero_grad(set_to_none=True)
        s.scaler.scale(loss).backward()
        for optimizer in s.optimizers:
            s.scaler.unscale_(optimizer)
        norm = clip_gradients([p.grad for p in self.model.parameters() if p.grad is not None], c.clip or math.inf)
        overflowed = s.scaler.is_enabled() and not bool(norm.isfinite())
        if not overflowed:
            for optimizer in s.optimizers:
                s.scaler.step(optimizer)
            if s.averaged:
                s.averaged.update(self._decay(c), at.step)
        s.scaler.update()
        return loss.item(), 0.0 if overflowed else norm.item(), tokens, not overflowed

    def _number(self) -> int:
        """Return the number of the next batch, chosen such that the training ends with the last batch of an epoch.

        If the steps are no whole number of epochs, it is the first epoch that is incomplete, not the last. For a model
        of a stream of text should have read the end of the text last, because that is where validation data continue,
        and where use begins (validation loss on tiny Shakespeare, 1,293 steps with 784 in an epoch: 1.461 instead of
        1.487).
        """
        at = self.state.position
        return at.step + (-at.total_steps % self.job.steps_per_epoch if at.total_steps else 0)

    def _decay(self, plan: RecurrentPlan) -> float:
        """Return the decay of the averaged weights: as given, or such that they span the last 3 % of the training."""
        if plan.average_decay is not None:
            return plan.average_decay
        total = self.state.position.total_steps
        span = 0.03 * total if total else 30
        return 1 - 1 / max(3.0, span)

    def _log(self, seconds: float) -> Logged:
        """Make a log point of what happened since the last one, which took `seconds`, and write it to metrics.jsonl."""
        at = self.state.position
        tokens, steps = at.tokens - self._earlier[0], at.steps - self._earlier[1]  # those made within `seconds`
        left = (at.total_steps - at.step) * seconds / steps if at.total_steps is not None else None
        event = Logged(
            at.step,
            at.total_steps,
            at.step / self.job.steps_per_epoch,
            at.loss_sum / max(1, at.tokens),
            self._rate,
            at.norm_sum / max(1, at.updates),
            tokens / max(1e-9, seconds),
            at.seconds,
            left,
        )
        at.loss_sum = at.norm_sum = 0.0
        at.tokens = at.steps = at.updates = 0
        self._earlier = 0, 0
        add_point(
            self.run_dir,
            step=event.step,
            epoch=round(event.epoch, 6),
            loss=event.loss,
            lr=event.lr,
            grad_norm=event.grad_norm,
            tokens_per_s=round(event.tokens_per_s, 1),
            seconds=round(event.seconds, 3),
        )
        return event

    def _evaluate(self, averaged: dict[str, Tensor] | None = None) -> list[Event]:
        """Evaluate the present weights, or these `averaged` ones, and store them if they are the best so far."""
        at = self.state.position
        epoch = at.step / self.job.steps_per_epoch
        weights = averaged or self.state.weights
        with self._in_use(weights), autocast(self.plan.precision, self.job.device):
            figures = self.job.evaluate()
        if figures is None:
            return []
        loss = figures["loss"]
        select = self.plan.chosen_by
        rank = figures[select] if self.plan.lower_is_better else -figures[select]
        best = at.is_beaten_by(rank, loss)
        if best:
            at.best_step, at.best_rank, at.best_loss = at.step, rank, loss if math.isfinite(loss) else None
            self.state.save_best(self.run_dir, figures, weights)
        if not averaged:  # the mean at the end is not a point of the curve that patience and the schedule go by
            at.evals_since_best = 0 if best else at.evals_since_best + 1
            if not best and self.plan.schedule == "plateau":
                at.peak *= 0.5
            if self.best_few:
                self.best_few.add(at.step, (rank, loss), weights)
        rest = {k: v for k, v in figures.items() if k != "loss"}
        add_point(self.run_dir, step=at.step, epoch=round(epoch, 6), val_loss=loss, **rest)
        return [Evaluated(at.step, epoch, loss, rest, at.seconds, best)]

    def _evaluate_mean(self) -> list[Event]:
        """Evaluate, at the end, the mean of the weights with the best evaluations, which may be better than each."""
        mean = self.best_few.mean(self.model) if self.best_few else None
        if mean is None:
            return []
        on = {name: tensor.to(self.job.device) for name, tensor in mean.items()}
        return [Notice("The mean of the best weights:"), *self._evaluate(on)]

    def _preview(self) -> list[Event]:
        """Let the task write a short sample with the present weights."""
        with self._in_use(self.state.weights):
            text = self.job.preview(self.state.position.step)
        return [] if text is None else [Previewed(self.state.position.step, text)]

    @contextmanager
    def _in_use(self, weights: dict[str, Tensor]) -> Iterator[None]:
        """Give the model these weights, in evaluation mode, while the `with` block runs."""
        self.model.eval()
        with using(self.model, weights), torch.no_grad():
            yield
        self.model.train()

    def _last_good(self) -> str:
        """Return a sentence that says where the last checkpoint is."""
        found = checkpoint.checkpoints(self.run_dir)
        if not found:
            return "No checkpoint had been saved yet."
        return f"The last good checkpoint is {found[-1]}."


def _check_validation(job: Job) -> None:
    """Raise ConfigError if an option needs validation data and there are none."""
    c = job.plan
    waiting = {
        "--average": c.average > 1,
        "--patience": c.patience,
        "--schedule plateau": c.schedule == "plateau",
        "--select": c.chosen_by != "loss",
    }
    for option, on in waiting.items():
        if on and not job.valid_tokens:
            raise ConfigError(
                f"{option} goes by validation figures, and there is nothing to validate on: "
                "give a file with --valid, or keep more of the data with --valid-split."
            )


def clip_gradients(gradients: list[Tensor], limit: float) -> Tensor:
    """Scale all gradients down, in place, so that their norm is at most `limit`. Returns the norm before, a scalar.

    The norm is that of all gradients taken together as one vector (Pascanu 2013).
    """
    norm = nn.utils.get_total_norm(gradients)
    if norm > limit:  # most often it is not, and then nothing needs to be written
        torch._foreach_mul_(gradients, limit / norm)
    return norm
