"""From scores to sequences: greedy, sampling and beam search for many sentences at once, blind to the model.

Shapes: B sentences, K hypotheses each, V vocabulary. A hypothesis y of n tokens, <eos> included, is ranked by

    log p(y) / norm(n) + coverage        norm: 1, n^a ("mean"), or ((5 + n) / 6)^a ("wu", Wu 2016, equation 14)
    coverage = b sum_s log(min(sum_t a_ts, 1)) over the real source tokens    (Wu 2016, equation 14)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from seqcli.core.decoding.sampling import Filters, draw, gumbel_noise

GREEDY = Filters(temperature=0.0)
BLOCK = 64  # columns whose maximum is looked at before they are


class Scorer(Protocol):
    """What a search needs of a model. `state` is the model's own affair."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last tokens (B, K) -> scores (B, K, V) of the next ones (logits do), and the state after."""

    def select(self, state: Any, sentences: Tensor, parents: Tensor) -> Any:
        """The state of these sentences (B',), whose hypotheses go on from these parents (B', K')."""

    def coverage(self, state: Any) -> Tensor | None:
        """How much each source token was looked at so far (B, K, S), NaN where there is none."""


@dataclass(frozen=True)
class SearchOptions:
    """What is searched for. `bos` begins every hypothesis, `eos` ends it, `forbidden` never stands in it."""

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

    def norm(self, length: Any) -> Any:
        """What the log-probability of so many tokens is divided by."""
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
    scorer: Scorer, state: Any, limit: Tensor, options: SearchOptions, filters: Filters, seeds: Sequence[int]
) -> list[list[Hypothesis]]:
    """`n_best` sequences a sentence, drawn by `filters`, best first; temperature 0 is greedy and gives one.

    limit (B,) is the number of tokens to write at most. Each sentence has a generator of its own, with its own seed:
    what is drawn for it does not depend on the others in the batch.
    """
    B, K, device = len(limit), 1 if filters.temperature == 0 else options.n_best, limit.device
    sentences = torch.arange(B, device=device)  # which sentence each row of the batch is
    own = [np.random.default_rng(seed) for seed in seeds]
    if K > 1:
        state = scorer.select(state, sentences, limit.new_zeros(B, K))
    written = limit.new_full((B, K, int(limit.max()) + 1), options.eos)
    log_p = torch.zeros(B, K, device=device)
    tokens = limit.new_full((B, K), options.bos)
    past = tokens[..., None]
    for t in range(int(limit.max()) + 1):
        scores, state = scorer.step(tokens, state)
        scores = _allowed(scores, past, t, limit[sentences] == t, options)
        p, V = scores.softmax(2), scores.shape[2]
        if filters == GREEDY:
            chosen, _, tokens = likeliest(p, torch.zeros_like(p[..., 0], dtype=torch.float32), 1)
        else:
            noise = np.concatenate([gumbel_noise(K, V, own[k]) for k in sentences.tolist()])
            drawn = draw(scores.flatten(0, 1).float().cpu().numpy(), filters, noise)
            tokens = torch.from_numpy(drawn).to(device).view(-1, K)
            chosen = p.gather(2, tokens[..., None])[..., 0].float().log()
        ended = (past[..., 1:] == options.eos).any(2)
        log_p[sentences] += torch.where(ended, 0.0, chosen)
        written[sentences, :, t] = tokens
        past = torch.cat((past, tokens[..., None]), dim=2)
        rows = (~ended & (tokens != options.eos)).any(1).nonzero()[:, 0]
        if not len(rows):
            break
        if len(rows) < len(sentences):
            state = scorer.select(state, rows, torch.arange(K, device=device).expand(len(rows), K))
            sentences, tokens, past = sentences[rows], tokens[rows], past[rows]
    return [_drawn(*both, options) for both in zip(written.tolist(), log_p.tolist(), strict=True)]


def _drawn(rows: list[list[int]], log_p: list[float], options: SearchOptions) -> list[Hypothesis]:
    lines = [row[: row.index(options.eos)] for row in rows]
    found = [Hypothesis(ids, p / options.norm(len(ids) + 1.0), p) for ids, p in zip(lines, log_p, strict=True)]
    return sorted(found, key=lambda h: -h.score)


