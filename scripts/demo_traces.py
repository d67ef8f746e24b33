# SPDX-License-Identifier: GPL-2.0-or-later
# The demo's second half: has a host and its guest recorded at once (demo_machines.py), puts both on one
# timeline, judges that, and draws it. Leaves its results in a folder, and what `apply` began with.
import json
import re
import shutil
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/testbed/scenarios")]

import demo_machines  # noqa: E402
import trace_cmds  # noqa: E402

LINES = 20
# Far more than an emulated VM exit takes.
ERROR_MS = 1


def run(words, folder):
    """Shows what is run in the folder and what it says; raises where it fails."""
    print("   $ " + " ".join([Path(words[0]).name, *words[1:]]), flush=True)
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120,
                          check=False)
    print("".join(f"     {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, words)


def write_wrong_log(log, wrong, error_ms):
    """As if every vCPU's offset were so much larger."""
    header, *samples = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for sample in samples:
        for reply in (sample["qmp-before"], sample["qmp-after"]):
            for mapping in (*reply["vcpus"], *reply["epochs"]):
                mapping["offset"] += error_ms * reply["host-counter-khz"]
    wrong.write_text("".join(json.dumps(line) + "\n" for line in (header, *samples)),
                     encoding="utf-8")


def show_refusal(program, folder):
    """check of the same trace, put onto the timeline with such a log: raises where it is not refused."""
    write_wrong_log(folder / "run.tcs", folder / "wrong.tcs", ERROR_MS)
    subprocess.run([program, "apply", "wrong.tcs", "--guest", "guest.dat", "--host", "host.dat",
                    "-o", "wrong.dat"], cwd=folder, capture_output=True, timeout=120, check=True)
    words = ["check", "run.tcs", "--guest", "wrong.dat", "--host", "host.dat"]
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)
    print(f"   $ {Path(program).name} {' '.join(words)}\n     {done.stderr.splitlines()[-1]}\n"
          f"     (status {done.returncode})", flush=True)
    if done.returncode != 4:
        raise ValueError(f"check did not refuse a trace that is {ERROR_MS} ms off")
    for name in ("wrong.tcs", "wrong.dat"):
        (folder / name).unlink()


STAMP = re.compile(r"\] +(\d+\.\d+): +(\w+):")


def merged_lines(folder):
    """(trace-cmd's lines around the VM exit where most is going on, seconds: its time and theirs)

    An exit that follows an event of the guest; of those the one whose lines are nearest in time.
    """
    words = [*trace_cmds.command(), "report", "-i", "host.dat", "-i", "guest.dat"]
    print("   $ trace-cmd " + " ".join(words[1:]), flush=True)
    report = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace",
                            timeout=120, check=True).stdout.splitlines()
    rows = [(line, Decimal(m.group(1)), m.group(2)) for line in report for m in [STAMP.search(line)]
            if m]
    before = LINES // 2
    found = [(rows[i + before - 1][1] - rows[i - before][1], i)
             for i in range(before, len(rows) - before) if rows[i][2] == "kvm_exit" and
             rows[i - 1][0].lstrip().startswith("guest.dat:")]
    if not found:
        raise ValueError("the report shows no VM exit after an event of the guest")
    span, i = min(found)
    return [line for line, *_ in rows[i - before:i + before]], rows[i][1], span


def shorten(line):
    return line.replace("  ", " ")[:110]


def replace_folder(new, target):
    """The old results go when the new ones are whole."""
    old = Path(tempfile.mkdtemp(prefix=".demo-old-", dir=target.parent))
    try:
        if target.exists():
            target.rename(old / "demo")
        new.rename(target)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def make(workshop, build, say, target, accel):
    """Raises where something fails; then the results of an earlier time are as they were."""
    new = Path(tempfile.mkdtemp(prefix=".demo-new-", dir=target.parent))
    new.chmod(0o755)
    program = str(Path(build, "collector/trace-clock-sync").absolute())
    try:
        say("6. Now traces of a host and a guest in it")
        way = demo_machines.record((demo_machines.ThisMachine(workshop, accel), demo_machines.Testbed(workshop)),
                                   say, new)
        pair = ["--guest", "guest.dat", "--host", "host.dat"]
        shutil.copy(new / "guest.dat", new / "guest-raw.dat")
        say("8. apply puts the guest's trace on the host's timeline")
        run([program, "apply", "run.tcs", *pair], new)
        say("9. check tries to prove that wrong: no event of the guest while its vCPU did not run")
        run([program, "check", "run.tcs", *pair], new)
        if way.is_emulated:
            print("   Emulated, a VM exit takes longer than the bound: so the traces may be too coarse to "
                  "refute it.")
        print(f"   A copy of the trace that is {ERROR_MS} ms off is found out:")
        show_refusal(program, new)
        say(f"10. {LINES} lines around a VM exit, by trace-cmd as Debian ships it")
        lines, stamp, span = merged_lines(new)
        print("\n".join("   " + shorten(line) for line in lines))
        say("11. Pictures: the offset over time, both traces, and the moment above")
        run([program, "plot", "run.tcs", "-o", "drift.svg"], new)
        run([program, "plot", "run.tcs", *pair, "-o", "timeline.svg"], new)
        run([program, "plot", "run.tcs", *pair, "--around", str(stamp), "--width",
             f"{int(span * 1500000) + 20}us",
             "-o", "moment.svg"], new)
        replace_folder(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    name = target.name
    print(f"""
   All of it is in {name}/. To look at it:
     xdg-open {name}/timeline.svg     (any browser: timeline.svg, moment.svg, drift.svg)
     trace-cmd report -i {name}/host.dat -i {name}/guest.dat | less
     kernelshark {name}/host.dat -a {name}/guest.dat     (docs/howto-kernelshark.md)
   guest-raw.dat is the guest's trace as it was recorded. To put it on the timeline by yourself:
     {build}/collector/trace-clock-sync apply {name}/run.tcs --guest {name}/guest-raw.dat --host {name}/host.dat -o my.dat""")
