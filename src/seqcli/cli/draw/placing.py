"""Where to write the names of points in a picture, so that no name stands on another one or on a point."""

import math
from collections.abc import Sequence
from typing import NamedTuple

DISTANCES = (3, 9, 17, 27, 39, 53, 70, 90, 115, 145, 180, 220)  # of a name's edge from its point, nearest first
FAR = 12.0  # from here on a line leads from the point to its name
# right of the point and a little above, as people expect it, then all around
NEAR: tuple[tuple[float, float], ...] = (
    *((0.9, 0.5), (0.9, -0.5), (-0.9, 0.5), (-0.9, -0.5), (0, 1), (0, -1), (1, 0), (-1, 0)),
    *((0.4, 0.9), (0.4, -0.9), (-0.4, 0.9), (-0.4, -0.9)),
)
AROUND = tuple((math.cos(k * math.pi / 12), math.sin(k * math.pi / 12)) for k in range(24))
RINGS = [(distance, NEAR if distance < FAR else AROUND) for distance in DISTANCES]
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
    made: list[Place] = []
    for k, point in enumerate(at):
        known = len(at) + k
        others = np.delete(np.arange(known), k)  # its own point is not in its way
        away, wide = np.abs(middles[others] - point), half[k] + reach[others] + GAP
        least, chosen, distance = math.inf, point, 0.0
        for edge, ways in RINGS:
            # beyond the point in one direction at least, by what a way is long there
            tried = point + np.array(ways) * edge + np.clip(1.5 * np.array(ways), -1, 1) * half[k]  # (tries, 2)
            close = (away < edge + half[k] + wide).all(1)
            near = np.abs(tried[:, None] - middles[others[close]]) < wide[close]  # (tries, others, 2)
            outside = ((tried - half[k] < 0) | (tried + half[k] > np.array(room))).any(1)
            covered = near.all(2).sum(1) + len(middles) * outside
            if covered.min() < least:
                least, chosen, distance = covered.min(), tried[covered.argmin()], edge
            if least == 0:
                break
        middles[known], reach[known] = chosen, half[k]
        x, y = (chosen - point).tolist()
        made.append(Place(x, y, distance > FAR))
    return made
