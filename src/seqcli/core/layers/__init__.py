"""The building blocks of networks: stacks of cells, encodings of token ids, attention, pooling, dropout, the CRF."""

from seqcli.core.layers.dropout import Dropout
from seqcli.core.layers.encoding import Embedding, OneHot
from seqcli.core.layers.network import Network
from seqcli.core.layers.projection import Projection
from seqcli.core.layers.stack import Stack

__all__ = ["Dropout", "Embedding", "Network", "OneHot", "Projection", "Stack"]
