"""Choosing where to write the names of points in a picture, so that no name covers another one or a point."""

import math
from collections.abc import Sequence
from typing import NamedTuple

DISTANCES = (3, 9, 17, 27, 39, 53, 70, 90, 115, 145, 180, 220)  # distances of a name's edge from its point, to be tried
FAR = 12.0  # a name that is farther away than this is connected with its point by a line
# directions to be tried: first to the right and a little above, where people expect a name, then all around
NEAR: tuple[tuple[float, float], ...] = (
    *((0.9, 0.5), (0.9, -0.5), (-0.9, 0.5), (-0.9, -0.5), (0, 1), (0, -1), (1, 0), (-1, 0)),
    *((0.4, 0.9), (0.4, -0.9), (-0.4, 0.9), (-0.4, -0.9)),
)
AROUND = tuple((math.cos(k * math.pi / 12), math.sin(k * math.pi / 12)) for k in range(24))
RINGS = [(distance, NEAR if distance < FAR else AROUND) for distance in DISTANCES]
DOT = 3.0  # half the width of a point
GAP = 1.0  # the empty space that is left around a name


class Place(NamedTuple):
    """The place of a name: its middle relative to its point (up is positive), and whether it is far from the point."""

    x: float
    y: float
    far: bool


def place(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], room: tuple[float, float]
) -> list[Place]:
    """Choose a place for each name. Returns them in the order of the points; earlier names get the nearer places.

    `points` are positions (x, y) from the lower left corner of a picture whose width and height are `room`, and `sizes`
    are the widths and heights of the names, all in the same unit. If no place is free, the name is put where it covers
    the fewest other things.
    """
    import numpy as np

    at = np.array(points, dtype=float).reshape(-1, 2)
    half = np.array(sizes, dtype=float).reshape(-1, 2) / 2
    # things that must not be covered: all points, and then the names that have a place already
    middles = np.concatenate((at, np.zeros_like(at)))
    reach = np.concatenate((np.full_like(at, DOT), np.zeros_like(at)))
    made: list[Place] = []
    for k, point in enumerate(at):
        known = len(at) + k
        others = np.delete(np.arange(known), k)  # its own point is not in its way
        away, wide = np.abs(middles[others] - point), half[k] + reach[others] + GAP
        least, chosen, distance = math.inf, point, 0.0
        for edge, ways in RINGS:
            # the middles of the name if it is put in each direction, with its edge at this distance from the point
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
