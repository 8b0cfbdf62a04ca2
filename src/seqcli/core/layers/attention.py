"""Attention: how much each decoder state looks at each encoder state.

    e_ts = score(h_t, m_s)                     one number for every query h_t and every memory entry m_s
    a_t  = softmax over real s of e_ts         the attention weights, a distribution over the real source tokens
    c_t  = sum_s a_ts m_s                      the context vector

The kinds of attention differ in the score only; the mask, the softmax and the weighted sum are in the base class. The
part of the score that depends on the memory alone (the keys) is computed once for each source, not at every decoder
step. Shapes: B batch, T target, S source, Q query width, M memory width, A width of the keys.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqcli.errors import ConfigError


class Memory(NamedTuple):
    """The encoder outputs that a decoder attends to."""

    values: Tensor  # (B, S, M), the encoder outputs, of which the context vector is a weighted sum
    keys: Tensor  # (B, S, A), the part of the scores that depends on the memory alone
    mask: Tensor  # (B, S) bool, True = real

    def select(self, rows: Tensor) -> "Memory":
        """Return the memory of these rows (n,) of the batch."""
        return Memory(*(t[rows] for t in self))


class Attention(nn.Module):
    """The base class of all kinds of attention. A subclass defines `keys` and `score`."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size, self.memory_size = query_size, memory_size

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """Compute the keys (B, S, A) from the memory (B, S, M)."""

    @abstractmethod
    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        """Compute the score of every query (B, T, Q) with every key (B, S, A). Returns (B, T, S)."""

    def remember(self, values: Tensor, mask: Tensor) -> Memory:
        """Make a memory from encoder outputs (B, S, M) and their mask (B, S), True = real."""
        return Memory(values, self.keys(values), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend with queries (B, T, Q). Returns the context vectors (B, T, M) and the attention weights (B, T, S)."""
        scores = self.score(query, memory.keys).masked_fill(~memory.mask[:, None], -torch.inf)  # (B, T, S)
        weights = scores.softmax(2, dtype=torch.float32).to(memory.values.dtype)  # (B, T, S)
        return torch.bmm(weights, memory.values), weights  # (B, T, M), (B, T, S)


class DotAttention(Attention):
    """e_ts = h_t . m_s (Luong 2015, equation 8, "dot").

    With a bidirectional encoder, whose outputs are twice as wide as the decoder's, the outputs of the two directions
    are added up first. Raises ConfigError when the memory's width is no multiple of the query's.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        if memory_size % query_size:
            raise ConfigError(
                f"--attention dot multiplies decoder states ({query_size} wide) with encoder states ({memory_size} "
                "wide); use --attention general for different widths."
            )

    def keys(self, memory: Tensor) -> Tensor:
        added: Tensor = memory.unflatten(2, (-1, self.query_size)).sum(2)  # (B, S, Q)
        return added

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))  # (B, T, S)


class GeneralAttention(Attention):
    """e_ts = h_t^T W m_s (Luong 2015, equation 8, "general")."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key(memory)  # (B, S, A)
        return projected

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))  # (B, T, S)


class ConcatAttention(Attention):
    """e_ts = v^T tanh(W_q h_t + W_k m_s + b) (Bahdanau 2015, section A.1.2; Luong's "concat").

    Bahdanau's query is the decoder state before the step. Here, as in Luong 2015, it is the state after the step.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size)
        self.score_of = nn.Linear(query_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key(memory)  # (B, S, A)
        return projected

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        hidden = torch.tanh(self.query(query)[:, :, None] + keys[:, None])  # (B, T, 1, A) + (B, 1, S, A)
        scores: Tensor = self.score_of(hidden)[..., 0]  # (B, T, S)
        return scores


class ScaledDotAttention(Attention):
    """e_ts = (W_q h_t) . (W_k m_s) / sqrt(A) (Vaswani 2017, equation 1, with the projections of a single head)."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key(memory)  # (B, S, A)
        return projected

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        projected: Tensor = self.query(query)  # (B, T, A)
        return torch.bmm(projected * self.query_size**-0.5, keys.transpose(1, 2))  # (B, T, S)


ATTENTIONS: dict[str, type[Attention]] = {
    "dot": DotAttention,
    "general": GeneralAttention,
    "concat": ConcatAttention,
    "scaled-dot": ScaledDotAttention,
}


def attention_class(name: str) -> type[Attention]:
    """Return the class of the attention with this name. Raises ConfigError, listing the choices, if there is none."""
    if name not in ATTENTIONS:
        raise ConfigError(f"There is no attention {name!r}; they are none, {', '.join(ATTENTIONS)}.")
    return ATTENTIONS[name]
