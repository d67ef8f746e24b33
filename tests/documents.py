# SPDX-License-Identifier: GPL-2.0-or-later
# The documents' blocks of commands, for the tests that run them as they stand and for the one that
# holds that each is run. Knows nothing of what they do.
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A heading, or a block; a block in a list is set in.
PART = re.compile(r"^#+ (?P<heading>[^\n]*)$|"
                  r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<block>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


def parts(text):
    """(heading above, "sh" or another kind, block) of every block of a document's text."""
    heading = ""
    for match in PART.finditer(text):
        if match["heading"] is not None:
            heading = match["heading"]
        else:
            yield heading, match["kind"], textwrap.dedent(match["block"])


def blocks(name, count, heading=None):
    """A document's "sh" blocks, of one section or of all; `count`, so that none is added and not run."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = [block for above, kind, block in parts(text)
             if kind == "sh" and (heading is None or above == heading)]
    assert len(found) == count, (name, heading, found)
    return found


def lines(block):
    """Its commands, each as one line without comment."""
    text = re.sub(r"\s*\\\n\s*", " ", block)
    return [line for line in (re.sub(r"(^|\s)#\s.*", "", line).strip() for line in text.splitlines()) if line]


def examples(help_text):
    """The commands under "Example:" or "Examples:" of a --help, each as one line."""
    found = re.search(r"^Examples?:\n((?:  .*\n)+)", help_text, re.MULTILINE)
    if not found:
        return []
    text = re.sub(r"\s*[\\|]\n\s*", lambda m: " | " if "|" in m[0] else " ", found[1])
    return [line.strip() for line in text.splitlines()]
