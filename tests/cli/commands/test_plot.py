"""seqcli plot: the files are what their names say, show what they were given, and nothing is lost or let in."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from seqcli.cli.draw import pictures
from seqcli.cli.draw.page import attention_page, loss_page
from seqcli.cli.draw.pictures import Attention, Losses, draw
from seqcli.core import catalogue, runs

Run = Callable[..., Any]

SOURCE, TARGET = ["Das", "<b>&", "$x^", "\x07"], ["the", "\n", '"<u>on']
WEIGHTS = [[0.7, 0.1, 0.1, 0.1], [0.004, 0.996, 0.0, 0.0], [0.25, 0.25, 0.25, float("nan")]]
LOSSES = Losses([(10, 3.0), (20, 2.0), (30, 1.5)], [(20, 2.5), (30, 2.25)])


@dataclass
class Translated:
    source_tokens: list[str]
    target_tokens: list[str]
    attention: list[list[float]] | None


class Page(HTMLParser):
    """The cells of each row, the tags, and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.styles: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "path"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.styles += [value or "" for name, value in attrs if name == "style"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "circle", "polyline"):
            assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th", "span") and self.rows:
            self.rows[-1][-1] += data


def svg_texts(path: Path) -> list[str]:
    return ["".join(e.itertext()) for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[-8:-4] == b"IEND"
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def self_contained(text: str) -> None:
    page = Page(text)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.links == []
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_svg_keeps_letters_as_letters() -> None:
    draw(Attention(SOURCE, TARGET, WEIGHTS), Path("a.svg"), "a $title$ with \x07 and <b>")
    texts = svg_texts(Path("a.svg"))
    for shown in ("Das", "<b>&", "$x^", "\\u0007", "the", "⏎", '"<u>on', "a $title$ with \\u0007 and <b>"):
        assert shown in texts
    draw(LOSSES, Path("l.svg"), "losses")
    assert {"step", "loss (nats per token)", "training", "validation", "best 2.2500 at step 30"} <= set(
        svg_texts(Path("l.svg"))
    )


def test_svg_has_the_first_token_on_top_and_its_weights_beside_it() -> None:
    draw(Attention(["x"], ["first", "second"], [[1.0], [0.0]]), Path("a.svg"), "a")
    root = ET.parse("a.svg").getroot()
    names = {e.text: float(e.get("y", "nan")) for e in root.iter("{http://www.w3.org/2000/svg}text")}
    assert names["first"] < names["second"]
    mesh = next(e for e in root.iter("{http://www.w3.org/2000/svg}g") if e.get("id", "").startswith("QuadMesh"))
    cells = list(mesh.iter("{http://www.w3.org/2000/svg}path"))
    tops = {
        e.get("style", ""): min(map(float, e.get("d", "").split()[2::3])) for e in cells if "fill" in e.get("style", "")
    }
    assert len(tops) == 2
    dark = min(tops, key=lambda style: int(style.split("fill: #")[1][:2], 16))
    assert tops[dark] == min(tops.values())


def test_a_picture_drawn_twice_is_the_same_file() -> None:
    for name in ("a.svg", "b.svg"):
        draw(LOSSES, Path(name), "losses")
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()


def test_png_grows_with_the_sentence_up_to_a_limit() -> None:
    sizes = []
    for n in (3, 30, 150):
        weights = [[1 / n] * n for _ in range(2)]
        draw(Attention([f"w{k}" for k in range(n)], ["a", "b"], weights), Path("a.png"), "a")
        sizes.append(png_size(Path("a.png")))
    assert sizes[0][0] < sizes[1][0] < sizes[2][0] <= pictures.LARGEST * pictures.DPI
    draw(LOSSES, Path("l.PNG"), "losses")
    assert png_size(Path("l.PNG"))[0] > 500


def test_one_point_is_a_picture_too() -> None:
    for suffix in pictures.SUFFIXES:
        draw(Losses([(10, 3.0)], []), Path(f"train{suffix}"), "one")
        draw(Losses([], [(10, 3.0)]), Path(f"valid{suffix}"), "one")
        draw(Attention(["a"], ["b"], [[1.0]]), Path(f"one{suffix}"), "one")


def test_missing_letters_of_a_png_are_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(pictures, "CJK_FONTS", ())
    said: list[str] = []
    monkeypatch.setattr(pictures, "warn", said.append)
    korean = Attention(["나는", "집에"], ["간다"], [[0.5, 0.5]])
    draw(korean, Path("k.svg"), "한국어")
    assert said == []
    assert "나는" in svg_texts(Path("k.svg"))
    draw(korean, Path("k.png"), "한국어")
    assert len(said) == 1
    assert "Write .svg or .html" in said[0]
    assert capsys.readouterr().err == ""


def test_attention_page() -> None:
    text = attention_page("<i>title", SOURCE, TARGET, WEIGHTS)
    self_contained(text)
    page = Page(text)
    assert page.rows == [
        ["", "Das", "<b>&", "$x^", "\\u0007"],
        ["the", "70", "10", "10", "10"],
        ["⏎", "", "100", "", ""],
        ['"<u>on', "25", "25", "25", ""],
    ]
    assert page.styles[1:5] == ["--w:0.7", "--w:0.1", "--w:0.1", "--w:0.1"]
    assert "i" not in page.tags
    assert "b" not in page.tags
    assert "u" not in page.tags


def test_loss_page() -> None:
    text = loss_page("<i>title", "loss", LOSSES.train, LOSSES.valid)
    self_contained(text)
    assert "i" not in Page(text).tags
    assert Page(text).rows[1:] == [["20", "2.5000"], ["30", "2.2500"]]
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    lines = {e.get("class"): e.get("points", "").split() for e in svg.iter("polyline")}
    assert {name: len(points) for name, points in lines.items()} == {"train": 3, "valid": 2}
    heights = [float(point.split(",")[1]) for point in lines["train"]]
    assert heights == sorted(heights)  # down the page, as the loss falls
    assert lines["train"][1].split(",")[0] == lines["valid"][0].split(",")[0]  # the same step, the same place
    assert 'class="best"' in text


def test_the_axes_of_the_page_hold_every_point() -> None:
    for losses in ([4.13, 2.0, 1.503], [0.01, 0.5], [7.0, 7.0], [-3.2, 1e-9], [123.0, 87.0]):
        points = [(10 * k + 7, loss) for k, loss in enumerate(losses)]
        text = loss_page("t", "loss", points, [])
        svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
        grid = [float(e.get("d", "").split(" ")[1].partition("H")[0]) for e in svg.iter("path")]
        ticks = [float(e.get("x", "")) for e in svg.iter("text") if e.get("text-anchor") == "middle"]
        for x, y in (map(float, point.split(",")) for point in next(svg.iter("polyline")).get("points", "").split()):
            assert min(grid) <= y <= max(grid) and min(ticks) <= x <= max(ticks)
        assert 3 <= len(grid) <= 10


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_losses_of_a_run(seqcli: Run, trained: Path, suffix: str) -> None:
    result = seqcli("plot", "small", "-o", f"picture{suffix}")
    assert result.code == 0, result.err
    assert result.out == f"picture{suffix}\n"
    assert result.err == ""
    assert Path(f"picture{suffix}").stat().st_size > 1000
    before = Path(f"picture{suffix}").read_bytes()
    assert seqcli("plot", "-o", f"picture{suffix}").code == 0  # the newest run; what was named is written again
    assert Path(f"picture{suffix}").read_bytes() == before


def test_the_losses_drawn_are_those_of_the_run(seqcli: Run, trained: Path) -> None:
    assert seqcli("plot", "runs/small/best.safetensors", "-o", "l.html").code == 0
    found = [point for point in catalogue.read_run(trained).points if "val_loss" in point]
    rows = Page(Path("l.html").read_text(encoding="utf-8")).rows[1:]
    assert rows == [[str(point["step"]), f"{point['val_loss']:.4f}"] for point in found]


def test_the_name_by_default_is_never_one_that_is_there(seqcli: Run, trained: Path) -> None:
    assert seqcli("plot").out == "small-loss.svg\n"
    Path("small-loss.svg").write_text("mine")
    told = json.loads(seqcli("plot", "--json").out)
    assert told == {"run": "runs/small", "what": "loss", "path": "small-loss-2.svg"}
    assert Path("small-loss.svg").read_text() == "mine"
    ET.parse("small-loss-2.svg")
    Path("small-loss-3.svg").symlink_to("elsewhere.svg")
    assert seqcli("plot").out == "small-loss-4.svg\n"
    assert not Path("elsewhere.svg").exists() and not list(Path().glob(".*tmp"))


def test_attention_of_a_translation(seqcli: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Model:
        def translate(self, texts: list[str], *, attention: bool) -> list[Translated]:
            asked.append((texts, attention))
            return [Translated(["나는", " 집에"], ["I", " home"], [[0.9, 0.1], [0.2, 0.8]])]

    def load(run: Any, **options: Any) -> Model:
        asked.append((str(run), options["task"], options["device"]))
        return Model()

    monkeypatch.setattr(runs, "load", load)
    result = seqcli("plot", "small", "--what", "attention", "--text", "나는 집에", "-o", "a.html", "--device", "cpu")
    assert result.code == 0, result.err
    assert asked == [("runs/small", "translate", "cpu"), (["나는 집에"], True)]
    rows = Page(Path("a.html").read_text(encoding="utf-8")).rows
    assert rows == [["", "나는", "␣집에"], ["I", "90", "10"], ["␣home", "20", "80"]]


def refused(result: Any, code: int, *parts: str) -> None:
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "Error" in result.err
    for part in parts:
        assert part in result.err.replace("\n", " "), result.err


@pytest.mark.parametrize("name", ["picture.jpg", "picture", ".svg", "-"])
def test_unknown_suffix(seqcli: Run, trained: Path, name: str) -> None:
    refused(seqcli("plot", "-o", name), 2, f"{name} must end in .svg, .png or .html")
    assert not Path(name).exists()


def test_what_cannot_be_drawn(seqcli: Run, trained: Path) -> None:
    refused(seqcli("plot", "--what", "attention"), 2, "needs a sentence", "--text")
    refused(seqcli("plot", "--text", "a"), 2, "--what attention")
    refused(seqcli("plot", "--what", "gates"), 2, "gates", "attention")
    refused(
        seqcli("plot", "small", "--what", "attention", "--text", "a"),
        1,
        "holds a language model, not a translation model",
    )
    refused(seqcli("plot", "smal"), 1, "smal")
    refused(seqcli("plot", "-o", "no/where/a.svg"), 1, "no/where/a.svg", "there is no directory")
    Path("alone.safetensors").write_bytes((trained / "best.safetensors").read_bytes())
    refused(seqcli("plot", "alone.safetensors"), 1, "has no losses in it")
    (trained / "metrics.jsonl").write_text('{"step": 1, "loss": NaN}\n{"step": 2, "val_loss": null}\n')
    refused(seqcli("plot"), 1, "has no losses in its metrics.jsonl yet")


def test_without_matplotlib(seqcli: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(seqcli("plot", "-o", "a.png"), 2, 'pip install "seqcli[plot]"', "a.html")
    assert seqcli("plot", "-o", "a.html").code == 0


def test_matplotlib_and_torch_are_imported_only_to_draw() -> None:
    code = (
        "import sys, seqcli.cli.commands.plot, seqcli.cli.draw.heatmap\n"
        "heavy = [m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
