"""The recipes that come with seqcli, one YAML file a textbook system, and the small data that they learn from.

In the repository they are the directories recipes/ and data/ at its top; a wheel has both inside the package.
"""

import os
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from seqcli.core.config import SHORT, nearest, read_yaml
from seqcli.core.files import read_small
from seqcli.errors import ConfigError, DataError

PREFIX = "recipe:"  # of a recipe's name where the name of a configuration file may stand, too
DATA = "data/"  # how recipes begin the names of files that come with seqcli
SHORT_NAME = 100  # letters of an unknown name that are compared with those that are known


@dataclass(frozen=True)
class Recipe:
    """A recipe: its file, and what the comment at the head of that file says.

    The comment says what is learnt, then has indented commands, one a line, then "Expected:" and what is reached.
    """

    name: str
    path: Path
    text: str
    about: str
    commands: tuple[str, ...]
    expected: str

    @property
    def options(self) -> dict[str, Any]:
        """Its options, as they stand there."""
        return read_yaml(self.path)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it trains on, as it names them; none where it is for a file of the user's."""
        return tuple(self.options.get("files", ()))

    @property
    def data(self) -> tuple[str, ...]:
        """Those of its files that come with seqcli: data/NAME."""
        return tuple(name for name in self.files if _ours(name) is not None)


def home() -> Path:
    """The directory in which recipes/ and data/ are: the package, or the repository that it is installed from."""
    from importlib.resources import files

    package = Path(str(files("seqcli")))
    checkout = package.parent.parent
    return package if (package / "recipes").is_dir() or not (checkout / "recipes").is_dir() else checkout


def names() -> list[str]:
    """The names of all recipes; nothing is read."""
    return sorted(path.stem for path in (home() / "recipes").glob("*.yaml"))


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises ConfigError, with the nearest one and all others, when there is none."""
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
    """The options in a YAML file, or in a recipe by its name: `recipe:char-gru`.

    Files that a recipe names are those below the current directory, or else those that come with seqcli. Raises
    ConfigError when there is no such file or recipe, or when it cannot be read.
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
    """Put a recipe into a directory, as NAME.yaml, and the data that it names, as data/FILE, below it.

    Returns every such file, and whether it was written: one that is there already, the same to the byte, is left alone.
    Raises DataError when another file has such a name, before anything is written; OSError when writing fails.
    """
    found = recipe(name)
    sources = {place / f"{name}.yaml": found.path} | {place / data: home() / data for data in found.data}
    missing = {target: source for target, source in sources.items() if not os.path.lexists(target)}
    for target, source in sources.items():
        if target not in missing and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            raise DataError(f"There is another {target} already, and nothing is overwritten. Move it, or go elsewhere.")
    for target, source in missing.items():
        target.parent.mkdir(exist_ok=True)
        with target.open("xb") as file:  # never over what another process has put there meanwhile
            file.write(source.read_bytes())
    return {target: target in missing for target in sources}


def _ours(name: Any) -> Path | None:
    """The file that comes with seqcli and that recipes call by this name, if it is one."""
    path = home() / name if isinstance(name, str) and name.startswith(DATA) else None
    return path if path is not None and path.is_file() else None


def _located(value: Any) -> Any:
    """A value of a recipe, in which a file that is not below the current directory is the one that we have."""
    if isinstance(value, list):
        return [_located(item) for item in value]
    path = _ours(value)
    return str(path) if path is not None and not os.path.lexists(value) else value
