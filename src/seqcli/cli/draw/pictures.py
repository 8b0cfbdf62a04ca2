"""Writing pictures of plain values to files: .html without help, .png and .svg by matplotlib, which is optional."""

import io
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.cli.console import figure, warn
from seqcli.cli.draw.labels import cut, one_line, visible
from seqcli.cli.draw.page import attention_page, fan_page, loss_page, plane_page
from seqcli.cli.draw.placing import place
from seqcli.core.files import write_whole
from seqcli.errors import ConfigError

if TYPE_CHECKING:  # imported when a picture is drawn; it takes half a second
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".html")
TRAIN, VALID = "#9aa5b8", "#d1495b"
DPI = 150
LETTERS_PER_INCH = 9  # about how many letters of the heading fit into an inch
VECTORS = 10_000  # a map with more cells is stored as an image, also within an .svg
LARGEST = 40.0  # the largest width or height in inches, of which matplotlib can still make a file
# fonts with Korean, Chinese or Japanese letters that come with common systems
CJK_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans KR",
    "Noto Sans JP",
    "Noto Sans SC",
    "Source Han Sans",
    "Malgun Gothic",
    "Yu Gothic",
    "Microsoft YaHei",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "PingFang SC",
    "NanumGothic",
    "UnDotum",
    "IPAGothic",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)


@dataclass(frozen=True)
class Losses:
    """The learning curves of a training: (step, loss) pairs in order, and the name of the loss with its unit."""

    train: Sequence[tuple[int, float]]
    valid: Sequence[tuple[int, float]]
    label: str = "loss (nats per token)"

    @property
    def best(self) -> tuple[int, float] | None:
        """The lowest point of the validation loss."""
        return min(self.valid, key=lambda point: point[1], default=None)


@dataclass(frozen=True)
class Attention:
    """The attention weights of one translation: weights[t][s], from 0 to 1, of target token t and source token s."""

    source: Sequence[str]
    target: Sequence[str]
    weights: Sequence[Sequence[float]] = field(repr=False)


