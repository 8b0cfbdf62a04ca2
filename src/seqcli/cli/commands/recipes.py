"""seqcli recipes: listing, printing and copying the recipes that come with seqcli. Each is a file of options."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.command import recipe_names
from seqcli.cli.draw.labels import cut, padded
from seqcli.cli.options import Json
from seqcli.core.recipes import PREFIX, Recipe, copy, names, recipe
from seqcli.core.tasks.registry import task_for
from seqcli.errors import ConfigError


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Print this recipe: its YAML, which --config reads.",
            show_default=False,
            autocompletion=recipe_names,
        ),
    ] = None,
    into_here: Annotated[
        bool,
        typer.Option("--copy", help="Put the recipe NAME here, with the data that it names; nothing is overwritten."),
    ] = False,
    json: Json = False,
) -> None:
    """List the recipes, one a textbook system, to train with: [bold]seqcli train --config recipe:NAME[/]

    [bold]seqcli recipes NAME[/] prints one, [bold]seqcli recipes --copy NAME[/] puts it here to be changed.
    """
    if into_here:
        if name is None:
            raise ConfigError(f"Name the recipe to copy: {', '.join(names())}.")
        copied(name, json)
    elif name is not None:
        found = recipe(name)
        if json:
            console.print_json({**row(found), "options": found.options})
        else:
            console.write(found.text, end="")
    else:
        listed([recipe(known) for known in names()], json)


def copied(name: str, json: bool) -> None:
    """Copy a recipe into the current directory, and print which files were written."""
    files = copy(name, Path())
    written = [str(path) for path, new in files.items() if new]
    if json:
        console.print_json({"written": written, "kept": [str(path) for path, new in files.items() if not new]})
        return
    for new_file in written:
        console.write(new_file)
    for path, new in files.items():
        if not new:
            console.notice(f"{path} is there already, the same.")
    file = "" if recipe(name).data else " FILE"
    console.notice(f"Train it: seqcli train --config {name}.yaml{file}")


def listed(found: list[Recipe], json: bool) -> None:
    """Print a list of recipes: for people on a terminal, TAB separated into a pipe, or as JSON."""
    if json:
        for one in found:
            console.print_json(row(one))
    elif not console.stdout_is_terminal():
        console.write("recipe\ttask\tfiles\tabout\texpected")
        for one in found:
            about = row(one)
            cells = (about["recipe"], about["task"], " ".join(about["files"]), about["about"], about["expected"])
            console.write("\t".join(cells))
    else:
        for line in lines(found, console.stdout.width):
            console.stdout.print(line, no_wrap=True, crop=False, overflow="ignore")
        console.notice("One of them, with its commands and what to expect: seqcli recipes NAME")


def lines(found: list[Recipe], width: int) -> list[Text]:
    """Return one line for each recipe: its name, and what it teaches, cut to the width of the terminal.

    A recipe that needs a file from the user is marked.
    """
    names = max(cell_len(one.name) for one in found) + 2
    shown = []
    for one in found:
        needs = "" if one.files else "  (needs FILE)"
        told = cut(one.headline, max(0, width - names - len(needs)))
        shown.append(Text.assemble((padded(one.name, names), "bold cyan"), told, (needs, "dim")))
    return shown


def row(one: Recipe) -> dict[str, Any]:
    """Return everything about a recipe as it is printed in JSON."""
    return {
        "recipe": one.name,
        "config": PREFIX + one.name,
        "task": task_for(one.options).name,
        "files": list(one.files),
        "about": one.about,
        "expected": one.expected,
        "commands": list(one.commands),
        "path": str(one.path),
    }
