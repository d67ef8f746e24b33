#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the plugin costs a VM that nobody asks: a guest that computes under TCG, and one that waits, each with
the plugin and without, in turns. Argument: the build directory."""
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import targets

QEMU = "/usr/bin/qemu-system-x86_64"
PLUGIN = os.path.abspath(os.path.join(sys.argv[1], "qemu-plugin/trace-clock-sync.so"))
LOOPS, ROUNDS, COST_MAX = 400_000_000, 7, 1.03
COMPUTE_S_MAX, DONE = 60, 1     # DONE: what isa-debug-exit makes of 0
DISK = 2**20
WAIT_S, WAKE_ROUNDS, WAKES_MAX = 4, 3, 1.05

# xor ax, ax; mov ds, ax; mov ecx, LOOPS; again: add [0x500], ecx; dec ecx; jnz again; out 0xf4, al
COMPUTE = (b"\x31\xc0\x8e\xd8\x66\xb9" + struct.pack("<I", LOOPS) +
           b"\x66\x01\x0e\x00\x05\x66\x49\x75\xf7\xe6\xf4\xf4")
# sti; again: hlt; jmp again. The firmware's timer interrupt wakes it 18 times a second.
WAIT = b"\xfb\xf4\xeb\xfd"


def command(folder, code, plugin):
    disk = folder / "disk"
    # The firmware takes nothing shorter for a disk.
    disk.write_bytes((code.ljust(510, b"\0") + b"\x55\xaa").ljust(DISK, b"\0"))
    return [QEMU, "-accel", "tcg", "-M", "q35", "-m", "16", "-nodefaults", "-display", "none",
            "-drive", f"file={disk},format=raw,if=ide", "-device", "isa-debug-exit,iobase=0xf4",
            "-action", "reboot=shutdown", *(["-plugin", PLUGIN] if plugin else [])]


def compute(folder, plugin):
    """Processor time from QEMU's start to its end."""
    # Ended from outside where it does not get there.
    with subprocess.Popen(["timeout", str(COMPUTE_S_MAX), *command(folder, COMPUTE, plugin)],
                          stdin=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert os.waitstatus_to_exitcode(status) == DONE, f"QEMU ended with {status:#x}"
    return usage.ru_utime + usage.ru_stime


def switches(pid):
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text(encoding="ascii")
        total += int(text.partition("voluntary_ctxt_switches:")[2].split()[0])
    return total


def wakes(folder, plugin):
    """How often a thread of QEMU's went to sleep, while the guest waited."""
    process = subprocess.Popen(command(folder, WAIT, plugin), stdin=subprocess.DEVNULL)
    try:
        time.sleep(3)   # firmware
        before = switches(process.pid)
        time.sleep(WAIT_S)
        assert process.poll() is None
        return switches(process.pid) - before
    finally:
        process.kill()
        process.wait()


def main():
    with tempfile.TemporaryDirectory(prefix="tcs-bench-") as name:
        folder = Path(name)
        cost, woken = {False: [], True: []}, {False: [], True: []}
        for _ in range(ROUNDS):
            for plugin in (False, True):
                cost[plugin].append(compute(folder, plugin))
        for _ in range(WAKE_ROUNDS):
            for plugin in (False, True):
                woken[plugin].append(wakes(folder, plugin))
    without, having = (min(cost[plugin]) for plugin in (False, True))
    print(f"{LOOPS / 1e6:.0f} million loops of a guest under TCG, processor time of QEMU: {without:.3f} s, with "
          f"the plugin {having:.3f} s (least of {ROUNDS}; all: {[round(s, 3) for s in cost[False]]} and "
          f"{[round(s, 3) for s in cost[True]]})")
    print(f"QEMU's threads woken in {WAIT_S} s of a waiting guest: {woken[False]}, with the plugin {woken[True]}")
    least, most = min(woken[False]), min(woken[True])
    good = [targets.tell("a guest computes under TCG, nobody asks the plugin",
                         f"at most {COST_MAX} times the time without",
                         f"{having / without:.3f} times", having <= COST_MAX * without),
            targets.tell("a guest waits, nobody asks the plugin", f"at most {WAKES_MAX} times the wake-ups without",
                         f"{most / least:.3f} times ({most / WAIT_S:.0f} a second)", most <= WAKES_MAX * least)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
