"""Token after token from a language model."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli.core.decoding.sampling import Filters, draw, gumbel_noise
from seqcli.core.tokenizers import BOS, EOS, PAD, UNK

if TYPE_CHECKING:
    from seqcli.core.tasks.lm.network import RecurrentLM

NOISE = 64  # tokens for which noise is drawn ahead,
MOST_NOISE = 1 << 22  # but no more numbers at a time


class Steps(Protocol):
    """What goes on after a prime for B samples: `scores` of the next token, (B, V), or (V,) for one sample."""

    scores: NDArray[np.float32]

    def __call__(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Go on by a token a sample: the scores after it."""


def generate(
    steps: Steps, prime: Sequence[int], filters: Filters, randoms: Sequence[np.random.Generator], *, ends: bool
) -> Iterator[list[int]]:
    """The tokens drawn at each step, a list of B ids; goes on for ever.

    Every sample has a generator of its own, so that it is the same alone and beside others. <pad>, <bos> and <unk> are
    never drawn, nor is <eos> unless `ends`.
    """
    B, V = len(randoms), steps.scores.shape[-1]
    banned = np.zeros(V, np.float32)
    banned[[PAD, UNK, BOS] if ends else [PAD, UNK, BOS, EOS]] = -np.inf
    seen = np.zeros((B, V), np.bool_)
    seen[:, list(prime)] = True
    plain = filters.temperature > 0 and filters == Filters(filters.temperature)
    ahead = max(1, min(NOISE, MOST_NOISE // (B * V)))
    scores = steps.scores
    while True:
        noise = np.stack([gumbel_noise(ahead, V, random) for random in randoms], axis=1)  # (ahead, B, V)
        if plain:  # nothing to filter: scores / temperature + noise is greatest where scores + temperature * noise is
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
                ids = (scores + noise[k]).argmax(axis=1).tolist()
            else:
                chosen = draw((scores + banned).reshape(B, V), filters, noise[k], seen)
                seen[np.arange(B), chosen] = True
                ids = chosen.tolist()
            yield ids
            scores = steps(ids)


class TorchSteps:
    """The steps of a network of torch's, on its device: for a GPU, and for cells that have no steps in NumPy."""

    def __init__(self, network: "RecurrentLM", prime: Sequence[int], batch: int) -> None:
        import torch

        self.network = network
        self.scores, state = self._run(torch.tensor([list(prime)]), None)
        self.scores = self.scores.repeat(batch, 0)
        self.state = [type(s)(*(t.expand(batch, -1).contiguous() for t in s)) for s in state]

    def _run(self, ids: Any, state: list[Any] | None) -> tuple[NDArray[np.float32], list[Any]]:
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
        """Go on by a token a sample: the scores after it, (B, V)."""
        import torch

        scores, self.state = self._run(torch.tensor(ids)[:, None], self.state)
        return scores
