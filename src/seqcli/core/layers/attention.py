"""Attention: how much each decoder state looks at each encoder state.

    e_ts = score(h_t, m_s)                     one number for every pair of a query h_t and a memory m_s
    a_t  = softmax over real s of e_ts         a distribution over the source; padding has none of it
    c_t  = sum_s a_ts m_s                      the context value

The scores differ; the mask, the distribution and the sum are written once, in the base. What a score needs of the
memory alone (its keys) is computed once a source, not once a step. Shapes: B batch, T target, S source, Q query width,
M memory width, A width of the score.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqcli.errors import ConfigError


class Memory(NamedTuple):
    """What an encoder leaves to attend to."""

    values: Tensor  # (B, S, M)
    keys: Tensor  # (B, S, A), what scores are taken against
    mask: Tensor  # (B, S) bool, True = real

    def select(self, rows: Tensor) -> "Memory":
        """The memory of these rows of the batch."""
        return Memory(*(t[rows] for t in self))


class Attention(nn.Module):
    """Base of the attentions."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size, self.memory_size = query_size, memory_size

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """The memory (B, S, M) as scores need it, (B, S, A)."""

    @abstractmethod
    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        """Queries (B, T, Q) against keys (B, S, A) -> scores (B, T, S)."""

    def remember(self, values: Tensor, mask: Tensor) -> Memory:
        """The memory of encoder outputs (B, S, M) with mask (B, S)."""
        return Memory(values, self.keys(values), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Queries (B, T, Q) -> context values (B, T, M), and the distributions (B, T, S) they were summed by."""
        scores = self.score(query, memory.keys).masked_fill(~memory.mask[:, None], -torch.inf)
        weights = scores.softmax(2, dtype=torch.float32).to(memory.values.dtype)
        return torch.bmm(weights, memory.values), weights


class DotAttention(Attention):
    """e_ts = h_t . m_s (Luong 2015, equation 8, "dot").

    Of a bidirectional encoder, whose states are twice as wide as the decoder's, the two directions are added first.
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
        return torch.bmm(query, keys.transpose(1, 2))


class GeneralAttention(Attention):
    """e_ts = h_t' W m_s (Luong 2015, equation 8, "general")."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key(memory)
        return projected

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))


class ConcatAttention(Attention):
    """e_ts = v' tanh(W_q h_t + W_k m_s + b) (Bahdanau 2015, section A.1.2; Luong's "concat").

    Bahdanau scores the state before the step; here, as in Luong, it is the state after it.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size)
        self.score_of = nn.Linear(query_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key(memory)
        return projected

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        hidden = torch.tanh(self.query(query)[:, :, None] + keys[:, None])  # (B, T, S, A)
        scores: Tensor = self.score_of(hidden)[..., 0]
        return scores


class ScaledDotAttention(Attention):
    """e_ts = (W_q h_t) . (W_k m_s) / sqrt(A) (Vaswani 2017, equation 1, with one head's projections)."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key(memory)
        return projected

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        projected: Tensor = self.query(query)
        return torch.bmm(projected * self.query_size**-0.5, keys.transpose(1, 2))


ATTENTIONS: dict[str, type[Attention]] = {
    "dot": DotAttention,
    "general": GeneralAttention,
    "concat": ConcatAttention,
    "scaled-dot": ScaledDotAttention,
}


def attention_class(name: str) -> type[Attention]:
    """The attention of that name. Raises ConfigError listing the choices."""
    if name not in ATTENTIONS:
        raise ConfigError(f"There is no attention {name!r}; they are none, {', '.join(ATTENTIONS)}.")
    return ATTENTIONS[name]
