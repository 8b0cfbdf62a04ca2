"""Pairs: what is read, what is refused, and batches that hold every pair once."""

from pathlib import Path

import numpy as np
import pytest

from seqcli.core.data.ragged import Lines
from seqcli.core.tasks.translate.pairs import (
    PairBatches,
    PairReader,
    PairSet,
    held_out,
    longest_targets,
    pair_batch,
    pairs_in_order,
)
from seqcli.core.tokenizers import BOS, EOS
from seqcli.core.tokenizers.char import CharTokenizer
from seqcli.errors import DataError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_pairs_and_passes_over_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "\ufeffein Hund\ta dog\r\n\r\n 개 \t dog \n")
    assert list(PairReader().read([path])) == [("ein Hund", "a dog"), ("개", "dog")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("one", ["line 2", "1 column where", "'one'"]),
        ("a\tb\tc", ["line 2", "3 columns where"]),
        ("a\t ", ["line 2", "an empty target"]),
        ("\tb", ["line 2", "an empty source"]),
    ],
)
def test_bad_lines_are_named_or_counted(tmp_path: Path, line: str, words: list[str]) -> None:
    path = write(tmp_path / "a.tsv", f"a\tb\n{line}\nc\td\n")
    with pytest.raises(DataError) as error:
        list(PairReader().read([path]))
    assert all(word in str(error.value) for word in (*words, str(path), "--skip-bad-lines"))
    reader = PairReader(skip=True)
    assert list(reader.read([path])) == [("a", "b"), ("c", "d")] and reader.skipped == 1


def test_two_files_must_have_as_many_lines(tmp_path: Path) -> None:
    de, en = write(tmp_path / "a.de", "ein\nzwei\n"), write(tmp_path / "a.en", "one\ntwo")
    assert list(PairReader().read_parallel(de, en)) == [("ein", "one"), ("zwei", "two")]
    write(en, "one\n")
    with pytest.raises(DataError, match=r"a\.en ends after 1 lines"):
        list(PairReader().read_parallel(de, en))


def some_pairs(count: int = 200, seed: int = 0) -> PairSet:
    random = np.random.default_rng(seed)
    lines = [[random.integers(4, 99, random.integers(0, 20)).astype(np.int32) for _ in range(count)] for _ in range(2)]
    return PairSet(Lines.of(lines[0]), Lines.of(lines[1]))


def test_lines_come_back_as_they_were() -> None:
    tokenizer = CharTokenizer("abc")
    lines = Lines.of(tokenizer.encode_lines(["abc", "", "ca"]))
    assert [tokenizer.decode(lines[k]) for k in range(3)] == ["abc", "", "ca"]
    assert [int(lines[k][-1]) for k in range(3)] == [EOS] * 3
    ids, mask = lines.reversed(np.array([2, 0, 1]))
    assert [tokenizer.decode(row) for row in ids.numpy()] == ["ac", "cba", ""]
    assert mask.sum(1).tolist() == [3, 4, 1] and (ids[mask][[2, 6, 7]] == EOS).all()


def test_every_pair_once_an_epoch_in_another_order() -> None:
    pairs = some_pairs()
    batches = PairBatches(pairs, batch_tokens=120, seed=3)
    epochs = []
    for epoch in range(2):
        seen = []
        for k in range(batches.steps_per_epoch):
            b = batches[epoch * batches.steps_per_epoch + k]
            assert (b.inputs[:, 0] == BOS).all() and (b.inputs[:, 1:] == b.targets[:, :-1]).all()
            assert b.tokens == int(b.mask.sum())
            longer = max(b.source.shape[1], b.targets.shape[1])
            assert len(b.source) == 1 or len(b.source) * (longer - 1) <= 120  # about: the order is disturbed by a token
            rows = zip(b.source, b.source_mask, b.targets, b.mask, strict=True)
            seen += [(*s[m].tolist(), *t[n].tolist()) for s, m, t, n in rows]
        epochs.append(seen)
    wanted = sorted((*pairs.source[k].tolist(), *pairs.target[k].tolist()) for k in range(len(pairs)))
    assert sorted(epochs[0]) == sorted(epochs[1]) == wanted and epochs[0] != epochs[1]
    again = PairBatches(pairs, batch_tokens=120, seed=3)  # a batch depends on its number alone
    assert (again[7].source == batches[7].source).all()


def test_batches_by_pairs_and_in_order() -> None:
    pairs = some_pairs(50)
    sizes = [len(PairBatches(pairs, batch_size=16)[k].source) for k in range(4)]
    assert sorted(sizes) == [2, 16, 16, 16]
    assert sum(b.tokens for b in pairs_in_order(pairs, 64)) == len(pairs.target.ids)
    assert pair_batch(pairs, np.array([4])).targets[0].tolist() == pairs.target[4].tolist()


# --- what is held out -----------------------------------------------------------------------------------------------


def of_words(*texts: str) -> PairSet:
    """Pairs of SOURCE>TARGET."""
    tokenizer = CharTokenizer("abcdefghijklmnopqrstuvwxyz")
    return PairSet.of([(s, t) for s, t in (text.split(">") for text in texts)], tokenizer, tokenizer)


def test_all_pairs_of_a_source_are_on_one_side() -> None:
    random = np.random.default_rng(4)
    sources = ["".join(random.choice(list("abc"), random.integers(1, 4))) for _ in range(400)]  # 39 different ones
    pairs = of_words(*(f"{source}>{source}" for source in sources))
    for seed in range(5):
        held = held_out(pairs, 0.2, 0, seed)
        assert 40 < len(held) <= 80 and len(set(held.tolist())) == len(held)
        mine, others = ({sources[k] for k in rows} for rows in (held, np.setdiff1d(np.arange(400), held)))
        assert not mine & others
    assert set(held_out(pairs, 0.2, 0, 1).tolist()) != set(held_out(pairs, 0.2, 0, 2).tolist())


def test_how_much_is_held_out() -> None:
    pairs = of_words(*(f"{a}{b}>{b}{a}" for a in "abcdefghij" for b in "abcdefghij"))
    assert len(held_out(pairs, 0.1, 0, 1)) == 10
    assert len(held_out(pairs, 0.1, 12, 1)) == 4  # of three tokens each, <eos> included
    assert len(held_out(pairs, 0.1, 1, 1)) == 1
    assert not len(held_out(pairs, 0.0, 0, 1))
    one_source = of_words(*(f"a>{b}" for b in "abcdefghij"))
    assert not len(held_out(one_source, 0.2, 0, 1)), "there would be nothing left to train on"


def test_longest_targets_by_the_length_of_the_source() -> None:
    pairs = of_words("aa>abcd", "a>ab", "aaaa>abc", "aa>a", "aaaaa>abcdefg", "a>abc")
    assert longest_targets(pairs, few=1) == [(1, 3), (2, 4), (5, 7)]
    assert longest_targets(pairs, few=3) == [(1, 4), (5, 7)]
    assert longest_targets(pairs) == [(1, 7)], "six are few"
    assert pairs.longer_sides.tolist() == [4, 2, 4, 2, 7, 3]
