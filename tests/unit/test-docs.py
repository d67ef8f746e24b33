#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Documents against the tree: messages that a page explains are messages that a program has, files
# that are named are there, options in commands are options of that verb, and every block of commands
# has a test that runs it, or says that none does.
#   test-docs.py SOURCE BUILD
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT, BUILD = map(Path, sys.argv[1:3])
sys.path[:0] = [str(ROOT / "tests/fake"), str(ROOT / "tests")]

import cases  # noqa: E402
import documents  # noqa: E402

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


# One that stands before an option or another argument is a command, here or in what a script prints.
COMMAND = re.compile(r"(?:^|[`\s])((?:tests|scripts|\.ci)/[\w./-]+)(?= (?:--?[a-z]|[A-Z]{3}))|"
                     r"`((?:tests|scripts|\.ci)/[\w./-]+)(?= )", re.MULTILINE)


def test_executable():
    """every file of this repository that begins a command may be run"""
    seen = set()
    for file in [*DOCUMENTS, *ROOT.glob("scripts/*.py"), ROOT / "Makefile"]:
        for match in COMMAND.finditer(file.read_text(encoding="utf-8")):
            name = match[1] or match[2]
            seen.add(name)
            assert os.access(ROOT / name, os.X_OK), f"{file.name}: {name} is not executable"
    assert {"tests/testbed/run.py", "tests/fuzz/seeds.py", "scripts/build-deb"} <= seen, seen


def test_seeds():
    """fuzzing.md: seeds.py writes first inputs of every target"""
    text = (ROOT / "tests/fuzz/meson.build").read_text(encoding="utf-8")
    targets = re.findall(r"^ +'([\w-]+)': \[\[", text, re.MULTILINE)
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([ROOT / "tests/fuzz/seeds.py", directory], stdout=subprocess.DEVNULL, timeout=60, check=True)
        found = {path.name for path in Path(directory).iterdir() if any(path.iterdir())}
        assert set(targets) == found and len(found) > 5, (targets, found)


def test_installed():
    """every installed file that a document names is installed there, by meson or by a package"""
    asked = {what: subprocess.run(["/usr/bin/meson", "introspect", BUILD, f"--{what}"], capture_output=True, text=True,
                                  timeout=60, check=True).stdout for what in ("installed", "buildoptions")}
    prefix = next(o["value"] for o in json.loads(asked["buildoptions"]) if o["name"] == "prefix")
    there = {"/usr/local" + to.removeprefix(prefix) for to in json.loads(asked["installed"]).values()}
    seen = 0
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for name in re.findall(r"/usr/local/[\w./-]+[\w-]", text):
            seen += 1
            assert any(f"{path}/".startswith(f"{name}/") for path in there), f"{document.name}: {name}"
        for name, package in re.findall(r"/(usr/share/doc/([\w-]+)/examples)\b", text):
            seen += 1
            assert name in (ROOT / f"debian/{package}.install").read_text(encoding="utf-8"), name
    assert seen > 4, seen


def commands(text):
    """Commands of the programs, in blocks and in `...`."""
    for _, _, block in documents.parts(text):
        for line in documents.lines(block):
            yield from in_line(line)
    for line in re.findall(r"`([^`\n]+)`", text):
        yield from in_line(line)


def in_line(line):
    """(program, its words) of a line."""
    for part in re.split(r"[|;&(]|\$\(", line):
        words = part.split()
        for i, word in enumerate(words):
            if word in PROGRAMS:
                # What stands behind -- is another program's.
                own = words[i + 1:]
                yield word, own[:own.index("--")] if "--" in own else own


