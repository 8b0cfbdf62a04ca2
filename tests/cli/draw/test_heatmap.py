"""The map of weights in a terminal: every cell stands where its column does, whatever the letters and the width."""

import io
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.draw.heatmap import BLOCKS, LEVELS, heatmap, scale, show
from seqcli.cli.draw.labels import clusters, cut, padded, visible

GERMAN = ["Der", " schnelle", " bra", "une", " Fu", "chs", " spr", "ang", " über", " den", " Zaun", "</s>"]
ENGLISH = ["The", " quick", " brown", " fo", "x", " jumped", " over", " the", " fen", "ce", "</s>"]
KOREAN = ["나는", " 어제", " 친구", "와", " 학교", "에서", " 먹었", "다", "."]
DATE = list("Donnerstag, 30. September 2004")
MIXED = ["", " ", "\n", "e\u0301", "\u0301", "日本語", "👩‍👧", "\u202e", "[red]", "a\tb", "한국어로"]
WIDTHS = (9, 20, 40, 80, 120, 300)
PAIRS = {
    "german": (GERMAN, ENGLISH),
    "korean": (KOREAN, ENGLISH),
    "to korean": (ENGLISH, KOREAN),
    "date": (DATE, list("2004-09-30")),
    "mixed": (MIXED, MIXED),
    "one": (["a"], ["b"]),
}


def random_weights(rows: int, columns: int, seed: int = 0) -> list[list[float]]:
    generator = random.Random(seed)
    return [[generator.random() for _ in range(columns)] for _ in range(rows)]


def one_hot(rows: int, columns: int) -> list[list[float]]:
    return [[float(s == t % columns) for s in range(columns)] for t in range(rows)]


def blocks_of(lines: list[Text]) -> list[list[Text]]:
    found: list[list[Text]] = [[]]
    for line in lines:
        if line.plain:
            found[-1].append(line)
        else:
            found.append([])
    return found


def column_of(text: str, part: str) -> int:
    """How many terminal columns stand before the part."""
    return cell_len(text[: text.index(part)])


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("pair", PAIRS)
def test_no_line_is_wider_than_the_terminal_and_those_of_a_block_are_equal(pair: str, width: int, color: bool) -> None:
    source, target = PAIRS[pair]
    lines = heatmap(source, target, random_weights(len(target), len(source)), width=width, color=color)
    assert max(line.cell_len for line in lines) <= width
    for block in blocks_of(lines):
        assert len({line.cell_len for line in block}) == 1, [line.plain for line in block]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("pair", PAIRS)
def test_every_weight_is_drawn_once_at_the_place_of_its_column(pair: str, width: int) -> None:
    """One column after the other is lit: its cells stand below each other, right of those before, and lit once."""
    source, target = PAIRS[pair]
    seen = set()
    for s in range(len(source)):
        weights = [[float(k == s) for k in range(len(source))] for _ in target]
        lines = [line.plain for line in heatmap(source, target, weights, width=width, color=False)]
        lit = [(k, column_of(line, "█"), line.count("█")) for k, line in enumerate(lines) if "█" in line]
        assert len(lit) == len(target)
        assert len({(at, n) for _, at, n in lit}) == 1
        seen.add((lit[0][0], lit[0][1]))
    assert len(seen) == len(source)
    assert sorted(seen) == sorted(seen, key=lambda place: (place[0], place[1]))


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=12),
    st.lists(st.text(max_size=12), min_size=1, max_size=4),
    st.integers(9, 130),
    st.booleans(),
)
def test_any_tokens_at_any_width(source: list[str], target: list[str], width: int, color: bool) -> None:
    weights = random_weights(len(target), len(source))
    for block in blocks_of(heatmap(source, target, weights, width=width, color=color)):
        assert len({line.cell_len for line in block}) == 1
        assert block[0].cell_len <= width
        assert all(char.isprintable() or char == "\u200d" for line in block for char in line.plain)


def test_names_that_fit_stand_over_their_cells() -> None:
    lines = heatmap(KOREAN, ENGLISH, one_hot(len(ENGLISH), len(KOREAN)), width=120, color=False)
    assert len(lines) == 1 + len(ENGLISH)
    for k, token in enumerate(KOREAN[:-1]):
        name, cells = visible(token), column_of(lines[1 + k].plain, "█")
        assert cells <= column_of(lines[0].plain, name) < cells + 6


def test_short_names_are_written_downwards() -> None:
    lines = heatmap(["나", "집에", "간다"], ["I", "go"], one_hot(2, 3), width=12, color=False)
    assert [line.plain for line in lines] == [
        "     집간",
        "   나에다",
        " I ██· · ",
        "go · ██· ",
    ]


def test_long_names_step_down_under_their_columns() -> None:
    lines = heatmap(GERMAN, ENGLISH, one_hot(len(ENGLISH), len(GERMAN)), width=40, color=False)
    plain = [line.plain for line in lines]
    assert len(plain) == len(ENGLISH) + len(GERMAN)
    for k in range(len(ENGLISH)):
        foot = plain[len(ENGLISH) + k]
        assert column_of(foot, "╯") == column_of(plain[k], "█")
        assert foot[: foot.index("╯")].strip() == visible(GERMAN[k])


def test_single_characters_stand_side_by_side() -> None:
    narrow = heatmap(DATE, ["1"], one_hot(1, 30), width=40, color=False)
    assert narrow[0].plain.strip() == "Donnerstag,␣30.␣September␣2004"
    wide = heatmap(DATE, ["1"], one_hot(1, 30), width=80, color=False)
    assert wide[0].plain.split() == list("Donnerstag,␣30.␣September␣2004")
    assert wide[1].plain.count("█") == 2