# --- beam search ----------------------------------------------------------------------------------------------------


class _Kept(NamedTuple):
    """The n best hypotheses that have ended (B, n), best first; where there is none yet the score is -inf."""

    score: Tensor
    log_p: Tensor
    length: Tensor  # tokens, <eos> not among them
    ids: Tensor  # (B, n, limit)

    def merged(self, other: "_Kept") -> "_Kept":
        """The n best of both."""
        n = self.score.shape[1]
        both = [torch.cat(pair, dim=1) for pair in zip(self, other, strict=True)]
        order = both[0].argsort(dim=1, descending=True, stable=True)[:, :n]
        rows = torch.arange(len(order), device=order.device)[:, None]
        return _Kept(*(t[rows, order] for t in both))


@torch.no_grad()
def beam_search(scorer: Scorer, state: Any, limit: Tensor, options: SearchOptions) -> list[list[Hypothesis]]:
    """The `n_best` hypotheses of each sentence that a beam of width K finds, best first.

    limit (B,) is the number of tokens to write at most, <eos> not counted. At every step the 2 K best continuations
    are looked at: those among the first K that end are kept, the K best others go on. A sentence is done when K have
    ended, or when none that goes on can become better than the worst of the `n_best` kept; then it leaves the batch.
    So a beam of 1 is greedy decoding. After the last token that the limit allows, <eos> is all that can come.
    """
    o, K, device = options, options.beam, limit.device
    B, longest = len(limit), int(limit.max())
    found: list[list[Hypothesis]] = [[] for _ in range(B)]
    sentences = torch.arange(B, device=device)
    kept = _Kept(
        limit.new_full((B, o.n_best), -torch.inf, dtype=torch.float32),
        limit.new_zeros(B, o.n_best, dtype=torch.float32),
        limit.new_zeros(B, o.n_best),
        limit.new_zeros(B, o.n_best, longest),
    )
    ended = limit.new_zeros(B)  # how many
    tokens = limit.new_full((B, 1), o.bos)
    past = tokens[..., None]  # (B', K', t + 1), <bos> first
    total = torch.zeros(B, 1, device=device)  # log p (B', K')
    for t in range(longest + 1):
        scores, state = scorer.step(tokens, state)
        scores = _allowed(scores, past, t, limit[sentences] == t, o)
        log_p, parents, chosen = likeliest(scores.softmax(2), total, 2 * K)  # (B', 2K)
        ends = chosen == o.eos
        coverage = _coverage(scorer, state, o)  # (B', K')
        ranked = log_p / o.norm(t + 1.0) + (coverage.gather(1, parents) if coverage is not None else 0.0)
        first = torch.arange(log_p.shape[1], device=device) < K
        kept = kept.merged(_kept(past, parents, log_p, ranked.masked_fill(~(ends & first), -torch.inf), longest))
        ended = ended + (ends & first & log_p.isfinite()).sum(1)

        total, order = log_p.masked_fill(ends, -torch.inf).topk(min(K, log_p.shape[1]), dim=1)
        parents, tokens = parents.gather(1, order), chosen.gather(1, order)
        past = torch.cat((past[torch.arange(len(past), device=device)[:, None], parents], tokens[..., None]), dim=2)
        bound = total[:, 0] / o.norm(limit[sentences] + 1.0)
        done = (ended >= K) | (kept.score[:, -1] >= bound) | (limit[sentences] == t)
        gone, rows = done.nonzero()[:, 0], (~done).nonzero()[:, 0]
        for row in gone.tolist():
            found[int(sentences[row])] = _hypotheses(kept, row)
        if not len(rows):
            break
        state = scorer.select(state, rows, parents[rows])
        sentences, tokens, past, total, ended = (x[rows] for x in (sentences, tokens, past, total, ended))
        kept = _Kept(*(x[rows] for x in kept))
    return found


