# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that writes its TSC, stop and cont, resets: each that changes a mapping begins an epoch
with its cause, every number stays KVM's own, and a recording splits there."""
import json
import time
from fractions import Fraction

from measure import (clock, exact, reset_stopped, show_ok, start_agent, straight_line_through,
                     wait_booted_again)
from recording import Recording, since, sound

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync", "tests/testbed/msr", "tests/testbed/marker-probe")
TSC, TSC_ADJUST = 0x10, 0x3b
# By how much the guest moves the TSC of each vCPU but the first, in ticks.
MOVES = {1: 2_000_000, 2: -30_000_000_000, 3: 7}


def truth(guest):
    return sound(exact(guest))


def check_first_seen(t):
    """4 vCPUs: one epoch each, first seen"""
    t.g = t.host.boot_guest("g1", cid=3, vcpus=4, args=["-action", "reboot=reset"])
    reply = truth(t.g)
    assert sorted((e["cpu-index"], e["cause"]) for e in reply["epochs"]) == \
        [(n, "first seen") for n in range(4)], reply["epochs"]
    assert reply["generation"] == 4, reply
    start_agent(t.g, "vsock")
    t.target = f"--qmp {t.g.qmp_path} --agent vsock:3"


def kernel_readings(guest, name, cpu):
    """A clock as ftrace stamps with it, in the kernel: (counter before, value, counter after)."""
    lines = guest.check(f"marker-probe {name} {cpu} 8 4", timeout=60).splitlines()
    return [(r["before"], r["value"], r["after"]) for r in map(json.loads, lines)]


def program_readings(guest, name, cpu):
    """The same clock as programs read it, through the vDSO."""
    found = []
    for _ in range(8):
        reply = json.loads(guest.check(f"trace-clock-agent --once --cpus {cpu} --clocks {name}"))
        found += [(r["counter-before"], r["value"], r["counter-after"])
                  for r in reply["readings"] if r["clock"] == name]
    return found


def on_host(readings, offset):
    """Readings as intervals of the clock's value over the host's counter, which runs at more than
    2 per ns: at the bracket's begin the clock was behind by half of its width at most."""
    return [(Fraction(before - offset), Fraction(value) - Fraction(after - before, 2), value + 1)
            for before, value, after in readings]


def behind(intervals, reference):
    """How far a clock is at most off the line through another one's first and last reading, ns."""
    (x0, low0, _), (x1, low1, _) = reference[0], reference[-1]
    rate = (low1 - low0) / (x1 - x0)
    return max((low - (low0 + (x - x0) * rate) for x, low, _ in intervals), key=abs)


def check_adjust(t):
    """the guest writes TSC_ADJUST of three vCPUs: one epoch each, exact, cause unknown"""
    t.untouched = on_host(kernel_readings(t.g, "mono_raw", 0), truth(t.g)["vcpus"][0]["offset"])
    t.recording = Recording(t.host, "/run/adjust.tcs", t.target, 0.3)
    t.recording.more()
    t.replies = [truth(t.g)]
    for cpu, move in MOVES.items():
        t.recording.more()
        before = truth(t.g)
        t.g.check(f"msr {cpu} {TSC_ADJUST} {move:+d}")
        after = truth(t.g)
        t.note(f"vCPU {cpu}: {move:+d} ticks: {since(before, after)}")
        assert since(before, after) == [(cpu, "unknown")], after["epochs"]
        assert after["generation"] == before["generation"] + 1, (before, after)
        assert after["vcpus"][cpu]["offset"] == before["vcpus"][cpu]["offset"] + move, after
        t.recording.more()
        t.replies.append(truth(t.g))
        t.recording.more()
    t.note(t.recording.stop())


