#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes a man page of what a program says itself: from-help.py OUTPUT PROGRAM [VERB]. So there is one
# text of each option, and the page cannot say another one.
import os
import re
import subprocess
import sys
from pathlib import Path

from roff import heading, roff, see_also, tidy, verbatim

STATUS = re.compile(r"Exit status:\s*(.*?)\s*$", re.DOTALL)
OPTION = re.compile(r"  (-\S.*?)(?:\s{2,}(\S.*))?")
VERB_LINE = re.compile(r"^  (\S+) {2,}(\S.*)$", re.MULTILINE)
SEE = {"show": "record compare", "record": "show map apply", "map": "record convert",
       "compare": "show", "apply": "record check plot", "check": "apply",
       "convert": "record map", "export": "record apply", "plot": "record apply check",
       "plugin": "show"}
# The wire contract that a program speaks.
CONTRACTS = {"trace-clock-agent": ["guest-get-trace-clocks"],
             "trace-clock-sync": ["query-trace-clock-sync", "guest-get-trace-clocks"]}


def ask(*words):
    done = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True,
                          timeout=60, env=dict(os.environ, LC_ALL="C.UTF-8"))
    return done.stdout.replace("…", "...").replace("–", "-")


def synopsis(usage):
    """The words of a usage line, and what stands behind " - " in it."""
    words, _, summary = usage.strip().partition(" - ")
    return words, summary


def options(lines):
    page = []
    for line in lines:
        name, text = OPTION.fullmatch(line).groups()
        page += [".TP", f"\\fB{roff(name)}\\fR", roff(text or "")]
    return page


def blocks(text):
    return [block.split("\n") for block in re.split(r"\n{2,}", text.strip("\n")) if block.strip()]


def prose(block):
    """Lines as they are where they are set in, the others as one paragraph."""
    page, kept, filled = [], [], []
    for line in [*block, None]:
        if kept and (line is None or not line.startswith("  ")):
            page += verbatim(kept)
            kept = []
        if line is None:
            break
        if line.startswith("  "):
            if filled:
                page += [".PP", *filled]
                filled = []
            kept.append(line[2:])
        else:
            filled.append(roff(line))
    return page + ([".PP", *filled] if filled else [])


def body(help_text, title):
    """All sections but NAME and EXIT STATUS."""
    parts = blocks(STATUS.sub("", help_text))
    usage = parts.pop(0)
    if usage[0] == "Usage:":
        usage.pop(0)
    words, _ = synopsis(" ".join(line.strip() for line in usage).removeprefix("Usage: "))
    rest = words.removeprefix(title).strip()
    page = [".SH SYNOPSIS", f"\\fB{roff(title)}\\fR {roff(rest)}", ".SH DESCRIPTION"]
    described, examples = [], []
    option_lines = []
    for block in parts:
        head = block[0]
        if head in ("Help Options:", "Application Options:"):
            option_lines += block[1:]
        elif head in ("Example:", "Examples:"):
            examples += verbatim([line[2:] for line in block[1:]])
        elif head == "Verbs:":
            for line in block[1:]:
                verb, text = VERB_LINE.match(line).groups()
                described += [".TP", f"\\fB{title}\\-{verb}\\fR(1)".replace(
                    title, roff(title)), roff(text)]
        else:
            described += prose(block)
    page += described
    if option_lines:
        page += [".SH OPTIONS", *options(option_lines)]
    if examples:
        page += [".SH EXAMPLES", *examples]
    return page


def main():
    output, program, *verb = sys.argv[1:]
    name = Path(program).name
    own = ask(program, *verb)
    whole = ask(program) if verb else own
    title = " ".join([name, *verb])
    if verb:
        summary = dict(VERB_LINE.findall(whole))[verb[0]]
        see = [f"{name}-{v}" for v in SEE[verb[0]].split()] + [name]
    else:
        summary = synopsis(own.split("\n")[1])[1] or \
            "put a host and its virtual machines on one timeline"
        see = ["trace-clock-sync" if name != "trace-clock-sync" else "trace-clock-agent"]
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True,
                             timeout=60).stdout.split()[-1]
    page_name = title.replace(" ", "-")
    page = [*heading(page_name, 1, version, summary), *body(own, title)]
    status = STATUS.search(whole)
    if status:
        text = " ".join(status.group(1).split()).rstrip(".")
        page.append(".SH EXIT STATUS")
        for part in text.split("; "):
            number, _, meaning = part.partition(" ")
            page += [".TP", number, roff(meaning)]
    page += see_also([(other, 1) for other in see] + [(other, 7) for other in CONTRACTS[name]])
    Path(output).write_text(tidy(page), encoding="utf-8")


if __name__ == "__main__":
    main()