def test_a_map_too_wide_is_cut_into_even_blocks() -> None:
    source = [f"word{k}" for k in range(50)]
    lines = heatmap(source, ["a", "b"], one_hot(2, 50), width=40, color=False)
    blocks = blocks_of(lines)
    assert len(blocks) == 4
    assert [len(block) - 2 for block in blocks] == [13, 13, 13, 11]
    assert [line.plain.split()[0] for block in blocks for line in block[2:]] == source
    assert {line.plain[:10].split()[0] for block in blocks for line in block[:2]} == {"a", "b"}


def test_darker_blocks_for_larger_weights() -> None:
    values = [k / 100 for k in range(101)]
    (_, *rows) = heatmap(["x"], ["y"] * 101, [[v] for v in values], width=20, color=False)
    marks = [BLOCKS.index(row.plain.split()[-1][0]) for row in rows]
    assert marks == sorted(marks)
    assert set(marks) == set(range(len(BLOCKS)))
    assert marks[round(LEVELS[0] * 100)] == 1


def test_brighter_shades_for_larger_weights() -> None:
    values = [k / 50 for k in range(51)]
    (_, *rows) = heatmap(["x"], ["y"] * 51, [[v] for v in values], width=20, color=True)
    bright = []
    for row in rows:
        style = row.spans[-1].style
        assert not isinstance(style, str)
        assert style.bgcolor is not None
        r, g, b = style.bgcolor.get_truecolor()
        bright.append(0.2126 * r + 0.7152 * g + 0.0722 * b)
    assert all(a < b for a, b in pairwise(bright))


def test_odd_weights_are_drawn_as_the_nearest_that_can_be() -> None:
    for color in (False, True):
        odd = heatmap(["x"], ["a", "b", "c"], [[-1.0], [2.0], [float("nan")]], width=20, color=color)
        even = heatmap(["x"], ["a", "b", "c"], [[0.0], [1.0], [0.0]], width=20, color=color)
        assert odd == even


def test_percents_where_there_is_room() -> None:
    (_, row) = heatmap(["Haus", "Hof"], ["house"], [[0.874, 0.004]], width=80, color=True)
    assert row.plain.split() == ["house", "87"]


def test_without_colour_there_is_no_escape() -> None:
    console = Console(width=80, force_terminal=True, color_system="truecolor", no_color=False)
    for color, there in ((False, False), (True, True)):
        with console.capture() as capture:
            for line in heatmap(["a"], ["b"], [[0.5]], width=80, color=color):
                console.print(line)
            console.print(scale(color=color))
        assert ("\x1b[" in capture.get()) is there


@pytest.mark.parametrize(
    ("terminal", "system", "no_color", "shaded"),
    [
        (True, "truecolor", False, True),
        (True, "256", False, True),
        (True, "standard", False, False),
        (True, "truecolor", True, False),
        (False, None, False, False),
    ],
)
def test_show_shades_where_it_can(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, system: str | None, no_color: bool, shaded: bool
) -> None:
    out = io.StringIO()
    options: dict[str, Any] = {"force_terminal": terminal, "color_system": system, "no_color": no_color}
    place = Console(file=out, width=40, **options)
    monkeypatch.setattr(console, "stdout", place)
    show(["a"], ["b"], [[1.0]])
    assert ("\x1b[" in out.getvalue()) is shaded
    assert ("██" in out.getvalue()) is not shaded
    assert len(out.getvalue().splitlines()) == 2
    show(["a"], ["b"], [[1.0]], with_scale=True)
    assert len(out.getvalue().splitlines()) == 5


def test_the_scale_fits_a_narrow_terminal() -> None:
    assert scale(color=False).plain == "from ░ 5 %  ▒ 20 %  ▓ 40 %  █ 70 %"
    assert scale(color=True).cell_len <= 40


def test_nothing_to_draw() -> None:
    assert heatmap([], ["a"], [[]], width=40, color=False) == []
    assert heatmap(["a"], [], [], width=40, color=False) == []


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" ", "␣"),
        ("\n", "⏎"),
        ("", "∅"),
        (" the", "␣the"),
        ("\u3000", "␣"),
        ("\x07", "\\u0007"),
        ("\u202eabc", "\\u202eabc"),
        ("\u0301", "◌\u0301"),
        ("각", "각"),
        ("e\u0301", "é"),
        ("\udc80", "\\udc80"),
    ],
)
def test_visible(token: str, shown: str) -> None:
    assert visible(token) == shown


def test_clusters() -> None:
    assert list(clusters("e\u0323\u0301x👩‍👧🇰🇷🇩🇪👍🏽नि한")) == [
        "e\u0323\u0301",
        "x",
        "👩‍👧",
        "🇰🇷",
        "🇩🇪",
        "👍🏽",
        "नि",
        "한",
    ]


def test_cut_never_splits_a_wide_character() -> None:
    assert cut("한국어", 6) == "한국어"
    assert cut("한국어", 5) == "한국…"
    assert cut("한국어", 4) == "한…"
    assert cell_len(padded("한국어", 4)) == 4
    assert padded("한", 5, "center") == " 한  "
    assert cut("ab", 0) == ""


def test_the_end_of_a_sequence_is_one_cell_wide() -> None:
    assert visible("<eos>") == "∎" and cell_len("∎") == 1
