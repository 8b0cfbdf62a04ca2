"""Blocks of words: who is paired with whom, how often words are kept, and what the negatives are drawn from."""

import numpy as np
import pytest

from seqcli.core.tasks.embed import skipgrams
from seqcli.core.tasks.embed.skipgrams import Block, WindowBatches, Words, has_neighbours
from seqcli.core.tokenizers import EOS, UNK

V = 40


def zipf(n: int, seed: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    weights = 1 / np.arange(1, V - 3)
    return np.random.default_rng(seed).choice(np.arange(4, V), n, p=weights / weights.sum())


def pairs_of(blocks: list[Block], w: int) -> list[tuple[int, int]]:
    """(centre, neighbour) by their places in the text that is left."""
    found, start = [], 0
    for block in blocks:
        c = block.pairs.shape[1]
        for chunk, t, x in block.pairs.nonzero().tolist():
            place = start + chunk * c
            found.append((place + t, place + x - w))
        start += len(block.centres)
    return found


def test_windows_stay_in_their_lines_and_close_up_over_what_is_left_out() -> None:
    lines = [[5, 6, UNK, 7], [8], [9, 10, 11, 12, 13, 14], [UNK], [15, 16]]
    ids = np.array([id for line in lines for id in [*line, EOS]], dtype=np.uint16)
    text = [(k, id) for k, line in enumerate(lines) for id in line if id != UNK]
    w, reached = 3, set()
    for step in range(40):
        blocks = WindowBatches(ids, Words(ids, V, 0), window=w, batch_size=32, shared=8, seed=2)[step]
        assert [id for block in blocks for id in block.centres.tolist()][: len(text)] == [id for _, id in text]
        here = pairs_of(blocks, w)
        assert len(set(here)) == len(here)
        widths = {a: max(abs(a - b) for x, b in here if x == a) for a, _ in here}
        for a, (line, _) in enumerate(text):
            near = {b for b, (other, _) in enumerate(text) if other == line and 0 < abs(a - b) <= widths.get(a, 0)}
            assert {b for x, b in here if x == a} == near  # all within its own width, on both sides
        reached |= {abs(a - b) for a, b in here}
    assert reached == {1, 2, 3}


@pytest.mark.parametrize("size", [1, 2, 3, 99])
def test_neighbours_are_known_words_of_one_line(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the pieces end in which a long text is looked through."""
    monkeypatch.setattr(skipgrams, "PIECE", size)
    for lines, there in (
        ([], False),
        ([[5]], False),
        ([[5], [], [6], [UNK, 7, UNK], [UNK]], False),
        ([[5], [6, 6]], True),
        ([[UNK], [5, UNK, UNK, 6], [7]], True),
    ):
        ids = np.array([id for line in lines for id in [*line, EOS]], dtype=np.uint16)
        assert has_neighbours(ids) == there, lines


def test_near_words_are_paired_more_often() -> None:
    """At distance d with probability (w - d + 1) / w."""
    ids, w = zipf(20_000), 4
    blocks = WindowBatches(ids, Words(ids, V, 0), window=w, batch_size=64, shared=8)[0]
    away = np.array([abs(a - b) for a, b in pairs_of(blocks, w)])
    share = np.bincount(away, minlength=w + 1)[1:] / (2 * len(ids))
    assert share == pytest.approx([1, 0.75, 0.5, 0.25], abs=0.02)


def test_frequent_words_are_thinned_out_by_the_formula() -> None:
    ids, t = zipf(300_000), 0.02
    words = Words(ids, V, t)
    batches = WindowBatches(ids, words, window=2, batch_size=512, shared=8)
    kept = np.zeros(V)
    for step in range(batches.steps_per_epoch):
        for block in batches[step]:
            kept += np.bincount(block.centres, minlength=V)
    f = np.bincount(ids, minlength=V) / len(ids)
    expected = [min(1, (t / x) ** 0.5 + t / x) * x * len(ids) for x in f[4:]]
    assert kept[4:] == pytest.approx(expected, rel=0.05)
    assert kept[4] < 0.5 * f[4] * len(ids)
    rare = f < t / 3
    assert (kept[rare][4:] == (f * len(ids)).round()[rare][4:]).all()


def test_negatives_follow_the_counts_to_the_power_of_three_quarters() -> None:
    ids = np.concatenate((zipf(50_000), np.full(9000, EOS), np.full(9000, UNK)))
    words = Words(ids, V, 1e-3)
    drawn = words.draw(np.random.default_rng(7), 4000, 32)
    counts = np.bincount(drawn.ravel(), minlength=V)
    expected = np.bincount(ids, minlength=V).astype(float) ** 0.75
    expected[:4] = 0
    expected *= counts.sum() / expected.sum()
    assert counts[:4].sum() == 0
    here = expected > 0
    assert ((counts - expected)[here] ** 2 / expected[here]).sum() < 70  # chi-square, 35 degrees of freedom: p = 0.0004
    assert words.noise == pytest.approx(expected / expected.sum())
    # each row has the frequent words as often as it should, give or take one
    top = int(np.argmax(expected))
    in_row = (drawn == top).sum(1)
    assert in_row.max() - in_row.min() <= 2


def test_a_step_depends_on_its_number_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgrams, "STRETCH", 500)
    ids = zipf(1800)

    def batches(seed: int = 3) -> WindowBatches:
        return WindowBatches(ids, Words(ids, V, 0.05), window=3, batch_size=70, shared=8, seed=seed)

    first = batches()
    assert first.steps_per_epoch == 4
    assert [first.tokens(k) for k in range(5)] == [500, 500, 500, 300, 500]
    for k in (5, 2, 2):
        for a, b in zip(first[k], batches()[k], strict=True):
            assert all(x.equal(y) for x, y in zip(a, b, strict=True))
    for other in (first[6], batches(4)[2]):  # the next epoch, another seed
        assert not all(a.centres.equal(b.centres) for a, b in zip(first[2], other, strict=False))
    assert {len(block.centres) for block in first[2][:-1]} == {96}  # whole chunks


def test_nothing_to_train_on_in_a_stretch_is_no_fault() -> None:
    ids = np.array([UNK, EOS, 4, 5, EOS])
    words = Words(ids, V, 0)
    assert WindowBatches(ids[:2], words, window=2, batch_size=32, shared=8)[0] == []
