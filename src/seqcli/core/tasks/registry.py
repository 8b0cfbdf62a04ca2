"""The registry of tasks, which says where the parts of each task are.

It needs no torch: the parts of a task are imported when they are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from seqcli.core.config import nearest
from seqcli.errors import ConfigError


@dataclass(frozen=True)
class Task:
    """A task: what it is called, how it is recognized, and where its parts are.

    Its classes and functions are given as "module.Name" within the folder of the task.
    """

    name: str
    noun: str  # what a trained model is called
    example: str  # what to write after `seqcli train` to train a model
    use: str  # the command that uses a model
    try_it: str  # what to write after `seqcli` to try a model
    options_class: str
    job_class: str
    file_class: str
    trained_class: str
    suffixes: tuple[str, ...] = ()  # the endings of file names that this task is chosen for
    fits_function: str = ""  # tells by its content whether a file is for this task, where another has that suffix too
    told_by: tuple[str, ...] = ()  # options that only this task has, so that it is chosen when they are given
    reads_directories: bool = False
    needs_torch: bool = True  # whether a trained model needs torch to be used on a CPU

    @cached_property
    def options(self) -> Any:
        """The class of its options."""
        return self._found(self.options_class)

    @cached_property
    def job(self) -> Any:
        """The class of its job, which the training loop needs: see training.job.Job."""
        return self._found(self.job_class)

    @cached_property
    def file(self) -> Any:
        """The class of the metadata of its model files: see training.schema.ModelFile."""
        return self._found(self.file_class)

    @cached_property
    def trained(self) -> Any:
        """The class of its trained models: see core.trained.Trained."""
        return self._found(self.trained_class)

    def fits(self, path: Path) -> bool | None:
        """Whether a file is for this task, by its first lines; None if it may be or not.

        Raises DataError for a file that cannot be read.
        """
        found: bool | None = self._found(self.fits_function)(path)
        return found

    def _found(self, place: str) -> Any:
        """Import a class or function, given as "module.Name"."""
        module, name = place.split(".")
        return getattr(import_module(f"seqcli.core.tasks.{self.name}.{module}"), name)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "lm",
            noun="language model",
            example="TEXT.txt",
            use="sample",
            try_it="sample",
            options_class="options.LMOptions",
            job_class="job.LMJob",
            file_class="file.LanguageModelFile",
            trained_class="trained.LanguageModel",
            suffixes=(".txt",),
            reads_directories=True,
            needs_torch=False,
        ),
        Task(
            "translate",
            noun="translation model",
            example="PAIRS.tsv",
            use="translate",
            try_it="translate",
            options_class="options.TranslateOptions",
            job_class="job.TranslateJob",
            file_class="file.TranslatorFile",
            trained_class="trained.Translator",
            suffixes=(".tsv",),
            told_by=("source", "target"),
        ),
        Task(
            "tag",
            noun="tagger",
            example="SENTENCES.conllu",
            use="tag",
            try_it='tag "some words"',
            options_class="options.TagOptions",
            job_class="job.TagJob",
            file_class="file.TaggerFile",
            trained_class="trained.Tagger",
            suffixes=(".conllu",),
        ),
        Task(
            "classify",
            noun="classifier",
            example="--task classify LABELLED.tsv",
            use="classify",
            try_it='classify "some words"',
            options_class="options.ClassifyOptions",
            job_class="job.ClassifyJob",
            file_class="file.ClassifierFile",
            trained_class="trained.Classifier",
            suffixes=(".csv",),
            told_by=("text_column", "label_column"),
        ),
        Task(
            "embed",
            noun="model of word vectors",
            example="--task embed TEXT.txt",
            use="neighbors",
            try_it="neighbors WORD",
            options_class="options.EmbedOptions",
            job_class="job.EmbedJob",
            file_class="file.WordVectorsFile",
            trained_class="trained.WordVectors",
        ),
        Task(
            "forecast",
            noun="forecaster",
            example="SERIES.csv",
            use="forecast",
            try_it="forecast",
            options_class="options.ForecastOptions",
            job_class="job.ForecastJob",
            file_class="file.ForecasterFile",
            trained_class="trained.Forecaster",
            suffixes=(".csv", ".parquet"),
            fits_function="sniffing.fits",
            told_by=("horizon", "seasons", "id_column", "time_column", "value_column", "known", "past", "static"),
        ),
    )
}
DEFAULT = "lm"  # the task for files whose name says nothing


def task(name: str) -> Task:
    """Return the task with this name. Raises ConfigError, listing the choices, if there is none."""
    if name not in TASKS:
        raise ConfigError(f"There is no task {name!r}; the tasks are {', '.join(TASKS)}.{nearest(name, TASKS)}")
    return TASKS[name]


def task_for(values: Mapping[str, Any]) -> Task:
    """Return the task that these options are for.

    It is the one that they name, or else one that has an option which no other task has, or else the one for the name
    of the first file and, where several tasks read such files, for its first lines. Raises ConfigError when they name a
    task that does not exist, or when the file may be for either of two; DataError for a file that cannot be read.
    """
    if (named := values.get("task")) is not None:
        return task(named) if isinstance(named, str) else task(str(named))
    for known in TASKS.values():
        if any(values.get(name) is not None for name in known.told_by):
            return known
    files = values.get("files")
    first = files[0] if isinstance(files, (list, tuple)) and files else ""
    suffix = Path(first).suffix.lower() if isinstance(first, str) else ""
    able = [known for known in TASKS.values() if suffix in known.suffixes]
    return _by_content(Path(first), able) if len(able) > 1 else able[0] if able else TASKS[DEFAULT]


def _by_content(path: Path, able: list[Task]) -> Task:
    """Return the one of several tasks that a file is for. The first of them cannot tell; the others can."""
    first, *others = able
    for known in others if path.is_file() else ():  # what is missing is told where data are read
        found = known.fits(path)
        if found:
            return known
        if found is None:
            ways = ", or ".join(f"seqcli train --task {each.name} {path}" for each in (known, first))
            raise ConfigError(f"{path} may be for a {known.noun} or for a {first.noun}. Say which: {ways}")
    return first


def tasks_to_measure_on(path: Path, lines: list[str]) -> tuple[str, ...]:
    """Return the tasks whose models can be measured on a file, by its ending and, for a table, by its first lines."""
    suffix = path.suffix.lower()
    series = TASKS["forecast"]
    if suffix in series.suffixes and lines and series.fits(path) is not False:
        return ("forecast",)
    if suffix == ".conllu":
        return ("tag",)
    if suffix not in (".tsv", ".csv"):
        return ("lm",)
    cells = [line.split("\t" if suffix == ".tsv" else ",") for line in lines]
    if any(len(row) == 3 and _is_number(row[2]) for row in cells):
        return ("embed",)  # lines of two words and their similarity; such files often begin with comments
    sentences = any(not line.strip() for line in lines[:-1])
    return ("tag",) if sentences else ("translate", "classify")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