def _kept(past: Tensor, parents: Tensor, log_p: Tensor, score: Tensor, longest: int) -> _Kept:
    """Hypotheses (B, n) that go on from these parents (B, n) of the past (B, K, t + 1), and stop."""
    ids = past[torch.arange(len(past), device=past.device)[:, None], parents][..., 1:]  # (B, n, t)
    length = torch.full_like(parents, ids.shape[2])
    ids = torch.nn.functional.pad(ids, (0, longest - ids.shape[2]))
    return _Kept(score, log_p, length, ids)


def _hypotheses(kept: _Kept, row: int) -> list[Hypothesis]:
    rows = zip(*(x[row].tolist() for x in kept), strict=True)
    return [Hypothesis(ids[:length], score, log_p) for score, log_p, length, ids in rows if score > -torch.inf]


def _coverage(scorer: Scorer, state: Any, o: SearchOptions) -> Tensor | None:
    """What the coverage adds to the rank of hypotheses (B, K)."""
    if not o.coverage_penalty:
        return None
    covered = scorer.coverage(state)
    return None if covered is None else o.coverage_penalty * covered.clamp(1e-9, 1.0).log().nansum(2)


# --- what both stand on ---------------------------------------------------------------------------------------------


def _allowed(scores: Tensor, past: Tensor, t: int, last: Tensor, o: SearchOptions) -> Tensor:
    """Scores (B, K, V) of the token number t without what must not come: -inf there. last (B,): <eos> must come."""
    end = scores[..., o.eos].clone()
    for id in o.forbidden:
        scores[..., id] = -torch.inf
    if t < o.min_length:
        scores[..., o.eos] = torch.where(last[:, None], scores[..., o.eos], -torch.inf)
    n = o.no_repeat_ngram
    if n and t >= n:
        grams = past[..., 1:].unfold(2, n, 1)  # (B, K, t - n + 1, n)
        begins = (grams[..., : n - 1] == past[..., None, t - n + 2 :]).all(3)  # the one that the last tokens begin
        again = torch.where(begins, grams[..., -1], o.bos)
        scores.scatter_(2, again, -torch.inf)  # <bos> is forbidden anyway
    if bool(last.any()):
        eos = scores[..., o.eos].clone()
        scores[last] = -torch.inf
        scores[..., o.eos] = eos
    if n or o.min_length:  # where nothing is allowed, the end is
        dead = scores.amax(2) == -torch.inf
        scores[..., o.eos] = torch.where(dead, end, scores[..., o.eos])
    return scores


def likeliest(p: Tensor, total: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best `count` (or all) of K x V continuations, best first: their log-probability, parents, tokens (B, count).

    p (B, K, V) are the tokens' probabilities, total (B, K) the log-probabilities of what goes before. The best n of
    many numbers lie in the n blocks with the greatest maxima, so only those are sorted: exact, and much faster.
    """
    K, V = p.shape[1:]
    whole = V // BLOCK * BLOCK
    if K * (whole // BLOCK) <= count:
        log_p, index = (p.float().log() + total[..., None]).flatten(1).topk(min(count, K * V), dim=1)
        return log_p, index // V, index % V
    maxima = p[..., :whole].unflatten(2, (-1, BLOCK)).amax(3)  # (B, K, V / BLOCK)
    if whole < V:
        maxima = torch.cat((maxima, p[..., whole:].amax(2, keepdim=True)), dim=2)
    blocks = (maxima.float().log() + total[..., None]).flatten(1).topk(count, dim=1).indices  # (B, count)
    parents = blocks // maxima.shape[2]
    tokens = (blocks % maxima.shape[2] * BLOCK)[..., None] + torch.arange(BLOCK, device=p.device)  # (B, count, BLOCK)
    near = (parents[..., None] * V + tokens.clamp(max=V - 1)).flatten(1)
    values = p.flatten(1).gather(1, near).float().log().view_as(tokens) + total.gather(1, parents)[..., None]
    log_p, index = values.masked_fill(tokens >= V, -torch.inf).flatten(1).topk(count, dim=1)
    return log_p, parents.gather(1, index // BLOCK), tokens.flatten(1).gather(1, index).clamp(max=V - 1)
