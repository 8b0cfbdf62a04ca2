"""The pages of `--help`, in two columns, or in one on a narrow terminal.

They are made from what typer knows about a command. Typer's own pages use much of their width for boxes and types, and
they take long because of what they import.
"""

import inspect
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from rich.text import Text

from seqcli.cli import console
from seqcli.core.config import parts

LEFT = 26  # the largest width of the left column, which has the names
NARROW = 60  # on a terminal that is narrower than this, the description of an option stands below its name
KINDS = {int: "N", float: "X", str: "TEXT", Path: "FILE"}


Told = Mapping[str, tuple[str, str | None]]  # for the name of an option, its help and its default in words


def page(ctx: Any, only: Collection[str] | None = None, told: Told | None = None) -> str:
    """Return the page of help of a command, or of the group of all commands.

    `only` has the names of the options to show; None shows all. `told` has a help and a default for some options that
    replace their own, as for an option of `train` that has another default for the task at hand.
    """
    command, width = ctx.command, console.stdout.width
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    lines = [*wrapped(Text.assemble(("Usage: ", "bold"), usage), width, hang=7), Text()]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += [*wrapped(Text.from_markup(" ".join(paragraph.split("\n"))), width), Text()]
    sections: dict[str, list[tuple[Text, Text]]] = {"Commands": [], "Arguments": []}
    for name, known in getattr(command, "commands", {}).items():
        sections["Commands"].append((Text(name, "bold cyan"), Text.from_markup(known.help)))
    left_out = 0
    for param in command.get_params(ctx):
        if param.param_type_name == "argument":
            sections["Arguments"] += [] if param.hidden else [(names(param), meaning(param))]
        elif only is not None and param.name not in (*only, "help"):
            left_out += 1
        elif not param.hidden:
            title = getattr(param, "rich_help_panel", None) or "Options"
            sections.setdefault(title, []).append((names(param), meaning(param, (told or {}).get(param.name))))
    longest = max(name.cell_len for rows in sections.values() for name, _ in rows)
    for title, rows in sections.items():
        if rows:
            lines.append(Text(title, "bold"))
            lines += [line for name, text in rows for line in row(name, text, min(LEFT, longest + 4), width)]
            lines.append(Text())
    if left_out:
        lines += wrapped(Text.from_markup(f"{left_out} more options: [bold]{ctx.command_path} --help-all[/]"), width)
    with console.stdout.capture() as capture:
        for line in lines:
            console.stdout.print(line, no_wrap=True, crop=False, overflow="ignore")
    return capture.get()


def usage_pieces(command: Any) -> list[str]:
    """Return what follows the name of a command in its usage line: [OPTIONS], and the names of its arguments."""
    arguments = [param for param in command.params if param.param_type_name == "argument" and not param.hidden]
    return ["[OPTIONS]", *(str(param.metavar or param.name.upper()) for param in arguments)]


def names(param: Any) -> Text:
    """Return the left column of a parameter, what is typed: `-n, --num-samples N`.

    A switch that is on by default, at least for some tasks, is shown with both its forms: `--tie, --no-tie`.
    """
    if param.param_type_name == "argument":
        return Text(param.metavar or param.name.upper(), "bold cyan")
    chosen = isinstance(default_of(param), str)
    typed = sorted([*param.opts, *(param.secondary_opts if chosen else [])], key=lambda opt: opt.startswith("--"))
    text = Text(", ".join(typed), "bold cyan")
    if not param.is_flag:
        kind = parts(getattr(param, "annotation", None))[0]
        metavar = param.metavar or ("NAME" if choices_of_enum(kind) else KINDS.get(kind, "TEXT"))
        text.append(f" {metavar}", "not bold default")
    return text


def meaning(param: Any, told: tuple[str, str | None] | None = None) -> Text:
    """Return the right column of a parameter: what it does, its choices, and its default.

    `told`, a help and a default, replaces those of the parameter itself.
    """
    text = Text.from_markup(told[0] if told else param.help or "")
    if choices := choices_of_enum(parts(getattr(param, "annotation", None))[0]):
        text.append(f" One of {', '.join(choices)}.")
    notes = []
    if (default := told[1] if told else default_of(param)) is not None:
        notes.append(f"default: {default}")
    if param.envvar:
        notes.append(f"or {param.envvar} of the environment")
    return text.append(f" ({'; '.join(notes)})" if notes else "", "dim")


def default_of(param: Any) -> str | int | float | None:
    """Return the default of a parameter to be shown, in words if it was described so, or None."""
    _, *infos = parts(getattr(param, "annotation", None))
    shown = next((info.show_default for info in infos if hasattr(info, "show_default")), True)
    default = param.default.value if isinstance(param.default, Enum) else param.default
    if isinstance(shown, str):
        return shown
    plain = isinstance(default, (int, float, str)) and not isinstance(default, bool) and default != ""
    return default if shown and plain else None


def choices_of_enum(kind: Any) -> list[str]:
    """Return the choices of an option whose type is an Enum; for other types the list is empty."""
    return [str(choice.value) for choice in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []


def row(name: Text, text: Text, left: int, width: int) -> list[Text]:
    """Return the lines for a name and its meaning, side by side if there is room."""
    if width < NARROW:
        return [Text.assemble("  ", name), *indented(wrapped(text, width - 6), 6)]
    lines = wrapped(text, width - left)
    if name.cell_len > left - 4 or not lines:
        return [Text.assemble("  ", name), *indented(lines, left)]
    first = Text.assemble("  ", name, " " * (left - 2 - name.cell_len), lines[0])
    return [first, *indented(lines[1:], left)]


def wrapped(text: Text, width: int, hang: int = 0) -> list[Text]:
    """Wrap a text into lines of this width. All lines but the first are indented by `hang` spaces."""
    lines = list(text.wrap(console.stdout, max(width - hang, 10)))
    for line in lines:
        line.rstrip()
    return [*lines[:1], *indented(lines[1:], hang)]


def indented(lines: list[Text], by: int) -> list[Text]:
    """Return the lines, each indented by a number of spaces."""
    return [Text.assemble(" " * by, line) for line in lines]
