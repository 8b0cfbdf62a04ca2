"""Greedy decoding, sampling and beam search for many sentences at once, with any model that has a `Scorer`.

Shapes: B sentences, K hypotheses for each (the beam), V vocabulary, S source. Sentences that are finished leave the
batch; B' is the number of those that are left, and K' the number of their hypotheses (1 at first, then K).

A hypothesis y of n tokens, <eos> included, is ranked by its score

    log p(y) / norm(n) + coverage
    norm(n)  = 1 ("none"), n^a ("mean") or ((5 + n) / 6)^a ("wu": Wu 2016, equation 14)
    coverage = b sum_s log(min(sum_t a_ts, 1)), over the real source tokens s    (Wu 2016, equation 14)

where a is the exponent `length_penalty`, b is `coverage_penalty`, and a_ts are the attention weights.

log p is always the model's own, over its whole vocabulary. Some tokens must not be written: <bos>, <eos> before
`min_length`, the last token of an n-gram that would be repeated, and everything but <eos> at the length limit. They are
skipped, but the probabilities of the other tokens are not renormalized. So an answer that is cut off at the limit still
pays for the probability of its <eos>, and scores can be compared between different options and with that of a
reference.
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
BLOCK = 64  # `likeliest` compares the maxima of blocks of this many tokens first, and then looks into the best blocks


class Scorer(Protocol):
    """What a search needs of a model. The search never looks into `state`; only the model knows what it is."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Feed the last tokens (B, K). Returns the logits of the next tokens (B, K, V) and the next state."""

    def select(self, state: Any, sentences: Tensor, parents: Tensor) -> Any:
        """Return the state of the sentences (B',) alone, with hypotheses that continue the `parents` (B', K').

        sentences are indices into the present batch, and parents are indices into the hypotheses of each sentence.
        """

    def coverage(self, state: Any) -> Tensor | None:
        """Return the attention that each source token got so far, summed over the steps: (B, K, S), NaN on padding.

        It never falls from one step to the next. None for a model without attention.
        """


