"""Searches against answers worked by hand and by brute force, on models that are tables of transitions."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from seqcli.core.decoding.sampling import Filters
from seqcli.core.decoding.search import Hypothesis, Search, beam_search, likeliest, sample
from seqcli.errors import ConfigError

BOS, EOS, FORBIDDEN = 2, 3, (0, 2)


class Table:
    """A model whose next token depends on the sentence and the last token; its state is all that was written.

    Every step checks that the state it is given is the history of the tokens it is given.
    """

    def __init__(self, scores: Tensor, looks: Tensor | None = None) -> None:
        self.scores, self.looks, self.rows = scores, looks, 0  # (B, V, V) by last token; attention (V, S) by last token

    def start(self) -> Any:
        B = len(self.scores)
        return torch.arange(B), torch.zeros(B, 1, 0, dtype=torch.long)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        sentences, history = state
        self.rows += tokens.numel()
        if history.shape[2]:
            assert tokens.shape == history.shape[:2] and len(sentences) == len(tokens)
        history = torch.cat((history.expand(-1, tokens.shape[1], -1), tokens[..., None]), dim=2)
        return self.scores[sentences[:, None], tokens].clone(), (sentences, history)

    def select(self, state: Any, sentences: Tensor, parents: Tensor) -> Any:
        which, history = state
        return which[sentences], history[sentences[:, None], parents]

    def coverage(self, state: Any) -> Tensor | None:
        return None if self.looks is None else self.looks[state[1]].sum(2)


def log_p(table: Tensor, ids: list[int]) -> float:
    """log p of a sequence with its <eos>, by a softmax over the whole vocabulary."""
    rows = table[[BOS, *ids]].log_softmax(1)
    return float(rows[torch.arange(len(rows)), [*ids, EOS]].sum())


def score(table: Tensor, looks: Tensor, ids: list[int], **options: Any) -> float:
    """What a sequence is ranked by; the last column of looks (V, S) is padding."""
    o = Search(**options)
    covered = looks[[BOS, *ids], :-1].sum(0).clamp(max=1.0)
    return log_p(table, ids) / o.norm(len(ids) + 1.0) + o.coverage_penalty * float(covered.log().sum())


def every(vocab: int, limit: int) -> list[list[int]]:
    """All sequences of at most `limit` tokens."""
    real = [id for id in range(vocab) if id not in (*FORBIDDEN, EOS)]
    return [list(ids) for n in range(limit + 1) for ids in itertools.product(*[real] * n)]


def random_table(sentences: int = 5, vocab: int = 7, seed: int = 0) -> Tensor:
    return 2 * torch.randn(sentences, vocab, vocab, generator=torch.Generator().manual_seed(seed))


def search(model: Table, limit: list[int], **options: Any) -> list[list[Hypothesis]]:
    return beam_search(model, model.start(), torch.tensor(limit), Search(**options))


def greedy(model: Table, limit: list[int], **options: Any) -> list[list[Hypothesis]]:
    o = Search(**options)
    return sample(model, model.start(), torch.tensor(limit), o, Filters(temperature=0.0), range(len(limit)))


def by_hand() -> Table:
    """Tokens A = 4, B = 5.  <bos>: A .6, B .4;  A: A .3, B .3, <eos> .4;  B: <eos> .9, A .1."""
    p = torch.full((6, 6), 1e-30)
    p[BOS, 4], p[BOS, 5] = 0.6, 0.4
    p[4, 4], p[4, 5], p[4, EOS] = 0.3, 0.3, 0.4
    p[5, EOS], p[5, 4] = 0.9, 0.1
    return Table(p.log()[None])


def test_greedy_takes_the_likeliest_token_and_misses_the_likeliest_sequence() -> None:
    (found,) = greedy(by_hand(), [4], normalize="none")
    assert found[0].ids == [4] and found[0].log_p == pytest.approx(math.log(0.6 * 0.4))


def test_a_beam_of_two_finds_it() -> None:
    (found,) = search(by_hand(), [4], beam=2, n_best=2, normalize="none")
    # B <eos> = .4 * .9 = .36;  A <eos> = .6 * .4 = .24
    assert [h.ids for h in found] == [[5], [4]]
    assert [h.score for h in found] == pytest.approx([math.log(0.36), math.log(0.24)])


def test_length_normalization_by_hand() -> None:
    # mean log p:  B <eos> ln .36 / 2 = -.511;  A B <eos> ln(.6 * .3 * .9) / 3 = -.607;  A <eos> ln .24 / 2 = -.714
    (found,) = search(by_hand(), [4], beam=8, n_best=3, normalize="mean")
    assert [h.ids for h in found] == [[5], [4, 5], [4]]
    # Wu's norm with a = 3 favours length:  ((5 + 3) / 6)^3 = 2.37 for A B <eos>, ((5 + 2) / 6)^3 = 1.588 for B <eos>
    (found,) = search(by_hand(), [4], beam=8, n_best=2, normalize="wu", length_penalty=3.0)
    assert [h.ids for h in found] == [[5], [4, 5]]
    assert [h.score for h in found] == pytest.approx([math.log(0.36) / (7 / 6) ** 3, math.log(0.162) / (8 / 6) ** 3])


@pytest.mark.parametrize("normalize", ["none", "mean", "wu"])
def test_beam_of_one_is_greedy(normalize: str) -> None:
    model, limit = Table(random_table(40)), [1 + k % 6 for k in range(40)]
    one = search(model, limit, beam=1, normalize=normalize)
    assert one == [
        [Hypothesis(h.ids, pytest.approx(h.score, abs=1e-5), pytest.approx(h.log_p, abs=1e-5)) for h in sentence]
        for sentence in greedy(model, limit, normalize=normalize)
    ]


NORMS: list[dict[str, Any]] = [
    {"normalize": "none"},
    {"normalize": "mean"},
    {"normalize": "mean", "length_penalty": 0.0},
    {"normalize": "mean", "length_penalty": 2.5},
    {"normalize": "wu", "length_penalty": 0.8},
]


def looked(vocab: int, seed: int = 1) -> Tensor:
    """Attention (V, S) by last token, the last column padding."""
    looks = torch.rand(vocab, 4, generator=torch.Generator().manual_seed(seed)) / 2
    looks[:, -1] = torch.nan
    return looks


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("beta", [0.0, 0.3, 4.0])
def test_wide_beam_equals_brute_force(norm: dict[str, Any], beta: float) -> None:
    """Where no hypothesis has to be left behind, the n best of all sequences are found: nothing is stopped too soon."""
    table, limit, looks = random_table(), [3, 4, 2, 5, 4], looked(7)
    options = {**norm, "coverage_penalty": beta}
    found = search(Table(table, looks), limit, beam=500, n_best=4, **options)
    for k, longest in enumerate(limit):
        scores = {tuple(ids): score(table[k], looks, ids, **options) for ids in every(7, longest)}
        best = sorted(scores.values(), reverse=True)[:4]
        ours = list(dict.fromkeys(tuple(h.ids) for h in found[k]))
        assert [scores[ids] for ids in ours] == pytest.approx(best, abs=1e-4)
        assert [h.score for h in found[k]] == pytest.approx(best, abs=1e-4)
        assert [h.log_p for h in found[k]] == pytest.approx([log_p(table[k], list(ids)) for ids in ours], abs=1e-4)


def tables(kind: str, sentences: int, vocab: int, seed: int) -> Tensor:
    """Transitions as trained models have them: random ones, peaked ones, and peaked ones with smoothed labels."""
    table = random_table(sentences, vocab, seed)
    if kind == "random":
        return table
    p = (5 * table).softmax(2)
    smoothing = 0.1 if kind == "smoothed" else 1e-6
    return ((1 - smoothing) * p + smoothing / vocab).log()


@pytest.mark.parametrize("kind", ["random", "peaked", "smoothed"])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_no_beam_is_worse_than_greedy(kind: str, norm: dict[str, Any]) -> None:
    """And scores are those of their sequences; the n best differ and are sorted."""
    for seed, vocab in enumerate((5, 8, 70)):  # of 70 the best are looked for in blocks
        table, looks, limit = tables(kind, 40, vocab, seed), looked(vocab), [1 + k % 12 for k in range(40)]
        for beta, beam in itertools.product((0.0, 0.3), (1, 2, 3, 10)):
            options = {**norm, "coverage_penalty": beta}
            found = search(Table(table, looks), limit, beam=beam, n_best=min(beam, 3), **options)
            for k, (one,) in enumerate(greedy(Table(table, looks), limit, **options)):
                best = found[k][0]
                assert best.score >= one.score - 1e-5
                assert best.score == pytest.approx(score(table[k], looks, best.ids, **options), abs=1e-3)
                assert len({tuple(h.ids) for h in found[k]}) == len(found[k])
                assert found[k] == sorted(found[k], key=lambda h: -h.score)


def test_nothing_is_stopped_that_could_still_win() -> None:
    """Two bad answers end among the first, one of them greedy decoding's, and the good one, longer, after them."""
    p = torch.full((8, 8), 1e-9)
    p[BOS, 4], p[BOS, EOS] = 0.4, 0.6
    p[4, 5], p[4, EOS] = 0.7, 0.3  # each step has a cheap end
    p[5, 6], p[5, EOS] = 0.7, 0.3
    p[6, 7], p[6, EOS] = 0.7, 0.3
    p[7, EOS] = 1.0
    for beam in (2, 3, 5, 10):
        (found,) = search(Table(p.log()[None]), [30], beam=beam)
        assert found[0].ids == [4, 5, 6, 7]  # (ln .4 + 3 ln .7) / 5 = -.40;  <eos>: ln .6 = -.51;  4 <eos>: -1.06