# Who takes a document's "sh" blocks out of its text and runs them: of all of it, or of one section.
RUN_BY = {
    ("README.md", "Use it on a VM of yours"): "tests/packages/check_deb.py",
    ("README.md", "A libvirt domain, from nothing to a picture"): "tests/testbed/scenarios/libvirt_readme.py",
    ("README.md", "Without libvirt"): "tests/testbed/howto.py",
    ("README.md", "The agent as a service"): "tests/packages/check_deb.py",
    ("README.md", "Good to know"): "tests/fake/test_examples.py",
    ("fuzzing.md", None): "tests/fuzz/run_howto.py",
    ("howto-kernelshark.md", None): "tests/fake/test_kernelshark.py",
    ("howto-libvirt.md", None): "tests/testbed/scenarios/libvirt_readme.py",
    ("howto-lttng.md", None): "tests/fake/test_export_lttng.py",
    ("howto-perf.md", None): "tests/fake/test_export_docs.py",
    ("howto-perfetto.md", None): "tests/fake/test_export_docs.py",
    ("howto-text.md", None): "tests/fake/test_convert_tools.py",
    ("howto-trace-cmd.md", None): "tests/testbed/howto.py",
}
# Of the other blocks: how a command begins, in which document; which test runs it, and the words there that do.
# A command of neither kind needs a remark in its section.
ELSEWHERE = (
    ("make check", None, ".ci/run", "scripts/check"),
    ("make check-tree", None, "scripts/check.py", "tests/tree/check_tree.py"),
    ("make check-deb", None, "scripts/check.py", "tests/packages/check_deb.py"),
    ("make check-arch", None, "scripts/check.py", "scripts/check-arch"),
    ("make", "CONTRIBUTING.md", "tests/packages/check_deb.py", "self.by_make"),
    ("scripts/prepare-qemu-tree PATH", "in-tree.md", "tests/tree/test-prepare.py", "scripts/prepare-qemu-tree"),
    ("scripts/prepare-qemu-tree PATH --undo", "in-tree.md", "tests/tree/test-prepare.py", 'run(tree, "--undo")'),
    ("trace-clock-sync apply run.tcs --boot 2", "howto-trace-cmd.md",
     "tests/testbed/scenarios/kvm_reset_traces.py", '"--boot", boot'),
    # All blocks of that page, whatever kind they are.
    *((first, "howto-perf.md", "tests/testbed/scenarios/kvm_perf.py", "docs/howto-perf.md")
      for first in ("trace-clock-sync record", "perf record", "perf inject", "perf script")),
    # What `export` printed there.
    ("babeltrace2 --component", "howto-lttng.md", "tests/fake/test_export_lttng.py", "howto-lttng.md"),
)
REMARK = re.compile(r"not\s+run\s+by\s+a\s+test\b|was\s+not\s+run\b", re.IGNORECASE)
PROGRAM_NAMES = ("make", "CC=", "trace-clock-", "scripts/", "tests/", "perf ", "tar ", "cat ", "babeltrace2 ",
                 "trace-cmd ", "bpftrace ", "kernelshark ", "lttng ", "trace_processor ", "meson ", "build", "echo ",
                 "mkdir ", "sudo ", "systemctl ", "virsh ")


def suite_has(runner, *words):
    """Whether it is a test, or what runs tests, and has all these words."""
    return re.match(r"tests/|\.ci/run$|scripts/check\.py$", runner) and \
        all(word in (ROOT / runner).read_text(encoding="utf-8") for word in words)


