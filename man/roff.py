# SPDX-License-Identifier: GPL-2.0-or-later
# What both makers of man pages need of roff.
DATE = "2026-11-23"  # of the version, so that builds are the same


def roff(text):
    """A line of text as roff takes it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith(".") else text


def verbatim(lines):
    return [".PP", ".nf", ".RS 4", *map(roff, lines), ".RE", ".fi"]


def tidy(page):
    """Without paragraphs that begin nothing, which mandoc warns of."""
    kept = []
    for line in page:
        if line != ".PP" or not (kept and kept[-1].startswith(".SH")):
            kept.append(line)
    return "\n".join(kept) + "\n"


def heading(name, section, version, summary):
    # The last word is the header's middle; what man itself puts there has no room beside a long name.
    return [f'.TH {name.upper()} {section} "{DATE}" "trace\\-clock\\-sync {version}" ""',
            ".SH NAME", f"{roff(name)} \\- {roff(summary)}"]


def see_also(references):
    """references: (name, section)."""
    return [".SH SEE ALSO",
            *(f".BR {roff(name)} ({section})" + ("," if (name, section) != references[-1] else "")
              for name, section in references)]
