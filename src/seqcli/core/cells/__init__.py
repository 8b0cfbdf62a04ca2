"""The mathematics of one step, one cell a file, and their registry. Torch is imported with the first cell."""

from importlib import import_module
from typing import TYPE_CHECKING

from seqcli.errors import ConfigError

if TYPE_CHECKING:
    from seqcli.core.cells.base import Cell

# where each cell is: a module of this folder and its class there, or the class itself
CELLS: "dict[str, str | type[Cell]]" = {"rnn": "rnn.RNNCell", "gru": "gru.GRUCell", "lstm": "lstm.LSTMCell"}


def cell_class(name: str) -> "type[Cell]":
    """The cell of that name. Raises ConfigError listing the choices."""
    if name not in CELLS:
        raise ConfigError(f"There is no cell {name!r}; the cells are {', '.join(CELLS)}.")
    found = CELLS[name]
    if isinstance(found, str):
        module, kind = found.split(".")
        found = getattr(import_module(f"{__name__}.{module}"), kind)
    return found