def test_an_answer_cut_off_pays_for_its_end() -> None:
    """A A A ... never ends by itself; B ends at once, and is much likelier than A A A with an <eos> forced on it."""
    p = torch.full((6, 6), 1e-9)
    p[BOS, 4], p[BOS, 5] = 0.9, 0.1
    p[4, 4], p[4, EOS] = 0.999, 0.001
    p[5, EOS] = 1.0
    model = Table(p.log()[None])
    (found,) = search(model, [3], beam=2, normalize="none")
    assert found[0].ids == [5] and found[0].log_p == pytest.approx(math.log(0.1), abs=1e-4)
    (cut,) = greedy(model, [3], normalize="none")
    assert cut[0].ids == [4, 4, 4] and cut[0].log_p == pytest.approx(math.log(0.9 * 0.999**2 * 0.001), abs=1e-3)


def test_what_may_not_come_gives_its_probability_to_nobody() -> None:
    """With `min_length` and `no_repeat_ngram` a sequence has the log p that it has without."""
    table, limit = random_table(12, vocab=6, seed=8), [6] * 12
    for options in ({"min_length": 4}, {"no_repeat_ngram": 1}, {"no_repeat_ngram": 2, "min_length": 6}):
        for found in (search(Table(table), limit, beam=4, n_best=2, **options), greedy(Table(table), limit, **options)):
            for k, sentence in enumerate(found):
                for h in sentence:
                    assert h.log_p == pytest.approx(log_p(table[k], h.ids), abs=1e-3)


