"""From scores to sequences: greedy, sampling and beam search for many sentences at once, blind to the model.

Shapes: B sentences, K hypotheses each, V vocabulary. A hypothesis y of n tokens, <eos> included, is ranked by

    log p(y) / norm(n) + coverage        norm: 1, n^a ("mean"), or ((5 + n) / 6)^a ("wu", Wu 2016, equation 14)
    coverage = b sum_s log(min(sum_t a_ts, 1)) over the real source tokens    (Wu 2016, equation 14)

log p is always the model's own, over its whole vocabulary. What must not come (<bos>, <eos> before `min_length`, an
n-gram again, all but <eos> at the limit) is passed over, and what comes instead costs what the model says it costs:
the probability of the one is not given to the other. So an answer that is cut off at the limit pays for its <eos>, and
scores of different options, and of a reference, can be compared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from seqcli.core.decoding.sampling import Filters, draw, gumbel_noise
from seqcli.errors import ConfigError

GREEDY = Filters(temperature=0.0)
BLOCK = 64  # columns whose maximum is looked at before they are


class Scorer(Protocol):
    """What a search needs of a model. `state` is the model's own affair."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last tokens (B, K) -> scores (B, K, V) of the next ones (logits do), and the state after."""

    def select(self, state: Any, sentences: Tensor, parents: Tensor) -> Any:
        """The state of these sentences (B',), whose hypotheses go on from these parents (B', K')."""

    def coverage(self, state: Any) -> Tensor | None:
        """How much each source token was looked at so far (B, K, S), NaN where there is none; it never falls."""


@dataclass(frozen=True)
class Search:
    """What is searched for. `bos` begins every hypothesis, `eos` ends it, `forbidden` never stands in it.

    Raises ConfigError for penalties that are negative or not finite: a negative one would be a reward.
    """

    beam: int = 5
    n_best: int = 1
    normalize: str = "mean"
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    no_repeat_ngram: int = 0
    min_length: int = 0
    bos: int = 2
    eos: int = 3
    forbidden: tuple[int, ...] = (0, 2)

    def __post_init__(self) -> None:
        for name in ("length_penalty", "coverage_penalty"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"--{name.replace('_', '-')} is {value}, but must be a finite number from 0.")

    def norm(self, length: Any) -> Any:
        """What the log-probability of so many tokens is divided by; it never falls as the length grows."""
        if self.normalize == "none":
            return 1.0
        return (length if self.normalize == "mean" else (5 + length) / 6) ** self.length_penalty


@dataclass(frozen=True)
class Hypothesis:
    """Tokens without <bos> and <eos>, what they were ranked by, and log p, that of <eos> included."""

    ids: list[int]
    score: float
    log_p: float


# --- one token after the other --------------------------------------------------------------------------------------


def sample(
    scorer: Scorer, state: Any, limit: Tensor, options: Search, filters: Filters, seeds: Sequence[int]
) -> list[list[Hypothesis]]:
    """`n_best` sequences a sentence, drawn by `filters`, best first; temperature 0 is greedy and gives one.

    limit (B,) is the number of tokens to write at most; then <eos> comes, whatever was drawn. Each sentence has a
    generator of its own, with its own seed: what is drawn for it does not depend on the others in the batch.
    """
    o, B, K, device = options, len(limit), 1 if filters.temperature == 0 else options.n_best, limit.device
    sentences = torch.arange(B, device=device)  # which sentence each row of the batch is
    own = [np.random.default_rng(seed) for seed in seeds]
    if K > 1:
        state = scorer.select(state, sentences, limit.new_zeros(B, K))
    written = limit.new_full((B, K, int(limit.max()) + 1), o.eos)
    total, score = torch.zeros(B, K, device=device), torch.zeros(B, K, device=device)
    tokens = limit.new_full((B, K), o.bos)
    past = tokens[..., None]
    for t in range(int(limit.max()) + 1):
        scores, state = scorer.step(tokens, state)
        last = (limit[sentences] == t)[:, None]
        p = _probabilities(scores, past, t, last, o)
        if filters == GREEDY:
            tokens = likeliest_token(p)
        else:
            noise = np.concatenate([gumbel_noise(K, p.shape[2], own[k]) for k in sentences.tolist()])
            drawn = draw(p.flatten(0, 1).float().log().cpu().numpy(), filters, noise)
            tokens = torch.from_numpy(drawn).to(device).view(-1, K)
        tokens = torch.where(last, o.eos, tokens)
        going_on = (past[..., 1:] != o.eos).all(2)
        total[sentences] += torch.where(going_on, p.gather(2, tokens[..., None])[..., 0].float().log(), 0.0)
        ends = going_on & (tokens == o.eos)
        score[sentences] += torch.where(ends, _score(total[sentences], t, scorer, state, o), 0.0)
        written[sentences, :, t] = tokens
        past = torch.cat((past, tokens[..., None]), dim=2)
        rows = (going_on & ~ends).any(1).nonzero()[:, 0]
        if not len(rows):
            break
        if len(rows) < len(sentences):
            state = scorer.select(state, rows, torch.arange(K, device=device).expand(len(rows), K))
            sentences, tokens, past = sentences[rows], tokens[rows], past[rows]
    found = []
    for sentence in zip(written.tolist(), score.tolist(), total.tolist(), strict=True):
        hypotheses = [Hypothesis(ids[: ids.index(o.eos)], *figures) for ids, *figures in zip(*sentence, strict=True)]
        found.append(sorted(hypotheses, key=lambda h: -h.score))
    return found


