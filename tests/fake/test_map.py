#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `map` says of logs whose truth is known, of vCPUs that change, come and go, and of damaged
logs. Argument: the build directory."""
import json

import cases
from recording import HEADER, Recording, map_lines, map_values, run_map
from test_show_world import FILE, REFUSED, USAGE, Vcpu, World, signed

HOST, GUEST = "host:x86-tsc", "guest:x86-tsc@0"


def two_vcpus():
    return World(vcpus=[Vcpu(0, offset=-5000), Vcpu(1, offset=-7000)])


def moment(world):
    """The present, and a little time on either side of it."""
    world.pause()
    now = world.tick()
    world.pause()
    return now


def known_at(recording, clock, moments):
    return [value is not None for value in map_values(recording, HOST, clock, *moments)]


def check_vcpu(recording, index, moments, known):
    """Exactly these moments are known, and rightly."""
    values = map_values(recording, HOST, f"guest:x86-tsc@{index}", *(m for m, _ in moments))
    for (host, offset), value, expected in zip(moments, values, known):
        assert (value is not None) == expected, (host, value, expected)
        if value:
            truth = (host + offset) % (1 << 64)
            assert value == (truth, truth, truth), (value, truth)


def test_stable():
    """a stable vCPU is known before the first sample and after the last one"""
    recording = Recording(two_vcpus())
    for _ in range(3):
        recording.sample()
    now = recording.world.now
    check_vcpu(recording, 0, [(10**12 - 10**9, -5000), (now + 10**9, -5000)], [True, True])
    check_vcpu(recording, 1, [(10**12, -7000), (now, -7000)], [True, True])


def test_gone():
    """a vCPU that is unplugged is unknown from then on, and until it is seen again"""
    recording = Recording(two_vcpus())
    world = recording.world
    recording.sample()
    early = moment(world)
    recording.sample()
    gone = moment(world)
    vcpu = world.vcpus.pop()
    recording.sample()
    away = moment(world)
    recording.sample()
    moments = [(m, -7000) for m in (early, gone, away, world.now + 10**6)]
    check_vcpu(recording, 1, moments, [True, False, False, False])
    check_vcpu(recording, 0, [(m, -5000) for m, _ in moments], [True] * 4)
    # Its counter's values are no longer known either.
    values = [host - 7000 for host, _ in moments]
    assert [v is not None for v in map_values(recording, "guest:x86-tsc@1", HOST, *values)] == \
        [True, False, False, False]
    world.vcpus.append(vcpu)
    recording.sample()
    back = moment(world)
    recording.sample()
    check_vcpu(recording, 1, [*moments[:3], (back, -7000)], [True, False, False, True])


def test_unstable():
    """a vCPU that was unstable in between is unknown there, with the same mapping before and after"""
    recording = Recording(two_vcpus())
    world = recording.world
    recording.sample()
    recording.sample()
    before = moment(world)
    world.vcpus[1].unstable = "the host's TSC is not trusted"
    recording.sample()
    during = moment(world)
    recording.sample()
    world.vcpus[1].unstable = None
    after = moment(world)
    recording.sample()
    late = moment(world)
    recording.sample()
    check_vcpu(recording, 1, [(m, -7000) for m in (10**12, before, during, after, late)],
               [True, False, False, False, True])


def test_plugged():
    """a vCPU that comes later is unknown before, back to the reply that it was not in"""
    world = two_vcpus()
    late = world.vcpus.pop()
    recording = Recording(world)
    recording.sample()
    early = moment(world)
    world.vcpus.append(late)
    recording.sample()
    then = moment(world)
    recording.sample()
    check_vcpu(recording, 1, [(10**12 - 5, -7000), (early, -7000), (then, -7000),
                              (world.now + 10**6, -7000)], [False, False, True, True])


def test_any_cpu():
    """guest:x86-tsc means any CPU's where all are exactly the same, and is refused elsewhere"""
    for offsets, bounds, status in (((-5, -5), (0, 0), 0), ((-5, -6), (0, 0), REFUSED),
                                    ((-5, -5), (3, 3), REFUSED), ((-5,), (3,), 0)):
        world = World(vcpus=[Vcpu(i, offset=o, bound=b)
                             for i, (o, b) in enumerate(zip(offsets, bounds))])
        recording = Recording(world)
        recording.sample()
        recording.sample()
        result = map_lines(recording.lines(), HOST, "guest:x86-tsc", world.now)
        assert result.status == status, (offsets, bounds, result.err)
    world = two_vcpus()
    world.vcpus[1].offset = world.vcpus[0].offset
    world.vcpus[1].unstable = "not today"
    recording = Recording(world)
    recording.sample()
    assert map_lines(recording.lines(), HOST, "guest:x86-tsc", world.now).status == REFUSED
    # Known of both or of none.
    world.vcpus[1].unstable = None
    recording = Recording(world)
    recording.sample()
    recording.sample()
    world.vcpus.pop()
    away = moment(world)
    recording.sample()
    assert known_at(recording, "guest:x86-tsc", (10**12, away)) == [True, False]
    assert known_at(recording, GUEST, (away,)) == [True]


