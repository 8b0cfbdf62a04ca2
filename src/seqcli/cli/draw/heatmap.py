"""Drawing attention weights in a terminal, as a map with a row for each target token and a column for each source
token.

There are three styles for the names of the columns. If there is room, they stand above wide columns ("flat").
Otherwise short names are written downwards ("down"), and long ones stand below the map, like steps, each on a line of
its own ("steps"). A map that is too wide for the terminal is cut into blocks.

      flat     Der  Hund        down  D H        steps   The  ██ ·
         The  ████   ·                e u                dog  ·  ██
         dog   ·    ████              r n                 Der ╯  │
                                 The  ██ ·                  Hund ╯
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.draw.labels import clusters, cut, padded, visible

BLOCKS = "·░▒▓█"
LEVELS = (0.05, 0.2, 0.4, 0.7)  # the smallest weight of each of BLOCKS but the first
# Colours from dark to bright. As each is brighter than the one before, the map can be read on any background, in grey,
# and by people who do not see the difference of red and green.
RAMP = ((24, 22, 46), (52, 42, 108), (104, 48, 142), (170, 60, 128), (226, 98, 92), (248, 164, 92), (252, 236, 170))
MAX_NAME = 16  # the name of a column is cut to this width
MAX_DOWN = 4  # names with at most this many characters may be written downwards
BRIGHT = 0.38  # on the colours of larger weights dark digits are easier to read than light ones
NUMBER = 0.005  # the smallest weight that is written into its cell, in percent


@dataclass(frozen=True)
class Layout:
    """How the columns are drawn."""

    style: str  # how their names are written: flat, down or steps
    gutter: int  # the width of the names of the rows
    pitch: int  # the width of a column
    per_block: int  # how many columns stand side by side

    @property
    def middle(self) -> int:
        """The number of spaces before a single character in the middle of a column."""
        return (self.pitch - 1) // 2

    def lines(self, names: Sequence[str], rows: int) -> tuple[int, int]:
        """Return the number of blocks and of lines, by which layouts are compared: fewer are better."""
        blocks = math.ceil(len(names) / self.per_block)
        height = {"flat": 1, "down": max(len(list(clusters(name))) for name in names), "steps": self.per_block}
        return blocks, blocks * (rows + height[self.style])


def heatmap(
    source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]], *, width: int, color: bool
) -> list[Text]:
    """Return the lines of the map, at most `width` columns wide. weights[t][s] are numbers from 0 to 1.

    With `color`, a weight is the colour of a cell and, if there is room, a number of percent. Without, it is one of the
    characters in BLOCKS.
    """
    assert len(weights) == len(target), "one row of weights for each target token"
    assert all(len(row) == len(source) for row in weights), "one weight for each source token"
    if not source or not target:
        return []
    columns, rows = [cut(visible(token), MAX_NAME) for token in source], [visible(token) for token in target]
    layout = _layout(columns, rows, width)
    lines: list[Text] = []
    for start, end in _blocks(len(columns), layout.per_block):
        if lines:
            lines.append(_line(""))
        names = columns[start:end]
        body = []
        for name, row in zip(rows, weights, strict=True):
            line = _line(padded(name, layout.gutter - 1, "right") + " ")
            for weight in row[start:end]:
                line.append_text(_cell(weight, layout.pitch, color))
            body.append(line)
        if layout.style == "steps":
            lines += body + _steps(names, layout)
        else:
            lines += (_flat if layout.style == "flat" else _down)(names, layout) + body
    return lines


def scale(*, color: bool) -> Text:
    """Return a line that says which colours or characters stand for which weights."""
    if color:
        shades = [Text("  ", Style(bgcolor=_shade(k / 9))) for k in range(10)]
        return Text.assemble(("0 ", "dim"), *shades, (" 100 %", "dim"))
    return _line(
        "from " + "  ".join(f"{mark} {level * 100:g} %" for mark, level in zip(BLOCKS[1:], LEVELS, strict=True))
    )


def show(
    source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]], *, with_scale: bool = False
) -> None:
    """Print the map to stdout, in its width, and in colour if the terminal has enough colours."""
    out = console.stdout
    color = out.is_terminal and not out.no_color and out.color_system in ("256", "truecolor")
    for line in heatmap(source, target, weights, width=out.width, color=color):
        out.print(line, soft_wrap=True)
    if with_scale:
        out.print(scale(color=color), soft_wrap=True)


def _layout(columns: Sequence[str], rows: Sequence[str], width: int) -> Layout:
    """Return the layout with the fewest blocks and, of those, the fewest lines; the first of equals."""
    gutter = min(max(map(cell_len, rows)), max(2, width // 3 - 1)) + 1  # as the names need, but a third of all at most
    tries = (_fitted(style, pitch, columns, gutter, width) for style, pitch in _styles(columns))
    found = [layout for layout in tries if layout is not None]
    if not found:  # narrower than anything sensible
        return Layout("steps", 3, 2, 1)
    return min(found, key=lambda layout: layout.lines(columns, len(rows)))


def _styles(columns: Sequence[str]) -> list[tuple[str, int]]:
    """Return the styles that suit the names, with the width of a column, the most readable first."""
    characters = [list(clusters(name)) for name in columns]
    widest, longest = max(map(cell_len, columns)), max(map(len, characters))
    styles = [("flat", widest + 1)]
    if longest == 1:  # characters stand side by side, like the text; cells of two columns are square
        styles = [("flat", pitch) for pitch in sorted({max(2, widest), widest}, reverse=True)]
    if longest <= MAX_DOWN:
        styles.append(("down", max(2, *(cell_len(character) for name in characters for character in name))))
    return [*styles, ("steps", 4), ("steps", 2)]


def _fitted(style: str, pitch: int, columns: Sequence[str], gutter: int, width: int) -> Layout | None:
    """Return the layout with as few blocks as the width allows, of nearly equal width; None if no column fits."""
    most = max(gutter, width // 3)
    while (per_block := (width - gutter) // pitch) > 0:
        per_block = math.ceil(len(columns) / math.ceil(len(columns) / per_block))
        layout = Layout(style, gutter, pitch, per_block)
        if style != "steps":
            return layout
        # the names stand to the left of their columns, so the first ones of a block have the least room
        places = [gutter + layout.middle + pitch * (k % per_block) - 1 for k in range(len(columns))]
        lacking = max(cell_len(name) - place for name, place in zip(columns, places, strict=True))
        if lacking <= 0 or gutter == most:
            return layout
        gutter = min(gutter + lacking, most)
    return None


def _blocks(n: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def _flat(names: Sequence[str], layout: Layout) -> list[Text]:
    return [_line(" " * layout.gutter + "".join(padded(name, layout.pitch, "center") for name in names))]


def _down(names: Sequence[str], layout: Layout) -> list[Text]:
    split = [list(clusters(name)) for name in names]
    height = max(map(len, split))
    stood = [[""] * (height - len(name)) + name for name in split]  # short names stand at the bottom, next to the map
    return [
        _line(" " * layout.gutter + "".join(padded(mark, layout.pitch, "center") for mark in marks))
        for marks in zip(*stood, strict=True)
    ]


def _steps(names: Sequence[str], layout: Layout) -> list[Text]:
    lines = []
    for k, name in enumerate(names):
        line = _line(padded(name, layout.gutter + layout.pitch * k + layout.middle - 1, "right") + " ")
        ends = "".join(padded("│" if j else "╯", layout.pitch, "center") for j in range(len(names) - k))
        lines.append(line.append(ends[layout.middle :], "dim"))
    return lines


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, end="")


def _cell(weight: float, pitch: int, color: bool) -> Text:
    weight = min(max(weight, 0.0), 1.0) if math.isfinite(weight) else 0.0
    if not color:
        mark = BLOCKS[sum(weight >= level for level in LEVELS)]
        return Text(padded(mark, pitch, "center") if mark == BLOCKS[0] else mark * pitch)
    ink = Color.from_rgb(20, 18, 30) if weight > BRIGHT else Color.from_rgb(236, 232, 240)
    number = f"{weight * 100:.0f}" if pitch >= 4 and weight >= NUMBER else ""
    return Text(padded(number, pitch, "center"), Style(color=ink, bgcolor=_shade(weight)))


def _shade(weight: float) -> Color:
    """Return the colour of a weight. Its square root is taken first, so that the many small weights differ visibly."""
    place = math.sqrt(weight) * (len(RAMP) - 1)
    k = min(int(place), len(RAMP) - 2)
    return Color.from_rgb(*(round(a + (b - a) * (place - k)) for a, b in zip(RAMP[k], RAMP[k + 1], strict=True)))
