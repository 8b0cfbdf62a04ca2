"""The registry of tasks, which says where the parts of each task are, and the options of all tasks together.

It needs no torch: the parts of a task are imported when they are used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from seqcli.core.config import (
    PANELS,
    Field,
    and_,
    choices_in,
    choices_of,
    default_in_words,
    fields_of,
    help_of,
    listed,
    nearest,
    option_name,
    panel_of,
    refusal,
    unknown_option,
    without_paths,
    wrong_values,
)
from seqcli.errors import ConfigError


@dataclass(frozen=True)
class Task:
    """A task: what it is called, how it is recognized, and where its parts are.

    The four classes are given as "module.Class" within the folder of the task.
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

    def _found(self, place: str) -> Any:
        """Import a class, given as "module.Class"."""
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
    of the first file. Raises ConfigError when they name a task that does not exist.
    """
    if (named := values.get("task")) is not None:
        return task(named) if isinstance(named, str) else task(str(named))
    for known in TASKS.values():
        if any(values.get(name) is not None for name in known.told_by):
            return known
    files = values.get("files")
    first = files[0] if isinstance(files, (list, tuple)) and files else ""
    suffix = Path(first).suffix.lower() if isinstance(first, str) else ""
    return next((known for known in TASKS.values() if suffix in known.suffixes), TASKS[DEFAULT])


def tasks_to_measure_on(path: Path, lines: list[str]) -> tuple[str, ...]:
    """Return the tasks whose models can be measured on a file, by its ending and, for a table, by its first lines."""
    suffix = path.suffix.lower()
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


# --- the options of all tasks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """An option as all tasks have it together: its fields may differ between tasks."""

    name: str
    fields: Mapping[str, Field]  # by the name of the task

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks that have this option."""
        return tuple(self.fields)

    @property
    def first(self) -> Field:
        """Its field in the first of these tasks."""
        return next(iter(self.fields.values()))

    @property
    def panel(self) -> str:
        """Its help panel."""
        return panel_of(self.first)

    @property
    def choices(self) -> tuple[str, ...]:
        """Its choices in all tasks together, if it has a fixed set of them."""
        return tuple(dict.fromkeys(choice for field in self.fields.values() for choice in choices_of(field)))

    @property
    def help(self) -> str:
        """Its description, with that of other tasks added where it differs."""
        return self._told({task: help_of(field) for task, field in self.fields.items()}, " For {tasks}: {text}")

    @property
    def default(self) -> str | None:
        """What it is if no value is given, in words, for each of its tasks; None for a switch that is off in all."""
        if self.name == "task":
            return "from the file's name: " + ", ".join(
                f"{' and '.join(known.suffixes)} is {known.name}" for known in TASKS.values() if known.suffixes
            )
        shown = {task: default_in_words(field) for task, field in self.fields.items()}
        if isinstance(self.first.default, bool):
            on = [task for task, words in shown.items() if words]
            return None if not on else "on" if len(on) == len(shown) else f"for {and_(on)}"
        known = {task: words for task, words in shown.items() if words}
        if not known:
            return None
        if len(known) == len(shown):
            return self._told(known, "; {tasks}: {text}")
        without = [task for task in shown if task not in known]
        return f"{self._told(known, '; {tasks}: {text}')}; none for {and_(without)}"

    def _told(self, texts: Mapping[str, str], other: str) -> str:
        """Join texts by task into one: first the one that most tasks have, then the others in the format `other`."""
        by_text: dict[str, list[str]] = {}
        for task, text in texts.items():
            by_text.setdefault(text, []).append(task)
        most = max(by_text, key=lambda text: len(by_text[text]))
        first = most if 2 * len(by_text[most]) > len(texts) else ""
        rest = (other.format(tasks=and_(tasks), text=text) for text, tasks in by_text.items() if text != first)
        return (first + "".join(rest)).removeprefix("; ")


@cache
def all_options() -> dict[str, Known]:
    """Return every option of any task by name."""
    found: dict[str, dict[str, Field]] = {}
    for known in TASKS.values():
        for name, field in fields_of(known.options).items():
            found.setdefault(name, {})[known.name] = field
    options = [Known(name, fields) for name, fields in found.items()]
    return {option.name: option for option in sorted(options, key=lambda option: PANELS.index(option.panel))}


def named(values: object, where: str = "") -> dict[str, Any]:
    """Return options by the names of their fields, as a user may have written them.

    `batch-size` becomes `batch_size`, a single file becomes a list of one, and paths become texts. Raises ConfigError
    when `values` is no mapping; `where` says in the message where they come from.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or 'A configuration'} must be a mapping from options to values.")
    given = {str(key).replace("-", "_"): value for key, value in values.items()}
    if "files" in given:
        given["files"] = listed(given["files"])
    return without_paths(given)


def check(values: object, where: str = "") -> dict[str, Any]:
    """Check options before the task is known, and return them by the names of their fields.

    Raises ConfigError with a sentence for every name that no task has, and for every value that no task with this
    option allows.
    """
    given = named(values, where)
    known, problems = all_options(), []
    for name, value in given.items():
        if name not in known:
            problems.append(unknown_option(name, known))
        elif name == "task":
            problems += [] if value is None or value in TASKS else [_wrong_task(value)]
        elif value is not None and all(
            wrong_values(TASKS[task].options, {name: value}) == [name] for task in known[name].tasks
        ):
            problems.append(_refused(known[name], value))
    _raise(problems, where)
    return given


def build(values: object, where: str = "", beside: Iterable[str] = ()) -> Any:
    """The options of the task that these values are for, checked. Values of None are left to their defaults.

    Raises ConfigError with a sentence for everything that is wrong: names, types, ranges, and options that are for
    other tasks. A misspelled name is answered with the nearest option, or with what the caller takes `beside` these.
    """
    given = {name: value for name, value in named(values, where).items() if value is not None}
    try:
        task = task_for(given)
    except ConfigError:
        check(given, where)
        raise
    known, own, problems, kept = all_options(), fields_of(task.options), [], {}
    for name, value in given.items():
        if name == "task":
            continue
        if name in own:
            kept[name] = value
        elif name not in known:
            problems.append(unknown_option(name, (*known, *beside)))
        else:
            problems.append(f"{option_name(name)} is for --task {and_(known[name].tasks)}, but this is {task.name}.")
    for name in wrong_values(task.options, kept):
        problems.append(_refused(known[name], kept[name], task.name))
    if kept.get("batch_size") and kept.get("batch_tokens"):
        problems.append("Give --batch-size or --batch-tokens, not both: each says how large a batch is.")
    _raise(problems, where)
    return task.options(**kept)


def _wrong_task(value: Any) -> str:
    """Return the sentence for a task that does not exist."""
    return refusal("--task", value, Literal[tuple(TASKS)])


def _refused(known: Known, value: Any, task: str | None = None) -> str:
    """Return the sentence for a value that an option cannot have, in `task` if one is given.

    It names the task if the same value would be allowed for another one.
    """
    field = known.fields[task] if task is not None else known.first
    sentence = refusal(option_name(known.name), value, field.type)
    others = [other for other in known.tasks if other != task]
    if task is None or not any(value in choices_in(known.fields[other].type) for other in others):
        return sentence
    return f"For --task {task}, {sentence}"


def _raise(problems: list[str], where: str) -> None:
    """Raise ConfigError if there are any problems."""
    if problems:
        raise ConfigError("\n".join(f"{where}: {problem}" if where else problem for problem in problems))