# --- beam search ----------------------------------------------------------------------------------------------------


class _Kept(NamedTuple):
    """The n best hypotheses that have ended (B, n), best first; where there is none yet the score is -inf."""

    score: Tensor
    log_p: Tensor
    length: Tensor  # tokens, <eos> not among them
    ids: Tensor  # (B, n, T), T the length of the longest

    @classmethod
    def none(cls, sentences: int, n: int, like: Tensor) -> "_Kept":
        """Before anything has ended; ids are of the kind of `like`."""
        score = torch.full((sentences, n), -torch.inf, device=like.device)
        return cls(score, score, like.new_zeros(sentences, n), like.new_zeros(sentences, n, 0))

    def merged(self, other: "_Kept") -> "_Kept":
        """The n best of both, where those of `other` are at least as long."""
        n, longer = self.score.shape[1], other.ids.shape[2] - self.ids.shape[2]
        mine = self._replace(ids=torch.nn.functional.pad(self.ids, (0, longer)))
        both = [torch.cat(pair, dim=1) for pair in zip(mine, other, strict=True)]
        order = both[0].argsort(dim=1, descending=True, stable=True)[:, :n]
        rows = torch.arange(len(order), device=order.device)[:, None]
        return _Kept(*(t[rows, order] for t in both))

    def hypotheses(self, rows: Tensor) -> list[list[Hypothesis]]:
        """Those of some sentences."""
        found = zip(*(t[rows].tolist() for t in self), strict=True)
        return [
            [Hypothesis(ids[:n], score, log_p) for score, log_p, n, ids in zip(*row, strict=True) if score > -torch.inf]
            for row in found
        ]


