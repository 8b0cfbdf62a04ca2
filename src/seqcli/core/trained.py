"""The base classes of all trained models: how they are opened, where they compute, how they are described."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from seqcli.core.events import Say, silent
from seqcli.core.training.plan import Plan
from seqcli.core.training.schema import ModelFile
from seqcli.core.training.stored import Stored
from seqcli.core.weights import sizes_of_a_file

if TYPE_CHECKING:  # text is written without torch
    import torch
    from torch import nn

    from seqcli.core.layers import Network

AnyTrained = TypeVar("AnyTrained", bound="NetworkTrained")


class Trained(ABC):
    """The base of all trained models. `figures` are those of the evaluation that it was chosen by."""

    file: ClassVar[type[ModelFile]]  # what a model file of it says of itself
    example: ClassVar[str]  # how one uses it from Python
    measured_with: ClassVar[tuple[str, ...]] = ()  # what `evaluate` may be told beside the file

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

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What it is, in a few words each: its network, its vocabulary, and so on."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}: {value}' for name, value in self._told().items())})"

    def _repr_html_(self) -> str:
        """A card, which a notebook shows."""
        rows = "".join(
            f'<tr><td style="text-align:left;opacity:.7">{escape(name)}</td>'
            f'<td style="text-align:left">{escape(value)}</td></tr>'
            for name, value in self._told().items()
        )
        return (
            '<div style="display:inline-block;border:1px solid #8886;border-radius:6px;padding:.5em .8em">'
            f"<b>{type(self).__name__}</b><table>{rows}</table><code>{escape(self.example)}</code></div>"
        )

    def _told(self) -> dict[str, str]:
        figures = {name: f"{value:.4g}" for name, value in self.figures.items() if isinstance(value, float)}
        return {"model": self.plan.model_in_words, **self.facts(), **figures}


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
    def device(self) -> "torch.device":
        """The device that the weights are on."""
        return self.model.device

    def in_precision(self) -> AbstractContextManager[object]:
        """Return a context manager in which the model computes in the fastest precision for its device.

        A model that was trained in fp32 always computes in fp32.
        """
        from seqcli.core.training.device import autocast, inference_precision

        return autocast(inference_precision(self.plan.precision, self.device), self.device)
