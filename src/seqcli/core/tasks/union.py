"""The options of all tasks together: what each means to which task, and the options of one task made from values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
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
    option_name,
    panel_of,
    refusal,
    unknown_option,
    without_paths,
    wrong_values,
)
from seqcli.core.tasks.registry import TASKS, task_for
from seqcli.errors import ConfigError

Problem = tuple[str, str]  # the name of an option, and the sentence that says what is wrong with it
BESIDE = ("run", "runs_dir", "config", "resume", "json", "quiet")  # flags of `train` that are no options of a training


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
        """Its default in words, for each of its tasks; None for a switch that is off by default in all of them."""
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
    known = all_options()
    problems: list[Problem] = []
    for name, value in given.items():
        if name in BESIDE:
            problems.append((name, f"A file of options cannot hold {name!r}: give {option_name(name)} beside it."))
        elif name not in known:
            problems.append((name, unknown_option(name, known)))
        elif name == "task":
            right = value is None or (isinstance(value, str) and value in TASKS)
            problems += [] if right else [(name, _wrong_task(value))]
        elif value is not None and all(
            wrong_values(TASKS[task].options, {name: value}) == [name] for task in known[name].tasks
        ):
            problems.append((name, _refused(known[name], value)))
    _raise(problems, where, values)
    return given


def build(values: object, where: str = "", beside: Iterable[str] = ()) -> Any:
    """Make the options of the task that these values are for. A value of None stands for the default.

    Raises ConfigError with a sentence for everything that is wrong: names, types, ranges, and options of other tasks.
    For an unknown name it suggests the most similar option, or one of `beside`, the other arguments that the caller
    accepts.
    """
    given = {name: value for name, value in named(values, where).items() if value is not None}
    try:
        task = task_for(given)
    except ConfigError:
        check(given, where)
        raise
    known, own, kept = all_options(), fields_of(task.options), {}
    problems: list[Problem] = []
    for name, value in given.items():
        if name == "task":
            continue
        if name in own:
            kept[name] = value
        elif name not in known:
            problems.append((name, unknown_option(name, (*known, *beside))))
        else:
            others = and_(known[name].tasks)
            problems.append((name, f"{option_name(name)} is for --task {others}, but this is {task.name}."))
    for name in wrong_values(task.options, kept):
        problems.append((name, _refused(known[name], kept[name], task.name)))
    if kept.get("batch_size") and kept.get("batch_tokens"):
        both = "Give --batch-size or --batch-tokens, not both: each says how large a batch is."
        problems.append(("batch_tokens", both))
    _raise(problems, where, values)
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


def _raise(problems: list[Problem], where: str, values: object) -> None:
    """Raise ConfigError if there are any problems. For values from a YAML file it also says on which line they are."""
    lines = {name.replace("-", "_"): line for name, line in getattr(values, "lines", {}).items()}
    told = []
    for name, problem in problems:
        line = f", line {lines[name]}" if name in lines else ""
        told.append(f"{where}{line}: {problem}" if where else problem)
    if told:
        raise ConfigError("\n".join(told))