@dataclass(frozen=True)
class Search:
    """The options of a search. The ids in `forbidden` are never written.

    `normalize` is the norm in the score ("mean", "wu" or "none"), `length_penalty` its exponent. Raises ConfigError for
    penalties that are negative or not finite, as a negative penalty would be a reward.
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
        """Return what the log-probability of a hypothesis of `length` tokens is divided by.

        It never falls as the length grows, which `beam_search` relies on to know when to stop.
        """
        if self.normalize == "none":
            return 1.0
        return (length if self.normalize == "mean" else (5 + length) / 6) ** self.length_penalty


@dataclass(frozen=True)
class Hypothesis:
    """A finished hypothesis."""

    ids: list[int]  # without <bos> and <eos>
    score: float  # what hypotheses are ranked by
    log_p: float  # the log-probability of all tokens, <eos> included, in nats


# --- greedy decoding and sampling -----------------------------------------------------------------------------------


def sample(
    scorer: Scorer, state: Any, limit: Tensor, options: Search, filters: Filters, seeds: Sequence[int]
) -> list[list[Hypothesis]]:
    """Write `n_best` sequences for each sentence token by token, drawn by `filters`. Returns them sorted, best first.

    With temperature 0 this is greedy decoding, and there is one sequence for each sentence. limit (B,) is the largest
    number of tokens to write; after that <eos> is written, whatever was drawn. Each sentence has a generator of its
    own, made from its entry in `seeds`, so what is drawn for it does not depend on the other sentences in the batch.
    """
    o, B, K, device = options, len(limit), 1 if filters.temperature == 0 else options.n_best, limit.device
    sentences = torch.arange(B, device=device)  # (B',), the sentence in each row of the batch
    own = [np.random.default_rng(seed) for seed in seeds]
    if K > 1:
        state = scorer.select(state, sentences, limit.new_zeros(B, K))
    written = limit.new_full((B, K, int(limit.max()) + 1), o.eos)  # what is returned, without <bos>
    total, score = torch.zeros(B, K, device=device), torch.zeros(B, K, device=device)  # log p, and the final scores
    tokens = limit.new_full((B, K), o.bos)  # (B', K), the last tokens
    past = tokens[..., None]  # (B', K, t + 1), all tokens so far, <bos> first
    for t in range(int(limit.max()) + 1):
        scores, state = scorer.step(tokens, state)  # (B', K, V)
        last = (limit[sentences] == t)[:, None]  # (B', 1), whether the limit is reached
        p = _probabilities(scores, past, t, last, o)  # (B', K, V)
        if filters == GREEDY:
            tokens = likeliest_token(p)  # (B', K)
        else:
            noise = np.concatenate([gumbel_noise(K, p.shape[2], own[k]) for k in sentences.tolist()])  # (B' * K, V)
            drawn = draw(p.flatten(0, 1).float().log().cpu().numpy(), filters, noise)  # (B' * K,)
            tokens = torch.from_numpy(drawn).to(device).view(-1, K)  # (B', K)
        tokens = torch.where(last, o.eos, tokens)  # (B', K)
        going_on = (past[..., 1:] != o.eos).all(2)  # (B', K), False where the sequence had ended before
        total[sentences] += torch.where(going_on, p.gather(2, tokens[..., None])[..., 0].float().log(), 0.0)  # (B', K)
        ends = going_on & (tokens == o.eos)  # (B', K), sequences that end with this token
        score[sentences] += torch.where(ends, _score(total[sentences], t, scorer, state, o), 0.0)  # (B', K)
        written[sentences, :, t] = tokens
        past = torch.cat((past, tokens[..., None]), dim=2)  # (B', K, t + 2)
        rows = (going_on & ~ends).any(1).nonzero()[:, 0]  # rows with a sequence that goes on
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
    """The n best hypotheses that have ended so far in each sentence, best first.

    Where a sentence has fewer than n, the score of the missing ones is -inf.
    """

    score: Tensor  # (B, n)
    log_p: Tensor  # (B, n)
    length: Tensor  # (B, n), in tokens without <eos>
    ids: Tensor  # (B, n, T), padded to the longest

    @classmethod
    def none(cls, sentences: int, n: int, like: Tensor) -> "_Kept":
        """Make the value for the start, when nothing has ended yet. Ids have the dtype and device of `like`."""
        score = torch.full((sentences, n), -torch.inf, device=like.device)  # (B, n)
        return cls(score, score, like.new_zeros(sentences, n), like.new_zeros(sentences, n, 0))

    def merged(self, other: "_Kept") -> "_Kept":
        """Return the n best of these and of `other`, whose hypotheses must be at least as long."""
        n, longer = self.score.shape[1], other.ids.shape[2] - self.ids.shape[2]
        mine = self._replace(ids=torch.nn.functional.pad(self.ids, (0, longer)))  # ids: (B, n, T of other)
        both = [torch.cat(pair, dim=1) for pair in zip(mine, other, strict=True)]  # (B, n + n'), ids (B, n + n', T)
        order = both[0].argsort(dim=1, descending=True, stable=True)[:, :n]  # (B, n), by score
        rows = torch.arange(len(order), device=order.device)[:, None]  # (B, 1)
        return _Kept(*(t[rows, order] for t in both))  # (B, n), ids (B, n, T)

    def hypotheses(self, rows: Tensor) -> list[list[Hypothesis]]:
        """Return the hypotheses of some sentences, given as row numbers (n,): a list for each of them."""
        found = zip(*(t[rows].tolist() for t in self), strict=True)
        return [
            [Hypothesis(ids[:n], score, log_p) for score, log_p, n, ids in zip(*row, strict=True) if score > -torch.inf]
            for row in found
        ]


@torch.no_grad()
def beam_search(scorer: Scorer, state: Any, limit: Tensor, options: Search) -> list[list[Hypothesis]]:
    """Find the `n_best` hypotheses of each sentence by beam search with K = `options.beam`. Returns them best first.

    limit (B,) is the largest number of tokens to write, without <eos>. At every step each of the K hypotheses is ended
    once, by <eos>, and the n best of all that have ended so far are kept. Of all other continuations by one token, the
    K best go on.

    The best hypothesis is never worse than that of greedy decoding: the hypothesis that greedy decoding would follow
    stays in the beam until it ends. Where it is not among the K best, it replaces the last of them. A beam of 1 is
    greedy decoding.

    A sentence leaves the batch as soon as no continuation could get among the n kept. This is known from a bound: a
    hypothesis with log-probability L can reach a score of at most L / norm(limit + 1). For L never rises, since every
    further token has a log-probability of at most 0; and as L is negative, dividing it by the largest norm gives the
    highest score. The largest norm is that of the largest length, since norms never fall as the length grows (with
    "none", or with a = 0, they stay the same). The coverage term can rise to 0 at most, because b >= 0 and
    min(sum_t a_ts, 1) <= 1. The bounds of the K hypotheses differ in L alone, so it suffices to look at the likeliest.
    """
    if options.beam == 1:
        return sample(scorer, state, limit, options, GREEDY, range(len(limit)))
    o, K, device = options, options.beam, limit.device
    B, longest = len(limit), int(limit.max())
    found: list[list[Hypothesis]] = [[] for _ in range(B)]
    sentences = torch.arange(B, device=device)  # (B',), the sentence in each row of the batch
    kept = _Kept.none(B, o.n_best, limit)
    tokens = limit.new_full((B, 1), o.bos)  # (B', K'), the last tokens
    past = tokens[..., None]  # (B', K', t + 1), all tokens so far, <bos> first
    total = torch.zeros(B, 1, device=device)  # log p (B', K'), best first; -inf where there is no hypothesis
    greedy = limit.new_zeros(B)  # (B',), which of the K' greedy decoding would follow; -1 where that has ended
    for t in range(longest + 1):
        scores, state = scorer.step(tokens, state)  # (B', K', V)
        last = limit == t  # (B',), whether the limit is reached
        p = _probabilities(scores, past, t, last[:, None], o)  # (B', K', V)
        end = total + p[..., o.eos].float().log()  # (B', K'), log p of each hypothesis when it is ended here
        kept = kept.merged(_ended(past, end, _score(end, t, scorer, state, o), o.n_best))  # (B', n)
        choice = _greedy_choice(p, total, greedy)  # (B', 1)
        p[..., o.eos] = 0.0  # hypotheses that go on
        (total, parents, tokens), greedy = _with_greedy(likeliest(p, total, K), choice, greedy, o.eos)  # (B', K)

        bound = total[:, 0] / o.norm(limit + 1.0)  # (B',)
        going_on = (bound > kept.score[:, -1]) & ~last  # (B',)
        gone, rows = (~going_on).nonzero()[:, 0], going_on.nonzero()[:, 0]  # row numbers
        for k, hypotheses in zip(sentences[gone].tolist(), kept.hypotheses(gone), strict=True):
            found[k] = hypotheses
        if not len(rows):
            break
        if len(gone):
            parents, tokens, total, past = parents[rows], tokens[rows], total[rows], past[rows]
            sentences, limit, greedy, kept = sentences[rows], limit[rows], greedy[rows], _Kept(*(x[rows] for x in kept))
        # (B', K, t + 2)
        past = torch.cat((past.gather(1, parents[..., None].expand(-1, -1, t + 1)), tokens[..., None]), dim=2)
        state = scorer.select(state, rows, parents)
    return found


def _ended(past: Tensor, log_p: Tensor, score: Tensor, n: int) -> _Kept:
    """Select the n best of hypotheses that have just ended.

    past (B, K, t + 1) holds their tokens, <bos> first and without <eos>; log_p and score are (B, K).
    """
    score, best = score.topk(min(n, score.shape[1]), dim=1)  # (B, n)
    rows = torch.arange(len(past), device=past.device)[:, None]  # (B, 1)
    ids = past[rows, best][..., 1:]  # (B, n, t)
    return _Kept(score, log_p.gather(1, best), torch.full_like(best, ids.shape[2]), ids)  # (B, n), ids (B, n, t)


class Continuations(NamedTuple):
    """The best continuations, by one token, of the K hypotheses of each sentence; best first."""

    log_p: Tensor  # (B, n), the log-probability of all tokens so far
    parents: Tensor  # (B, n), which of the K hypotheses is continued
    tokens: Tensor  # (B, n), the token that continues it


def _greedy_choice(p: Tensor, total: Tensor, greedy: Tensor) -> Continuations:
    """Continue the hypothesis that greedy decoding would follow by its likeliest token. Returns (B, 1) each.

    p (B, K, V) are the probabilities, total (B, K) the log-probabilities so far, and greedy (B,) is the index of that
    hypothesis, or -1 where it has ended; what is returned there has no meaning.
    """
    B, K, _ = p.shape
    parents = greedy.clamp(min=0)  # (B,)
    ours = p.flatten(0, 1).index_select(0, torch.arange(B, device=p.device) * K + parents)  # (B, V)
    tokens, parents = likeliest_token(ours)[:, None], parents[:, None]  # (B, 1) each
    return Continuations(total.gather(1, parents) + ours.gather(1, tokens).float().log(), parents, tokens)  # (B, 1)


def _with_greedy(best: Continuations, choice: Continuations, greedy: Tensor, eos: int) -> tuple[Continuations, Tensor]:
    """Put greedy decoding's choice (B, 1) into the best continuations (B, K), in the last place if it is not there.

    Changes `best` and returns it, with the index of that choice (B,); the index is -1 where greedy decoding has ended.
    """
    same = (best.parents == choice.parents) & (best.tokens == choice.tokens)  # (B, K)
    ended = (greedy < 0) | (choice.tokens[:, 0] == eos)  # (B,)
    missing = ~(ended | same.any(1))  # (B,)
    for ours, other in zip(best, choice, strict=True):
        ours[:, -1] = torch.where(missing, other[:, 0], ours[:, -1])  # (B,)
    place = torch.where(missing, same.shape[1] - 1, same.int().argmax(1))  # (B,)
    return best, place.masked_fill(ended, -1)


# --- used by both ---------------------------------------------------------------------------------------------------


def _score(log_p: Tensor, t: int, scorer: Scorer, state: Any, o: Search) -> Tensor:
    """Compute the scores (B, K) of hypotheses with log-probabilities log_p (B, K) whose <eos> is token number t.

    The first token is number 0, so a hypothesis has t + 1 tokens with its <eos>.
    """
    score: Tensor = log_p / o.norm(t + 1.0)  # (B, K)
    covered = scorer.coverage(state) if o.coverage_penalty else None  # (B, K, S)
    # nansum leaves out padding, where the coverage is NaN
    return score if covered is None else score + o.coverage_penalty * covered.clamp(1e-9, 1.0).log().nansum(2)


def _probabilities(scores: Tensor, past: Tensor, t: int, last: Tensor, o: Search) -> Tensor:
    """Compute the model's probabilities (B, K, V) of token number t from its scores (B, K, V), with 0 where a token
    must not be written.

    past (B, K, t + 1) holds the tokens so far, <bos> first. last (B, 1) is True where the limit is reached; there <eos>
    always has a probability above 0, however unlikely it is.
    """
    p = scores.softmax(2)  # (B, K, V)
    end = p[..., o.eos].clamp(min=1e-37)  # (B, K)
    p[..., list(o.forbidden)] = 0.0
    p[..., o.eos] = torch.where(last, end, p[..., o.eos] if t >= o.min_length else 0.0)  # (B, K)
    n = o.no_repeat_ngram
    if n and t >= n:
        grams = past[..., 1:].unfold(2, n, 1)  # all n-grams so far: (B, K, t - n + 1, n)
        # those that begin with the last n - 1 tokens: (B, K, t - n + 1)
        begins = (grams[..., : n - 1] == past[..., None, t - n + 2 :]).all(3)
        again = torch.where(begins, grams[..., -1], o.bos)  # (B, K, t - n + 1); <bos> is forbidden anyway
        p.scatter_(2, again, 0.0)
    if n or o.min_length:  # where no token is allowed, <eos> is
        p[..., o.eos] = torch.where(p.amax(2) == 0, end, p[..., o.eos])  # (B, K)
    return p


def likeliest_token(p: Tensor) -> Tensor:
    """Return the id (...) of the likeliest token for probabilities p (..., V), the first one if several are equal."""
    first = block_maxima(p).argmax(-1, keepdim=True) * BLOCK  # the first token of the best block, (..., 1)
    tokens = (first + torch.arange(BLOCK, device=p.device)).clamp(max=p.shape[-1] - 1)  # (..., BLOCK)
    return tokens.gather(-1, p.gather(-1, tokens).argmax(-1, keepdim=True))[..., 0]  # (...)


def likeliest(p: Tensor, total: Tensor, count: int) -> Continuations:
    """Select the best `count` of the K * V continuations of each sentence by one token; fewer if there are fewer.

    p (B, K, V) are the probabilities of the tokens, total (B, K) the log-probabilities of the hypotheses so far.
    Returns log-probabilities, parents and tokens, (B, count) each, best first. The best n of many numbers always lie in
    the n blocks with the largest maxima, so only those blocks are searched: the result is exact, and much faster.
    """
    K, V = p.shape[1:]
    if count >= K * (V // BLOCK):
        log_p, index = (p.float().log() + total[..., None]).flatten(1).topk(min(count, K * V), dim=1)  # (B, count)
        return Continuations(log_p, index // V, index % V)
    maxima = block_maxima(p)  # (B, K, N) for N blocks
    blocks = (maxima.float().log() + total[..., None]).flatten(1).topk(count, dim=1).indices  # (B, count)
    parents = blocks // maxima.shape[2]  # (B, count)
    tokens = (blocks % maxima.shape[2] * BLOCK)[..., None] + torch.arange(BLOCK, device=p.device)  # (B, count, BLOCK)
    near = (parents[..., None] * V + tokens.clamp(max=V - 1)).flatten(1)  # (B, count * BLOCK), indices into (K * V)
    # (B, count, BLOCK)
    values = p.flatten(1).gather(1, near).float().log().view_as(tokens) + total.gather(1, parents)[..., None]
    log_p, index = values.masked_fill(tokens >= V, -torch.inf).flatten(1).topk(count, dim=1)  # (B, count) each
    return Continuations(log_p, parents.gather(1, index // BLOCK), tokens.flatten(1).gather(1, index).clamp(max=V - 1))


def block_maxima(p: Tensor) -> Tensor:
    """Return the maximum of each block of BLOCK numbers, none of them negative: (..., V) -> (..., N), N blocks.

    N is V / BLOCK rounded up; the last block may be shorter.
    """
    # Non-negative bf16 numbers have the same order as their bits read as integers, and torch finds the maximum of
    # integers faster than that of bf16 numbers.
    bits = p.view(torch.int16) if p.dtype == torch.bfloat16 else p  # (..., V)
    whole = p.shape[-1] // BLOCK * BLOCK
    parts = [bits[..., :whole].unflatten(-1, (-1, BLOCK)).amax(-1)] if whole else []  # (..., V // BLOCK)
    if whole < p.shape[-1]:
        parts.append(bits[..., whole:].amax(-1, keepdim=True))  # (..., 1)
    return torch.cat(parts, dim=-1).view(p.dtype)  # (..., N)
