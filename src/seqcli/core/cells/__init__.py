"""Recurrent cells: the mathematics of one time step, one file for each cell, and the registry that names them.

Torch is imported only when the first cell is looked up, so that listing the names stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from seqcli.errors import ConfigError

if TYPE_CHECKING:
    from seqcli.core.cells.base import Cell

# For each name, either "module.Class" within this folder, which is imported when it is needed, or the class itself.
CELLS: "dict[str, str | type[Cell]]" = {"rnn": "rnn.RNNCell", "gru": "gru.GRUCell", "lstm": "lstm.LSTMCell"}


def cell_class(name: str) -> "type[Cell]":
    """Return the class of the cell with this name. Raises ConfigError, listing the choices, if there is none."""
    if name not in CELLS:
        raise ConfigError(f"There is no cell {name!r}; the cells are {', '.join(CELLS)}.")
    found = CELLS[name]
    if isinstance(found, str):
        module, kind = found.split(".")
        found = getattr(import_module(f"{__name__}.{module}"), kind)
    return found