def test_change():
    """between the two samples that see two mappings the counter is unknown"""
    recording = Recording(two_vcpus())
    world = recording.world
    recording.sample()
    early = moment(world)
    recording.sample()
    gap = moment(world)
    world.vcpus[0].offset = -9000
    world.generation += 1
    recording.sample()
    late = moment(world)
    recording.sample()
    check_vcpu(recording, 0, [(early, -5000), (gap, 0), (late, -9000)], [True, False, True])


def test_history():
    """QEMU's history narrows a gap, and shows a change there and back"""
    recording = Recording(two_vcpus())
    world = recording.world
    for vcpu in world.vcpus:
        recording.note(vcpu, "first seen")
    recording.sample()
    recording.sample()
    before = moment(world)
    world.vcpus[0].offset = -9000
    seen = recording.note(world.vcpus[0], "reset")
    after = moment(world)
    recording.sample()
    check_vcpu(recording, 0, [(before, 0), (seen - 1, 0), (seen, -9000), (after, -9000)],
               [False, False, True, True])
    recording.sample()
    recording.sample()
    there = moment(world)
    world.vcpus[0].offset = -1
    away = recording.note(world.vcpus[0])
    between = moment(world)
    world.vcpus[0].offset = -9000
    back = recording.note(world.vcpus[0])
    again = moment(world)
    recording.sample()
    check_vcpu(recording, 0, [(there, 0), (away, -1), (between, 0), (back, -9000),
                              (again, -9000)], [False, True, False, True, True])
    # The other one has not changed, though the generation has.
    check_vcpu(recording, 1, [(m, -7000) for m in (before, after, there, between)], [True] * 4)


def test_history_before():
    """what QEMU saw before the recording bounds how far back a mapping reaches"""
    recording = Recording(two_vcpus())
    world = recording.world
    world.vcpus[0].offset = -1
    first = recording.note(world.vcpus[0], "first seen")
    recording.note(world.vcpus[1])  # what it was before has been dropped
    old = moment(world)
    world.vcpus[0].offset = -5000
    seen = recording.note(world.vcpus[0], "reset")
    recording.sample()
    check_vcpu(recording, 0, [(first, -1), (old, 0), (seen, -5000), (world.now, -5000)],
               [True, False, True, True])
    check_vcpu(recording, 1, [(first, 0), (old, -7000), (world.now, -7000)], [False, True, True])


def arrive(recording, offset):
    """The guest comes to a QEMU that is waiting for it: when, and how it is known from then on."""
    for vcpu in recording.world.vcpus:
        vcpu.offset = offset
    came = [recording.note(vcpu, "migration") for vcpu in recording.world.vcpus][0]
    recording.sample()
    return [(came, offset), (moment(recording.world), offset)]


