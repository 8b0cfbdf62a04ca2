import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.core import tokenizers
from seqcli.core.tasks.union import all_options
from seqcli.core.tokenizers import SPECIALS, TOKENIZERS, UNK
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import CheckpointError, ConfigError

MIXED = "é한👩a"
STREAMED = {kind: tokenizers.train(kind, [MIXED], vocab_size=262) for kind in ("char", "byte", "bpe")}
HARD = [
    "",
    "한국어 문장입니다.",
    "👩‍👩‍👧 emoji 🇰🇷",
    "e\u0301 a\u0308\u0323",
    "\x00\x01\x1b[0m\x7f",
    "<pad><unk><bos><eos>",
    " \t\r\n\u2028\u3000 x",
]


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
@given(text=st.one_of(st.sampled_from(HARD), st.text(st.characters(exclude_categories=["Cs"]), max_size=60)))
@settings(max_examples=60, deadline=None)
def test_decode_undoes_encode(kind: str, text: str) -> None:
    made = tokenizers.train(kind, [text], normalize="none", vocab_size=300)
    assert made.decode(made.encode(text)) == text
    for again in (
        tokenizers.from_json(tokenizers.to_json(made)),
        tokenizers.from_array(tokenizers.to_array(made)),
    ):
        assert again.encode(text).tolist() == made.encode(text).tolist()
        assert again.decode(made.encode(text)) == text
    assert made.encode(text).max(initial=0) < made.vocab_size


@given(data=st.binary(max_size=40))
def test_bytes_that_are_no_text_come_back(data: bytes) -> None:
    made = tokenizers.train("byte", [])
    ids = made.encode(data.decode("utf-8", "surrogateescape"))
    assert (np.asarray(ids) - len(SPECIALS)).astype(np.uint8).tobytes() == data


def test_ids_are_stable() -> None:
    made = tokenizers.train("char", ["banana", "bread"])
    assert [made.token(id) for id in range(made.vocab_size)] == [*SPECIALS, "a", "b", "d", "e", "n", "r"]
    assert made.encode("bad").tolist() == [5, 4, 6]
    assert tokenizers.train("byte", []).encode("A").tolist() == [4 + 65]


def test_unknown_characters() -> None:
    made = tokenizers.train("char", ["abc"])
    assert made.encode("axb").tolist() == [4, UNK, 5]
    assert made.decode([4, UNK, 5]) == "a\ufffdb"


def test_rare_characters() -> None:
    made = tokenizers.train("char", ["aaab"], min_count=2)
    assert made.encode("ab").tolist() == [4, UNK]


@pytest.mark.parametrize("form", ["nfc", "nfd", "nfkc"])
def test_normalization(form: str) -> None:
    text = "한 e\u0301 \ufb01"
    made = tokenizers.train("char", [text], normalize=form)
    assert made.decode(made.encode(text)) == unicodedata.normalize(form.upper(), text)


def test_words_read_well_again() -> None:
    text = 'He said: "Don\'t go (yet), my well-known friend!"\nShe went.'
    made = tokenizers.train("word", [text])
    assert made.decode(made.encode(text)) == text


def test_word_vocabulary() -> None:
    blocks = ["b a a. C c", " c b <unk>"]
    made = tokenizers.train("word", blocks, lowercase=True, vocab_size=len(SPECIALS) + 2)
    assert made.words == ["c", "a"]  # the most frequent first, then by spelling
    assert made.encode("A <unk> b c").tolist() == [5, UNK, UNK, 4]
    assert tokenizers.train("word", blocks, min_count=2).words == ["a", "b", "c"]  # not "C", "."


def test_bpe_merges_what_is_frequent() -> None:
    made = tokenizers.train("bpe", ["hello hello hello world\n" * 20], vocab_size=280)
    assert made.vocab_size <= 280
    assert len(made.encode("hello")) < 5
    with pytest.raises(ConfigError, match="at least 260"):
        tokenizers.train("bpe", ["x"], vocab_size=100)


@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_a_stream_never_shows_half_of_a_character(kind: str) -> None:
    text = "naïve 한국어 👩‍👧 done" * 6
    made = tokenizers.train(kind, [text], vocab_size=270)
    stream = made.stream_decoder()
    pieces = [stream.push(int(id)) for id in made.encode(text)]
    assert "".join(pieces) + stream.finish() == text
    assert not any("\ufffd" in piece for piece in pieces)


QUOTED = tokenizers.train("word", ['One, two. "Three," she said. (Four)\n $5 ’tis “so”'])


@given(
    ids=st.lists(st.integers(0, QUOTED.vocab_size - 1), max_size=300),
    repeat=st.integers(1, 4),
    prime=st.integers(0, 400),
)
def test_a_word_stream_equals_the_whole(ids: list[int], repeat: int, prime: int) -> None:
    """Of any length, with quotes that stay open for as long as they like, and after any prime."""
    ids = ids * repeat
    stream = QUOTED.stream_decoder()
    stream.go_on_after(ids[:prime])
    pieces = [stream.push(id) for id in ids[prime:]]
    assert QUOTED.decode(ids[:prime]) + "".join(pieces) + stream.finish() == QUOTED.decode(ids)


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_stream_equals_the_whole(kind: str, data: st.DataObject) -> None:
    """Whatever the ids are, also bytes that are no text."""
    made = STREAMED[kind]
    whole = made.encode(MIXED).tolist()
    anything = st.lists(st.integers(0, made.vocab_size - 1))
    part = st.one_of(st.just(whole), st.sampled_from([[id] for id in whole]), anything)
    ids = [id for chosen in data.draw(st.lists(part, max_size=40)) for id in chosen]
    stream = made.stream_decoder()
    pieces = [stream.push(id) for id in ids]
    assert "".join(pieces) + stream.finish() == made.decode(ids)


