#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# bash's completion, driven as bash drives it, against what --help and the man pages tell.
#   test_installed.py BUILD
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/fake"))

import cases  # noqa: E402

BUILD = Path(sys.argv[1])
PROGRAMS = {"trace-clock-sync": BUILD / "collector/trace-clock-sync",
            "trace-clock-agent": BUILD / "guest-agent/trace-clock-agent"}
SCRIPT = """
source "$1"; shift
program=$1; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_trace_clock_sync "$program" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words, cwd=None):
    """What bash would offer for the last of these words."""
    program = PROGRAMS[words[0]]
    done = subprocess.run(["bash", "--norc", "-c", SCRIPT, "bash", ROOT / "data/bash-completion",
                           program, program, *words[1:]], capture_output=True, text=True,
                          timeout=60, check=True, cwd=cwd, env=dict(os.environ, LC_ALL="C.UTF-8"))
    return sorted(set(done.stdout.split("\n")) - {""})


def help_of(*words):
    done = subprocess.run([PROGRAMS[words[0]], *words[1:], "--help"], capture_output=True,
                          text=True, timeout=60, check=True)
    return done.stdout


def options_of(text):
    return sorted(set(re.findall(r"^  (?:-., )?(--[a-z-]+=?)", text, re.MULTILINE)))


def verbs():
    return re.findall(r"^  ([a-z]+) {2,}", help_of("trace-clock-sync"), re.MULTILINE)


def test_verbs():
    """the first word is one of the verbs"""
    assert complete("trace-clock-sync", "") == sorted([*verbs(), "--help", "--version"])
    assert complete("trace-clock-sync", "co") == ["compare", "convert"]


def test_options():
    """each verb's options are those of its --help, all of them"""
    for verb in verbs():
        expected = options_of(help_of("trace-clock-sync", verb))
        assert len(expected) > 1 or verb == "map", (verb, expected)
        found = complete("trace-clock-sync", verb, "--")
        assert found == expected, (verb, found, expected)
    assert complete("trace-clock-agent", "--") == options_of(help_of("trace-clock-agent"))


def test_values():
    """values: names that are known, files, and anything behind --"""
    assert complete("trace-clock-sync", "show", "--method", "=", "e") == ["exchange"]
    assert complete("trace-clock-sync", "show", "--method", "p") == ["ptp-kvm"]
    assert "mono_raw" in complete("trace-clock-sync", "record", "--clock", "")
    assert complete("trace-clock-sync", "export", "LOG", "perfe") == ["perfetto"]
    assert "CHANGELOG.md" in complete("trace-clock-sync", "map", "CHANGE", cwd=ROOT) or \
        "README.md" in complete("trace-clock-sync", "map", "READ", cwd=ROOT)
    assert "sleep" in complete("trace-clock-sync", "record", "-o", "x", "--", "slee")


def pages():
    return {page.name: page.read_text(encoding="utf-8")
            for page in (BUILD / "man").glob("*.[17]")}


def test_pages():
    """each verb has a man page with its options and an example, without a warning of man's"""
    if "trace-clock-sync.1" not in pages():
        cases.skip("this build has no pages of programs, as it has sanitizers")
    for verb in verbs():
        text = pages()[f"trace-clock-sync-{verb}.1"].replace("\\-", "-")
        for option in options_of(help_of("trace-clock-sync", verb)):
            assert option in text, (verb, option)
        for section in (".SH SYNOPSIS", ".SH EXAMPLES", ".SH EXIT STATUS"):
            assert section in text, (verb, section)
    for name in pages():
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", BUILD / "man" / name],
                              capture_output=True, text=True, timeout=60, check=True)
        assert not done.stderr, (name, done.stderr)


def test_contracts():
    """each member of the wire contracts is in its page"""
    for schema, page in (("trace-clock-sync", "query-trace-clock-sync.7"),
                         ("guest-trace-clocks", "guest-get-trace-clocks.7")):
        if not pages():
            break
        text = pages()[page].replace("\\-", "-")
        source = (ROOT / f"qapi/{schema}.json").read_text(encoding="utf-8")
        for name in re.findall(r"^# @([\w-]+):", source, re.MULTILINE):
            assert name in text, (page, name)


cases.run(globals())
