"""The mathematics of one step, one cell a file, and their registry."""

from seqcli.core.cells.base import Cell, State
from seqcli.core.cells.gru import GRUCell, GRUState
from seqcli.core.cells.lstm import LSTMCell, LSTMState
from seqcli.core.cells.rnn import RNNCell, RNNState
from seqcli.errors import ConfigError

__all__ = [
    "CELLS",
    "Cell",
    "GRUCell",
    "GRUState",
    "LSTMCell",
    "LSTMState",
    "RNNCell",
    "RNNState",
    "State",
    "cell_class",
]

CELLS: dict[str, type[Cell]] = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}


def cell_class(name: str) -> type[Cell]:
    """The cell of that name. Raises ConfigError listing the choices."""
    if name not in CELLS:
        raise ConfigError(f"There is no cell {name!r}; the cells are {', '.join(CELLS)}.")
    return CELLS[name]