def test_arrival():
    """a guest that came from elsewhere: what its QEMU had before that does not reach back"""
    for is_watched in (False, True):
        recording = Recording(two_vcpus())
        early = moment(recording.world)
        first = [recording.note(vcpu, "first seen") for vcpu in recording.world.vcpus][0]
        waiting = []
        if is_watched:
            recording.sample()
            waiting = [(moment(recording.world), -5000)]
            recording.sample()
        old = moment(recording.world)
        check_vcpu(recording, 0, [(early, 0), *waiting, (old, 0), *arrive(recording, 10**9)],
                   [False, *[True] * is_watched, False, True, True])
        # Nor is a value that the guest had elsewhere taken for one from before that.
        assert map_values(recording, GUEST, HOST, early - 5000) == [None]
        assert map_values(recording, HOST, GUEST, first - 1) == [None]


def test_return():
    """a guest that was here, left, and came back to another QEMU: known as before it left"""
    recording = Recording(two_vcpus())
    world = recording.world
    early = moment(world)
    for vcpu in world.vcpus:
        recording.note(vcpu, "first seen")
    recording.sample()
    there = moment(world)
    recording.sample()
    recording.epochs, world.generation, world.vcpus[0].offset = [], 0, -1
    again = [recording.note(vcpu, "first seen") for vcpu in world.vcpus][0]
    moments = [(early, -5000), (there, -5000), (again, -1), (moment(world), 0)]
    check_vcpu(recording, 0, [*moments, *arrive(recording, 10**9)],
               [True, True, True, False, True, True])


def test_reach():
    """clocks of a guest that has just come or has gone: known up to there, and not as if it had not"""
    recording = Recording(two_vcpus())
    world = recording.world
    recording.note(world.vcpus[0], "first seen")
    old = moment(world)
    came = recording.note(world.vcpus[0], "migration")
    after = moment(world)
    for _ in range(3):
        recording.sample()
    before = moment(world)
    world.pause_ns = 10**9
    recording.sample()
    recording.samples[-1]["guest"] = None
    world.running = False
    recording.sample()
    recording.samples[-1]["guest"] = None
    gone = moment(world)
    moments = (old, came - 1, after, before, gone)
    rows = map_values(recording, HOST, "guest:mono", *moments)
    assert [row is not None for row in rows] == [False, False, True, True, False], rows
    stamps = [int(world.guest["mono"].at(m)) for m in moments]
    back = map_values(recording, "guest:mono", HOST, *stamps)
    assert [row is not None for row in back] == [False, False, True, True, False], back
    for row, stamp in ((rows[2], stamps[2]), (rows[3], stamps[3])):
        assert row[1] <= stamp <= row[2], (row, stamp)


def test_history_lost():
    """where the history does not follow on what was known, nothing is carried over"""
    for kind in ("dropped", "restarted", "generation"):
        recording = Recording(two_vcpus())
        world = recording.world
        for vcpu in world.vcpus:
            recording.note(vcpu, "first seen")
        recording.sample()
        early = moment(world)
        recording.sample()
        between = moment(world)
        if kind == "dropped":
            world.generation += 2000
            recording.epochs = [{**recording.epochs[0], "generation": world.generation}]
        elif kind == "restarted":
            world.generation = 0
            recording.epochs = []
            for vcpu in world.vcpus:
                recording.note(vcpu, "first seen")
        else:
            world.generation -= 1
        recording.sample()
        recording.sample()
        late = world.now
        for index, offset in ((0, -5000), (1, -7000)):
            check_vcpu(recording, index, [(early, offset), (between, 0), (late, offset)],
                       [True, False, True])


