"""One thin file a task: which data, model, loss and figures. The registry TASKS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqcli.core.config import Config
from seqcli.core.tasks.embed import EmbedJob
from seqcli.core.tasks.language_model import LanguageModel
from seqcli.core.tasks.lm import LMJob
from seqcli.core.tasks.translate import TranslateJob
from seqcli.core.tasks.translator import Translator
from seqcli.core.tasks.word_vectors import WordVectors
from seqcli.core.training.job import Job
from seqcli.errors import ConfigError

TASKS: dict[str, Callable[..., Job]] = {"lm": LMJob, "translate": TranslateJob, "embed": EmbedJob}
MODELS: dict[str, Any] = {"lm": LanguageModel, "translate": Translator, "embed": WordVectors}

__all__ = [
    "MODELS",
    "TASKS",
    "EmbedJob",
    "LMJob",
    "LanguageModel",
    "TranslateJob",
    "Translator",
    "WordVectors",
    "task_of",
]


def task_of(config: Config) -> str:
    """The task that is set, or that the first file's name tells."""
    if config.task:
        return config.task
    if config.source is not None or config.target is not None:
        return "translate"
    for name in config.files[:1]:
        suffix = Path(name).suffix.lower()
        if suffix == ".tsv":
            return "translate"
        if suffix == ".conllu":
            raise ConfigError(
                f"{name} looks like no plain text. Say --task lm to train a language model on it all the same."
            )
    return "lm"
