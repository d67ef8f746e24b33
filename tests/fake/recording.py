# SPDX-License-Identifier: GPL-2.0-or-later
"""A sync log written without `record`, from a world that knows the truth, and `map` run on it.
Not a test itself."""
import json
import os
import subprocess
import tempfile

from probe import BUILD, LIMIT, WRAPPER

HEADER = {"format": "trace-clock-sync", "version": 1, "vm": "toy",
          "host": {"name": "here", "kernel": "none", "counter": "x86-tsc", "clocksource": "tsc",
                   "slew-ppm": 500}}


class Recording:
    """Samples of a world, one after the other."""

    def __init__(self, world, has_agent=True):
        self.world, self._has_agent = world, has_agent
        self.samples = []
        self.epochs = []    # QEMU's history: what replies have from now on

    def query(self):
        reply = self.world.query()
        reply["epochs"] = list(self.epochs)
        return reply

    def sample(self, pause=True):
        if pause and self.samples:
            self.world.pause()
        before = self.query()
        low = self.world.tick(0)
        guest = self.world.read() if self._has_agent else None
        high = self.world.tick(0)
        self.samples.append({"window": [low, high], "qmp-before": before, "guest": guest,
                             "qmp-after": self.query()})
        return self.samples[-1]

    def note(self, vcpu, cause="unknown"):
        """The hypervisor sees the vCPU's mapping at this moment: an epoch begins."""
        self.world.generation += 1
        mapping = vcpu.mapping(self.world.rng)
        self.epochs.append({"generation": self.world.generation, "cpu-index": vcpu.index,
                            "host-counter": self.world.tick(), "cause": cause,
                            **{k: mapping[k] for k in ("offset", "ratio", "bound-ticks")}})
        return self.epochs[-1]["host-counter"]

    def lines(self):
        return [json.dumps(line, separators=(",", ":")) for line in (HEADER, *self.samples)]


class Mapped:
    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr
        rows = [line.split(None, 3) for line in self.out.splitlines()
                if line.startswith("unknown") or line[:1].isdigit()]
        self.values = [None if row[0] == "unknown" else tuple(int(w) for w in row[:3])
                       for row in rows]
        self.reasons = [row[3] if row[0] == "unknown" else None for row in rows]


def run_map(path, *words, limit=LIMIT):
    """`map` of a file there is."""
    command = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync"), "map", path]
    process = subprocess.run(command + [str(w) for w in words], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=limit, check=False)
    return Mapped(process)


def map_lines(lines, *words):
    """`map` of a log of these lines."""
    with tempfile.NamedTemporaryFile("w", suffix=".tcs") as file:
        file.write("".join(line + "\n" for line in lines))
        file.flush()
        return run_map(file.name, *words)


def map_values(recording, source, target, *values):
    """[(value, low, high) or None]; a log without fault gives no warning."""
    result = map_lines(recording.lines(), source, target, *values)
    assert "warning" not in result.err, result.err
    assert result.status == (4 if None in result.values else 0), (result.status, result.err)
    assert len(result.values) == len(values), (result.values, result.err)
    return result.values
