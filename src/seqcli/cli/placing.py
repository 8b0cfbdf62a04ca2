"""Where to write the names of points in a picture, so that no name stands on another one or on a point."""

from collections.abc import Sequence
from typing import NamedTuple

DISTANCES = (3, 9, 17, 27, 39, 53, 70, 90, 120)  # of a name's edge from its point, nearest first
FAR = 12.0  # from here on a line leads from the point to its name
# right of the point and a little above, as people expect it, then all around
DIRECTIONS: tuple[tuple[float, float], ...] = (
    *((0.9, 0.5), (0.9, -0.5), (-0.9, 0.5), (-0.9, -0.5), (0, 1), (0, -1), (1, 0), (-1, 0)),
    *((0.4, 0.9), (0.4, -0.9), (-0.4, 0.9), (-0.4, -0.9)),
)
DOT = 3.0  # half the width of a point
GAP = 1.0  # around a name


class Place(NamedTuple):
    """The middle of a name, from its point (up is positive), and whether a line should lead there."""

    x: float
    y: float
    far: bool


def place(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], room: tuple[float, float]
) -> list[Place]:
    """A place for each name, in the order of the points, the first ones nearest to theirs.

    `points` are in a picture of width and height `room`, from its lower left corner, and `sizes` the widths and heights
    of the names, all in one unit. Where there is no free place, the one that covers the fewest other things is taken.
    """
    import numpy as np

    at = np.array(points, dtype=float).reshape(-1, 2)
    half = np.array(sizes, dtype=float).reshape(-1, 2) / 2
    # what must not be covered: all points, then the names that have their place already
    middles = np.concatenate((at, np.zeros_like(at)))
    reach = np.concatenate((np.full_like(at, DOT), np.zeros_like(at)))
    edges = np.repeat(np.array(DISTANCES, dtype=float), len(DIRECTIONS))
    ways = np.tile(np.array(DIRECTIONS), (len(DISTANCES), 1))
    made: list[Place] = []
    for k, point in enumerate(at):
        tried = point + ways * (edges[:, None] + half[k])  # (tries, 2)
        known = len(at) + k
        wide = half[k] + reach[:known] + GAP
        around = (np.abs(point - middles[:known]) < DISTANCES[-1] + half[k] + wide).all(1)
        around[k] = False  # its own point is not in its way
        near = np.abs(tried[:, None] - middles[:known][around]) < wide[around]  # (tries, what is around, 2)
        outside = ((tried - half[k] < 0) | (tried + half[k] > np.array(room))).any(1)
        best = int(np.argmin(near.all(2).sum(1) + len(middles) * outside))
        middles[known], reach[known] = tried[best], half[k]
        x, y = (tried[best] - point).tolist()
        made.append(Place(x, y, bool(edges[best] > FAR)))
    return made