@pytest.mark.parametrize("penalty", [-1.0, math.inf, math.nan])
def test_penalties_that_cannot_be(penalty: float) -> None:
    for name in ("length_penalty", "coverage_penalty"):
        with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} is {penalty}"):
            Search(**{name: penalty})


@pytest.mark.parametrize("beam", [1, 3, 5])
def test_a_batch_equals_each_sentence_alone(beam: int) -> None:
    table, limit = random_table(30, seed=3), [1 + k % 9 for k in range(30)]
    together = search(Table(table), limit, beam=beam, n_best=min(beam, 2))
    for k in range(30):
        (alone,) = search(Table(table[k : k + 1]), limit[k : k + 1], beam=beam, n_best=min(beam, 2))
        assert [h.ids for h in together[k]] == [h.ids for h in alone]


def test_finished_sentences_cost_nothing_more() -> None:
    table = torch.full((50, 6, 6), -30.0)
    table[:, :, EOS] = 0.0  # ends at once
    table[0, :, EOS], table[0, :, 4] = -30.0, 0.0  # but for one, which never does
    model = Table(table)
    found = search(model, [20] * 50, beam=1)
    assert len(found[0][0].ids) == 20 and found[1][0].ids == []
    assert model.rows == 50 + 20


def test_lengths_and_what_may_stand_in_a_sequence() -> None:
    table, limit = random_table(20, vocab=9, seed=5), [3 + k % 5 for k in range(20)]
    for found in (
        search(Table(table), limit, beam=4, n_best=4, min_length=3, forbidden=(0, 2, 6)),
        greedy(Table(table), limit, min_length=3, forbidden=(0, 2, 6)),
    ):
        for sentence, longest in zip(found, limit, strict=True):
            for h in sentence:
                assert 3 <= len(h.ids) <= longest and not {0, 2, 3, 6} & set(h.ids)
    for sentence in search(Table(table), limit, beam=4, n_best=4):
        assert len({tuple(h.ids) for h in sentence}) == len(sentence)
        assert [h.score for h in sentence] == sorted((h.score for h in sentence), reverse=True)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_ngram_twice(n: int) -> None:
    table = random_table(20, vocab=6, seed=7)
    table[:, :, EOS] -= 4  # long ones
    plain = search(Table(table), [12] * 20, beam=3)
    assert any(repeats(h.ids, n) for sentence in plain for h in sentence)
    limit = [12] * 20
    for found in (
        search(Table(table), limit, beam=3, no_repeat_ngram=n),
        greedy(Table(table), limit, no_repeat_ngram=n),
    ):
        assert not any(repeats(h.ids, n) for sentence in found for h in sentence)


