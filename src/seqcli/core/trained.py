"""The base classes of all trained models: how they are opened, where they compute, how they are described."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from seqcli.core.card import card
from seqcli.core.config import SHORT, no_others
from seqcli.core.events import Say, silent
from seqcli.core.metrics.names import NAMES, OF_LABELS
from seqcli.core.training.plan import Plan
from seqcli.core.training.schema import ModelFile
from seqcli.core.training.stored import Stored
from seqcli.core.weights import sizes_of_a_file
from seqcli.errors import DataError, TaskError

if TYPE_CHECKING:  # text is written without torch
    import torch
    from torch import nn

    from seqcli.core.layers import Network

AnyTrained = TypeVar("AnyTrained", bound="NetworkTrained")
FEW = 4  # how many figures, labels or files are shown in a line


class Trained(ABC):
    """The base of all trained models. `figures` are those of the evaluation that it was chosen by."""

    file: ClassVar[type[ModelFile]]  # the class of the metadata in its model file
    measured_with: ClassVar[tuple[str, ...]] = ()  # names of the options of `evaluate`

    plan: Plan
    figures: dict[str, float]

    @abstractmethod
    def evaluate(self, path: str | Path, *, say: Say = silent) -> dict[str, Any]:
        """Measure the model on a file like those that it was trained on. Returns the metrics by name.

        `say` is called with sentences that the user should know. Raises DataError for a file that it cannot be measured
        on.
        """

    def as_trained(self) -> dict[str, Any]:
        """Return the keyword arguments of `evaluate` with which a file is read as in the training."""
        options = self.plan.as_dict()
        return {name: options[name] for name in self.measured_with if name in options}

    def takes_no(self, others: Iterable[str]) -> None:
        """Raise ConfigError if `evaluate` got `others`, unknown arguments; it says which name was probably meant."""
        no_others(others, ("path", "say", *self.measured_with))

    if not TYPE_CHECKING:  # for type checkers it has the attributes that are defined, and no others

        def __getattr__(self, name: str) -> Any:
            """Raise TaskError, which says what this model can do, for a method that it does not have."""
            if name.startswith("_") or "plan" not in vars(self):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            uses = " or ".join(self.examples())
            raise TaskError(f"A model of --task {self.plan.task} has no {name!r}. It is used by {uses}.")

    # --- how it is described ----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def parameters(self) -> int:
        """The number of parameters."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Return facts about its size by name, such as {"tokens": "65 char", "labels": "2"}."""

    def names(self) -> dict[str, list[str]]:
        """Return lists of names to be shown, such as its labels, by the name of the fact that counts them.

        They come from a file and may be any text.
        """
        return {}

    @abstractmethod
    def examples(self) -> list[str]:
        """Return lines of Python that show how to use it."""

    def __repr__(self) -> str:
        told = [self.plan.model_in_words]
        for name, size in self.facts().items():
            named = self.names().get(name, [])
            few = f" ({', '.join(map(SHORT.repr, named))})" if 0 < len(named) <= FEW else ""
            told.append(f"{size} {name}{few}")
        told += [f"{name} {value:.4g}" for name, value in list(self._figures().items())[:FEW]]
        return f"{type(self).__name__}({', '.join(told)})"

    def _repr_html_(self) -> str:
        """Return a card in HTML, which a notebook shows."""
        of_labels = OF_LABELS if self.names() else {}
        figures = [
            (of_labels.get(name, NAMES[name][0]), NAMES[name][1].format(value) if abs(value) < 1e5 else f"{value:.1e}")
            for name, value in self._figures().items()
        ]
        files, valid = [Path(file).name for file in self.plan.inputs], self.plan.valid
        measured_on = Path(valid).name if valid is not None else f"{self.plan.valid_split:.0%} of that, held out"
        facts = {
            "task": self.plan.task,
            "parameters": f"{self.parameters:,}",
            **{name: size for name, size in self.facts().items() if name not in self.names()},
            "trained on": ", ".join(files[:FEW]) + (f" and {len(files) - FEW} more" if len(files) > FEW else ""),
            **({"measured on": measured_on} if figures else {}),
        }
        plan = self.plan.network_in_words
        return card(type(self).__name__, plan, figures, facts, self.names(), self.examples())

    def _figures(self) -> dict[str, float]:
        """Return the metrics that say how good it is. The one that it was chosen by comes first."""
        found = {name: value for name, value in self.figures.items() if name in NAMES and isinstance(value, float)}
        found = dict(sorted(found.items(), key=lambda figure: figure[0] != self.plan.chosen_by))
        squared = self.plan.as_dict().get("loss") == "mse"
        return {"squared_error" if squared and name == "loss" else name: value for name, value in found.items()}


def texts_of(texts: object) -> list[str]:
    """Return texts from any iterable as a list. Raises DataError if it is none, or if something in it is no text."""
    if not isinstance(texts, Iterable) or isinstance(texts, (bytes, bytearray)):
        raise DataError(f"A text or a list of texts is wanted, not {SHORT.repr(texts)}.")
    found = list(texts)
    for number, text in enumerate(found, 1):
        if not isinstance(text, str):
            raise DataError(f"In a list of texts each is a text, and number {number} is {SHORT.repr(text)}.")
    return found


class NetworkTrained(Trained):
    """The base of the trained models with a torch network, which is `model`, in evaluation mode."""

    model: "Network"

    @classmethod
    @abstractmethod
    def network(cls, about: Any) -> "nn.Module":
        """Make the network that a model file describes, without its weights."""

    @classmethod
    @abstractmethod
    def of(cls: type[AnyTrained], model: Any, about: Any) -> AnyTrained:
        """Make the trained model from a network and the metadata of its file."""

    @classmethod
    def open(cls: type[AnyTrained], stored: Stored, device: str = "auto", threads: int = 0) -> AnyTrained:
        """Make the model from the content of a `best.safetensors`, on a device.

        `threads` is the number of threads for torch; 0 leaves it as it is. Raises CheckpointError when the parts of the
        file do not fit together, ConfigError for a device that does not exist.
        """
        from seqcli.core.layers.start import load_weights
        from seqcli.core.training.device import pick_device, use_threads

        about = cls.file.of(stored.metadata)
        with sizes_of_a_file():
            model = cls.network(about)
        load_weights(model, stored.tensors)
        use_threads(threads)
        return cls.of(model.to(pick_device(device)).eval(), about)

    @property
    def parameters(self) -> int:
        return sum(weights.numel() for weights in self.model.parameters())

    @property
    def device(self) -> "torch.device":
        """The device that the weights are on."""
        return self.model.device

    def in_precision(self) -> AbstractContextManager[object]:
        """Return a context manager in which the model computes in the fastest precision for its device.

        A model that was trained in fp32 always computes in fp32.
        """
        from seqcli.core.training.device import autocast, inference_precision

        return autocast(inference_precision(self.plan.precision, self.device), self.device)
