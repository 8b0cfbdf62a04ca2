"""A card in HTML that a notebook shows for a trained model.

The styles are written into the elements, because pages that show notebooks drop style sheets, and they undo what the
themes of notebooks do to lists and code. The card suits light and dark pages: text inherits the colour of the page, and
lines and backgrounds are a transparent grey.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

LINE, GROUND, ACCENT = "rgba(128,128,128,.4)", "rgba(128,128,128,.12)", "#3d7ff0"
SANS = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif"
MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
LIST = "margin:0;padding:0;border:0;background:none"
ENTRY = "float:none;width:auto;margin:0;padding:0;border:0;background:none;color:inherit"  # for entries of any list
LABEL = f"{ENTRY};opacity:.8;font-weight:400"
MOST = 24  # how many names are shown at most


def card(
    title: str,
    about: str,
    figures: Iterable[tuple[str, str]],
    facts: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    code: Sequence[str],
) -> str:
    """Return a card as HTML: figures as tiles, the first one marked; facts and names line by line; and Python to try.

    All arguments are plain text and may come from a stranger's file. So nothing in them is taken for HTML, and
    invisible characters are written as escapes.
    """
    parts = [
        f'<div style="display:flex;flex-wrap:wrap;gap:0 .75em;align-items:baseline;padding:.55em 1em;'
        f'background:{GROUND};border-bottom:1px solid {LINE}">'
        f'<strong style="font-size:1.1em">{shown(title)}</strong><span>{shown(about)}</span></div>',
        _tiles(figures),
        _lines(
            {name: shown(_short(value, 200)) for name, value in facts.items()}
            | {k: _chips(v) for k, v in names.items()}
        ),
        f'<pre style="{MONO};font-size:.92em;line-height:1.5;color:inherit;background:{GROUND};margin:.75em 1em .9em;'
        f'padding:.5em .75em;border:0;border-radius:6px;overflow-x:auto;white-space:pre-wrap">'
        f'<code style="{MONO};color:inherit;background:none;padding:0;border:0;font-size:1em">'
        f"{chr(10).join(map(shown, code))}</code></pre>",
    ]
    return (
        f'<div role="group" aria-label="{shown(title)}: {shown(about)}" style="{SANS};font-size:14px;line-height:1.45;'
        f"color:inherit;text-align:left;box-sizing:border-box;width:fit-content;min-width:min(26em,100%);"
        f'max-width:min(52em,100%);margin:.3em 0;border:1px solid {LINE};border-radius:8px;overflow:hidden">'
        f"{''.join(filter(None, parts))}</div>"
    )


def shown(text: str) -> str:
    """Return text for HTML. Characters that are invisible or change the writing direction are written as escapes."""
    seen = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return escape("".join(seen))


def _tiles(figures: Iterable[tuple[str, str]]) -> str:
    """Return figures, given as names and values, as a row of tiles in HTML."""
    tiles = [
        f'<div style="padding:.1em 0 .1em .7em;border-left:3px solid {LINE if k else ACCENT}">'
        f'<dt style="{LABEL};font-size:.88em;display:block">{shown(name)}</dt>'
        f'<dd style="{ENTRY};display:block;font-size:1.3em;font-weight:600;font-variant-numeric:tabular-nums">'
        f"{shown(value)}</dd></div>"
        for k, (name, value) in enumerate(figures)
    ]
    style = f"{LIST};display:flex;flex-wrap:wrap;gap:.6em 1.6em;padding:.8em 1em .1em"
    return f'<dl style="{style}">{"".join(tiles)}</dl>' if tiles else ""


def _lines(facts: Mapping[str, str]) -> str:
    """Return facts as lines in HTML. The values are HTML already."""
    lines = "".join(
        f'<div style="display:flex;gap:1em;align-items:baseline;padding:.1em 0">'
        f'<dt style="{LABEL};flex:0 0 7em">{shown(name)}</dt>'
        f'<dd style="{ENTRY};flex:1 1 auto;min-width:0;overflow-wrap:anywhere">{value}</dd></div>'
        for name, value in facts.items()
    )
    return f'<dl style="{LIST};padding:.7em 1em 0">{lines}</dl>'


def _chips(names: Sequence[str]) -> str:
    """Return names from a file as HTML. They are isolated, so that one in a right-to-left script moves no other one."""
    style = f"display:inline-block;margin:0 .35em .25em 0;padding:0 .5em;border:1px solid {LINE};border-radius:1em"
    chips = [f'<bdi style="{style}">{shown(_short(name))}</bdi>' for name in names[:MOST]]
    more = [f"and {len(names) - MOST:,} more"] if len(names) > MOST else []
    return " ".join(chips + more)


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
