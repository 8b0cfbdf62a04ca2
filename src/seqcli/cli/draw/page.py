"""Pictures as HTML pages: one file, no scripts, nothing from the network, light or dark as the reader prefers."""

import math
from collections.abc import Sequence
from html import escape

from rich.cells import cell_len

from seqcli.cli.draw.labels import visible
from seqcli.cli.draw.placing import place

Points = Sequence[tuple[int, float]]
LETTER, LINE = 7.0, 14.0  # about the width of a letter and the height of a line in a picture, in pixels

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2330; --faint: #667085; --line: #d5dae3;
  --shade: 37 99 235; --on: #ffffff; --train: #8a96aa; --valid: #c8364c; }
@media (prefers-color-scheme: dark) { :root { --paper: #14161c; --ink: #e6e8ee; --faint: #98a1b3; --line: #343a47;
  --shade: 250 178 74; --on: #14161c; --train: #7f8aa0; --valid: #ff7a8a; } }
body { margin: 2rem; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.1rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
p { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-weight: 500; white-space: pre; }
"""
MAP_STYLE = """
thead th { vertical-align: bottom; padding: 0 0 .4em; }
thead th span { writing-mode: vertical-rl; display: inline-block; text-align: end; }
thead.short th span { writing-mode: horizontal-tb; }
tbody th { text-align: end; padding: 0 .6em 0 0; }
td { min-width: 2.1em; height: 2.1em; padding: 0; text-align: center; font-size: .72em; border: 1px solid var(--paper);
  background: rgb(var(--shade) / var(--w)); }
td.strong { color: var(--on); }
"""
LOSS_STYLE = """
svg { max-width: 46rem; width: 100%; height: auto; display: block; margin-bottom: 1rem; }
svg text { fill: var(--faint); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--line); }
svg .train, svg .valid { fill: none; stroke: var(--train); stroke-width: 1.5; }
svg .valid { stroke: var(--valid); stroke-width: 2; }
svg .dot { fill: var(--valid); }
.key { font-weight: 600; color: var(--train); }
.key.v { color: var(--valid); }
summary { cursor: pointer; }
th, td { padding: .15em 1em; text-align: end; border-bottom: 1px solid var(--line); }
tr.best { font-weight: 700; }
"""


def _page(title: str, style: str, body: str) -> str:
    return (
        '<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def attention_page(title: str, source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]]) -> str:
    """Return a page with attention weights as a table.

    It has a row for each target token, a column for each source token, and percents in the cells.
    """
    names = [visible(token) for token in source]
    short = ' class="short"' if max(map(len, names)) <= 2 else ""
    head = "".join(f'<th scope="col"><span dir="auto">{escape(name)}</span></th>' for name in names)
    rows = []
    for token, row in zip(target, weights, strict=True):
        cells = "".join(_cell(weight) for weight in row)
        rows.append(f'<tr><th scope="row" dir="auto">{escape(visible(token))}</th>{cells}</tr>')
    return _page(
        title,
        MAP_STYLE,
        f'<div class="wide"><table>\n<thead{short}><tr><td style="--w:0"></td>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table></div>\n<p>Rows are the translation, columns the source; in percent of a row.</p>",
    )


def _cell(weight: float) -> str:
    """Return a cell of the table for one weight; a weight that is not finite counts as 0."""
    weight = min(max(weight, 0.0), 1.0) if math.isfinite(weight) else 0.0
    strong = ' class="strong"' if weight > 0.5 else ""
    number = f"{weight * 100:.0f}" if weight >= 0.005 else ""
    return f'<td{strong} style="--w:{weight:.3g}">{number}</td>'


def loss_page(title: str, label: str, train: Points, valid: Points) -> str:
    """Return a page with the curves of the losses, and the evaluations as a table."""
    best = min(valid, key=lambda point: point[1], default=None)
    key = '<span class="key">training</span>' if train else ""
    key += ' <span class="key v">validation</span>' if valid else ""
    key += f" best {best[1]:.4f} at step {best[0]:,}" if best else ""
    mark = ' class="best"'
    rows = "\n".join(
        f"<tr{mark if point == best else ''}><td>{point[0]:,}</td><td>{point[1]:.4f}</td></tr>" for point in valid
    )
    table = (
        "<details><summary>Evaluations</summary><table>\n"
        "<thead><tr><th>step</th><th>validation loss</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></details>"
    )
    chart = _chart(label, train, valid, best)
    return _page(title, LOSS_STYLE, f"{chart}\n<p>{key}</p>\n{table if valid else ''}")


def _chart(label: str, train: Points, valid: Points, best: tuple[int, float] | None) -> str:
    """Return the learning curves as an SVG element, with a dot at the best evaluation."""
    width, height, left, top, bottom = 720, 400, 56, 24, 40
    every = [*train, *valid]
    steps, losses = _axis([step for step, _ in every]), _axis([loss for _, loss in every])
    (x0, *_, x1), (y0, *_, y1) = steps, losses

    def x(step: float) -> float:
        return round(left + (step - x0) / (x1 - x0) * (width - left - 12), 1)

    def y(loss: float) -> float:
        return round(height - bottom - (loss - y0) / (y1 - y0) * (height - bottom - top), 1)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)} over steps">']
    for tick in losses:
        parts.append(f'<path class="grid" d="M{left} {y(tick)}H{width - 12}"/>')
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    for tick in steps:
        parts.append(f'<text x="{x(tick)}" y="{height - bottom + 20}" text-anchor="middle">{tick:,.10g}</text>')
    parts.append(f'<text x="{left}" y="14">{escape(label)}</text>')
    parts.append(f'<text x="{width - 12}" y="{height - 4}" text-anchor="end">step</text>')
    for name, points in (("train", train), ("valid", valid)):
        if points:
            line = " ".join(f"{x(step)},{y(loss)}" for step, loss in points)
            parts.append(f'<polyline class="{name}" points="{line}"/>')
    if best:
        parts.append(f'<circle class="dot" cx="{x(best[0])}" cy="{y(best[1])}" r="4"/>')
    return "\n".join([*parts, "</svg>"])


def fan_page(
    title: str,
    past_times: Sequence[str],
    past: Sequence[float],
    times: Sequence[str],
    median: Sequence[float],
    intervals: Sequence[tuple[float, Sequence[float], Sequence[float]]],
) -> str:
    """A series and its forecast with intervals (percent, lower, upper), and the numbers as a table."""
    width, height, left, top, bottom = 900, 420, 72, 14, 40
    ends = [value for _, lower, upper in intervals for value in (*lower, *upper)]
    levels = _axis([value for value in (*past, *median, *ends) if math.isfinite(value)])
    y0, y1, n = levels[0], levels[-1], len(past)
    every = [*past_times, *times]

    def x(step: int) -> float:
        return round(left + step / max(1, len(every) - 1) * (width - left - 12), 1)

    def y(value: float) -> float:
        return round(height - bottom - (value - y0) / (y1 - y0) * (height - bottom - top), 1)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">']
    for level in levels:
        parts.append(f'<path class="grid" d="M{left} {y(level)}H{width - 12}"/>')
        parts.append(f'<text x="{left - 8}" y="{y(level) + 4}" text-anchor="end">{level:,.10g}</text>')
    for tick in sorted({round(k * (len(every) - 1) / 5) for k in range(6)}):
        anchor = "start" if tick == 0 else "end" if tick == len(every) - 1 else "middle"
        name = escape(every[tick])
        parts.append(f'<text x="{x(tick)}" y="{height - bottom + 20}" text-anchor="{anchor}">{name}</text>')
    for _, lower, upper in sorted(intervals, reverse=True):
        there = [f"{x(n + k)},{y(value)}" for k, value in enumerate(lower)]
        back = [f"{x(n + k)},{y(value)}" for k, value in enumerate(upper)]
        parts.append(f'<polygon class="band" points="{" ".join([*there, *reversed(back)])}"/>')
    for piece in _pieces(past):
        line = " ".join(f"{x(k)},{y(past[k])}" for k in piece)
        parts.append(f'<polyline class="train" points="{line}"/>')
    line = " ".join(f"{x(n + k)},{y(value)}" for k, value in enumerate(median))
    parts.append(f'<polyline class="valid" points="{line}"/></svg>')
    shares = [f"{share:g} %" for share, _, _ in intervals]
    key = f'<span class="key">past</span> <span class="key v">median</span> and intervals of {", ".join(shares)}'
    head = "".join(f"<th>{share} from</th><th>to</th>" for share in shares)
    rows = "\n".join(
        f"<tr><td>{escape(time)}</td><td>{middle:,.6g}</td>"
        + "".join(f"<td>{lower[k]:,.6g}</td><td>{upper[k]:,.6g}</td>" for _, lower, upper in intervals)
        + "</tr>"
        for k, (time, middle) in enumerate(zip(times, median, strict=True))
    )
    table = (
        "<details><summary>Numbers</summary><div class=wide><table>\n"
        f"<thead><tr><th></th><th>median</th>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div></details>"
    )
    style = LOSS_STYLE.replace("46rem", "60rem") + "svg .band { fill: var(--valid); opacity: .18; }\n"
    return _page(title, style, "\n".join([*parts, f"<p>{key}</p>", table]))


def _pieces(values: Sequence[float]) -> list[list[int]]:
    """The numbers of the values between gaps, piece by piece."""
    pieces: list[list[int]] = [[]]
    for k, value in enumerate(values):
        if math.isfinite(value):
            pieces[-1].append(k)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _axis(values: Sequence[float]) -> list[float]:
    """Return five to eight round numbers for an axis; all values lie between the first and the last of them."""
    low, high = _span(values)
    raw = (high - low) / 7
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * 0.999)
    return [round(k * step, 10) for k in range(math.floor(low / step), math.ceil(high / step) + 1)]


def plane_page(title: str, words: Sequence[str], points: Sequence[tuple[float, float]]) -> str:
    """Return a page with words at their points in the plane."""
    width, height, edge = 900, 700, 40
    (x0, x1), (y0, y1) = (_span([point[axis] for point in points]) for axis in (0, 1))
    names = [visible(word) for word in words]
    at = [
        (edge + (x - x0) / (x1 - x0) * (width - 2 * edge), edge + (y - y0) / (y1 - y0) * (height - 2 * edge))
        for x, y in points
    ]
    places = place(at, [(cell_len(name) * LETTER, LINE) for name in names], (width, height))
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="words in two dimensions">']
    for name, (x, y), there in zip(names, at, places, strict=True):
        middle, base = x + there.x, height - y - there.y
        if there.far:
            parts.append(f'<path class="grid" d="M{x:.1f} {height - y:.1f}L{middle:.1f} {base:.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{height - y:.1f}" r="2.5"/>')
        parts.append(f'<text x="{middle:.1f}" y="{base + 4:.1f}" text-anchor="middle">{escape(name)}</text>')
    note = "<p>Along the first two principal components of the unit vectors.</p>"
    return _page(title, LOSS_STYLE.replace("46rem", "60rem"), "\n".join([*parts, "</svg>", note]))