def test_bounded():
    """readings of one mapping within a bound together tell it better than each"""
    world = World(vcpus=[Vcpu(0, offset=-5000, bound=100)])
    recording = Recording(world)
    for _ in range(20):
        recording.sample()
    for host in (10**12, world.now // 2 + 5 * 10**11, world.now):
        (_, low, high), = map_values(recording, HOST, GUEST, host)
        assert low <= host - 5000 <= high, (low, high, host)
        # Forty readings spread over 200 ticks leave some ten in common.
        assert high - low < 60, (low, high)


def test_random():
    """seeded worlds: every interval of every pair of clocks contains the truth"""
    for seed in range(6):
        world = World(seed=seed, khz=2000000 + 1000 * seed)
        world.vcpus[0].offset = signed(-10**12 + 10**6 * seed)
        recording = Recording(world)
        probes = []
        for _ in range(8):
            recording.sample()
            world.pause()
            probes.append(world.tick())
        counters = [world.vcpus[0].counter(p) for p in probes]
        for name, clock in world.guest.items():
            rows = map_values(recording, GUEST, f"guest:{name}", *counters)
            for probe, row in zip(probes[:-1], rows):
                assert row[1] <= clock.at(probe) <= row[2], (seed, name, probe, row)
        for name, clock in world.host.items():
            source = world.guest["mono"]
            rows = map_values(recording, "guest:mono", f"host:{name}",
                              *(source.shown(p) for p in probes))
            for probe, row in zip(probes[:-1], rows):
                assert row[1] <= clock.at(probe) <= row[2], (seed, name, probe, row)


def test_suspended():
    """a host that slept while its counter went on: clocks that stood still have a gap, no more"""
    world = World()
    recording = Recording(world)
    probes = []
    for number in range(12):
        recording.sample()
        world.pause()
        probes.append(world.tick())
        if number == 5:
            world.pause_ns = 10**10
            world.pause()
            for name in ("mono", "mono_raw"):
                world.host[name].step(-10**10)
            world.pause_ns = 10**8
    rows = {name: map_values(recording, HOST, f"host:{name}", *probes[:-1])
            for name in ("mono", "mono_raw", "boot")}
    for name, row in rows.items():
        assert [i for i, r in enumerate(row) if r is None] == \
            ([] if name == "boot" else [5]), (name, row)
        for number, r in enumerate(row):
            if r and number != 5:
                truth = world.host[name].at(probes[number])
                truth += 10**10 if name != "boot" and number < 5 else 0
                assert r[1] <= truth <= r[2] and r[2] - r[1] < 10**6, (name, number, r, truth)


def test_counter():
    """ftrace's counter: an event's number leads to the moment between two readings"""
    world = two_vcpus()
    recording = Recording(world)
    given, truth = 10, []
    for _ in range(5):
        sample = recording.sample()
        reading = next(r for r in sample["guest"]["readings"] if r["clock"] == "mono")
        sample["guest"]["readings"].append(
            {**reading, "clock": "counter", "value": given, "unit": "count", "resolution-ns": 0,
             "via": "marker"})
        for _ in range(3):
            given += 1
            world.pause()
            truth.append((given, world.tick()))
        given += 1
    for (number, host), row in zip(truth, map_values(
            recording, "guest:counter", HOST, *(n for n, _ in truth[:-3]))):
        assert row[1] <= host <= row[2], (number, host, row)
    for (number, host), row in zip(truth, map_values(
            recording, HOST, "guest:counter", *(h for _, h in truth[:-3]))):
        assert row[1] <= number <= row[2] <= row[1] + 3, (number, host, row)
    # Outside of the readings nothing is known on one side.
    assert map_values(recording, "guest:counter", HOST, 9, given) == [None, None]
    assert map_values(recording, HOST, "guest:counter", 1, world.now) == [None, None]
    assert map_values(recording, "guest:counter", "guest:counter", 11) == [(11, 11, 11)]


def test_uptime():
    """uptime shows whole ticks, and late ones: what it shows, and when, is within the bound"""
    hertz, late = 4 * 10**6, 7 * 10**6
    world = World()
    recording = Recording(world)

    def shown(ns):
        """1/100 s, of whole ticks"""
        return int(ns // hertz) * hertz // 10**7 * 10**7

    for _ in range(10):
        sample = recording.sample()
        reading = next(r for r in sample["guest"]["readings"] if r["clock"] == "boot")
        value = shown(reading["value"] - world.rng.randrange(late))
        sample["guest"]["readings"].append({**reading, "clock": "uptime", "value": value,
                                            "resolution-ns": 10**7 + hertz + late,
                                            "via": "marker"})
    probes = [world.rng.randrange(10**12, world.now) for _ in range(200)]
    values = [shown(world.guest["boot"].at(p) - world.rng.randrange(late)) for p in probes]
    for probe, value, there, back in zip(
            probes, values, map_values(recording, HOST, "guest:uptime", *probes),
            map_values(recording, "guest:uptime", HOST, *values)):
        assert there[1] <= value <= there[2], (probe, value, there)
        assert back[1] <= probe <= back[2], (probe, value, back)


def test_left_out():
    """readings that overlap in time, or that the hypervisor excludes, are counted"""
    world = two_vcpus()
    recording = Recording(world)
    for _ in range(4):
        sample = recording.sample()
        reading = next(r for r in sample["guest"]["readings"] if r["clock"] == "mono")
        # The same clock on the other CPU, at the same time but vaguely.
        shift = -7000 + 5000 if reading["cpu"] == 0 else 7000 - 5000
        sample["guest"]["readings"] += [
            {**reading, "cpu": 1 - reading["cpu"],
             "counter-before": reading["counter-before"] + shift - 10,
             "counter-after": reading["counter-after"] + shift + 10},
            {**reading, "clock": "tai", "cpu": reading["cpu"], "counter-before": 5,
             "counter-after": 6}]
        sample["guest"]["readings"] = [r for r in sample["guest"]["readings"]
                                       if r["clock"] != "tai" or r["counter-before"] == 5]
    result = map_lines(recording.lines(), HOST, "guest:mono", world.now - 10**8)
    assert result.status == 0, result.err
    assert "guest:mono: 4 readings are left out: they overlap" in result.err, result.err
    assert "guest:tai: 4 readings are left out: the hypervisor excludes" in result.err, result.err


def test_ends():
    """samples that a kill left without dense ones at their ends still tell both ends well"""
    recording = Recording(World())
    recording.world.pause_ns, recording.world.gap_ns = 10**9, 5 * 10**6
    recording.world.step_ns = (20, 200)
    for _ in range(5):
        recording.sample()
    first = recording.samples[0]["qmp-after"]["host-clocks"][-1]["counter-after"]
    last = recording.samples[-1]["qmp-before"]["host-clocks"][0]["counter-before"]
    for moment_ in (first + 10**9, last - 10**9):
        (_, low, high), = map_values(recording, HOST, "host:mono", moment_)
        # 1000 ppm of half a second are half a millisecond; 400 ns in 10 ms are 40 ppm.
        assert high - low < 50000, (low, high)


def test_not_begun():
    """a time at which the clock asked for had not begun is unknown, not 0 to 0"""
    recording = Recording(World())
    # It shows 1 ms when the recording begins.
    recording.world.guest["mono"].step(10**6 - recording.world.guest["mono"].shown(recording.world.now))
    begin = recording.world.now
    for _ in range(4):
        recording.sample()
    long_before, before, after = map_values(recording, HOST, "guest:mono", begin - 10**9, begin - 10**7, begin)
    assert long_before is None and before is None and after[1] <= 10**6 <= after[2], (long_before, before, after)
    told = map_lines(recording.lines(), HOST, "guest:mono", begin - 10**7).out
    assert "guest:mono began later" in told, told


def test_help():
    """units are said"""
    result = run_map("--help")
    for word in ("nanoseconds", "ticks", "guest:counter", "1/100 s"):
        assert result.status == 0 and word in result.out, (word, result.out)
    result = map_lines([json.dumps(HEADER)], HOST, HOST)
    assert result.status == USAGE, result.err


def test_list():
    """--list names every clock of the log, with the unit of its values"""
    recording = Recording(two_vcpus())
    for _ in range(2):
        recording.sample()
    listed = map_lines(recording.lines(), "--list")
    assert listed.status == 0, listed.err
    clocks = dict(line.split() for line in listed.out.splitlines())
    assert clocks["host:mono"] == "ns" and clocks[HOST] == clocks[GUEST] == "ticks", clocks
    for clock in clocks:
        assert map_lines(recording.lines(), clock, clock, 1).status in (0, REFUSED), clock
    unknown = map_lines(recording.lines(), "x", "y", 1).err
    assert set(unknown.split("it has ")[1].strip().split(", ")) == set(clocks), unknown
    assert run_map("--list").status == USAGE
    assert map_lines(recording.lines(), "--list", HOST).status == USAGE


def test_identity():
    """a clock in itself is what it was, where its time is known"""
    recording = Recording(two_vcpus())
    for _ in range(4):
        recording.sample()
    world = recording.world
    value = world.guest["mono"].shown(world.now)
    for clock in ("guest:mono", "host:mono", HOST, GUEST):
        assert map_values(recording, clock, clock, value) == [(value,) * 3], clock
    world.vcpus.pop(0)
    recording.sample()
    assert map_values(recording, GUEST, GUEST, world.now - 5000) == [None]


def test_order():
    """samples that are not later than the one before are left out, with their line numbers"""
    recording = Recording(two_vcpus())
    for _ in range(4):
        recording.sample()
    lines = recording.lines()
    words = (HOST, "host:mono", 10**12)
    right = map_lines(lines, *words)
    assert right.status == 0 and not right.err, right.err
    for order, warned in (((0, 1, 2, 3, 4, 4), (6,)), ((0, 1, 3, 2, 4), (4,)),
                          ((0, 4, 3, 2, 1), (3, 4, 5))):
        result = map_lines([lines[i] for i in order], *words)
        assert result.status == 0, result.err
        assert result.err.count("out of order") == len(warned), result.err
        for number in warned:
            assert f"line {number} is out of order" in result.err, result.err
    for window, word in ((list(reversed(recording.samples[1]["window"])), "before it begins"),
                         ([0, 1], "window"), ([2**63, 2**63], "window")):
        changed = json.dumps({**recording.samples[1], "window": window})
        result = map_lines([*lines[:2], changed, *lines[3:]], *words)
        assert result.status == 0 and "line 3 is" in result.err and word in result.err, result.err


def test_no_such_clock():
    """a name that no clock has is a wrong usage; a clock that this log lacks is refused"""
    recording = Recording(World())
    recording.sample()
    for name, status in (("guest:moon", USAGE), ("mono", USAGE), ("host:mono@1", USAGE),
                         ("guest:x86-tsc@x", USAGE), ("guest:global", REFUSED),
                         ("guest:local@3", REFUSED), ("host:ppc-tb", REFUSED),
                         ("guest:x86-tsc@7", REFUSED)):
        result = map_lines(recording.lines(), name, HOST, 1)
        meant = " (did you mean guest:mono or host:mono?)" if name == "mono" else ""
        assert result.status == status and f"no clock '{name}'{meant}; it has {HOST}" in result.err, \
            (name, result.status, result.err)


def test_no_log():
    """what is no log, or has no end, or no sample"""
    result = run_map("/none.tcs", "host:mono", "host:boot", 1)
    assert result.status == FILE and "/none.tcs: No such file or directory; name a log that" in \
        result.err, result.err
    result = run_map("/dev/zero", "host:mono", "host:boot", 1)
    assert result.status == FILE and "not a sync log" in result.err, result.err
    result = map_lines([json.dumps(HEADER)], HOST, "host:mono", 1)
    assert result.status == REFUSED and ".tcs: the log has no sample" in result.err, result.err
    result = map_lines(["x" * (9 << 20)], HOST, "host:mono", 1)
    assert result.status == FILE and "too long" in result.err, result.err


if __name__ == "__main__":
    cases.run(globals())
