# SPDX-License-Identifier: GPL-2.0-or-later
# A host and a guest whose clocks are known exactly, as a sync log and as traces of both: vCPU threads
# enter the guest and leave it, and the guest's events lie in between, by the truth.
import json
import random
from fractions import Fraction

import trace_dat

KHZ = 2_100_000
START = 5 * 10**12  # host ticks
NAME = "traced"
THREADS = (100, 101)  # of the vCPUs, by their index
NEW_THREADS = (202, 203)  # of a QEMU that was started anew
SECOND = KHZ * 1000
BRACKET = 600  # ticks around a reading


class World:
    def __init__(self, seed=1, ratio=Fraction(1), seconds=4, same=True, jump=None, bend=None,
                 reset=None, restart=None, local_ns=None, bound=0):
        self.rng = random.Random(seed)
        self.multiplier, self.shift = int(ratio * (1 << 32)), 32
        first = 10**12 - (START * self.multiplier >> self.shift)
        self.offsets = [first, first + (0 if same else 987654321)]
        self.seconds = seconds
        self.jump = jump  # (host ticks, guest ticks): the guest's counters move there
        self.bend = bend  # (host ticks, ppm): the guest's clocks run at another rate from then on
        self.reset = reset  # host ticks: the guest boots anew there
        self.restart = restart  # host ticks: other threads run its vCPUs from then on
        self.local_ns = local_ns  # how far each CPU's local is ahead of mono_raw
        self.bound = bound  # ticks: how far off QEMU says that the vCPUs' mappings may be
        self.windows = [[] for _ in THREADS]  # (entry, exit) of each vCPU in traces: host ticks
        self.moments = {}  # (CPU, number) of the guest's events in traces: host ticks
        # clock: (value at START, ns per tick)
        nominal = Fraction(10**6, KHZ)
        self.host = {"mono": (10**12, nominal * (1 + Fraction(11, 10**6))),
                     "mono_raw": (9 * 10**11, nominal), "boot": (3 * 10**12, nominal)}
        self.guest = {"mono": (7 * 10**9, nominal * (1 - Fraction(23, 10**6))),
                      "mono_raw": (7 * 10**9 + 5, nominal), "boot": (8 * 10**9, nominal)}

    def is_reset(self, ticks):
        return self.reset is not None and ticks >= self.reset

    def threads(self, ticks):
        return NEW_THREADS if self.restart is not None and ticks >= self.restart else THREADS

    def counter(self, cpu, ticks):
        moved = self.jump[1] if self.jump and ticks >= self.jump[0] else 0
        if self.is_reset(ticks):
            moved = 1000 - self.offsets[cpu] - (self.reset * self.multiplier >> self.shift)
        return (ticks * self.multiplier >> self.shift) + self.offsets[cpu] + moved

    def stamp(self, side, clock, cpu, ticks):
        """What a trace would have."""
        if clock == "x86-tsc":
            return ticks if side == "host" else self.counter(cpu, ticks)
        if clock == "local":
            return self.stamp(side, "mono_raw", cpu, ticks) + self.local_ns[cpu]
        base, rate = getattr(self, side)[clock]
        if side == "guest" and self.is_reset(ticks):
            return int(10**9 + (ticks - self.reset) * rate)
        if self.bend and side == "guest" and clock != "mono_raw" and ticks > self.bend[0]:
            base += (ticks - self.bend[0]) * rate * Fraction(self.bend[1], 10**6)
        return int(base + (ticks - START) * rate)

    def _query(self, ticks):
        vcpus = []
        for i, thread in enumerate(self.threads(ticks)):
            offset = self.counter(i, ticks) - (ticks * self.multiplier >> self.shift)
            vcpus.append({"cpu-index": i, "arch-id": i, "thread-id": thread, "offset": offset,
                          "ratio": {"multiplier": self.multiplier, "shift": self.shift},
                          "bound-ticks": self.bound, "source": "kvm-device-attr", "ratio-source": "kvm-khz",
                          "counter-before": ticks, "counter-after": ticks + 50, "stable": True})
        clocks = [{"clock": name, "counter-before": ticks + 60, "resolution-ns": 1,
                   "value": self.stamp("host", name, 0, ticks + 60 + BRACKET // 2),
                   "counter-after": ticks + 60 + BRACKET} for name in self.host]
        return {"accel": "kvm", "counter": "x86-tsc", "running": True, "generation": 1,
                "host-counter-khz": KHZ, "vcpus": vcpus, "host-clocks": clocks, "epochs": []}

    def _guest_reply(self, ticks):
        readings = [{"clock": name, "cpu": 0, "counter-before": self.counter(0, ticks),
                     "value": self.stamp("guest", name, 0, ticks + BRACKET // 2),
                     "counter-after": self.counter(0, ticks + BRACKET), "resolution-ns": 1,
                     "via": "clock_gettime"} for name in self.guest]
        for cpu in range(len(THREADS)) if self.local_ns else ():
            readings.append({"clock": "local", "cpu": cpu, "resolution-ns": 1, "via": "marker",
                             "counter-before": self.counter(cpu, ticks),
                             "value": self.stamp("guest", "local", cpu, ticks + BRACKET // 2),
                             "counter-after": self.counter(cpu, ticks + BRACKET)})
        return {"counter": "x86-tsc", "clocksource": "tsc",
                "boot-id": "b2" if self.is_reset(ticks) else "b1",
                "cpus": [{"cpu": i, "arch-id": i} for i in range(len(THREADS))],
                "readings": readings, "unavailable": []}

    def write_log(self, path):
        lines = [{"format": "trace-clock-sync", "version": 1, "vm": NAME,
                  "host": {"slew-ppm": 500}}]
        moments = [0, 0.02, 0.1] + [0.5 * n for n in range(1, 2 * self.seconds)]
        if self.reset is not None:  # as tight there as at the ends
            at = (self.reset - START) / SECOND
            moments += [at - 0.1, at - 0.02, at + 0.02, at + 0.1]
        for s in sorted(moments) + [self.seconds - 0.1, self.seconds - 0.02]:
            at = START + int(s * SECOND)
            lines.append({"window": [at + 1000, at + 100000], "qmp-before": self._query(at),
                          "guest": self._guest_reply(at + 50000),
                          "qmp-after": self._query(at + 100000)})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def write_traces(self, directory, host_clock, guest_clock, margin_ns=10000, since=None,
                     crossings=("kvm_entry", "kvm_exit"), **options):
        """(host's path, guest's path); events are at least margin_ns inside their windows.

        since: the guest's trace begins there, in host ticks. If not, it ends before a reset, and
        before the last sample there. crossings: the host's events."""
        host, guest = [], {0: [], 1: []}
        margin = margin_ns * KHZ // 10**6
        for cpu in range(len(THREADS)):
            at, number = START + SECOND // 10, 0
            while at < START + (self.seconds - 1) * SECOND + SECOND // 2:
                thread, entry = self.threads(at)[cpu], at
                host.append((at, crossings[0], thread, cpu))
                inside = at + margin
                for _ in range(3):
                    if at >= since if since else not self.is_reset(at + SECOND // 40):
                        guest[cpu].append((self.stamp("guest", guest_clock, cpu, inside), "tick",
                                           7, number))
                        self.moments[cpu, number] = inside
                    inside += self.rng.randrange(1, 3000)
                    number += 1
                at = inside + margin
                host.append((at, crossings[1], thread, cpu))
                self.windows[cpu].append((entry, at))
                at += self.rng.randrange(1, SECOND // 100)
        host = [(self.stamp("host", host_clock, 0, at), *rest) for at, *rest in sorted(host)]
        paths = directory / "host.dat", directory / "guest.dat"
        trace_dat.TraceDat(host_clock, {0: host}).write(paths[0])
        trace_dat.TraceDat(guest_clock, guest, **options).write(paths[1])
        return paths
