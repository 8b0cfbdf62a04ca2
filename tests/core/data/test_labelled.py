"""Tagged sentences and labelled texts: what is read and what is refused."""

import csv
import shlex
from pathlib import Path

import numpy as np
import pytest

from seqcli.core.data.ragged import Ragged, RowBatches, rows_in_order
from seqcli.core.tasks.classify import table
from seqcli.core.tasks.classify.table import Labelled, LabelReader, at_most, stratified
from seqcli.core.tasks.tag.sentences import Sentence, SentenceSet, read_sentences
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


def test_every_line_that_begins_with_a_number_sign_is_a_comment(tmp_path: Path) -> None:
    bare = CONLLU.replace("# sent_id", "#sent_id").replace("# text =", "#text=a\tb")
    assert list(read_sentences([write(tmp_path / "a.conllu", bare)])) == list(
        read_sentences([write(tmp_path / "b.conllu", CONLLU)])
    )
    path = write(tmp_path / "a.tsv", "#sent_id=1\n# text\n#tag\tX\n#\tSYM\n\n# only\n#comments\n\nb\tB\n")
    assert list(read_sentences([path])) == [Sentence(["#tag", "#"], ["X", "SYM"]), Sentence(["b"], ["B"])]
    with pytest.raises(DataError, match="line 3: 1 column where"):
        list(read_sentences([write(tmp_path / "c.tsv", "#one\na\tA\nb\n")]))


def test_of_a_very_long_word_its_beginning_and_end_are_read() -> None:
    words, characters = WordTokenizer(["a"]), CharTokenizer("abcx")
    data = SentenceSet.of([["ab" + "x" * 1000 + "ca"]], words, characters)
    read = characters.decode(data.characters[0])
    assert read == "ab" + "x" * 196 + "ca"


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


def test_long_cells_are_read_and_the_limit_is_put_back(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    text = "word " * 40_000
    path = write(tmp_path / "a.csv", f'text,label\n"{text}",x\n')
    found = list(LabelReader("text", "label").read([path]))
    assert found == [Labelled(text.strip(), "x")] and len(text) > limit == csv.field_size_limit()


def test_a_quote_that_is_left_open_is_named_where_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", 'fine,x\n"a\nb",y\n"open,x\n' + "so so,y\n" * 50)
    for cell in (100, 10_000):
        monkeypatch.setattr(table, "CELL", cell)
        with pytest.raises(DataError, match=r"a\.csv, line 4: this is no CSV: a quote that begins there does not end"):
            list(LabelReader().read([path]))


ROWS = "".join(f'{k},2020,"a fine, long book",{"good" if k % 2 else "bad"}\n' for k in range(9))


@pytest.mark.parametrize("skip", [False, True])
def test_a_table_of_other_columns_is_answered_with_the_command(tmp_path: Path, skip: bool) -> None:
    path = write(tmp_path / "my a.csv", "id,when,what they say,stars given\n" + ROWS)
    with pytest.raises(DataError) as error:
        list(LabelReader(skip=skip).read([path]))
    assert "has 4 columns" in str(error.value) and "id, when, what they say, stars given" in str(error.value)
    command = str(error.value).partition("like: ")[2]
    assert shlex.split(command) == [
        *("seqcli", "train", str(path), "--text-column", "what they say", "--label-column", "stars given")
    ]
    write(path, "id,when,what they say,opinion\n" + ROWS)  # the fewest different values, but more than one
    with pytest.raises(DataError, match=r"--label-column opinion$"):
        list(LabelReader(skip=skip).read([path]))


def test_a_table_without_a_header_or_with_other_separators(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"4 columns .*first line, '0', '2020'.* does not name them"):
        list(LabelReader().read([write(tmp_path / "a.csv", ROWS)]))
    with pytest.raises(DataError, match=r"1 column .* TEXT,LABEL.*are yours by ';'\? Then save them with commas"):
        list(LabelReader().read([write(tmp_path / "a.csv", "text;label\na b;x\n")]))
    with pytest.raises(DataError, match=r"1 column .* TEXT TAB LABEL: 'a; b'.*by ';'"):
        list(LabelReader().read([write(tmp_path / "a.tsv", "a; b\n")]))


def test_a_label_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a b,"two\nlines\there"\n')
    assert list(LabelReader().read([path])) == [Labelled("a b", "two lines here")]


def test_at_most_so_many_tokens_of_every_label() -> None:
    labels, lengths = np.repeat([0, 1, 2], [60, 30, 10]), np.tile([3, 5], 50)
    assert at_most(labels, lengths, 0, seed=1).all() and at_most(labels, lengths, 400, seed=1).all()
    kept = at_most(labels, lengths, 200, seed=1)
    assert 150 < lengths[kept].sum() <= 200
    assert all(0.2 < kept[labels == k].mean() < 0.8 for k in range(3))
    assert not np.array_equal(kept, at_most(labels, lengths, 200, seed=2))
    assert at_most(labels, lengths, 1, seed=1).sum() == 1
    assert not len(at_most(labels[:0], lengths[:0], 5, seed=1))


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
