"""Tagged sentences and labelled texts: what is read and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from seqcli.core.data.labelled import Labelled, LabelReader, stratified
from seqcli.core.data.ragged import Ragged, RowBatches, rows_in_order
from seqcli.core.data.sentences import Sentence, SentenceSet, read_sentences
from seqcli.core.tokenizers import UNK
from seqcli.core.tokenizers.char import CharTokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import ConfigError, DataError

CONLLU = """# sent_id = 1
# text = I don't.
1	I	I	PRON	PRP	Case=Nom|Number=Sing	0	root	_	_
2-3	don't	_	_	_	_	_	_	_	SpaceAfter=No
2	do	do	AUX	VBP	_	1	aux	_	_
3	n't	not	PART	RB	Polarity=Neg	1	advmod	_	_
3.1	go	go	VERB	VB	_	_	_	_	_
4	.	.	PUNCT	.	_	1	punct	_	_


# only = comments

1	#	#	SYM	_	_	0	root	_	_
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def line_of(*columns: str) -> str:
    return "\t".join(columns)


def test_conllu_gives_syntactic_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", CONLLU.replace("# only = comments\n", ""))
    words, hash_ = ["I", "do", "n't", "."], Sentence(["#"], ["SYM"])
    assert list(read_sentences([path])) == [Sentence(words, ["PRON", "AUX", "PART", "PUNCT"]), hash_]
    feats = next(read_sentences([path], "feats")).tags
    assert feats == ["Case=Nom|Number=Sing", "_", "Polarity=Neg", "_"]
    assert next(read_sentences([path], "xpos")).tags == ["PRP", "VBP", "RB", "."]


def test_two_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "\ufeffEin\tDET\r\nHund\tNOUN\r\n\r\n\r\n#\tSYM\r\n")
    assert list(read_sentences([path])) == [Sentence(["Ein", "Hund"], ["DET", "NOUN"]), Sentence(["#"], ["SYM"])]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (line_of("1", *"abcdefghi") + "\n" + line_of("2", *"abc") + "\n", ["line 2", "4 columns", "has 10"]),
        (line_of("1", *"abc") + "\n", ["line 1", "4 columns where CoNLL-U has 10"]),
        ("word\n", ["line 1", "1 column where"]),
        ("a\tX\n\nb\tX\nc\t\n", ["line 4", "an empty tag"]),
        ("a\tb\tc\n", ["line 1", "3 columns where"]),
        (line_of("x", *"abcdefghi") + "\n", ["line 1", "no CoNLL-U"]),
        (line_of("1-2", "don't", *"________") + "\n", ["line 1", "no word"]),
    ],
)
def test_bad_sentences_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path / "a.conllu", text)
    with pytest.raises(DataError) as error:
        list(read_sentences([path]))
    assert all(word in str(error.value) for word in (*words, str(path))), error.value


def test_a_batch_has_every_form_once() -> None:
    words, characters = WordTokenizer(["a", "cat"]), CharTokenizer("act")
    data = SentenceSet.of([["a", "cat"], ["tac", "a", "cat"], ["tact"]], words, characters)
    batch = data.batch(np.array([1, 0]))
    assert batch.words.tolist() == [[UNK, 4, 5], [4, 5, 0]]
    assert batch.mask.tolist() == [[True] * 3, [True, True, False]]
    spelled = ["".join(characters.decode(batch.characters[int(f)].numpy()) for f in row) for row in batch.forms[:1]]
    assert spelled == ["tacacat"]
    assert batch.characters.shape == (3, 3)  # tact stands in neither sentence


def test_labelled_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'fine\tgood\n\n" so so\tbad\n')
    assert list(LabelReader().read([path])) == [Labelled("fine", "good"), Labelled('" so so', "bad")]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_columns_by_name(tmp_path: Path, separator: str) -> None:
    rows = [["id", "stars", "review"], ["1", "5", "fine"], ["2", "1", "bad"]]
    path = write(tmp_path / ("a.csv" if separator == "," else "a.tsv"), "\n".join(map(separator.join, rows)))
    found = list(LabelReader("review", "stars").read([path]))
    assert found == [Labelled("fine", "5"), Labelled("bad", "1")]
    with pytest.raises(ConfigError, match=r"no column 'label'; its columns are id, stars, review"):
        list(LabelReader("review", "label").read([path]))
    with pytest.raises(ConfigError, match="go together"):
        list(LabelReader("review").read([path]))


def test_quotes_count_in_csv(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n"one, two\nthree",x\n')
    assert list(LabelReader("text", "label").read([path])) == [Labelled("one, two\nthree", "x")]
    with pytest.raises(DataError, match=r"a\.csv, line 2.*no CSV"):
        list(LabelReader("text", "label").read([write(path, 'text,label\n"open,x\n')]))


@pytest.mark.parametrize(
    ("line", "what"),
    [("one", "1 column where"), ("a\tb\tc", "3 columns"), ("a\t ", "empty label"), ("\tb", "empty text")],
)
def test_bad_labelled_lines(tmp_path: Path, line: str, what: str) -> None:
    path = write(tmp_path / "a.tsv", f"fine\tgood\n{line}\nso\tbad\n")
    with pytest.raises(DataError, match=f"line 2: .*{what}"):
        list(LabelReader().read([path]))
    reader = LabelReader(skip=True)
    assert len(list(reader.read([path]))) == 2 and reader.skipped == 1


def test_stratified_takes_a_part_of_every_label() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 30, 5, 1])
    held = stratified(labels, 0.2, seed=1)
    assert [int(held[labels == k].sum()) for k in range(4)] == [20, 6, 1, 0]
    assert not np.array_equal(held, stratified(labels, 0.2, seed=2))


def test_row_batches_hold_every_row_once_an_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 101)
    for size in ({"batch_size": 8}, {"batch_tokens": 100}):
        batches = RowBatches(lengths, seed=3, **size)
        epochs = [[batches[e * batches.steps_per_epoch + k] for k in range(batches.steps_per_epoch)] for e in (0, 1)]
        for epoch in epochs:
            assert sorted(np.concatenate(epoch).tolist()) == list(range(101))
        assert [b.tolist() for b in epochs[0]] != [b.tolist() for b in epochs[1]]
        again = RowBatches(lengths, seed=3, **size)
        assert again[batches.steps_per_epoch + 2].tolist() == epochs[1][2].tolist()
    assert sorted(np.concatenate(list(rows_in_order(lengths, 60))).tolist()) == list(range(101))


def test_ragged_rows() -> None:
    rows = Ragged.of([np.array([5, 6, 7]), np.array([], int), np.array([8])])
    ids, mask = rows.padded(np.array([2, 0, 1]))
    assert ids.tolist() == [[8, 0, 0], [5, 6, 7], [0, 0, 0]] and mask.sum(1).tolist() == [1, 3, 0]
    assert [rows.select(np.array([2, 0]))[k].tolist() for k in range(2)] == [[8], [5, 6, 7]]
