#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes a man page of a wire contract: from-qapi.py OUTPUT VERSION SCHEMA. What a member is stands in
# the schema's comments, which QEMU's own documentation is made of as well.
import ast
import re
import sys
from pathlib import Path

from roff import heading, roff, see_also, tidy

# The command a schema is named for, and what the page's first line says of it.
PAGES = {
    "trace-clock-sync.json": ("query-trace-clock-sync",
                              "each vCPU's counter offset and scale (QMP)",
                              '{ "execute": "query-trace-clock-sync" }'),
    "guest-trace-clocks.json": ("guest-get-trace-clocks",
                                "a guest's clocks, read against its counter (guest agent)",
                                '{ "execute": "guest-get-trace-clocks",'
                                ' "arguments": { "clocks": ["mono", "boot"] } }'),
}
ENTRY = re.compile(r"^##\n(.*?)^##\n(\{.*?\}\n)(?=\n|\Z)", re.DOTALL | re.MULTILINE)
MEMBER = re.compile(r"@([\w-]+): (.*)")


def paragraphs(comment):
    lines = [line[2:] if line.startswith("# ") else line[1:] for line in comment.splitlines()]
    return [p.split("\n") for p in re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))]


def plain(text):
    return roff(re.sub(r"@([\w-]+)", r"\1", text))


def type_name(name):
    return f"list of {name[0]}" if isinstance(name, list) else name


def entry(comment, expression):
    """The section of one command, event or type."""
    kind = next(k for k in ("command", "event", "struct") if k in expression)
    members = expression.get("data", {})
    members = members if isinstance(members, dict) else {}
    first, *rest = paragraphs(comment)
    page = [f".SH {roff(first[0].strip('@:'))} ({kind})"]
    has_returns = "returns" in expression
    for paragraph in rest:
        match = MEMBER.match(paragraph[0])
        text = [line.strip() for line in paragraph]
        if match:
            name = match.group(1)
            wire = members.get(name, members.get("*" + name))
            optional = ", optional" if "*" + name in members else ""
            page += [".TP", f"\\fB{roff(name)}\\fR ({roff(type_name(wire))}{optional})",
                     plain(match.group(2)), *map(plain, text[1:])]
        elif text[0].startswith("- "):
            for line in text:
                page += [".IP \\(bu 2", plain(line[2:])] if line.startswith("- ") else [plain(line)]
        elif not text[0].startswith("Returns:"):
            page += [".PP", *map(plain, text)]
    if has_returns:
        page += [".PP", f"Returns \\fB{roff(expression['returns'])}\\fR."]
    return page


def main():
    output, version, schema = sys.argv[1:]
    text = Path(schema).read_text(encoding="utf-8")
    name, summary, example = PAGES[Path(schema).name]
    entries = [(comment, ast.literal_eval(re.sub(r"\btrue\b", "True", body)))
               for comment, body in ENTRY.findall(text)]
    # What is asked first, then what it is made of.
    entries.sort(key=lambda e: "struct" in e[1])
    page = [*heading(name, 7, version, summary), ".SH SYNOPSIS", ".nf", roff(example), ".fi"]
    for comment, expression in entries:
        page += entry(comment, expression)
    others = [p[0] for p in PAGES.values() if p[0] != name]
    page += see_also([("trace-clock-sync", 1), ("trace-clock-agent", 1)] +
                     [(other, 7) for other in others])
    Path(output).write_text(tidy(page), encoding="utf-8")


if __name__ == "__main__":
    main()
