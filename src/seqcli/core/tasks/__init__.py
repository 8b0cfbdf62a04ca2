"""One thin file a task: which data, model, loss and figures. The registry TASKS."""

from pathlib import Path

from seqcli.core.config import Config
from seqcli.core.tasks.language_model import LanguageModel
from seqcli.core.tasks.lm import LMJob
from seqcli.errors import ConfigError

TASKS = {"lm": LMJob}
MODELS = {"lm": LanguageModel}

__all__ = ["MODELS", "TASKS", "LMJob", "LanguageModel", "task_of"]


def task_of(config: Config) -> str:
    """The task that is set, or that the first file's name tells."""
    if config.task:
        return config.task
    for name in config.files[:1]:
        if Path(name).suffix in (".tsv", ".conllu"):
            raise ConfigError(
                f"{name} looks like no plain text. Say --task lm to train a language model on it all the same."
            )
    return "lm"