def check_adjust_recorded(t):
    """the recording splits each vCPU's counter where it was written, and only there"""
    for (cpu, _), before, after in zip(MOVES.items(), t.replies, t.replies[1:]):
        t.note(f"vCPU {cpu}: {t.recording.splits(before, after, cpu):.0%} of the time between "
               "two queries is unknown")
    start, end = (r["vcpus"][0]["counter-after"] for r in (t.replies[0], t.replies[-1]))
    at = [start + (end - start) * i // 20 for i in range(21)]
    offset = t.replies[0]["vcpus"][0]["offset"]
    assert t.recording.map("host:x86-tsc", "guest:x86-tsc@0", at) == \
        [(h + offset,) * 3 for h in at]
    for names in (("host:x86-tsc", "guest:x86-tsc"), ("guest:x86-tsc", "host:mono")):
        result = t.host.run(f"trace-clock-sync map {t.recording.log} {' '.join(names)} {start}")
        t.note(result.err)
        assert result.status == 4 and "not known to be the same" in result.err, result


def check_adjust_shown(t):
    """vCPUs with different offsets: show tells each of them"""
    document = show_ok(t.host, f"--qmp {t.g.qmp_path}")
    vcpus = exact(t.g)["vcpus"]
    assert len({v["offset"] for v in vcpus}) == 4, vcpus
    assert [(r["guest-cpu"], r["offset"], r["bound"]) for r in clock(document, "x86-tsc")] == \
        [(n, v["offset"], 0) for n, v in enumerate(vcpus)], document["clocks"]


def check_adjust_clocks(t):
    """a guest clock in its kernel stays one clock on all CPUs: KVM renews kvmclock for the vCPU"""
    vcpus = exact(t.g)["vcpus"]
    kernel = {cpu: on_host(kernel_readings(t.g, "mono_raw", cpu), vcpus[cpu]["offset"])
              for cpu in range(4)}
    programs = {cpu: on_host(program_readings(t.g, "mono_raw", cpu), vcpus[cpu]["offset"])
                for cpu in range(4)}
    assert exact(t.g)["generation"] == t.replies[-1]["generation"]
    line = t.untouched + kernel[0]
    for cpu in range(4):
        t.note(f"CPU {cpu}, off the line of CPU 0: in the kernel "
               f"{float(behind(kernel[cpu], line)) / 1000:.3f} us, in programs "
               f"{float(behind(programs[cpu], line)) / 1000:.3f} us")
    for cpu in range(4):
        problem = straight_line_through(line + kernel[cpu])
        assert not problem, (cpu, problem)
    # Programs read the page of CPU 0 on every CPU, so only there they see the kernel's clock.
    problem = straight_line_through(line + programs[0])
    assert not problem, problem


def check_blame(t):
    """stop and cont change nothing, and are not blamed for what the guest did before or after"""
    before = truth(t.g)
    t.g.check(f"msr 1 {TSC_ADJUST} +1000")
    t.g.qmp("stop")
    stopped = truth(t.g)
    assert since(before, stopped) == [(1, "unknown")], stopped["epochs"]
    t.g.qmp("cont")
    assert truth(t.g)["generation"] == stopped["generation"]
    t.g.qmp("stop")
    t.g.qmp("cont")
    t.g.check(f"msr 2 {TSC_ADJUST} +1000")
    t.g.qmp("stop")
    t.g.qmp("cont")
    after = truth(t.g)
    assert since(stopped, after) == [(2, "unknown")], after["epochs"]


def check_tsc(t):
    """the guest writes the TSC itself: exact; what that does to its kvm-clock is noted"""
    def readings():
        reply = json.loads(t.g.check("trace-clock-agent --once --cpus 0,3"))
        return {r["cpu"]: r for r in reply["readings"] if r["clock"] == "mono_raw"}

    first, start = readings(), time.monotonic()
    before = truth(t.g)
    t.g.check(f"msr 3 {TSC} +20000000000")
    after = truth(t.g)
    assert since(before, after) == [(3, "unknown")], after["epochs"]
    moved = after["vcpus"][3]["offset"] - before["vcpus"][3]["offset"]
    # The guest reads, adds and writes; in between its counter went on.
    assert 20_000_000_000 - 10**9 < moved < 20_000_000_000, moved
    second, took = readings(), time.monotonic() - start
    for cpu in sorted(first):
        t.note(f"CPU {cpu}: mono_raw advanced {(second[cpu]['value'] - first[cpu]['value']) / 1e9:.3f}"
               f" s within {took:.3f} s")


def check_undone(t):
    """a write that is taken back before anyone looks leaves no trace, and no wrong number"""
    before = truth(t.g)
    t.g.check(f"msr 1 {TSC_ADJUST} +5000 && msr 1 {TSC_ADJUST} -5000")
    after = truth(t.g)
    assert after["vcpus"][1]["offset"] == before["vcpus"][1]["offset"]
    assert after["generation"] == before["generation"], "then document it otherwise"
    t.g.check(f"msr 1 {TSC_ADJUST} +5000")
    truth(t.g)
    t.g.check(f"msr 1 {TSC_ADJUST} -5000")
    after = truth(t.g)
    assert since(before, after) == [(1, "unknown")] * 2, after["epochs"]


def check_reset(t):
    """a write, then a reset, and a recording: two causes, in order, and the counters split"""
    recording = Recording(t.host, "/run/reset.tcs", f"--qmp {t.g.qmp_path}")
    recording.more()
    before = truth(t.g)
    recording.more()
    t.g.check(f"msr 1 {TSC_ADJUST} +1000000")
    reset_stopped(t.g)
    recording.more()
    after = truth(t.g)
    recording.more()
    t.note(f"{since(before, after)}; {recording.stop()}")
    assert since(before, after) == [(1, "unknown")] + [(n, "reset") for n in range(4)]
    assert len({v["offset"] for v in after["vcpus"]}) == 1, after["vcpus"]
    t.note(f"{recording.splits(before, after):.0%} of the time between two queries is unknown")
    t.g.qmp("cont")
    wait_booted_again(t, t.g)


def check_reset_alone(t):
    """the same while nobody asks, and resets of a stopped VM; none is blamed for a later write"""
    before = truth(t.g)
    t.g.check(f"msr 1 {TSC_ADJUST} +1000000")
    t.g.qmp("system_reset")
    wait_booted_again(t, t.g)
    after = truth(t.g)
    t.note(since(before, after))
    # A second reset, should the boot have needed one, is told like the first.
    assert since(before, after)[0] == (1, "unknown"), since(before, after)
    assert set(since(before, after)[1:]) == {(n, "reset") for n in range(4)}, since(before, after)
    t.g.qmp("stop")
    for _ in range(2):
        before = truth(t.g)
        # What would move a TSC by less than a second is no move to KVM, but vCPUs set in step.
        time.sleep(1.5)
        reset_stopped(t.g)
        after = truth(t.g)
        assert since(before, after) == [(n, "reset") for n in range(4)], since(before, after)
    t.g.qmp("cont")
    t.g.qmp("stop")  # before the firmware's own reset, or at least not in the middle of it
    moved = since(after, truth(t.g))
    t.note(f"cont and stop: {moved}")
    assert moved in ([], [(n, "reset") for n in range(4)]), moved
    t.g.qmp("cont")
    wait_booted_again(t, t.g)
    before = truth(t.g)
    t.g.check(f"msr 1 {TSC_ADJUST} +1000")
    assert since(before, truth(t.g)) == [(1, "unknown")], truth(t.g)["epochs"]
