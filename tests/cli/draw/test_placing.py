"""Names of points: none on another one, as long as there is room; every one at its point, or with a line to it."""

import re
from pathlib import Path

import numpy as np
import pytest

from seqcli.cli.draw import pictures
from seqcli.cli.draw.page import LETTER, LINE, plane_page
from seqcli.cli.draw.pictures import Plane, draw
from seqcli.cli.draw.placing import FAR, place

WORDS = [f"{'word' * (k % 3 + 1)}{k}" for k in range(60)]


def crowd() -> list[tuple[float, float]]:
    """Points of which most are in one heap."""
    random = np.random.default_rng(1)
    return (random.normal(size=(60, 2)) * np.where(np.arange(60) % 4 == 0, 1.0, 0.2)[:, None]).tolist()


def overlaps(boxes: list[tuple[float, float, float, float]]) -> int:
    """How many pairs of boxes (left, bottom, right, top) have something in common."""
    return sum(
        a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for k, a in enumerate(boxes) for b in boxes[:k]
    )


def test_names_do_not_overlap_and_stay_near() -> None:
    points = [(450 + 150 * x, 350 + 120 * y) for x, y in crowd()]
    sizes = [(7.0 * len(word), 14.0) for word in WORDS]
    places = place(points, sizes, (900, 700))
    middles = [(x + there.x, y + there.y) for (x, y), there in zip(points, places, strict=True)]
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(middles, sizes, strict=True)]
    assert overlaps(boxes) == 0
    assert overlaps([(x, y, x + w, y + h) for (x, y), (w, h) in zip(points, sizes, strict=True)]) > 30
    assert all(left >= 0 and right <= 900 and low >= 0 and top <= 700 for left, low, right, top in boxes)
    for (x, y), box, there in zip(points, boxes, places, strict=True):
        gap = max(box[0] - x, x - box[2], box[1] - y, y - box[3])
        assert (gap > FAR) <= there.far
        assert not any(box[0] < a < box[2] and box[1] < b < box[3] for a, b in points)
    alone = place([(100.0, 100.0)], [(20.0, 10.0)], (900, 700))[0]
    assert not alone.far and 0 < alone.x < 20 and 0 < alone.y < 20


def test_where_there_is_no_room_every_name_still_has_a_place() -> None:
    assert len(place([(5.0, 5.0)] * 30, [(90.0, 14.0)] * 30, (100, 60))) == 30
    assert place([], [], (9, 9)) == []


def test_words_of_the_page_do_not_overlap() -> None:
    page = plane_page("t", WORDS, crowd())
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle">(\w+)<', page)
    assert [word for _, _, word in found] == WORDS
    boxes = []
    for x, y, word in found:
        half = LETTER * len(word) / 2 - 0.1
        boxes.append((float(x) - half, float(y) - LINE + 0.1, float(x) + half, float(y) - 0.1))
    assert overlaps(boxes) == 0 and all(box[0] >= 0 and box[2] <= 900 for box in boxes)


def test_words_of_the_picture_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    boxes = []

    def measured(figure: object, path: Path) -> None:
        figure.draw_without_rendering()  # type: ignore[attr-defined]  # it is matplotlib's
        for name in figure.axes[0].texts:  # type: ignore[attr-defined]
            box = super(type(name), name).get_window_extent()
            boxes.append((box.x0, box.y0, box.x1, box.y1))

    monkeypatch.setattr(pictures, "_write", measured)
    draw(Plane(WORDS, crowd()), Path("p.png"), "vectors")
    assert len(boxes) == 60 and overlaps(boxes) == 0