def test_bytes_of_a_tokenizer() -> None:
    """A model file holds them: a word takes its own bytes and a few more."""
    words = [f"слово{k}" for k in range(1000)]
    made = WordTokenizer(words)
    array = tokenizers.to_array(made)
    assert array.dtype == np.uint8
    assert array.ndim == 1
    assert len(array) < sum(len(word.encode()) + 4 for word in words) + 100
    again = tokenizers.from_array(array)
    assert isinstance(again, WordTokenizer)
    assert again.words == words


NO_TOKENIZERS: list[object] = [
    {},
    [],
    None,
    {"kind": "char"},
    {"kind": []},
    {"kind": "none"},
    {"kind": "char", "codes": [65, 65], "normalize": "nfc"},
    {"kind": "char", "codes": [-1], "normalize": "nfc"},
    {"kind": "char", "codes": [0x110000], "normalize": "nfc"},
    {"kind": "char", "codes": [65.0], "normalize": "nfc"},
    {"kind": "char", "codes": [True], "normalize": "nfc"},
    {"kind": "char", "codes": "ab", "normalize": "nfc"},
    {"kind": "char", "codes": [65], "normalize": "nfx"},
    {"kind": "char", "codes": [65], "normalize": []},
    {"kind": "char", "codes": [10**30], "normalize": "nfc"},
    {"kind": "word", "words": ["a", "a"], "normalize": "nfc", "lowercase": False},
    {"kind": "word", "words": ["a", 1], "normalize": "nfc", "lowercase": False},
    {"kind": "word", "words": "ab", "normalize": "nfc", "lowercase": False},
    {"kind": "word", "words": {"a": 1}, "normalize": "nfc", "lowercase": False},
    {"kind": "word", "words": ["\ud800"], "normalize": "nfc", "lowercase": False},
    {"kind": "word", "words": ["a"], "normalize": "nfc"},
    {"kind": "bpe", "tokens": ["a"], "merges": [], "normalize": "nfc"},
    {"kind": "bpe", "tokens": [*SPECIALS], "merges": [], "normalize": "nfc"},
]


@pytest.mark.parametrize("data", NO_TOKENIZERS, ids=str)
def test_what_is_no_tokenizer_is_refused(data: object) -> None:
    with pytest.raises(CheckpointError, match="tokenizer in the checkpoint is damaged"):
        tokenizers.from_json(json.dumps(data))


def test_texts_and_bytes_that_are_no_tokenizer_are_refused() -> None:
    for text in ("", "[" * 100_000, '{"kind": "char", "codes": [' + "1" * 5000 + "]}"):
        with pytest.raises(CheckpointError, match="damaged"):
            tokenizers.from_json(text)
    with pytest.raises(CheckpointError, match="damaged"):
        tokenizers.from_array(np.full(9, 255, np.uint8))


def test_merges_of_tokens_that_are_not_there_are_refused() -> None:
    """The library itself would stop the process, or raise what is no error of ours."""
    made = tokenizers.train("bpe", ["hello hello"], vocab_size=265)
    data = json.loads(tokenizers.to_json(made))
    assert tokenizers.from_json(json.dumps(data)).encode("hello").tolist() == made.encode("hello").tolist()
    for merges in (["h"], [""], ["h e l"], ["x y"], ["h e", "h e"], [1], "h e", ["h  e"], ["h \ud800"]):
        with pytest.raises(CheckpointError, match="damaged"):
            tokenizers.from_json(json.dumps({**data, "merges": merges}))
    for tokens in (data["tokens"][1:], data["tokens"][:-1], [*data["tokens"], ""], [*data["tokens"], "h"], None):
        with pytest.raises(CheckpointError, match="damaged"):
            tokenizers.from_json(json.dumps({**data, "tokens": tokens}))


def test_special_tokens_in_a_text_are_text() -> None:
    made = tokenizers.train("bpe", ["a <pad> b <eos> c " * 50], vocab_size=300)
    ids = made.encode("a <pad><unk> b <eos>")
    assert ids.min() >= len(SPECIALS)
    assert made.decode(ids) == "a <pad><unk> b <eos>"


def test_registry() -> None:
    assert set(all_options()["tokens"].choices) == set(TOKENIZERS)
    with pytest.raises(ConfigError, match="char, byte, word, bpe"):
        tokenizers.tokenizer_class("wordd")


def test_lines_and_texts_have_the_same_subwords() -> None:
    """Also where Python knows more line ends than a text has."""
    tokenizer = tokenizers.train("bpe", ["the cat\x1csat on\u2028the mat\x85 " * 40], vocab_size=300)
    for text in ("a\x1c--b", "the\u2028cat", "sat\x85on", "the\ncat\n", "\n", ""):
        assert tokenizer.encode(text).tolist() == tokenizer.encode_lines([text])[0].tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("สวัสดีครับ ok", ["สวัสดีครับ", "ok"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("un cafe\u0301, s'il", ["un", "cafe\u0301", ",", "s'il"]),
        ("❤\ufe0f ja", ["❤\ufe0f", "ja"]),
    ],
)
def test_words_keep_their_marks(text: str, words: list[str]) -> None:
    made = tokenizers.train("word", [text], normalize="none")
    assert made.pieces(text) == words
    assert made.decode(made.encode(text)) == text


def test_half_a_character_is_no_question_mark() -> None:
    made = tokenizers.train("bpe", ["why? because"], vocab_size=270)
    assert made.decode(made.encode("a\ud83d\ndc\udce9")) == "a\ufffd\ndc\ufffd"
