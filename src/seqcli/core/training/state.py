"""All that a step changes, to and from the disk, so that a resumed run goes on to the very same bits."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from seqcli.core.layers import Dropout
from seqcli.core.training import checkpoint
from seqcli.core.training.averaging import Averaged
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.job import Carry, Job, UpdateJob
from seqcli.core.training.optimizer import make_optimizers
from seqcli.errors import CheckpointError


@dataclass
class Progress:
    """Where a training is: all plain values, so that a checkpoint holds them exactly."""

    step: int = 0
    total_steps: int | None = None
    planned_from: int = 0  # the step at which total_steps was changed last,
    planned_done: float = 0.0  # and the part of the training that was behind it then
    seconds: float = 0.0
    budget: list[float | None] = field(default_factory=list)  # the one that total_steps comes from
    budget_from: float = 0.0  # seconds spent before it began
    best_step: int = 0
    best_loss: float = math.inf
    best_rank: float = math.inf  # that loss, or another figure with its sign turned: less is better
    worse: int = 0  # evaluations since the best one
    peak: float = 1.0  # the plateau schedule's factor
    loss_sum: float = 0.0  # since the last log point
    norm_sum: float = 0.0
    tokens: int = 0
    steps: int = 0
    updates: int = 0  # the steps whose gradients did not overflow

    @property
    def done(self) -> float:
        """The part of the training that is behind, 0 .. 1; 0 while its length is not known.

        It never jumps: when the number of steps is changed, what was left of the training is spread over what is left
        of the new number.
        """
        if not self.total_steps:
            return 0.0
        if not self.planned_from:
            return self.step / self.total_steps
        part = (self.step - self.planned_from) / max(1, self.total_steps - self.planned_from)
        return self.planned_done + (1 - self.planned_done) * part


class State:
    """A model in training: its optimizers, averages, generator, carried state and progress.

    `content` is a digest of what it is trained on.
    """

    def __init__(self, job: Job, content: str = "") -> None:
        self.job, self.model, self.content, c = job, job.model, content, job.config
        self.generator = torch.Generator(device=job.device).manual_seed(c.seed)
        for module in self.model.modules():
            if isinstance(module, Dropout):
                module.generator = self.generator
        dtype = torch.bfloat16 if c.precision != "fp32" else torch.float32
        self.optimizers: list[torch.optim.Optimizer] = []
        self.averaged = None
        if not isinstance(job, UpdateJob):
            assert c.optimizer and c.lr is not None and c.weight_decay is not None, "the task resolves these"
            self.optimizers = make_optimizers(self.model, c.optimizer, c.lr, c.weight_decay, dtype)
            self.averaged = Averaged(self.model) if c.average_decay != 0 else None
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=c.precision == "fp16")
        self.carry: Carry = []
        self.at = Progress()

    @property
    def weights(self) -> dict[str, Tensor]:
        """What is evaluated, sampled and saved as best: the average where there is one."""
        return self.averaged.weights if self.averaged else {n: p.detach() for n, p in self.model.named_parameters()}

    def save_best(self, run_dir: Path, figures: dict[str, float], weights: dict[str, Tensor] | None = None) -> None:
        """Write the weights to use, with all that is needed to use them."""
        metadata = {**self.job.metadata(), "figures": figures, "step": self.at.step}
        checkpoint.write(run_dir / "best.safetensors", weights or self.weights, metadata)

    def save(self, run_dir: Path) -> Path:
        """Write a checkpoint that `load` continues from to the very same bits."""
        tensors: dict[str, Tensor] = {"generator": self.generator.get_state()}
        names = {id(p): name for name, p in self.model.named_parameters()}
        for k, optimizer in enumerate(self.optimizers):
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    tensors[f"optimizer.{k}.{names[id(parameter)]}.{key}"] = torch.as_tensor(value)
        tensors |= {f"carry.{k}": t for k, t in enumerate(self.carry)}
        if self.averaged:
            tensors |= {f"average.{name}": t for name, t in self.averaged.weights.items()}
        if not self.job.valid_tokens:  # without validation the newest weights are the best known
            self.at.best_step = self.at.step
            self.save_best(run_dir, {})
        metadata = {
            "progress": asdict(self.at),
            "carried": len(self.carry),
            "scaler": self.scaler.state_dict(),
            "device": self.job.device.type,
            "content": self.content,
        }
        model = Stored(dict(self.model.named_parameters()), self.job.metadata())
        return checkpoint.save_checkpoint(run_dir, self.at.step, model, Stored(tensors, metadata), self.job.config.keep)

    def load(self, model: Stored, state: Stored) -> list[str]:
        """Take over a checkpoint; returns what the user should know. Raises CheckpointError for another text's."""
        t, device = state.tensors, self.job.device
        if state.metadata.get("content") != self.content:
            c = self.job.config
            named = " ".join(str(file) for file in (*c.files, c.source, c.target, c.valid) if file is not None)
            raise CheckpointError(
                f"The text has changed since the run began: {named}. Put back what it was, or train a new run on it."
            )
        self.at = Progress(**state.metadata["progress"])
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(model.tensors[name])
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
            self.averaged.load({name: t[f"average.{name}"] for name in self.averaged.weights})
        if state.metadata["scaler"]:
            self.scaler.load_state_dict(state.metadata["scaler"])
        if state.metadata["device"] == device.type:
            self.generator.set_state(t["generator"])
            return []
        self.generator.manual_seed(self.job.config.seed + self.at.step)  # another kind of generator
        return ["The run goes on on another device: not to the same bits as on the first one."]
