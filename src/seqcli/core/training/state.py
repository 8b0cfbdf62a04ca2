"""The state of a training: all that a step changes, saved and loaded so that a resumed run gives the same bits."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter
from torch import Tensor, nn

from seqcli.core.layers.dropout import hand_down
from seqcli.core.layers.network import Network, shapes_of
from seqcli.core.layers.seeds import salted
from seqcli.core.training import checkpoint
from seqcli.core.training.averaging import Averaged
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.job import Carry, Job
from seqcli.core.training.optimizer import make_optimizers, state_shapes
from seqcli.core.training.plan import Plan, RecurrentPlan
from seqcli.core.training.schema import Count, Metadata
from seqcli.core.training.stored import texts_of
from seqcli.core.weights import check_weights
from seqcli.errors import CheckpointError

Seconds = Annotated[float, Field(ge=0, le=1e12)]
FLOATS = (torch.float32, torch.bfloat16, torch.float16)
POSITIVE = {"step", "exp_avg_sq", "square_avg", "sum"}  # tensors of optimizers that cannot be negative


@dataclass
class Position:
    """How far a training is. All values are plain and finite numbers, so that a checkpoint holds them exactly."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    step: Count = 0  # steps made so far
    total_steps: Count | None = None  # None while a budget in minutes has not been turned into steps
    planned_from: Count = 0  # the step at which total_steps was last changed
    planned_done: Annotated[float, Field(ge=0, le=1)] = 0.0  # the fraction of the training that had been done then
    seconds: Seconds = 0.0  # spent on this run so far, evaluations included
    budget: list[float | None] = field(default_factory=list)  # steps, epochs, minutes that total_steps comes from
    budget_from: Seconds = 0.0  # seconds that had been spent when this budget began
    best_step: Count = 0  # the step of the best evaluation
    best_loss: float | None = None  # its loss; None before the first evaluation, or if that loss was not finite
    best_rank: float | None = None  # its loss, or another metric, with its sign reversed where higher is better
    evals_since_best: Count = 0  # evaluations since the best one
    peak: Annotated[float, Field(ge=0, le=1)] = 1.0  # the factor by which the plateau schedule has lowered the rate
    loss_sum: float = 0.0  # this and the next four: sums over the steps since the last log point
    norm_sum: float = 0.0  # gradient norms
    tokens: Count = 0
    steps: Count = 0
    updates: Count = 0  # steps whose gradients did not overflow
    first_loss: float = 0.0  # the mean loss of the first steps (see divergence.py)
    recent_loss: float = 0.0  # a running mean of the loss of the last steps

    def is_beaten_by(self, rank: float, loss: float) -> bool:
        """Return whether an evaluation is better than the best so far: a lower rank, or an equal one and lower loss."""
        if not math.isfinite(rank) or self.best_rank is None:
            return math.isfinite(rank)
        best_loss = math.inf if self.best_loss is None else self.best_loss
        return rank < self.best_rank or (rank == self.best_rank and loss < best_loss)

    @property
    def done(self) -> float:
        """The fraction of the training that has been done, 0 to 1; 0 while the length of the training is not known.

        It never jumps. When the total number of steps is changed, the fraction that was left is spread evenly over the
        steps that are left now.
        """
        if not self.total_steps:
            return 0.0
        if not self.planned_from:
            return self.step / self.total_steps
        part = (self.step - self.planned_from) / max(1, self.total_steps - self.planned_from)
        return min(1.0, self.planned_done + (1 - self.planned_done) * part)


def position_of(value: object) -> Position:
    """Make a position from values in a file. Raises ValueError when they are wrong."""
    found: Position = TypeAdapter(Position).validate_json(json.dumps(value))
    return found


class Scaler(Metadata):
    """The state of torch's GradScaler."""

    scale: Annotated[float, Field(gt=0)]
    growth_factor: Annotated[float, Field(gt=1)]
    backoff_factor: Annotated[float, Field(gt=0, lt=1)]
    growth_interval: Annotated[int, Field(ge=1, le=10**9)]
    growth_tracker: Annotated[Count, Field(alias="_growth_tracker")]


class StateFile(Metadata):
    """The metadata of a state file."""

    position: Annotated[Position, PlainValidator(position_of)]
    carried: Count  # the number of tensors of the carried recurrent state
    scaler: Scaler | None  # for fp16 alone
    device: str  # the type of the device that the generator's state is for
    content: str  # a digest of the training data


def check_state(network: nn.Module, plan: Plan, state: Stored) -> StateFile:
    """Check that a state file belongs to a training of this network by this plan. Returns its metadata.

    The names, shapes, types and values of all tensors are checked. Raises CheckpointError, which says what is wrong.
    """
    found, tensors = StateFile.of(state.metadata), dict(state.tensors)
    generator = tensors.pop("generator", None)
    if generator is None:
        raise CheckpointError("The checkpoint is damaged: it lacks the state of its random generator.")
    if found.device == "cpu":
        _restore(torch.Generator(), generator)
    shapes = network.carry_shapes(plan.batch_size or 0) if isinstance(network, Network) and found.carried else []
    if found.carried != len(shapes):
        raise CheckpointError(f"The checkpoint is damaged: it carries {found.carried} states, and not {len(shapes)}.")
    for k, shape in enumerate(shapes):
        _check(f"carry.{k}", tensors.pop(f"carry.{k}", None), shape, FLOATS)
    if isinstance(plan, RecurrentPlan):  # other trainings have no optimizer and no average
        if plan.average_decay != 0:
            beginning = "average."
            average = {name for name in tensors if name.startswith(beginning)}
            check_weights({name[len(beginning) :]: tensors.pop(name) for name in average}, shapes_of(network))
        for k, kept in enumerate(state_shapes(network, plan.optimizer)):
            for name, parts in kept.items():
                own = {key: f"optimizer.{k}.{name}.{key}" for key in parts}
                if tensors.keys().isdisjoint(own.values()):
                    continue  # this parameter has had no gradient yet
                for key, shape in parts.items():
                    _check(own[key], tensors.pop(own[key], None), shape, FLOATS[:1], positive=key in POSITIVE)
    if tensors:
        raise CheckpointError(f"The checkpoint is damaged: it has {min(tensors)!r}, for which there is no place.")
    return found


