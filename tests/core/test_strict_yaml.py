"""Options in YAML: every hostile text is refused with its line, quickly and in little memory."""

import random
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml

import seqcli
from seqcli import Config
from seqcli.core import strict_yaml
from seqcli.core.config import read_yaml
from seqcli.core.strict_yaml import YamlError
from seqcli.core.tasks.union import build
from seqcli.errors import ConfigError

GOOD = """# a recipe
cell: gru
hidden: 256   # units
lr: 0.003
tie: yes
vocab_size: null
minutes:
files: [a b.txt, "한 \\u00e9.txt", '1', 2001-01-01]
valid: "x: y#.txt"
test: |
  block
dropout: 1e-1
seed: 0x10
"""


def test_it_reads_what_yaml_reads() -> None:
    found = strict_yaml.loads(GOOD)
    assert found == {**yaml.safe_load(GOOD), "files": ["a b.txt", "한 é.txt", "1", "2001-01-01"]}
    assert strict_yaml.loads("") == strict_yaml.loads("# nothing\n---\n...\n") == {}
    assert strict_yaml.loads(Config(files=("a", "b"), lr=1e-7).to_yaml())["files"] == ["a", "b"]
    strange = Config(files=("caf\udce9.txt",))  # a file name that is not UTF-8
    assert build(strict_yaml.loads(strange.to_yaml())) == strange


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("cell: gru\nhidden: !!int abc", 2, "tags"),
        ('lr: !!float ""', 1, "tags"),
        ("\n\ntie: !!bool x", 3, "tags"),
        ("seed: !!timestamp x", 1, "tags"),
        ("cell: !!python/object/apply:os.system [echo]", 1, "tags"),
        ("seed: " + "9" * 5000, 1, "too long"),
        ("seed: 0x" + "f" * 100_000, 1, "too long"),
        ("seed: " + ":".join(["10"] * 50_000), 1, "too long"),
        ("a: 1\nfiles: " + "[" * 3000, 2, "brackets"),
        ("files: " + "{" * 3000, 1, "brackets"),
        ("- " * 3000, 1, "option: value"),
        ("? " * 3000, 1, "name of an option"),
        ("\n".join("  " * k + "a:" for k in range(500)), 2, "brackets"),
        (BOMB, 1, "anchors"),
        ("a: *a", 1, "aliases"),
        ('cell: gru\nvalid: "a\\0b"', 2, "character"),
        ('valid: "\\ud800"', 1, "character"),
        ("cell: gru\nvalid: a\0b", 2, "U\\+0000"),
        ("cell: gru\n---\ncell: lstm", 2, "second document"),
        ("hidden: 1\nhidden: 2", 2, "twice"),
        ("a: [", 1, "not YAML"),
        ("a: 'x", 1, "not YAML"),
        ("a: b: c", 1, "not YAML"),
        ("%YAML 3.0\n---\na: 1", 1, "not YAML"),
        ("{a: 1, b: {c: 2}}", 1, "brackets"),
        ("[a]: 1", 1, "name of an option"),
        ("files: [" + "a," * 10_000 + "]", 1, "more than 9,000"),
        ("only words", 1, "option: value"),
    ],
    ids=lambda value: None if isinstance(value, int) else "".join(c for c in value[:20] if c.isprintable()),
)  # fmt: skip
def test_what_is_refused_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, words: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode())
    monkeypatch.setattr(strict_yaml, "MOST_VALUES", 9000)
    start = time.monotonic()
    with pytest.raises(ConfigError, match=rf"recipe.yaml, line {line}: .*{words}"):
        read_yaml(path)
    assert time.monotonic() - start < 5


def test_bytes_that_are_not_utf8_have_a_line(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"cell: gru\nvalid: \xff\n")
    with pytest.raises(ConfigError, match=r"r.yaml, line 2: byte 17 is not UTF-8"):
        read_yaml(tmp_path / "r.yaml")


def test_dates_and_merge_keys_are_plain_words() -> None:
    assert strict_yaml.loads("a: 2001-99-99\n<<: x\nb: =") == {"a": "2001-99-99", "<<": "x", "b": "="}
    with pytest.raises(ConfigError, match="--seed is '2001-99-99'"):
        build(strict_yaml.loads("seed: 2001-99-99"))


def test_an_error_shows_a_long_value_in_short() -> None:
    tracemalloc.start()
    with pytest.raises(ConfigError) as caught:
        build({"cell": "x" * 10_000_000, "seed": ["y" * 1000] * 100_000, "z" * 5_000_000: 1})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(str(caught.value)) < 2000
    assert peak < 100e6  # the values themselves, and a few copies of none of them


def test_a_configuration_that_is_no_mapping() -> None:
    with pytest.raises(ConfigError, match="must be a mapping"):
        build([1, 2])  # type: ignore[arg-type]  # as a damaged model may have it


PARTS = [
    *"[]{}:,-?&*!|>'\"%@`#\n\t \0\\~=<", "  ", ": ", "- ", "? ", "---\n", "...\n", "!!int ", "!!binary ", "&a ", "*a ",
    "<<: ", "cell", "gru", "files", "seed", "0x", "1:2:3", "1e999", ".inf", ".nan", "2001-99-99", "null", "yes",
    "\ufeff", "\x85", "\u2028", "\\ud800", "\\x00", "\\U0010ffff", "é", "한", "9" * 30,
]  # fmt: skip


def hostile(random_: random.Random) -> str:
    """A text of pieces that mean something to YAML, one piece sometimes very often."""
    pieces = [random_.choice(PARTS) * random_.choice([1, 1, 1, 1, 2, 5, 1000]) for _ in range(random_.randrange(1, 30))]
    text = "".join(pieces)
    if random_.random() < 0.5:  # or a good one, mended for the worse
        at = random_.randrange(len(GOOD))
        text = GOOD[:at] + text[:50] + GOOD[at + random_.randrange(3) :]
    return text


def check_hostile(count: int, seed: int) -> None:
    random_ = random.Random(seed)
    refused = 0
    for _ in range(count):
        text = hostile(random_)
        try:
            values = strict_yaml.loads(text)
        except YamlError as error:
            assert str(error).startswith("line ")
            assert len(str(error)) < 500
            refused += 1
            continue
        try:
            build(values)
        except ConfigError as error:
            assert len(str(error)) < 20_000
    assert refused > count / 2


def test_hostile_texts() -> None:
    check_hostile(500, seed=1)


@pytest.mark.slow
def test_many_hostile_texts() -> None:
    check_hostile(5000, seed=2)


def test_what_is_wrong_in_a_file_is_told_with_its_line(corpus: Path) -> None:
    """To every door: options are checked as they are in the file, also where another value wins over them."""
    Path("o.yaml").write_text("# mine\nfiles: 3\n\nbatch-size: few\ncrf: maybe\nrun: x\ntask: [a]\n")
    with pytest.raises(ConfigError) as caught:
        seqcli.Config(corpus, config="o.yaml")
    first, *others = str(caught.value).split("\n")
    assert first == "o.yaml, line 2: --files is 3, but must be a list of texts."
    assert others[0].startswith("o.yaml, line 4: --batch-size is 'few'")
    assert others[1].startswith("o.yaml, line 5: --crf is 'maybe'")
    assert others[2] == "o.yaml, line 6: A file of options cannot hold 'run': give --run beside it."
    assert others[3].startswith("o.yaml, line 7: --task is ['a'], but must be one of lm, ")