@torch.no_grad()
def beam_search(scorer: Scorer, state: Any, limit: Tensor, options: Search) -> list[list[Hypothesis]]:
    """The `n_best` hypotheses of each sentence that a beam of width K finds, best first.

    limit (B,) is the number of tokens to write at most, <eos> not counted. At every step each hypothesis is ended once,
    by <eos>, and the n best that ended so far are kept; the K best of the other continuations go on.

    The best found is never worse than what greedy decoding finds: the hypothesis that greedy decoding would have is
    among the K until it ends; where it is not one of the K best, it takes the place of the last of them. A beam of 1 is
    greedy decoding.

    A sentence leaves the batch when no way on could lead among the n kept. A hypothesis with log p = L can come to
    L / norm(limit + 1) at most: every further token costs -log p >= 0, so L never rises, and as it is negative, it
    weighs least when divided by the greatest norm, which is that of the greatest length, since norms never fall as the
    length grows (for "none", and for a = 0, they stay the same). The coverage can rise to 0, and no further, as b >= 0
    and min(sum_t a_ts, 1) <= 1. All of the K have the same bound but for L, so that of the likeliest decides.
    """
    if options.beam == 1:
        return sample(scorer, state, limit, options, GREEDY, range(len(limit)))
    o, K, device = options, options.beam, limit.device
    B, longest = len(limit), int(limit.max())
    found: list[list[Hypothesis]] = [[] for _ in range(B)]
    sentences = torch.arange(B, device=device)
    kept = _Kept.none(B, o.n_best, limit)
    tokens = limit.new_full((B, 1), o.bos)
    past = tokens[..., None]  # (B', K', t + 1), <bos> first
    total = torch.zeros(B, 1, device=device)  # log p (B', K'), best first; -inf where there is no hypothesis
    greedy = limit.new_zeros(B)  # which of the K' greedy decoding would have; -1 where it has ended
    for t in range(longest + 1):
        scores, state = scorer.step(tokens, state)
        last = limit == t
        p = _probabilities(scores, past, t, last[:, None], o)  # (B', K', V)
        end = total + p[..., o.eos].float().log()  # (B', K')
        kept = kept.merged(_ended(past, end, _score(end, t, scorer, state, o), o.n_best))
        choice = _greedy_choice(p, total, greedy)
        p[..., o.eos] = 0.0
        (total, parents, tokens), greedy = _with_greedy(likeliest(p, total, K), choice, greedy, o.eos)

        bound = total[:, 0] / o.norm(limit + 1.0)
        going_on = (bound > kept.score[:, -1]) & ~last
        gone, rows = (~going_on).nonzero()[:, 0], going_on.nonzero()[:, 0]
        for k, hypotheses in zip(sentences[gone].tolist(), kept.hypotheses(gone), strict=True):
            found[k] = hypotheses
        if not len(rows):
            break
        if len(gone):
            parents, tokens, total, past = parents[rows], tokens[rows], total[rows], past[rows]
            sentences, limit, greedy, kept = sentences[rows], limit[rows], greedy[rows], _Kept(*(x[rows] for x in kept))
        past = torch.cat((past.gather(1, parents[..., None].expand(-1, -1, t + 1)), tokens[..., None]), dim=2)
        state = scorer.select(state, rows, parents)
    return found


def _ended(past: Tensor, log_p: Tensor, score: Tensor, n: int) -> _Kept:
    """The n best of hypotheses of t tokens (B, K, t + 1), <bos> first, that end with this log p and score (B, K)."""
    score, best = score.topk(min(n, score.shape[1]), dim=1)  # (B, n)
    rows = torch.arange(len(past), device=past.device)[:, None]
    ids = past[rows, best][..., 1:]
    return _Kept(score, log_p.gather(1, best), torch.full_like(best, ids.shape[2]), ids)


class Continuations(NamedTuple):
    """The best continuations by one token of K hypotheses (B, n), best first."""

    log_p: Tensor  # of all tokens so far
    parents: Tensor  # which of the K
    tokens: Tensor


def _greedy_choice(p: Tensor, total: Tensor, greedy: Tensor) -> Continuations:
    """How greedy decoding's hypothesis goes on (B, 1)."""
    B, K, _ = p.shape
    parents = greedy.clamp(min=0)
    ours = p.flatten(0, 1).index_select(0, torch.arange(B, device=p.device) * K + parents)  # (B, V)
    tokens, parents = likeliest_token(ours)[:, None], parents[:, None]
    return Continuations(total.gather(1, parents) + ours.gather(1, tokens).float().log(), parents, tokens)


def _with_greedy(best: Continuations, choice: Continuations, greedy: Tensor, eos: int) -> tuple[Continuations, Tensor]:
    """The best continuations with greedy decoding's choice among them, and where it is: -1 when that has ended."""
    same = (best.parents == choice.parents) & (best.tokens == choice.tokens)  # (B, K)
    ended = (greedy < 0) | (choice.tokens[:, 0] == eos)
    missing = ~(ended | same.any(1))
    for ours, other in zip(best, choice, strict=True):
        ours[:, -1] = torch.where(missing, other[:, 0], ours[:, -1])
    place = torch.where(missing, same.shape[1] - 1, same.int().argmax(1))
    return best, place.masked_fill(ended, -1)


# --- what both stand on ---------------------------------------------------------------------------------------------


