# SPDX-License-Identifier: GPL-2.0-or-later
# `record` at work while something happens to a VM, and what `map` makes of it; and the history of
# mappings that QEMU's component keeps. Which events there are is not known here.
import subprocess

from channel import Failure, Result
from measure import query, wait_for

STEPS = 64


class Here:
    """This machine, to be asked like the testbed's other machines; program: where ours are."""

    def __init__(self, *directories):
        self._head = (f"PATH={':'.join(str(d) for d in directories)}:$PATH\n"
                      'usleep() { busybox usleep "$@"; }\n')

    def run(self, script, timeout=30):
        done = subprocess.run(["sh", "-c", self._head + script], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)
        return Result(done.returncode, done.stdout, done.stderr)

    def check(self, script, timeout=30):
        result = self.run(script, timeout)
        if result.status != 0:
            raise Failure(f"status {result.status} from: {script}\n{result.out}{result.err}")
        return result.out


class Recording:
    """trace-clock-sync record; where: its words that say where the VM is."""

    def __init__(self, machine, log, where, interval=0.1):
        self.machine, self.log = machine, log
        self.pid = machine.check(
            f"trace-clock-sync record -o {log} {where} --interval {interval} "
            f"</dev/null >{log}.err 2>&1 & echo $!").strip()
        wait_for(machine, f"[ $(wc -l <{log}) -gt 5 ]")

    def more(self):
        """Returns when a sample that began after the call, and another, are in the log."""
        lines = int(self.machine.check(f"wc -l <{self.log}"))
        wait_for(self.machine, f"[ $(wc -l <{self.log}) -gt {lines + 2} ]", 40)

    def stop(self):
        """Ends it in good order; returns what it said."""
        self.machine.check(f"kill -INT {self.pid}")
        wait_for(self.machine, f"[ ! -d /proc/{self.pid} ]")
        return self.machine.check(f"cat {self.log}.err").strip()

    def map(self, source, target, values):
        """[(value, low, high) or None where it is unknown]."""
        result = self.machine.run(f"trace-clock-sync map {self.log} {source} {target} "
                                  + " ".join(map(str, values)))
        rows = [line.split() for line in result.out.splitlines()]
        assert len(rows) == len(values), (result.out, result.err)
        found = [None if row[0] == "unknown" else tuple(int(w) for w in row[:3]) for row in rows]
        assert result.status == (4 if None in found else 0), (result.status, result.err)
        return found

    def _follows(self, vcpu, host, row):
        """Whether a vCPU's counter had a value then; both sides know it within their bounds."""
        value, low, high = row
        assert low <= value <= high, row
        truth = (host + vcpu["offset"]) % 2**64
        return low - vcpu["bound-ticks"] <= truth <= high + vcpu["bound-ticks"]

    def never_wrong(self, before, after, cpu=0):
        """Asserts that a vCPU's counter maps by the first of two replies, then perhaps not at all,
        then by the second one, over the time between the two. Unscaled vCPUs only.
        Returns the host's counter when the first held last and when the second held first."""
        old, new = before["vcpus"][cpu], after["vcpus"][cpu]
        first, last = old["counter-after"], new["counter-before"]
        while True:
            at = [first + (last - first) * i // STEPS for i in range(STEPS + 1)]
            rows = self.map("host:x86-tsc", f"guest:x86-tsc@{cpu}", at)
            state = ["old" if row and self._follows(old, host, row) else
                     "new" if row and self._follows(new, host, row) else
                     "wrong" if row else "unknown" for host, row in zip(at, rows)]
            assert state == sorted(state, key=["old", "unknown", "new", "wrong"].index) and \
                "wrong" not in state, (state, old, new)
            begin = max((h for h, s in zip(at, state) if s == "old"), default=None)
            end = min((h for h, s in zip(at, state) if s == "new"), default=None)
            if "unknown" in state or last - first < STEPS:
                return begin, end
            first, last = begin, end  # the gap is narrower than a step

    def splits(self, before, after, cpu=0):
        """The same, and there is such a gap, and both mappings are known beside it.
        Returns how much of the time between the two replies is unknown."""
        begin, end = self.never_wrong(before, after, cpu)
        assert begin is not None and end is not None and end - begin > STEPS, (begin, end)
        first, last = (r["vcpus"][cpu]["counter-after"] for r in (before, after))
        return (end - begin) / (last - first)


def sound(reply):
    """Asserts that the history is in order, and that it ends with what the vCPUs have now."""
    epochs = reply["epochs"]
    generations = [e["generation"] for e in epochs]
    assert generations == sorted(set(generations)), generations
    assert not epochs or generations[-1] <= reply["generation"], reply
    for vcpu in reply["vcpus"]:
        own = [e for e in epochs if e["cpu-index"] == vcpu["cpu-index"]]
        counters = [e["host-counter"] for e in own]
        assert counters == sorted(set(counters)), own
        if vcpu["stable"]:
            now = own[-1]
            apart = abs(now["offset"] - vcpu["offset"])
            assert apart <= now["bound-ticks"] + vcpu["bound-ticks"], (now, vcpu)
            assert now["ratio"] == vcpu["ratio"], (now, vcpu)
            assert now["host-counter"] <= vcpu["counter-after"], (now, vcpu)
    return reply


def since(before, after):
    """The epochs that began between two replies: [(cpu-index, cause)], in order of vCPUs where
    they followed from one event. Each one began within that time."""
    new = [e for e in after["epochs"] if e["generation"] > before["generation"]]
    start = min(v["counter-before"] for v in before["vcpus"])
    end = max(v["counter-after"] for v in after["vcpus"])
    for epoch in new:
        assert start < epoch["host-counter"] <= end, (start, epoch, end)
    causes = [e["cause"] for e in new]
    return sorted(((e["cpu-index"], e["cause"]) for e in new),
                  key=lambda pair: (causes.index(pair[1]), pair[0]))


def look(guest):
    """A query whose history is sound."""
    return sound(query(guest))
