"""One thin file a task: which data, model, loss and figures. The registry TASKS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqcli.core.config import Config
from seqcli.core.tasks.classifier import Classifier
from seqcli.core.tasks.classify import ClassifyJob
from seqcli.core.tasks.embed import EmbedJob
from seqcli.core.tasks.language_model import LanguageModel
from seqcli.core.tasks.lm import LMJob
from seqcli.core.tasks.tag import TagJob
from seqcli.core.tasks.tagger import Tagger
from seqcli.core.tasks.translate import TranslateJob
from seqcli.core.tasks.translator import Translator
from seqcli.core.tasks.word_vectors import WordVectors
from seqcli.core.training.job import Job

TASKS: dict[str, Callable[..., Job]] = {
    "lm": LMJob,
    "translate": TranslateJob,
    "tag": TagJob,
    "classify": ClassifyJob,
    "embed": EmbedJob,
}
MODELS: dict[str, Any] = {
    "lm": LanguageModel,
    "translate": Translator,
    "tag": Tagger,
    "classify": Classifier,
    "embed": WordVectors,
}
Model = LanguageModel | Translator | Tagger | Classifier | WordVectors

__all__ = [
    "MODELS",
    "TASKS",
    "Classifier",
    "ClassifyJob",
    "EmbedJob",
    "LMJob",
    "LanguageModel",
    "Model",
    "TagJob",
    "Tagger",
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
    if config.text_column is not None or config.label_column is not None:
        return "classify"
    suffix = Path(config.files[0]).suffix.lower() if config.files else ""
    return {".tsv": "translate", ".conllu": "tag", ".csv": "classify"}.get(suffix, "lm")