def _score(log_p: Tensor, t: int, scorer: Scorer, state: Any, o: Search) -> Tensor:
    """What hypotheses (B, K) with this log p that end with the token number t are ranked by."""
    score: Tensor = log_p / o.norm(t + 1.0)
    covered = scorer.coverage(state) if o.coverage_penalty else None
    return score if covered is None else score + o.coverage_penalty * covered.clamp(1e-9, 1.0).log().nansum(2)


def _probabilities(scores: Tensor, past: Tensor, t: int, last: Tensor, o: Search) -> Tensor:
    """The model's p (B, K, V) of the token number t, with 0 for what must not come.

    past (B, K, t + 1) is what was written, <bos> first. Where the limit is reached, last (B, 1), <eos> may always come,
    however unlikely it is.
    """
    p = scores.softmax(2)
    end = p[..., o.eos].clamp(min=1e-37)
    p[..., list(o.forbidden)] = 0.0
    p[..., o.eos] = torch.where(last, end, p[..., o.eos] if t >= o.min_length else 0.0)
    n = o.no_repeat_ngram
    if n and t >= n:
        grams = past[..., 1:].unfold(2, n, 1)  # (B, K, t - n + 1, n)
        begins = (grams[..., : n - 1] == past[..., None, t - n + 2 :]).all(3)  # the one that the last tokens begin
        again = torch.where(begins, grams[..., -1], o.bos)
        p.scatter_(2, again, 0.0)  # <bos> is forbidden anyway
    if n or o.min_length:  # where nothing is allowed, the end is
        p[..., o.eos] = torch.where(p.amax(2) == 0, end, p[..., o.eos])
    return p


def likeliest_token(p: Tensor) -> Tensor:
    """The likeliest of the tokens with probabilities p (..., V), by number (...); of equally likely ones the first."""
    first = block_maxima(p).argmax(-1, keepdim=True) * BLOCK
    tokens = (first + torch.arange(BLOCK, device=p.device)).clamp(max=p.shape[-1] - 1)  # (..., BLOCK)
    return tokens.gather(-1, p.gather(-1, tokens).argmax(-1, keepdim=True))[..., 0]


def likeliest(p: Tensor, total: Tensor, count: int) -> Continuations:
    """The best `count` (or all) of K x V continuations, best first: their log-probability, parents, tokens (B, count).

    p (B, K, V) are the tokens' probabilities, total (B, K) the log-probabilities of what goes before. The best n of
    many numbers lie in the n blocks with the greatest maxima, so only those are sorted: exact, and much faster.
    """
    K, V = p.shape[1:]
    if count >= K * (V // BLOCK):
        log_p, index = (p.float().log() + total[..., None]).flatten(1).topk(min(count, K * V), dim=1)
        return Continuations(log_p, index // V, index % V)
    maxima = block_maxima(p)  # (B, K, N)
    blocks = (maxima.float().log() + total[..., None]).flatten(1).topk(count, dim=1).indices  # (B, count)
    parents = blocks // maxima.shape[2]
    tokens = (blocks % maxima.shape[2] * BLOCK)[..., None] + torch.arange(BLOCK, device=p.device)  # (B, count, BLOCK)
    near = (parents[..., None] * V + tokens.clamp(max=V - 1)).flatten(1)
    values = p.flatten(1).gather(1, near).float().log().view_as(tokens) + total.gather(1, parents)[..., None]
    log_p, index = values.masked_fill(tokens >= V, -torch.inf).flatten(1).topk(count, dim=1)
    return Continuations(log_p, parents.gather(1, index // BLOCK), tokens.flatten(1).gather(1, index).clamp(max=V - 1))


def block_maxima(p: Tensor) -> Tensor:
    """The greatest of every BLOCK numbers that are not negative: (..., V) -> (..., V / BLOCK), rounded up."""
    # such numbers are in the order of their bits, and among integers torch finds the greatest faster than in bf16
    bits = p.view(torch.int16) if p.dtype == torch.bfloat16 else p
    whole = p.shape[-1] // BLOCK * BLOCK
    parts = [bits[..., :whole].unflatten(-1, (-1, BLOCK)).amax(-1)] if whole else []
    if whole < p.shape[-1]:
        parts.append(bits[..., whole:].amax(-1, keepdim=True))
    return torch.cat(parts, dim=-1).view(p.dtype)
