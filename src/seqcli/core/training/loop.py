"""The training loop: a generator of events. It knows no task and draws nothing; a Job says what is learnt."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqcli.core.config import Config
from seqcli.core.events import Evaluated, Event, Finished, Logged, Notice, Planned, Previewed, Saved, Started, Stepped
from seqcli.core.layers import Dropout
from seqcli.core.training import checkpoint, schedule
from seqcli.core.training.averaging import Averaged
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.device import autocast
from seqcli.core.training.optimizer import make_optimizers
from seqcli.errors import CheckpointError, TrainingError

SAVE_SECONDS = 30.0  # between checkpoints, when nothing else is asked for
Carry = list[Tensor]  # what one step hands to the next: a recurrent state, flattened


class Job(Protocol):
    """What a task gives the loop. `config` is resolved: device, precision, rates and sizes are no longer auto."""

    config: Config

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    device: torch.device
    steps_per_epoch: int
    train_tokens: int
    valid_tokens: int
    vocab_size: int

    def loss(self, step: int, carry: Carry, done: float) -> tuple[Tensor, int, Carry]:
        """Mean loss of batch `step`, its number of real targets, and what to carry to the next step.

        `done` is the part of the training that is behind, 0 while its length is not known.
        """

    def evaluate(self) -> dict[str, float] | None:
        """Validation figures, `loss` among them; None without validation data."""

    def preview(self) -> str | None:
        """A short sample for people, if the task has one."""

    def metadata(self) -> dict[str, Any]:
        """What `best.safetensors` needs beside the weights to be used alone."""


@dataclass
class Progress:
    """Where a training is: all plain values, so that a checkpoint holds them exactly."""

    step: int = 0
    total_steps: int | None = None
    seconds: float = 0.0
    best_step: int = 0
    best_loss: float = math.inf
    best_rank: float = math.inf  # the loss, or another figure with its sign turned: less is better
    worse: int = 0  # evaluations since the best one
    peak: float = 1.0  # the plateau schedule's factor
    loss_sum: float = 0.0  # since the last log point
    norm_sum: float = 0.0
    tokens: int = 0
    steps: int = 0
    notices: list[str] = field(default_factory=list)


class Loop:
    """One sitting of a training; iterate over it. Closing the iterator saves a checkpoint first."""

    def __init__(self, job: Job, run_dir: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        self.job, self.run_dir, self.config, self._clock = job, run_dir, job.config, clock
        c, self.model = job.config, job.model
        assert c.lr is not None and c.weight_decay is not None, "the task resolves these"
        self.generator = torch.Generator(device=job.device).manual_seed(c.seed)
        for module in self.model.modules():
            if isinstance(module, Dropout):
                module.generator = self.generator
        dtype = torch.bfloat16 if c.precision != "fp32" else torch.float32
        self.optimizers = make_optimizers(self.model, c.optimizer, c.lr, c.weight_decay, dtype)
        self.averaged = Averaged(self.model) if c.average_decay != 0 else None
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=c.precision == "fp16")
        self.carry: Carry = []
        self.at = Progress()
        self._budget_from = 0.0  # seconds spent before the budget began, when it was given anew
        if c.minutes is None:
            self.at.total_steps = self.limit()

    # --- budget -----------------------------------------------------------------------------------------------

    def limit(self) -> int | None:
        """The budget of steps and epochs in steps; the smaller one. None when there is none."""
        c, limits = self.config, []
        if c.steps:
            limits.append(c.steps)
        if c.epochs:
            limits.append(max(1, round(c.epochs * self.job.steps_per_epoch)))
        return min(limits, default=None)

    def _budget(self) -> list[float | None]:
        return [self.config.steps, self.config.epochs, self.config.minutes]

    def plan(self, measured: int, seconds: float, spent: float) -> int:
        """Turn the minutes into a number of steps, from the time that `measured` steps took."""
        assert self.config.minutes is not None
        one = seconds / measured
        one_eval = self.job.valid_tokens * one / max(1, self.at.tokens / max(1, self.at.steps)) * 0.35
        left = self.config.minutes * 60 - spent - one_eval
        total = self.at.step + max(
            0, int(left / (one * 1.1))
        )  # evaluations, samples, checkpoints and drift take a tenth
        return min(total, self.limit() or total)

    def every(self, name: str) -> int:
        """Steps between log points, evaluations: as set, or by the length of the run."""
        chosen = getattr(self.config, name)
        if chosen is not None:
            return int(chosen)
        total = self.at.total_steps
        if name == "log_every":
            return 10 if total is None else max(10, total // 100)
        if total is None:
            return 1 << 60
        if name == "sample_every":
            return max(1, total // 5)
        # an evaluated token costs about a third of a trained one: at most some 5 % of the time
        tokens = self.job.train_tokens / self.job.steps_per_epoch
        return max(1, total // 20, math.ceil(6 * self.job.valid_tokens / tokens))

    # --- the loop ---------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        job, at = self.job, self.at
        yield Started(
            self.run_dir,
            sum(p.numel() for p in self.model.parameters()),
            job.train_tokens,
            job.valid_tokens,
            job.vocab_size,
            at.step,
            at.total_steps,
            job.config.model_dump(),
        )
        for text in at.notices:
            yield Notice(text)
        at.notices = []
        self.model.train()
        self._start(self._clock())
        try:
            while self.reason is None:
                yield from self._advance()  # whole steps: wherever the iterator is closed, the state is whole
        except GeneratorExit:
            self.save()
            raise
        best = at.best_loss if math.isfinite(at.best_loss) else None
        yield Finished(
            self.run_dir, at.step, at.step / job.steps_per_epoch, at.seconds, at.best_step, best, self.reason
        )

    def _start(self, now: float) -> None:
        """Set the clocks of this sitting."""
        self._zero = now - self.at.seconds
        self._saved_at = self._logged_at = now
        self._measured_from: tuple[int, float] | None = None
        done = self.at.total_steps is not None and self.at.step >= self.at.total_steps
        patient = not self.config.patience or self.at.worse < self.config.patience
        self.reason: str | None = "budget" if done else None if patient else "patience"

    def _advance(self) -> list[Event]:
        """One step and all that is due after it."""
        at, c = self.at, self.config
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
        if at.total_steps is None:
            events += self._measure(now)
        if at.total_steps is not None and at.step >= at.total_steps:
            self.reason = "budget"
        last = self.reason is not None
        if at.step % self.every("log_every") == 0 or last:
            events.append(self._log(now - self._logged_at))
            self._logged_at = now
        if at.step % self.every("eval_every") == 0 or last:
            events += self._evaluate()
            if c.patience and at.worse >= c.patience:
                self.reason = "patience"
        if c.sample_every != 0 and at.step % self.every("sample_every") == 0:
            events += self._preview()
        waited = self._clock() - self._saved_at
        if (at.step % c.save_every == 0 if c.save_every else waited > SAVE_SECONDS) or self.reason:
            events.append(Saved(at.step, self.save()))
            self._saved_at = self._clock()
        self._logged_at += self._clock() - now  # what came after the step is not training time
        return events

    def _measure(self, now: float) -> list[Event]:
        """Time some steps of a budget of minutes, then fix their number."""
        at, limit, bound = self.at, (self.config.minutes or 0) * 60, self.limit()
        if self._measured_from is None and bound is not None and at.step >= max(1, bound // 10):
            at.total_steps = bound  # too short a run to be worth measuring
            return []
        if self._measured_from is None:
            if at.step >= 3:  # the first steps are slower
                self._measured_from = at.step, now
            return []
        steps, passed = at.step - self._measured_from[0], now - self._measured_from[1]
        early = (passed < min(6.0, 0.1 * limit) or steps < 5) and passed < 0.5 * limit
        if early and (bound is None or at.step < bound // 10):
            return []
        at.total_steps = max(at.step, self.plan(steps, passed, at.seconds - self._budget_from))
        return [Planned(at.total_steps, passed / steps)]

    def _step(self) -> tuple[float, float]:
        """One update; returns its loss and gradient norm."""
        at, c = self.at, self.config
        rate = (c.lr or 0.0) * self.at.peak * schedule.factor(c.schedule, at.step, c.warmup, at.total_steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with autocast(c.precision, self.job.device):
            done = at.step / at.total_steps if at.total_steps else 0.0
            loss, tokens, self.carry = self.job.loss(at.step, self.carry, done)
        self.model.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), c.clip or math.inf)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        if self.averaged:
            self.averaged.update(self._decay(), at.step)
        at.step += 1
        value, size = loss.item(), norm.item()
        at.loss_sum += value * tokens
        at.norm_sum += size
        at.tokens += tokens
        at.steps += 1
        return value, size if c.precision != "fp16" else min(size, 1e9)  # the scaler skips overflowed fp16 updates

    def _decay(self) -> float:
        if self.config.average_decay is not None:
            return self.config.average_decay
        span = 0.03 * self.at.total_steps if self.at.total_steps else 30
        return 1 - 1 / max(3.0, span)

    def _log(self, seconds: float) -> Logged:
        at = self.at
        left = None
        if at.total_steps is not None and at.step:
            left = (at.total_steps - at.step) * seconds / max(1, at.steps)
        rate = max(group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups)
        event = Logged(
            at.step,
            at.total_steps,
            at.step / self.job.steps_per_epoch,
            at.loss_sum / max(1, at.tokens),
            rate,
            at.norm_sum / max(1, at.steps),
            at.tokens / max(1e-9, seconds),
            at.seconds,
            left,
        )
        at.loss_sum = at.norm_sum = 0.0
        at.tokens = at.steps = 0
        self._write(
            step=event.step,
            epoch=round(event.epoch, 6),
            loss=event.loss,
            lr=event.lr,
            grad_norm=event.grad_norm,
            tokens_per_s=round(event.tokens_per_s, 1),
            seconds=round(event.seconds, 3),
        )
        return event

    def _evaluate(self) -> list[Event]:
        """Validate the averaged weights; keep them when they are the best."""
        at = self.at
        epoch = at.step / self.job.steps_per_epoch
        with self._in_use(), torch.no_grad(), autocast(self.config.precision, self.job.device):
            figures = self.job.evaluate()
        if figures is None:
            return []
        loss = figures["loss"]
        select = self.config.select
        rank = loss if select == "loss" else -figures[select]
        best = rank < at.best_rank
        if best:
            at.best_step, at.best_loss, at.best_rank, at.worse = at.step, loss, rank, 0
            self._save_best(figures)
        else:
            at.worse += 1
            if self.config.schedule == "plateau":
                at.peak *= 0.5
        rest = {k: v for k, v in figures.items() if k != "loss"}
        self._write(step=at.step, epoch=round(epoch, 6), val_loss=loss, **rest)
        return [Evaluated(at.step, epoch, loss, rest, at.seconds, best)]

    def _preview(self) -> list[Event]:
        with self._in_use(), torch.no_grad():
            text = self.job.preview()
        return [] if text is None else [Previewed(self.at.step, text)]

    def _in_use(self) -> Any:
        """The weights that are evaluated, sampled and saved as best."""
        if self.averaged:
            return self.averaged.used()
        return Averaged(self.model).used()

    def _last_good(self) -> str:
        found = checkpoint.checkpoints(self.run_dir)
        if not found:
            return "No checkpoint had been saved yet."
        return f"The last good checkpoint is {found[-1]}."

    def _write(self, **point: Any) -> None:
        with (self.run_dir / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")

    # --- to and from disk -------------------------------------------------------------------------------------

    def _save_best(self, figures: dict[str, float]) -> None:
        weights = self.averaged.weights if self.averaged else self.model.state_dict()
        metadata = {**self.job.metadata(), "figures": figures, "step": self.at.step}
        checkpoint.write(self.run_dir / "best.safetensors", weights, metadata)

    def save(self) -> Path:
        """A checkpoint that `load` continues from to the very same bits."""
        tensors: dict[str, Tensor] = {"generator": checkpoint.generator_state(self.generator)}
        names = {id(p): name for name, p in self.model.named_parameters()}
        for k, optimizer in enumerate(self.optimizers):
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    tensors[f"optimizer.{k}.{names[id(parameter)]}.{key}"] = torch.as_tensor(value)
        tensors |= {f"carry.{k}": t for k, t in enumerate(self.carry)}
        if self.averaged:
            tensors |= {f"average.{name}": t for name, t in self.averaged.weights.items()}
        metadata: dict[str, Any] = {"budget": self._budget(), "device": self.job.device.type}
        metadata["train_tokens"] = self.job.train_tokens
        metadata |= {"progress": self.at.__dict__, "carried": len(self.carry), "scaler": self.scaler.state_dict()}
        if not self.job.valid_tokens:  # without validation the newest weights are the best known
            self.at.best_step = self.at.step
            self._save_best({})
        model = Stored(dict(self.model.named_parameters()), self.job.metadata())
        return checkpoint.save_checkpoint(
            self.run_dir, self.at.step, model, Stored(tensors, metadata), self.config.keep
        )

    def load(self) -> None:
        """Continue from the newest whole checkpoint of the run. Raises CheckpointError when there is none."""
        model, state, complaints = checkpoint.newest_checkpoint(self.run_dir)
        if (had := state.metadata["train_tokens"]) != self.job.train_tokens:
            raise CheckpointError(
                f"The text has changed: {self.run_dir} was trained on {had} tokens, and now there are "
                f"{self.job.train_tokens}. Train a new run on it."
            )
        self.at = Progress(**state.metadata["progress"])
        self.at.notices = complaints
        if state.metadata["budget"] != self._budget():  # given anew: minutes are further minutes
            self.at.total_steps = self.limit() if self.config.minutes is None else None
            self._budget_from = self.at.seconds
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(model.tensors[name])
        t, device = state.tensors, self.job.device
        if state.metadata["device"] == device.type:
            self.generator.set_state(t["generator"])
        else:  # another kind of generator
            self.generator.manual_seed(self.config.seed + self.at.step)
            self.at.notices.append("The run goes on on another device: not to the same bits as on the first one.")
        checkpoint.forget_after(self.run_dir, self.at.step)
        self.carry = [t[f"carry.{k}"].to(device) for k in range(state.metadata["carried"])]
        for k, optimizer in enumerate(self.optimizers):
            for name, p in parameters.items():
                prefix = f"optimizer.{k}.{name}."
                found = {key[len(prefix) :]: v for key, v in t.items() if key.startswith(prefix)}
                if found:
                    optimizer.state[p] = {
                        key: v if key == "step" and device.type == "cpu" else v.to(device) for key, v in found.items()
                    }
        if self.averaged:
            self.averaged.load({n: t[f"average.{n}"] for n in self.averaged.weights})
        if state.metadata["scaler"]:
            self.scaler.load_state_dict(state.metadata["scaler"])
        self._forget_after(self.at.step)

    def _forget_after(self, step: int) -> None:
        """Drop the lines of metrics that a lost part of the run had written."""
        path = self.run_dir / "metrics.jsonl"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            path.write_text("".join(kept), encoding="utf-8")