def repeats(ids: list[int], n: int) -> bool:
    grams = [tuple(ids[k : k + n]) for k in range(len(ids) - n + 1)]
    return len(set(grams)) < len(grams)


def test_sampling_follows_the_distribution() -> None:
    model = by_hand()
    options = Search(n_best=4000, normalize="none")
    (found,) = sample(model, model.start(), torch.tensor([2]), options, Filters(), [1])
    part = {tuple(ids): sum(h.ids == ids for h in found) / 4000 for ids in ([4], [5], [4, 5], [4, 4], [5, 4])}
    # after two tokens <eos> comes in any case, but costs what it would have cost
    wanted = {(4,): 0.24, (5,): 0.36, (4, 5): 0.18, (4, 4): 0.18, (5, 4): 0.04}
    assert part == pytest.approx(wanted, abs=0.025)
    end = {4: 0.4, 5: 0.9}
    for h in found[:50]:
        p = wanted[tuple(h.ids)] * (end[h.ids[-1]] if len(h.ids) == 2 else 1)
        assert h.log_p == pytest.approx(math.log(p), abs=1e-4)


def test_draws_for_a_sentence_do_not_depend_on_its_batch() -> None:
    table = random_table(6, seed=9)
    options = Search(n_best=3)

    def draw(sentences: Tensor) -> list[list[Hypothesis]]:
        model = Table(sentences)
        limit = torch.full((len(sentences),), 6)
        return sample(model, model.start(), limit, options, Filters(), range(4, 4 + len(sentences)))

    assert draw(table)[:2] == draw(table[:2])


@pytest.mark.parametrize("vocab", [3, 64, 1001, 6016])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_likeliest_equals_a_sort_of_all(vocab: int, count: int) -> None:
    random = torch.Generator().manual_seed(2)
    p = torch.randn(13, 5, vocab, generator=random).softmax(2)
    p[3, :, : vocab - 2] = 0
    total = torch.randn(13, 5, generator=random)
    log_p, parents, tokens = likeliest(p, total, count)
    wanted = (p.log() + total[..., None]).flatten(1)
    torch.testing.assert_close(log_p, wanted.sort(dim=1, descending=True).values[:, :count])
    torch.testing.assert_close(wanted.gather(1, parents * vocab + tokens), log_p)
