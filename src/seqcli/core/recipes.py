"""The recipes that come with seqcli, one YAML file for each textbook system, and the small data that they learn from.

In the repository they are the directories recipes/ and data/ at the top; a wheel has both inside the package.
"""

import os
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from seqcli.core.config import SHORT, nearest, read_yaml
from seqcli.core.files import read_small
from seqcli.errors import ConfigError, DataError

PREFIX = "recipe:"  # marks the name of a recipe, where the name of a configuration file may be given too
DATA = "data/"  # in recipes, the names of files that come with seqcli begin with this
SHORT_NAME = 100  # only this many letters of an unknown name are compared with the known ones


@dataclass(frozen=True)
class Recipe:
    """A recipe: its file, and what the comment at the top of that file says.

    The comment says what is learned, then gives commands, one on each indented line, and then, after "Expected:", what
    result to expect.
    """

    name: str
    path: Path
    text: str
    about: str
    commands: tuple[str, ...]
    expected: str

    @property
    def headline(self) -> str:
        """What is learned, in short: the beginning of its description, up to the first colon or full stop."""
        return re.split(r"[:.](?:\s|$)", self.about, maxsplit=1)[0]

    @property
    def options(self) -> dict[str, Any]:
        """Its options as they are in the file."""
        return read_yaml(self.path)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it trains on, as it names them; empty for a recipe that needs a file of the user's."""
        return tuple(self.options.get("files", ()))

    @property
    def data(self) -> tuple[str, ...]:
        """Those of its files that come with seqcli, as data/NAME."""
        return tuple(name for name in self.files if _ours(name) is not None)


def home() -> Path:
    """Return the directory that holds recipes/ and data/: the package, or the repository it is installed from."""
    from importlib.resources import files

    package = Path(str(files("seqcli")))
    checkout = package.parent.parent
    return package if (package / "recipes").is_dir() or not (checkout / "recipes").is_dir() else checkout


def names() -> list[str]:
    """Return the names of all recipes. No recipe is read."""
    return sorted(path.stem for path in (home() / "recipes").glob("*.yaml"))


def recipe(name: str) -> Recipe:
    """Return the recipe with this name. Raises ConfigError, which lists all recipes, if there is none."""
    known = names()
    if name not in known:
        close = nearest(name[:SHORT_NAME], known)
        raise ConfigError(f"There is no recipe {SHORT.repr(name)}.{close} The recipes are {', '.join(known)}.")
    path = home() / "recipes" / f"{name}.yaml"
    text = read_small(path).decode()
    head = [line[1:] for line in takewhile(lambda line: line.startswith("#"), text.split("\n"))]
    about, _, expected = " ".join(line.strip() for line in head if not line.startswith("   ")).partition("Expected: ")
    commands = tuple(line.strip() for line in head if line.startswith("   "))
    return Recipe(name, path, text, about.strip(), commands, expected)


def read_options(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Read options from a YAML file, or from a recipe given by name, as in `recipe:char-gru`.

    A file that a recipe names is looked for below the current directory first, and then among those that come with
    seqcli. Raises ConfigError when there is no such file or recipe, or when it cannot be read.
    """
    name = os.fspath(source)
    if name.startswith(PREFIX):
        return {option: _located(value) for option, value in recipe(name.removeprefix(PREFIX)).options.items()}
    try:
        return read_yaml(source)
    except ConfigError as error:
        meant = Path(name).stem
        if not os.path.lexists(name) and meant in names():
            raise ConfigError(f"{error} Did you mean {PREFIX}{meant}?") from None
        raise


def copy(name: str, place: Path) -> dict[Path, bool]:
    """Copy a recipe into a directory as NAME.yaml, and the data that it names as data/FILE below that directory.

    Returns every file with True if it was written; a file that is there already with the same content is left as it is.
    Raises DataError, before anything is written, when there is a different file with such a name; OSError when writing
    fails.
    """
    found = recipe(name)
    sources = {place / f"{name}.yaml": found.path} | {place / data: home() / data for data in found.data}
    missing = {target: source for target, source in sources.items() if not os.path.lexists(target)}
    for target, source in sources.items():
        if target not in missing and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            raise DataError(f"There is another {target} already, and nothing is overwritten. Move it, or go elsewhere.")
    for target, source in missing.items():
        target.parent.mkdir(exist_ok=True)
        with target.open("xb") as file:  # fails if another process has made such a file meanwhile
            file.write(source.read_bytes())
    return {target: target in missing for target in sources}


def _ours(name: Any) -> Path | None:
    """Return the file that comes with seqcli and has this name in recipes, or None if there is none."""
    path = home() / name if isinstance(name, str) and name.startswith(DATA) else None
    return path if path is not None and path.is_file() else None


def _located(value: Any) -> Any:
    """Return a value of a recipe, where data/NAME is replaced by our own file unless the user has one of that name."""
    if isinstance(value, list):
        return [_located(item) for item in value]
    path = _ours(value)
    return str(path) if path is not None and not os.path.lexists(value) else value
