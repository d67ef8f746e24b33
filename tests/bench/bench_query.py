#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What one query-trace-clock-sync of 64 idle vCPUs costs, against one of 1 vCPU, in stock QEMUs that run
side by side with the plugin and are asked in turn. Argument: the build directory."""
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import targets

QEMU = "/usr/bin/qemu-system-x86_64"
PLUGIN = os.path.abspath(os.path.join(sys.argv[1], "qemu-plugin/trace-clock-sync.so"))
MANY, ROUNDS, RATIO_MAX = 64, 300, 8.0


class Vm:
    """vCPUs that wait for an interrupt: the first in the firmware, which finds nothing to boot."""

    def __init__(self, directory, vcpus):
        path = f"{directory}/{vcpus}.qmp"
        self.process = subprocess.Popen(
            [QEMU, "-accel", "tcg", "-M", "q35", "-smp", str(vcpus), "-m", "64", "-nodefaults",
             "-display", "none", "-plugin", PLUGIN, "-qmp", f"unix:{path},server=on,wait=off"],
            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not os.path.exists(path):
            assert time.monotonic() < deadline and self.process.poll() is None, "QEMU does not start"
            time.sleep(0.05)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf8")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command):
        """The answer, and the seconds until all of it was there: to parse it is not QEMU's work."""
        request = json.dumps({"execute": command}).encode() + b"\n"
        start = time.perf_counter()
        self.socket.sendall(request)
        while True:
            line = self.lines.readline()
            took = time.perf_counter() - start
            reply = json.loads(line)
            if "event" not in reply:
                return reply["return"], took

    def seconds(self):
        reply, took = self.ask("query-trace-clock-sync")
        return took, len(reply["vcpus"])

    def close(self):
        self.process.kill()
        self.process.wait()


def main():
    with tempfile.TemporaryDirectory() as directory:
        vms = [Vm(directory, 1), Vm(directory, MANY)]
        try:
            time.sleep(3)  # firmware
            taken = {1: [], MANY: []}
            for _ in range(ROUNDS):
                for vm in vms:
                    seconds, vcpus = vm.seconds()
                    taken[vcpus].append(seconds)
        finally:
            for vm in vms:
                vm.close()
    one, many = (statistics.median(taken[n]) for n in (1, MANY))
    good = targets.tell(f"one query of {MANY} idle vCPUs", f"at most {RATIO_MAX:.0f} times one of 1 vCPU",
                        f"{many * 1e6:.0f} µs against {one * 1e6:.0f} µs: {many / one:.1f} times",
                        many <= RATIO_MAX * one)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