@dataclass(frozen=True)
class Plane:
    """Words and their points in two dimensions."""

    words: Sequence[str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Fan:
    """A series and its forecast: the last values of its past, and for each step to come the median and intervals."""

    past_times: Sequence[str]
    past: Sequence[float]  # NaN where nothing was observed
    times: Sequence[str]
    median: Sequence[float]
    intervals: Sequence[tuple[float, Sequence[float], Sequence[float]]]  # percent, lower ends, upper ends


Picture = Losses | Attention | Plane | Fan


def check_suffix(path: Path) -> None:
    """Raise ConfigError unless the file name ends with one of the SUFFIXES."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}: that says what to draw.")


def draw(picture: Picture, path: Path, title: str) -> None:
    """Write a picture to a file, in the format that the end of its name says. Raises ConfigError or OSError."""
    check_suffix(path)
    title = one_line(title)
    if path.suffix.lower() == ".html":
        if isinstance(picture, Losses):
            page = loss_page(title, picture.label, picture.train, picture.valid)
        elif isinstance(picture, Plane):
            page = plane_page(title, picture.words, picture.points)
        elif isinstance(picture, Fan):
            page = fan_page(title, picture.past_times, picture.past, picture.times, picture.median, picture.intervals)
        else:
            page = attention_page(title, picture.source, picture.target, picture.weights)
        write_whole(path, page.encode("utf-8", "replace"))
    elif isinstance(picture, Losses):
        _save(path, title, size=(7.2, 4.4), plot=lambda axes: _losses(axes, picture))
    elif isinstance(picture, Fan):
        _save(path, title, size=(9.0, 4.4), plot=lambda axes: _fan(axes, picture))
    elif isinstance(picture, Plane):
        _save(path, title, size=(9.0, 7.0), plot=lambda axes: _plane(axes, picture))
    else:
        _save(path, title, size=_size(picture), plot=lambda axes: _attention(axes, picture))


def _save(path: Path, title: str, *, size: tuple[float, float], plot: Callable[["Axes"], None]) -> None:
    """Let `plot` draw into a matplotlib figure of this size, in inches, and write that to a file.

    Raises ConfigError when matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            f'{path} needs matplotlib, which is not installed. Install it: pip install "seqcli[plot]"\n'
            f"Or write {path.with_suffix('.html')}, which needs nothing."
        ) from None
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    settings: Any = {  # its type differs between versions of matplotlib
        "font.family": _fonts(),
        "font.size": 10,
        "svg.fonttype": "none",  # letters stay letters: found, copied, and drawn with the reader's fonts
        "svg.hashsalt": "seqcli",  # the same picture is the same file
        "text.parse_math": False,  # a dollar is a dollar
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        heading = cut(title, int(size[0] * LETTERS_PER_INCH))
        figure.suptitle(heading, x=0.01, ha="left", fontsize=11, fontweight="bold")
        plot(axes)
        _write(figure, path)
    missing = any("missing from" in str(warning.message) for warning in caught)
    if missing and path.suffix.lower() == ".png":
        warn(
            f"No installed font has all the letters of {path}; some are boxes. "
            "Write .svg or .html, which take the reader's fonts, or install one such as Noto Sans CJK."
        )


def _write(figure: "Figure", path: Path) -> None:
    drawn = io.BytesIO()
    if path.suffix.lower() == ".svg":
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    else:
        figure.savefig(drawn, format="png", dpi=DPI)
    write_whole(path, drawn.getvalue())


def _fonts() -> list[str]:
    """Return the names of fonts in which letters are looked for, one font after the other."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in CJK_FONTS if name in known), "sans-serif"]


def _losses(axes: "Axes", picture: Losses) -> None:
    """Draw the learning curves, and a circle around the best evaluation."""
    if picture.train:
        axes.plot(*zip(*picture.train, strict=True), color=TRAIN, label="training", linewidth=1.4)
    if picture.valid:
        marker = "o" if len(picture.valid) <= 60 else ""
        steps, losses = zip(*picture.valid, strict=True)
        axes.plot(steps, losses, color=VALID, label="validation", linewidth=1.8, marker=marker, markersize=3.5)
    if picture.best:
        step, loss = picture.best
        label = f"best {figure('{:.4f}', loss)} at step {step:,}"
        axes.plot([step], [loss], "o", color=VALID, markersize=8, fillstyle="none", label=label, linestyle="none")
    axes.set_xlabel("step")
    axes.set_ylabel(picture.label)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)


def _fan(axes: "Axes", picture: Fan) -> None:
    n, every = len(picture.past), [*picture.past_times, *picture.times]
    steps = range(n, n + len(picture.times))
    axes.plot(range(n), picture.past, color=TRAIN, linewidth=1.4, label="past")
    for number, (share, lower, upper) in enumerate(sorted(picture.intervals, reverse=True), 1):
        shade = min(0.5, 0.14 * number)  # the narrower, the darker
        axes.fill_between(steps, lower, upper, color=VALID, alpha=shade, linewidth=0, label=f"{share:g} %")
    axes.plot(steps, picture.median, color=VALID, linewidth=1.8, label="median")
    ticks = [round(k * (len(every) - 1) / 4) for k in range(5)] if len(every) > 5 else range(len(every))
    axes.set_xticks(list(ticks), [every[k] for k in ticks])
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)


def _plane(axes: "Axes", picture: Plane) -> None:
    """Draw words as points, with their names where they cover nothing (see placing.py)."""
    from matplotlib.text import Text

    axes.plot(*zip(*picture.points, strict=True), "o", color=TRAIN, markersize=3)
    axes.set_xlabel("first principal component")
    axes.set_ylabel("second")
    axes.grid(alpha=0.25)
    axes.margins(0.08)
    style: Any = {"textcoords": "offset points", "fontsize": 9, "ha": "center", "va": "center"}
    line = {"arrowstyle": "-", "color": TRAIN, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 1}
    names: list[Any] = [  # for matplotlib's types an annotation may have no line, but these have one
        axes.annotate(visible(word), point, (0, 0), in_layout=False, arrowprops=dict(line), **style)
        for word, point in zip(picture.words, picture.points, strict=True)
    ]
    figure: Any = axes.figure
    figure.draw_without_rendering()  # sizes are known only after this
    frame, inch = axes.get_window_extent(), 72 / figure.dpi
    points = (axes.transData.transform(picture.points) - frame.p0) * inch
    sizes = [(box.width * inch, box.height * inch) for box in map(Text.get_window_extent, names)]
    for name, there in zip(names, place(points, sizes, (frame.width * inch, frame.height * inch)), strict=True):
        name.set_position((there.x, there.y))
        name.arrow_patch.set_visible(there.far)


def _size(picture: Attention) -> tuple[float, float]:
    """Return the size of the picture in inches: room for a square for each weight, and for the names; with a limit."""
    rows, columns = len(picture.target), len(picture.source)
    beside = 0.1 * max(map(len, picture.target)) + 1.6
    above = 0.1 * max(map(len, picture.source)) + 1.0
    return min(LARGEST, max(3.5, 0.34 * columns + beside)), min(LARGEST, max(2.5, 0.34 * rows + above))


def _attention(axes: "Axes", picture: Attention) -> None:
    """Draw attention weights as a map: a column for each source token, a row for each target token."""
    weights = [[w if math.isfinite(w) else 0.0 for w in row] for row in picture.weights]
    many = len(picture.source) * len(picture.target) > VECTORS
    edge = {"linewidth": 0} if many else {"edgecolors": "#e4e8ef", "linewidth": 0.4}
    cells = axes.pcolormesh(weights, cmap="Blues", vmin=0, vmax=1, rasterized=many, **edge)
    axes.invert_yaxis()  # the first token on top
    source, target = [visible(token) for token in picture.source], [visible(token) for token in picture.target]
    upright = max(map(len, source)) <= 2
    axes.xaxis.tick_top()
    rotation, align = (0, "center") if upright else (60, "left")
    axes.set_xticks([k + 0.5 for k in range(len(source))], source, rotation=rotation, ha=align)
    axes.set_yticks([k + 0.5 for k in range(len(target))], target)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(cells, ax=axes, fraction=0.04, pad=0.02, label="attention")
    bar.outline.set_visible(False)
