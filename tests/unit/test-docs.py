#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Documents against the tree: messages that a page explains are messages that a program has, files
# that are named are there, and options in commands are options of that verb.
#   test-docs.py SOURCE BUILD
import re
import subprocess
import sys
from pathlib import Path

ROOT, BUILD = map(Path, sys.argv[1:3])
sys.path.insert(0, str(ROOT / "tests/fake"))

import cases  # noqa: E402

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = {"trace-clock-sync": BUILD / "collector/trace-clock-sync",
            "trace-clock-agent": BUILD / "guest-agent/trace-clock-agent"}
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
FORMAT = re.compile(r"%(?:[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j|L)?[a-zA-Z%]|$)?")
# What stands for a name or a number in the messages and in the page.
ANY = "\0"


def squeeze(text):
    return re.sub(f"[{ANY}\\s]*{ANY}[{ANY}\\s]*", ANY, re.sub(r"\s+", " ", text))


def messages():
    """All text of the C sources, literals that follow each other as one."""
    found = []
    for file in [*ROOT.glob("collector/*.c"), *ROOT.glob("guest-agent/*.c"), *ROOT.glob("plot/*.c")]:
        code = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        code = re.sub(r'"\s*\b(?:G_G?U?INT64_FORMAT|G_GSIZE_FORMAT|PRI[dux]64)\b\s*"', ANY, code)
        code = re.sub(r'"\s+"', "", code)
        found += [FORMAT.sub(ANY, text.replace("\\n", " ")) for text in STRING.findall(code)]
    return squeeze("\n".join(found).replace("\n", "\x01"))


def test_messages():
    """every message that troubleshooting.md explains is one that a program has"""
    text, have = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), messages()
    keys = [key for key in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)]
    assert len(keys) > 25, keys
    for key in keys:
        parts = [squeeze(part).strip() for part in key.split("…")]
        pattern = f"[^\x01]{{0,60}}?".join(re.escape(part) for part in parts if part)
        assert re.search(pattern, have), f"no program says: {key}"


def test_files():
    """every file of this repository that a document names is there"""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
        for name in re.findall(r"`((?:docs|tests|scripts|collector|clocksync|clockread|formats|plot|data|man|"
                               r"guest-agent|qemu-plugin|qapi|cross)/[\w./-]+)", text):
            name = name.rstrip(".")
            if re.search("ARCH|TARGET", name) or name.endswith("_") or name.endswith("-"):
                continue
            assert (ROOT / name).exists(), f"{document.name}: {name}"


def commands(text):
    """Commands of the programs, in fenced blocks and in `...`, each as one line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks += re.findall(r"`([^`\n]+)`", text)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        for part in re.split(r"[|;&(]|\$\(", line.split(" # ")[0]):
            words = part.split()
            for i, word in enumerate(words):
                if word in PROGRAMS:
                    # What stands behind -- is another program's.
                    own = words[i + 1:]
                    yield word, own[:own.index("--")] if "--" in own else own


# Who runs a document's blocks of commands ("```sh" is what they take), and what runs those that no such
# test takes: their first words, and by whom, or what they would need.
RUN_BY = {"README.md": "tests/testbed/scenarios/libvirt_readme.py",
          "howto-trace-cmd.md": "tests/testbed/howto.py", "howto-perf.md": "tests/fake/test_export_docs.py",
          "howto-perfetto.md": "tests/fake/test_export_docs.py",
          "howto-lttng.md": "tests/fake/test_export_docs.py",
          "howto-text.md": "tests/fake/test_convert_tools.py"}
ELSEWHERE = {
    "make demo": "scripts/demo.py", "make && sudo": "tests/packages/check_deb.py",
    "make check-tree": "scripts/check.py", "make  ": "scripts/check.py",
    "CC=clang-14": "scripts/check.py", "trace-clock-sync plugin": "tests/fake/test_libvirt.py",
    "scripts/prepare-qemu-tree": "tests/tree/test-prepare.py",
    "trace-clock-sync show --qmp": "tests/testbed/howto.py", "trace-clock-sync map": "tests/fake/test_map.py",
    "trace-clock-sync compare": "tests/testbed/scenarios/kvm_methods.py",
    "trace-clock-sync apply run.tcs --boot": "tests/testbed/scenarios/kvm_reset_traces.py",
    # A log and two recordings at once, then what perf makes of them.
    "trace-clock-sync record": "tests/testbed/howto.py",
    "perf record -a": "tests/testbed/scenarios/kvm_perf.py", "perf inject": "tests/testbed/scenarios/kvm_perf.py",
    "tar cf": "tests/fake/test_export_docs.py", "cat clocks": "needs a guest with Perfetto",
    "babeltrace2 --component": "tests/fake/test_export_docs.py",
}
PROGRAM_NAMES = ("make", "CC=", "trace-clock-", "scripts/", "perf ", "tar ", "cat ", "babeltrace2 ",
                 "trace-cmd ", "bpftrace ", "kernelshark ")


def test_blocks():
    """every block of commands is run by a test, or says what it would need"""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if not block.startswith(PROGRAM_NAMES):
                continue
            if kind == "sh":
                runner = RUN_BY[document.name]
                assert document.name in (ROOT / runner).read_text(encoding="utf-8"), runner
                continue
            runner = next((r for first, r in ELSEWHERE.items() if block.startswith(first)), None)
            assert runner, f"{document.name}: who runs {block.splitlines()[0]}?"
            assert runner.startswith("needs ") or (ROOT / runner).exists(), runner


def options_of(cache, *words):
    if words not in cache:
        done = subprocess.run([PROGRAMS[words[0]], *words[1:], "--help"], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(words)} --help: {done.stderr}"
        cache[words] = set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", done.stdout)) | {"--help"}
    return cache[words]


def test_commands():
    """every option in a documented command is one of that verb's"""
    cache, seen = {}, 0
    for document in DOCUMENTS:
        for program, words in commands(document.read_text(encoding="utf-8")):
            verb = [words[0]] if program == "trace-clock-sync" and words and \
                re.fullmatch("[a-z]+", words[0]) else []
            for word in words:
                option = re.match(r"(--[a-z][\w-]*|-[a-z])(?==|$)", word)
                if option:
                    seen += 1
                    known = options_of(cache, program, *verb) | {"--version"}
                    assert option.group(1) in known, f"{document.name}: {program} {' '.join(words)}"
    assert seen > 50, seen


cases.run(globals())
