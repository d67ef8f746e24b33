# SPDX-License-Identifier: GPL-2.0-or-later
# Straight lines through boxes: what readings of a clock that runs evenly say of it in between.
# A box {"before", "after", "value", "resolution"} is a reading: at some x in [before, after] the
# line's y was in [value, value + resolution].
import math


class NoLine(Exception):
    """No straight line crosses all boxes."""


def swapped(boxes):
    """The same line with x and y exchanged."""
    return [{"before": b["value"], "after": b["value"] + b["resolution"],
             "value": b["before"], "resolution": b["after"] - b["before"]} for b in boxes]


def line_at(boxes, x):
    """(low, high): every y at x of any rising line through all boxes, rounded outward.

    A rising line crosses a box iff line(before) <= value + resolution and line(after) >= value:
    a linear programme with two unknowns, so that two constraints decide each end. All pairs are
    tried: two upper points on either side of x, or an upper and a lower one on the same side.
    """
    upper = [(b["before"] - x, b["value"] + b["resolution"]) for b in boxes]
    lower = [(b["after"] - x, b["value"]) for b in boxes]
    high = _highest(upper, lower)
    # The lowest is the highest of the line turned around: y to -y, and x with it, so it rises.
    low = -_highest([(-u, -v) for u, v in lower], [(-u, -v) for u, v in upper])
    if low > high:
        raise NoLine(f"at {x}: {low} > {high}")
    return low, high


def _highest(upper, lower):
    """The highest value at 0 of a line that is below all upper and above all lower points."""
    best = math.inf
    for u, v in upper:
        if u >= 0:
            best = min(best, v)
        for w, z in upper:
            if u < 0 < w:
                best = min(best, _at_0(u, v, w, z))
        for w, z in lower:
            if w < u < 0:
                best = min(best, _at_0(w, z, u, v))
            elif 0 < u < w:
                best = min(best, _at_0(u, v, w, z))
    return best


def _at_0(u, v, w, z):
    """The value at 0 of the line through (u, v) and (w, z), u < w, rounded up."""
    return v - (z - v) * u // (w - u)
