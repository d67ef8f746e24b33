#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long `apply` takes on traces of 1 GB, against ones of 10 MB: the guest's alone, and the guest's
and the host's. Argument: the build directory.

The files are sparse: what lies between the first events and the options is a hole, which takes no space
on the disk. Whoever reads it all reads a gigabyte all the same."""
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "fake"), str(HERE.parent)]

import targets  # noqa: E402
import trace_dat  # noqa: E402
from traced_world import World  # noqa: E402

SIZES, ROUNDS, RATIO_MAX = (10 * 10**6, 10**9), 5, 2.0
PROGRAM = Path(sys.argv[1]) / "collector/trace-clock-sync"


class Grown:
    """A trace whose last CPU has a hole behind its events, before the options."""

    def __init__(self, trace, size):
        hole = (size - len(trace.data)) // trace_dat.PAGE * trace_dat.PAGE
        data, at = bytearray(trace.data), trace.options_at
        section = self._last_section(data, trace)
        self._add(data, data.index(struct.pack("<Q", at)), hole)   # where the options are
        self._add(data, section + 8, hole)                         # the section's size
        self._add(data, trace.done_at - 6 - 8, hole)               # the last CPU's size
        self.head, self.hole, self.tail = data[:at], hole, data[at:]

    @staticmethod
    def _add(data, at, hole):
        value, = struct.unpack_from("<Q", data, at)
        struct.pack_into("<Q", data, at, value + hole)

    @staticmethod
    def _last_section(data, trace):
        at, = (struct.unpack_from("<Q", content) for number, content in trace_dat.options(data)
               if number == trace_dat.BUFFER)
        assert at[0] < trace.options_at
        return at[0]

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.head)
            file.seek(self.hole, 1)
            file.write(self.tail)
        return path


def run(log, guest, *host):
    start = time.monotonic()
    subprocess.run([PROGRAM, "apply", log, "--guest", guest, *host], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    return time.monotonic() - start


def grown(folder, name, trace, size):
    path = Grown(trace, size).write(folder / f"{name}-{size}.dat")
    assert abs(path.stat().st_size - size) < 10**5
    return path


def measure(what, log, folder, guest, host):
    """host: a trace that is extended as well, or None."""
    times = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size in SIZES:
            paths = [grown(folder, "guest", guest, size)]
            if host:
                paths.append(grown(folder, "host", host, size))
            before = [path.stat().st_size for path in paths]
            times[size].append(run(log, paths[0], *(("--host", paths[1]) if host else
                                                    ("--host-clock", "mono"))))
            for path, was in zip(paths, before):
                assert path.stat().st_size > was, f"{path.name} was not extended"
                path.unlink()
    little, much = (min(times[size]) for size in SIZES)
    return targets.tell(what, f"at most {RATIO_MAX:.0f} times one of 10 MB",
                        f"{much * 1000:.0f} ms against {little * 1000:.0f} ms: "
                        f"{much / little:.2f} times", much <= RATIO_MAX * little)


def main():
    with tempfile.TemporaryDirectory(prefix="tcs-bench-") as name:
        folder = Path(name)
        world = World(seconds=20)
        log = world.write_log(folder / "run.tcs")
        guest, host = (trace_dat.TraceDat("mono", {0: [(int(base) + 10**9 + i, event, pid, 0)
                                                       for i in range(80000)]})
                       for base, event, pid in ((world.guest["mono"][0], "tick", 7),
                                                (world.host["mono"][0], "kvm_entry", 100)))
        met = [measure("apply on a trace of 1 GB", log, folder, guest, None),
               measure("apply on a guest's and a host's of 1 GB", log, folder, guest, host)]
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