def recipe(target):
    """What make runs for it, and what the script says that is all of it."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] + "".join((ROOT / name).read_text(encoding="utf-8")
                              for name in re.findall(r"^\t(scripts/[\w-]+)$", found[1], re.MULTILINE))


def sections(text):
    """{heading: its text}; what is remarked under "What was tested" holds for all of the document."""
    found = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    of = dict(zip(found[1::2], found[2::2]))
    return {heading: body + of.get("What was tested", "") for heading, body in of.items()}


def hold_command(name, line, remarked):
    """One that no test takes out of the text."""
    first = max((entry for entry in ELSEWHERE if entry[1] in (None, name) and
                 re.match(re.escape(entry[0]) + r"(?![\w-])", line)), key=lambda entry: len(entry[0]), default=None)
    if not first or re.fullmatch(r"make( [\w-]+){2,}", line):
        assert remarked, f"{name}: no test runs '{line}', and its section does not say so"
        return
    begin, _, runner, words = first
    assert suite_has(runner, words), f"{name}: {runner} does not run '{line}'"
    if begin.startswith("make "):
        assert words in recipe(begin.split()[1]), f"{name}: '{begin}' does not run {words}"


def test_blocks():
    """every block of commands is run by a test, or its section says that none runs it"""
    for document in DOCUMENTS:
        text, name = document.read_text(encoding="utf-8"), document.name
        remarked = {heading for heading, body in sections(text).items() if REMARK.search(body)}
        for heading, kind, block in documents.parts(text):
            if kind == "sh":
                key = next((k for k in ((name, heading), (name, None)) if k in RUN_BY), None)
                assert key, f"{name}, {heading}: who runs {block}?"
                assert suite_has(RUN_BY[key], name, key[1] or ""), f"{name}: {RUN_BY[key]} does not name {key}"
                continue
            for line in documents.lines(block):
                # "trace-clock-sync VERB: ..." is what one says.
                if line.startswith(PROGRAM_NAMES) and not re.match(r"trace-clock-sync [a-z]+: ", line):
                    hold_command(name, line, heading in remarked)


def options_of(cache, *words):
    if words not in cache:
        done = subprocess.run([PROGRAMS[words[0]], *words[1:], "--help"], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(words)} --help: {done.stderr}"
        cache[words] = done.stdout
    return set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", cache[words])) | {"--help", "--version"}


def hold_options(cache, where, program, words):
    """Returns how many there were."""
    verb = [words[0]] if program == "trace-clock-sync" and words and \
        re.fullmatch("[a-z]+", words[0]) else []
    options = [match[1] for match in (re.match(r"(--[a-z][\w-]*|-[a-z])(?==|$)", word) for word in words) if match]
    for option in options:
        # An option in a verb's own example is one of the list above it.
        assert option in options_of(cache, program, *verb), f"{where}: {program} {' '.join(words)}"
    return len(options)


def test_commands():
    """every option in a documented command is one of that verb's"""
    cache, seen = {}, 0
    for document in DOCUMENTS:
        for program, words in commands(document.read_text(encoding="utf-8")):
            seen += hold_options(cache, document.name, program, words)
    assert seen > 50, seen


def listed(help_text):
    """Options of the list, not of the text around it."""
    return {word for line in re.findall(r"^  (-.*)$", help_text, re.MULTILINE)
            for word in re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", line.split("  ")[0])}


def test_examples():
    """every option in an example of --help, and so of a man page, is in the list of the same --help"""
    cache, seen = {}, 0
    options_of(cache, "trace-clock-sync")
    verbs = re.findall(r"^  ([a-z]+) {2,}", cache["trace-clock-sync",], re.MULTILINE)
    for asked in [("trace-clock-agent",), *(("trace-clock-sync", verb) for verb in verbs)]:
        options_of(cache, *asked)
        examples = documents.examples(cache[asked])
        assert examples, f"{' '.join(asked)} --help has no example"
        for program, words in (found for line in examples for found in in_line(line)):
            assert words[:len(asked) - 1] == list(asked[1:]) and program == asked[0], (asked, words)
            for word in words:
                if re.match(r"--?[a-z]", word):
                    seen += 1
                    assert word.split("=")[0] in listed(cache[asked]), f"{' '.join(asked)}: {word}"
    assert seen > 20, seen


def test_known_from():
    """every word that show prints under "known from" is in its --help"""
    contract = (ROOT / "qapi/trace-clock-sync.json").read_text(encoding="utf-8")
    told = re.search(r"# @source: (.*?)# @bound-ticks:", contract, re.DOTALL)[1]
    words, cache = set(re.findall(r'"([\w-]+)"', told)), {}
    options_of(cache, "trace-clock-sync", "show")
    missing = [word for word in words if word not in cache["trace-clock-sync", "show"]]
    assert len(words) > 4 and not missing, (words, missing)


def test_agent_options():
    """every OPTIONS= of the agent's service, in its unit and in documents, has options of the agent"""
    cache, seen = {}, 0
    for file in [*DOCUMENTS, *ROOT.glob("data/*.in")]:
        for words in re.findall(r'OPTIONS="([^"]*)"', file.read_text(encoding="utf-8")):
            seen += hold_options(cache, file.name, "trace-clock-agent", words.split())
    assert seen > 2, seen


cases.run(globals())
