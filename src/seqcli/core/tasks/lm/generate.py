"""Generating text with a language model, token by token."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli.core.decoding.sampling import Filters, draw, gumbel_noise
from seqcli.core.tokenizers import BOS, EOS, PAD, UNK

if TYPE_CHECKING:
    from seqcli.core.tasks.lm.network import RecurrentLM

NOISE = 64  # for this many tokens the random numbers are drawn at once,
MOST_NOISE = 1 << 22  # ... but never more numbers than this


class Steps(Protocol):
    """A network and its state after a prime, for B samples. `scores` (B, V), or (V,) for one, are of the next token."""

    scores: NDArray[np.float32]

    def __call__(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Feed one token for each sample, B ids. Returns the scores of the next tokens, (B, V) or (V,)."""


def generate(
    steps: Steps, prime: Sequence[int], filters: Filters, randoms: Sequence[np.random.Generator], *, ends: bool
) -> Iterator[list[int]]:
    """Yield the tokens drawn at each step, a list of B ids. It never ends by itself.

    Each sample has a generator of its own, one of `randoms`, so it is the same whether it is made alone or beside
    others. <pad>, <bos> and <unk> are never drawn, and <eos> only if `ends` is set. The tokens of `prime` count as seen
    for the repetition penalty.
    """
    B, V = len(randoms), steps.scores.shape[-1]
    banned = np.zeros(V, np.float32)  # 0, or -inf for tokens that are never drawn: (V,)
    banned[[PAD, UNK, BOS] if ends else [PAD, UNK, BOS, EOS]] = -np.inf
    seen = np.zeros((B, V), np.bool_)  # (B, V)
    seen[:, list(prime)] = True
    plain = filters.temperature > 0 and filters == Filters(filters.temperature)
    ahead = max(1, min(NOISE, MOST_NOISE // (B * V)))
    scores = steps.scores  # (B, V), or (V,) for one sample
    while True:
        noise = np.stack([gumbel_noise(ahead, V, random) for random in randoms], axis=1)  # (ahead, B, V)
        # Without filters: scores / temperature + noise has its maximum where scores + temperature * noise has.
        if plain:
            noise *= np.float32(filters.temperature)
            noise += banned
        if plain and scores.ndim == 1:
            for perturbation in noise[:, 0]:
                ids = [int((scores + perturbation).argmax())]
                yield ids
                scores = steps(ids)
            continue
        for k in range(ahead):
            if plain:
                ids = (scores + noise[k]).argmax(axis=1).tolist()  # B ids
            else:
                chosen = draw((scores + banned).reshape(B, V), filters, noise[k], seen)  # (B,)
                seen[np.arange(B), chosen] = True
                ids = chosen.tolist()
            yield ids
            scores = steps(ids)


class TorchSteps:
    """Steps of a torch network on its device: for a GPU, and for cells that have no steps in NumPy."""

    def __init__(self, network: "RecurrentLM", prime: Sequence[int], batch: int) -> None:
        import torch

        self.network = network
        self.scores, state = self._run(torch.tensor([list(prime)]), None)  # (1, V), and states of (1, H)
        self.scores = self.scores.repeat(batch, 0)  # (B, V)
        self.state = [type(s)(*(t.expand(batch, -1).contiguous() for t in s)) for s in state]  # (B, H)

    def _run(self, ids: Any, state: list[Any] | None) -> tuple[NDArray[np.float32], list[Any]]:
        """Feed ids (B, T). Returns the scores after the last one (B, V), and the next state."""
        import torch

        training = self.network.training
        self.network.eval()
        try:
            with torch.no_grad():
                scores, after = self.network(ids.to(self.network.device), state)
        finally:
            self.network.train(training)
        return scores[:, -1].cpu().numpy(), after

    def __call__(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Feed one token for each sample, B ids. Returns the scores of the next tokens, (B, V)."""
        import torch

        scores, self.state = self._run(torch.tensor(ids)[:, None], self.state)
        return scores