def _restore(generator: torch.Generator, state: Tensor) -> None:
    """Set the state of a generator. Raises CheckpointError when that is impossible."""
    try:
        generator.set_state(state)
    except (RuntimeError, TypeError):
        raise CheckpointError("The checkpoint is damaged: its random generator cannot be in such a state.") from None


def _check(
    name: str, tensor: Tensor | None, shape: torch.Size, dtypes: tuple[torch.dtype, ...], *, positive: bool = False
) -> None:
    """Raise CheckpointError unless a tensor is there, has this shape and one of these types, and holds finite numbers.

    With `positive` its numbers must not be negative either.
    """
    if tensor is None:
        raise CheckpointError(f"The checkpoint is damaged: it lacks {name}.")
    if tensor.shape != shape or tensor.dtype not in dtypes:
        raise CheckpointError(
            f"The checkpoint is damaged: {name} is {list(tensor.shape)} of {tensor.dtype}, but must be {list(shape)} "
            f"of {dtypes[0]}."
        )
    if not tensor.isfinite().all():
        raise CheckpointError(f"The checkpoint is damaged: {name} holds numbers that are not finite.")
    if positive and bool((tensor < 0).any()):
        raise CheckpointError(f"The checkpoint is damaged: {name} holds numbers below zero.")


class TrainingState:
    """Everything that changes in a training: model, optimizers, averages, generator, carried state and position.

    `content` is a digest of the training data.
    """

    def __init__(self, job: Job, content: str = "") -> None:
        self.job, self.model, self.content, c = job, job.model, content, job.plan
        self.generator = torch.Generator(device=job.device).manual_seed(salted(c.seed, "dropout"))
        hand_down(self.model, self.generator)
        dtype = torch.bfloat16 if c.precision != "fp32" else torch.float32
        self.optimizers: list[torch.optim.Optimizer] = []
        self.averaged = None
        if isinstance(c, RecurrentPlan):
            self.optimizers = make_optimizers(self.model, c.optimizer, c.lr, c.weight_decay, dtype)
            self.averaged = Averaged(self.model) if c.average_decay != 0 else None
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=c.precision == "fp16")
        texts_of(job.metadata())  # so that an error comes now, not at the first checkpoint
        self.carry: Carry = []
        self.position = Position()

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights that are evaluated, sampled from and stored as the best: the average where there is one."""
        return self.averaged.weights if self.averaged else {n: p.detach() for n, p in self.model.named_parameters()}

    def save_best(self, run_dir: Path, figures: dict[str, float], weights: dict[str, Tensor] | None = None) -> None:
        """Write `best.safetensors`: the weights (by default the present ones) and all that is needed to use them."""
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        metadata = {**self.job.metadata(), "figures": finite, "step": self.position.step}
        checkpoint.write(run_dir / "best.safetensors", weights or self.weights, metadata)

    def save(self, run_dir: Path) -> Path:
        """Write a checkpoint, from which `load` continues to the same bits. Returns its directory."""
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
            self.position.best_step = self.position.step
            self.save_best(run_dir, {})
        metadata = {
            "position": asdict(self.position),
            "carried": len(self.carry),
            "scaler": self.scaler.state_dict() or None,
            "device": self.job.device.type,
            "content": self.content,
        }
        model = Stored(dict(self.model.named_parameters()), self.job.metadata())
        return checkpoint.save_checkpoint(
            run_dir, self.position.step, model, Stored(tensors, metadata), self.job.plan.keep
        )

    def load(self, model: Stored, state: Stored) -> list[str]:
        """Continue from a checkpoint. Returns sentences that the user should read.

        Raises CheckpointError when the training data have changed, or when the checkpoint does not belong to this
        training.
        """
        t, device, c = state.tensors, self.job.device, self.job.plan
        check_weights(model.tensors, shapes_of(self.model))
        about = check_state(self.model, c, state)
        if about.content != self.content:
            named = " ".join(str(file) for file in (*c.inputs, c.valid) if file is not None)
            raise CheckpointError(
                f"The text has changed since the run began: {named}. Put back what it was, or train a new run on it."
            )
        self.position = about.position
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(model.tensors[name])
        # Copied, because a product may differ in its last bits when its memory is not aligned, as in a file it is not.
        self.carry = [t[f"carry.{k}"].clone().to(device) for k in range(about.carried)]
        for k, optimizer in enumerate(self.optimizers):
            for name, p in parameters.items():
                prefix = f"optimizer.{k}.{name}."
                found = {key[len(prefix) :]: v for key, v in t.items() if key.startswith(prefix)}
                if found:
                    optimizer.state[p] = {
                        key: v if key == "step" and device.type == "cpu" else v.clone().to(device)
                        for key, v in found.items()
                    }
        if self.averaged:
            self.averaged.load({name: t[f"average.{name}"] for name in self.averaged.weights})
        if about.scaler is not None:
            self.scaler.load_state_dict(about.scaler.model_dump(by_alias=True))
        if about.device == device.type:
            _restore(self.generator, t["generator"])
            return []
        # generators of different devices cannot take over each other's state
        self.generator.manual_seed(salted(c.seed, "dropout", self.position.step))
        return ["The run goes on on another device: not to the same bits as on the first one."]
