"""One thin file a task: which data, model, loss and figures. Here is where each is; it is imported when it is used."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.core.config import Config
from seqcli.errors import ConfigError

if TYPE_CHECKING:
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

    Model = LanguageModel | Translator | Tagger | Classifier | WordVectors

JOBS = {  # what the training loop needs of a task (see training.job.Job)
    "lm": "lm.LMJob",
    "translate": "translate.TranslateJob",
    "tag": "tag.TagJob",
    "classify": "classify.ClassifyJob",
    "embed": "embed.EmbedJob",
}
MODELS = {  # what a command holds
    "lm": "language_model.LanguageModel",
    "translate": "translator.Translator",
    "tag": "tagger.Tagger",
    "classify": "classifier.Classifier",
    "embed": "word_vectors.WordVectors",
}

__all__ = [
    "JOBS",
    "MODELS",
    "Classifier",
    "ClassifyJob",
    "EmbedJob",
    "LMJob",
    "LanguageModel",
    "TagJob",
    "Tagger",
    "TranslateJob",
    "Translator",
    "WordVectors",
    "job_class",
    "model_class",
    "task_of",
]


def job_class(task: str) -> Any:
    """The job of a task. Raises ConfigError listing the choices."""
    return _found(JOBS, task)


def model_class(task: str) -> Any:
    """The trained model of a task. Raises ConfigError listing the choices."""
    return _found(MODELS, task)


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


def _found(registry: dict[str, str], task: str) -> Any:
    if task not in registry:
        raise ConfigError(f"There is no task {task!r}; the tasks are {', '.join(registry)}.")
    module, name = registry[task].split(".")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __getattr__(name: str) -> Any:
    """The classes by their names: `from seqcli.core.tasks import Tagger`."""
    for where in (*JOBS.values(), *MODELS.values()):
        module, known = where.split(".")
        if known == name:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
