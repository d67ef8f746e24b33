# SPDX-License-Identifier: GPL-2.0-or-later
# Whether many readings of one clock can all be true: exact, with integers and fractions only, and
# by other means than the collector's. A reading is a box: at some moment within [first, last], in
# ticks of the host's counter, the clock was within [low, high]. It knows nothing of machines.
from collections import namedtuple
from fractions import Fraction

from measure import straight_line_through

Box = namedtuple("Box", "first last low high")

# What adjtimex() lets a kernel's clock run off: the error model's assumption for mono, boot, tai
# and realtime.
SLEW = Fraction(500, 1_000_000)


def host_span(vcpu, counter):
    """(first, last) host counter value at which a vCPU's counter shows this one."""
    multiplier, shift = vcpu["ratio"]["multiplier"], vcpu["ratio"]["shift"]
    scaled = (counter - vcpu["offset"]) % 2**64
    return (-(-(scaled << shift) // multiplier), (((scaled + 1) << shift) - 1) // multiplier)


def guest_box(vcpu, reading):
    """A guest's reading (as the agent tells it) over the host's counter."""
    return Box(host_span(vcpu, reading["counter-before"])[0],
               host_span(vcpu, reading["counter-after"])[1],
               reading["value"], reading["value"] + reading["resolution-ns"])


def host_box(reading):
    """A host clock's reading (as QEMU tells it)."""
    return Box(reading["counter-before"], reading["counter-after"], reading["value"],
               reading["value"] + 1)


def _turns_right(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) < 0


def _upper_hull(points):
    """The corners of the points' convex hull that lie above all others, from left to right."""
    hull = []
    for point in sorted(points):
        while hull and hull[-1][0] == point[0] or \
                len(hull) > 1 and not _turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def no_line(boxes):
    """Why no rising straight line crosses all boxes; None where one does.

    It must not be below `low` at `last` nor above `high` at `first`. Only the corners of the convex
    hulls of these points matter, and they are few.
    """
    far = 10**30
    lows = _upper_hull([(b.last, b.low) for b in boxes])
    highs = [(x, -y) for x, y in _upper_hull([(b.first, -b.high) for b in boxes])]
    return straight_line_through([(x, y, far) for x, y in lows] +
                                 [(x, -far, y) for x, y in highs])


def nominal_rate(boxes):
    """(least, greatest) mean rate of a clock between its first and last reading, ns per tick."""
    a, b = min(boxes), max(boxes)
    return (Fraction(b.low - a.high, b.last - a.first), Fraction(b.high - a.low, b.first - a.last))


def no_rate(boxes, least, greatest):
    """Why a clock whose rate is always from `least` to `greatest` cannot have given these readings.

    Holds every reading against every earlier one, in one pass: what matters of those is kept.
    """
    floor = ceiling = None  # of value - rate * counter, over the readings so far
    for b in sorted(boxes):
        # At least: value(b) >= value(a) + least * (b - a); at most likewise.
        if floor is not None and b.high - least * b.first < floor:
            return f"at {b.first}: {b.high} is behind what the least rate demands"
        if ceiling is not None and b.low - greatest * b.last > ceiling:
            return f"at {b.last}: {b.low} is ahead of what the greatest rate allows"
        floor_here, ceiling_here = b.low - least * b.last, b.high - greatest * b.first
        floor = floor_here if floor is None else max(floor, floor_here)
        ceiling = ceiling_here if ceiling is None else min(ceiling, ceiling_here)
    return None


def no_constant(pairs, least, greatest):
    """Why the difference of two clocks that run alike cannot have been constant.

    pairs: (box of one, box of the other) read soon after each other.
    """
    low = high = None
    for a, b in pairs:
        # b's clock is moved to the moment of a, which lies from `back` to `ahead` ticks after b.
        back, ahead = a.first - b.last, a.last - b.first
        moves = [rate * ticks for rate in (least, greatest) for ticks in (back, ahead)]
        here = (a.low - b.high - max(moves), a.high - b.low - min(moves))
        low = here[0] if low is None else max(low, here[0])
        high = here[1] if high is None else min(high, here[1])
        if low > high:
            return f"at {a.first}: the difference was at least {float(low)}, now {float(high)}"
    return None


def not_ascending(boxes):
    """Why a count that each reading makes one more cannot have given these numbers."""
    ended = sorted(boxes, key=lambda b: b.last)
    done, highest = 0, None
    for b in sorted(boxes):
        while ended[done].last < b.first:
            highest = max(ended[done].low, highest if highest is not None else 0)
            done += 1
        if highest is not None and b.low <= highest:
            return f"at {b.first}: {b.low} after {highest}"
    if len({b.low for b in boxes}) != len(boxes):
        return "a number was given out twice"
    return None


def summary(numbers):
    """(median, 99th percentile, greatest); the percentile is a number that occurs."""
    ordered = sorted(numbers)
    return ordered[len(ordered) // 2], ordered[(len(ordered) - 1) * 99 // 100], ordered[-1]
