"""The pairs in data/ are what data/README.md says they are."""

import re
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from seqcli.core.tasks.classify.table import LabelReader
from seqcli.core.tasks.tag.sentences import read_sentences

DATA = Path(__file__).parents[2] / "data"
FILES = ["chat.tsv", "dates.tsv", "phrases.tsv", "sums.tsv"]


def pairs(name: str) -> list[tuple[str, str]]:
    lines = (DATA / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [(source, target) for source, target in (line.split("\t") for line in lines)]


def parse(text: str) -> date:
    """The day that a source names, by strptime and not by the script's own tables."""
    text = re.sub(r"(?<=\d)(st|nd|rd|th)\b|\bof\b|\bthe\b|,", " ", text, flags=re.IGNORECASE)
    text = " ".join(re.sub(r"(?<=[a-z\d])-(?=[a-z\d])", " ", text, flags=re.IGNORECASE).split())
    if re.match(r"\d+[./]", text):
        formats = ["%m/%d/%Y", "%Y.%m.%d", "%Y/%m/%d"]
    else:
        formats = ["%B %d %Y", "%d %B %Y", "%Y %B %d", "%b %d %Y", "%d %b %Y", "%b %d '%y", "%d %b '%y"]
        formats += ["%A %d %B %Y", "%A %B %d %Y", "%a %d %b %Y"]
    for template in formats:
        try:
            return datetime.strptime(text, template).date()
        except ValueError:
            continue
    raise AssertionError(f"no format fits {text!r}")


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_one_clean_pair(name: str) -> None:
    raw = (DATA / name).read_bytes()
    assert len(raw) < 700_000
    assert raw.endswith(b"\n") and b"\r" not in raw and not raw.startswith(b"\xef\xbb\xbf")
    sources = set()
    for number, line in enumerate(raw.decode().removesuffix("\n").split("\n"), 1):
        columns = line.split("\t")
        assert len(columns) == 2, f"{name}:{number} has {len(columns)} columns"
        assert all(columns) and all(" ".join(column.split()) == column for column in columns), f"{name}:{number}"
        assert columns[0] not in sources, f"{name}:{number}: {columns[0]!r} was there before"
        sources.add(columns[0])


@pytest.mark.parametrize("name", FILES)
def test_the_readme_counts_right(name: str) -> None:
    assert f"| {name} | {len(pairs(name)):,} " in (DATA / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("make_pairs.py", ["dates.tsv", "sums.tsv"]),
        ("make_series.py", ["demand.csv", "sensor.csv", "visitors.csv"]),
    ],
)
def test_the_scripts_make_the_committed_bytes(tmp_path: Path, script: str, names: list[str]) -> None:
    command = [sys.executable, "-W", "error", DATA / script, "--out", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (DATA / path.name).read_bytes(), f"{path.name} is not what the script makes"


def test_dates_mean_what_they_say() -> None:
    for source, target in pairs("dates.tsv"):
        day = parse(source)
        assert day.isoformat() == target, source
        if weekday := re.match(
            r"((?:mon|tues|wednes|thurs|fri|satur|sun)day)|(mon|tue|wed|thu|fri|sat|sun) ", source, re.I
        ):
            full, short = weekday.groups()
            assert (full or short).title() == day.strftime("%A" if full else "%a"), source
        if ordinal := re.search(r"(\d+)(st|nd|rd|th)\b", source, re.I):
            right = {"1": "st", "2": "nd", "3": "rd", "21": "st", "22": "nd", "23": "rd", "31": "st"}
            assert ordinal[2].lower() == right.get(ordinal[1], "th"), source


@pytest.mark.parametrize(
    "form",
    [
        r"[a-z]+ \d+, \d{4}",
        r"\d+ [A-Z]+ \d{4}",
        r"[A-Z][a-z]+day, \d+ [A-Z][a-z]+ \d{4}",
        r"\d+(st|nd|rd|th) of [A-Z][a-z]+, \d{4}",
        r"\d{4}\.\d\d\.\d\d",
        r"\d\d/\d\d/\d{4}",
        r"[A-Z][a-z]{2} \d+, '\d\d",
    ],
)
def test_dates_come_in_many_forms(form: str) -> None:
    assert sum(re.fullmatch(form, source) is not None for source, _ in pairs("dates.tsv")) > 100


def test_sums_add_up_and_no_sum_gives_another_away() -> None:
    seen = set()
    lengths = set()
    for source, target in pairs("sums.tsv"):
        a, b = source.split("+")
        assert str(int(a)) == a and str(int(b)) == b
        assert int(a) + int(b) == int(target), source
        assert frozenset((a, b)) not in seen, source
        seen.add(frozenset((a, b)))
        lengths.add((len(a), len(b)))
    assert lengths == {(i, j) for i in (1, 2, 3) for j in (1, 2, 3)}


def test_phrases_are_english_and_korean() -> None:
    found = pairs("phrases.tsv")
    assert len(found) >= 300
    for source, target in found:
        assert 2 <= len(source.split()) <= 9 and source.isascii(), source
        assert re.fullmatch(r"[가-힣 ,]+[.?!]", target), target
        assert source.endswith("?") == target.endswith("?"), source


def test_phrases_choose_particles_by_the_last_sound() -> None:
    """A noun that ends in a consonant takes 은, 이, 을, 이에요; one that ends in a vowel takes 는, 가, 를, 예요."""

    def closed(syllable: str) -> bool:
        return (ord(syllable) - ord("가")) % 28 != 0

    for _, target in pairs("phrases.tsv"):
        for syllable, _ in re.findall(r"([가-힣])(은|을|이에요)(?![가-힣])", target):
            assert closed(syllable), target
        for syllable, _ in re.findall(r"([가-힣])(는|를|가|(?<!거)예요)(?![가-힣])", target):
            assert not closed(syllable), target


def test_chat_is_a_talk_in_plain_english() -> None:
    found = pairs("chat.tsv")
    assert len(found) >= 200
    for source, target in found:
        assert source.isascii() and target.isascii()
        assert source[-1] in ".?!" and target[-1] in ".?!", source


# --- labels ---------------------------------------------------------------------------------------------------------

UPOS = [
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
]


@pytest.mark.parametrize(("name", "labels"), [("opinions.tsv", 2), ("first-names.tsv", 8)])
def test_labels_are_even_and_no_text_comes_twice(name: str, labels: int) -> None:
    found = list(LabelReader().read([DATA / name]))
    counts = Counter(each.label for each in found)
    assert len(counts) == labels and len(set(counts.values())) == 1
    assert len({each.text.lower() for each in found}) == len(found)


def test_tags_are_universal_and_texts_are_their_words() -> None:
    path = DATA / "tagged.conllu"
    sentences = list(read_sentences([path]))
    assert len(sentences) == 477 and {tag for s in sentences for tag in s.tags} <= set(UPOS)
    texts = [line.removeprefix("# text = ") for line in path.read_text().split("\n") if line.startswith("# text")]
    for text, sentence in zip(texts, sentences, strict=True):
        assert "".join(sentence.words).replace(" ", "") == text.replace(" ", "")
