import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.core import tokenizers
from seqcli.core.config import FIELDS, choices_of
from seqcli.core.tokenizers import SPECIALS, TOKENIZERS, UNK
from seqcli.errors import ConfigError

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
    again = tokenizers.from_json(tokenizers.to_json(made))
    assert again.encode(text).tolist() == made.encode(text).tolist()
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


def test_a_word_stream_equals_the_whole() -> None:
    text = 'One, two. "Three," she said. (Four) ' * 12
    made = tokenizers.train("word", [text])
    ids = made.encode(text)
    stream = made.stream_decoder()
    assert "".join(stream.push(int(id)) for id in ids[:60]) == made.decode(ids[:60])


def test_registry() -> None:
    assert choices_of(FIELDS["tokens"]) == tuple(TOKENIZERS)
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
