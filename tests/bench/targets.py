# SPDX-License-Identifier: GPL-2.0-or-later
# One line per figure that has a target, however the benchmark prints the rest; scripts/bench.py makes its
# closing table of them. bench-timeline.c prints its own, of the same form.
import re

LINE = re.compile(r"^(?:# )?TARGET \| (.+) \| (.+) \| (.+) \| (met|MISSED|-)$", re.MULTILINE)


def line(what, target, result, met):
    """met: None where there is no target ("-"), and the figure is to be known only."""
    verdict = "-" if met is None else "met" if met else "MISSED"
    cells = [str(cell).replace("|", "/") for cell in (what, target, result)]
    return " | ".join(["TARGET", *cells, verdict])


def tell(what, target, result, met):
    """Prints the line; returns whether nothing was missed."""
    print(line(what, target, result, met), flush=True)
    return met is not False


def find(text):
    """[(what, target, result, verdict)] of all that a benchmark printed."""
    return LINE.findall(text)
