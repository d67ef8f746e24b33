# SPDX-License-Identifier: GPL-2.0-or-later
# Judges what a Subject collected: contradictions among all its readings, by arithmetic of our own
# and by the collector's timelines, and how wide the collector's bounds are.
import json
import subprocess
import tempfile
from pathlib import Path

import readings
from measure import CLOCKS
from subject import NAMES

# Clocks that nobody steers: one straight line over the host's counter. uptime is not one of them:
# the kernel counts its ticks by CLOCK_MONOTONIC.
FREE = ("mono_raw", "local", "global", "perf")
# Run alike, whoever steers them.
ALIKE = (("boot", "mono"), ("realtime", "mono"), ("tai", "realtime"))


class Verdict:
    """rows: {clock: {"readings", "contradictions": [text], "bounds": [ns or ticks]}}"""

    def __init__(self, subject, collector):
        self._subject, self._collector = subject, collector
        self.rows = {name: {"readings": 0, "contradictions": [], "bounds": []} for name in NAMES}
        self.host_rows = {name: {"readings": 0, "contradictions": [], "bounds": []}
                          for name in CLOCKS}
        self._guest = {}  # (clock, CPU or None) -> [(Box, reading)]
        self._host = {}   # clock -> [Box]
        self._probes = {}  # (clock, CPU or None) -> [reading], of those that record does not know
        self._host_probes = {}
        self._pairs = {}
        samples = [json.loads(line) for line in subject.log.splitlines()[1:]]
        self.samples = len(samples)
        for sample in samples:
            self._add(sample["qmp-before"], [sample["guest"]], sample["qmp-after"])
        self._recorded = {key: [r for _, r in rows] for key, rows in self._guest.items()}
        for before, replies, after in subject.probes:
            self._add(before, replies, after, self._probes)
        self._judge()

    def _wrong(self, name, text, rows=None):
        (rows or self.rows)[name]["contradictions"].append(text)

    def _vcpus(self, reply):
        """The reply's vCPUs by index; each is held to KVM's own numbers, bit for bit."""
        row = self.rows["x86-tsc"]
        for vcpu, truth in zip(reply["vcpus"], self._subject.truth):
            row["readings"] += 1
            row["bounds"].append(vcpu["bound-ticks"])
            ratio = truth.get("tsc-scaling-ratio", 1 << vcpu["ratio"]["shift"])
            if not vcpu["stable"] or vcpu["offset"] != truth["tsc-offset"] or \
                    vcpu["ratio"]["multiplier"] != ratio:
                self._wrong("x86-tsc", f"{vcpu} is not KVM's {truth}")
        return {v["arch-id"]: v for v in reply["vcpus"]}

    def _add(self, before, replies, after, probes=None):
        first, last = self._vcpus(before), self._vcpus(after)
        for query in (before, after):
            for r in query["host-clocks"]:
                self._host.setdefault(r["clock"], []).append(readings.host_box(r))
                self.host_rows[r["clock"]]["readings"] += 1
                if probes is not None:
                    self._host_probes.setdefault(r["clock"], []).append(r)
        for reply in replies:
            self._add_reply(first, reply, last, probes)

    def _add_reply(self, first, reply, last, probes):
        arch_ids = {c["cpu"]: c["arch-id"] for c in reply["cpus"]}
        here = {}
        for r in reply["readings"]:
            name, vcpu = r["clock"], last[arch_ids[r["cpu"]]]
            box = readings.guest_box(vcpu, r)
            if box.first < first[vcpu["arch-id"]]["counter-after"] or \
                    box.last > vcpu["counter-before"]:
                self._wrong(name, f"{r} was read outside of the time it was asked in")
            if name == "x86-tsc":
                continue
            self.rows[name]["readings"] += 1
            key = (name, r["cpu"] if name == "local" else None)
            self._guest.setdefault(key, []).append((box, r))
            if probes is not None:
                probes.setdefault(key, []).append(r)
            here[name, r["cpu"]] = box
        for (name, cpu), box in here.items():
            for pair in ALIKE:
                if name == pair[0] and (pair[1], cpu) in here:
                    self._pairs.setdefault(pair, []).append((box, here[pair[1], cpu]))

    def _judge(self):
        for name, row in self.rows.items():
            if row["readings"] == 0:
                self._wrong(name, "there is no reading")
        raw = readings.nominal_rate(self._host["mono_raw"])
        span = (raw[0] * (1 - readings.SLEW), raw[1] * (1 + readings.SLEW))
        for (name, cpu), rows in self._guest.items():
            boxes = [box for box, _ in rows]
            self._note(name, readings.not_ascending(boxes) if name == "counter" else
                       readings.no_line(boxes) if name in FREE else
                       readings.no_rate(boxes, *span))
        for pair, boxes in self._pairs.items():
            self._note(pair[0], readings.no_constant(boxes, *span))
        for name, boxes in self._host.items():
            self._note(name, readings.no_line(boxes) if name in FREE else
                       readings.no_rate(boxes, *span), self.host_rows)
        self._judge_timelines()

    def _note(self, name, problem, rows=None):
        if problem:
            self._wrong(name, problem, rows)

    def _map(self, log, source, target, values):
        """[(value, low, high) or None] as `trace-clock-sync map` has it."""
        done = subprocess.run([self._collector, "map", log, source, target, *map(str, values)],
                              capture_output=True, text=True, timeout=600, check=False)
        lines = [line.split() for line in done.stdout.splitlines()]
        if len(lines) != len(values):
            raise RuntimeError(f"map {source} {target}: {done.stderr}")
        return [None if words[0] == "unknown" else tuple(map(int, words[:3])) for words in lines]

    def _judge_timelines(self):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory, "run.tcs")
            log.write_text(self._subject.log, encoding="utf-8")
            for (name, cpu), probes in self._probes.items():
                if name == "counter" or (name, cpu) not in self._recorded:
                    continue  # no clock, or one CPU's own that record happened not to read on
                clock = f"guest:{name}" + (f"@{cpu}" if cpu is not None else "")
                self._hold(log, name, clock, "guest:x86-tsc", probes, self.rows)
                values = [r["value"] for r in self._recorded[name, cpu]]
                host = "host:" + (name if name in CLOCKS else "mono")
                self._widths(log, name, clock, host, values)
            for name, probes in self._host_probes.items():
                self._hold(log, name, f"host:{name}", "host:x86-tsc", probes, self.host_rows)

    def _hold(self, log, name, clock, counter, probes, rows):
        """Readings that record knows nothing of lie in what map says of their counter brackets."""
        firsts = self._map(log, counter, clock, [r["counter-before"] for r in probes])
        lasts = self._map(log, counter, clock, [r["counter-after"] for r in probes])
        for reading, first, last in zip(probes, firsts, lasts):
            if first is None or last is None:
                self._wrong(name, f"{clock} is unknown at {reading}", rows)
            elif first[1] > reading["value"] + reading.get("resolution-ns", 1) or \
                    last[2] < reading["value"]:
                self._wrong(name, f"{clock}: {reading} is not in {first[1]} to {last[2]}", rows)

    def _widths(self, log, name, clock, host, values):
        for value, found in zip(values, self._map(log, clock, host, values)):
            if found is None:
                self._wrong(name, f"{host} is unknown where {clock} was {value}")
            else:
                self.rows[name]["bounds"].append((found[2] - found[1]) / 2)

    def staircase(self):
        """Ticks between one reading of `counter` and the next: how wide a stamp's time is."""
        boxes = sorted(box for box, _ in self._guest["counter", None])
        return [b.last - a.first for a, b in zip(boxes, boxes[1:])]

    def contradictions(self):
        return [f"{self._subject.name}: {side}{name}: {text}"
                for side, rows in (("", self.rows), ("host ", self.host_rows))
                for name, row in rows.items() for text in row["contradictions"]]

