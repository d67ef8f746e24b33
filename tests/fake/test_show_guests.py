#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`show` against guests that lie, and against replies that are not what the schema says.

What a guest may get away with is in docs/error-model.md: lies about its own clocks' values. A lie
about its counter must be refused. Argument: the build directory."""
import copy
import json
from concurrent.futures import ThreadPoolExecutor

import cases
from peers import Raw, Expect
from probe import instrumented
from test_show_world import (CLOCKS, COUNTER, NAME, READ, REFUSED, TWO_64, Script, Vcpu, World,
                             assert_fails, play, show_loosely, show_world)

HOUR = 3600 * 10**9


def reading_of(reply, clock):
    return next(r for r in reply["readings"] if r["clock"] == clock)


def shift(reading, ticks, members=("counter-before", "counter-after")):
    for member in members:
        reading[member] = (reading[member] + ticks) % TWO_64


def last_read(change):
    """the second sample's reply of the agent, with change(reply) done to it"""
    return [None, change]


def in_parallel(test, jobs):
    """All of them; where the program is instrumented and slow, every fifth."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(test, jobs[::5] if instrumented() else jobs))


def edge(job):
    """One end of a reading `ticks` guest ticks beyond one end of the window, which reaches from
    the last counter read of the query before to the first one of the query after."""
    vcpu, side, ticks, accepted = job
    world = World(vcpus=[vcpu])
    end = None

    def stretch(reply):
        nonlocal end
        reading, query = reading_of(reply, "mono"), world.queries[-1]
        start = max(r["counter-after"] for r in query["vcpus"] + query["host-clocks"])
        world.now = end = world.now + 12345
        if side == "early":
            reading["counter-before"] = (vcpu.counter(start) - ticks) % TWO_64
        else:
            reading["counter-after"] = (vcpu.counter(end) + ticks) % TWO_64

    def begin(reply):
        reply["vcpus"][0]["counter-before"] = end

    # The fifth query is the last.
    shown = show_world(world, read=last_read(stretch), query=[None] * 4 + [begin])
    told = f"{side} by {ticks}: {shown.err}{shown.out}"
    if accepted:
        assert shown.status == 0, told
    else:
        assert shown.status == REFUSED and list(shown.refused()) == ["mono"], told
        assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER, *CLOCKS} - {"mono"}
        for word in ("no offset of mono", "hypervisor excludes", "CPU 0", "do not trust"):
            assert word in shown.err, told


def test_window_edges():
    """a counter reading at the end of the window is accepted, one tick beyond is not"""
    jobs = []
    for multiplier, bits in ((1 << 32, 32), (1 << 48, 48), (3 << 47, 48), (3 << 30, 32),
                             (5 << 40, 48)):
        for offset in (-10**12, 0, -(1 << 63)):
            vcpu = Vcpu(0, multiplier, bits, offset)
            for side in "early", "late":
                jobs += [(vcpu, side, 0, True), (vcpu, side, 1, False)]
    # Where the offset is known within a bound, the window is wider by as much.
    for side in "early", "late":
        for ticks, accepted in ((1000, True), (1001, False)):
            vcpu = Vcpu(0, offset=-10**12, bound=1000)
            vcpu.mapping = lambda rng, vcpu=vcpu: {**Vcpu.mapping(vcpu, rng), "offset": vcpu.offset}
            jobs.append((vcpu, side, ticks, accepted))
    in_parallel(edge, jobs)


def lie_is_refused(change):
    shown = show_world(World(), read=last_read(change))
    assert_fails(shown, REFUSED, "no offset of boot", "excludes", "do not trust this guest")
    assert list(shown.refused()) == ["boot"], shown.out
    assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER, *CLOCKS} - {"boot"}


def test_far_off():
    """counters far off, or of an instant too wide"""
    def lie(ticks, *members):
        return lambda reply: shift(reading_of(reply, "boot"), ticks,
                                   members or ("counter-before", "counter-after"))
    in_parallel(lie_is_refused, [
        lie(1 << 62), lie(-(1 << 62)), lie(1 << 63), lie((1 << 63) - 1), lie(10**9), lie(-10**9),
        lie(10**9, "counter-after"), lie(1 << 62, "counter-after"),
        lie(-10**9, "counter-before")])


def test_skipped_values():
    """a counter value that a scaled counter never shows"""
    world = World(vcpus=[Vcpu(0, 3 << 48, 48)])
    shown = show_world(world, read=last_read(lambda reply: shift(reading_of(reply, "tai"), 1)))
    assert_fails(shown, REFUSED, "no offset of tai", "excludes")


def test_counter_lie():
    """a guest that lies in its reading of the counter itself"""
    def lie(reply):
        shift(reading_of(reply, COUNTER), 1 << 40, ("counter-before", "value", "counter-after"))
    shown = show_world(World(), read=last_read(lie))
    assert_fails(shown, REFUSED, "no offset of x86-tsc", "excludes")
    # The hypervisor's own word stands.
    assert shown.row(COUNTER)["offset"] == -10**12

    def outside(reply):
        reading_of(reply, COUNTER)["value"] += 10**6
    shown = show_world(World(), read=outside, ends=True)
    assert_fails(shown, REFUSED, "outside its own brackets")


def test_swapped():
    """before and after swapped"""
    def swap(reply):
        reading = reading_of(reply, "boot")
        reading["counter-before"], reading["counter-after"] = (
            reading["counter-after"], reading["counter-before"])
    shown = show_world(World(), read=swap, ends=True)
    assert_fails(shown, REFUSED, "guest agent qga:", READ, "counter-after is before counter-before")


def different_vcpus():
    vcpus = [Vcpu(i, offset=-10**12 - i * 10**10) for i in range(3)]
    for vcpu in vcpus:
        vcpu.linux_cpu = 7 - vcpu.index
    return World(vcpus=vcpus)


def test_cpus():
    """readings on CPUs that the guest names wrongly"""
    def wrong_cpu(reply):
        reading_of(reply, "mono")["cpu"] = 99
    def foreign(reply):
        for cpu in reply["cpus"]:
            cpu["arch-id"] = 1000 + cpu["cpu"]
    def none(reply):
        reply["cpus"] = []
    def negative(reply):
        reading_of(reply, "mono")["cpu"] = -(1 << 63)
    def swapped(reply):
        ids = [cpu["arch-id"] for cpu in reply["cpus"]]
        for cpu, arch_id in zip(reply["cpus"], ids[1:] + ids[:1]):
            cpu["arch-id"] = arch_id
    unknown = "cannot be told among the vCPUs"
    for lie, refused, word in ((wrong_cpu, 1, unknown), (foreign, 5, "which no vCPU has"),
                               (none, 5, unknown), (negative, 1, unknown)):
        shown = show_world(different_vcpus(), read=last_read(lie))
        assert_fails(shown, REFUSED, word, "hardware id")
        assert len(shown.refused()) == refused, shown.out
    shown = show_world(different_vcpus(), read=last_read(swapped))
    assert_fails(shown, REFUSED, "excludes")
    assert set(shown.refused()) == {COUNTER, *CLOCKS}
    # With one mapping for all it does not matter which vCPU it was; a foreign id is still a lie.
    for lie, accepted in ((wrong_cpu, True), (none, True), (foreign, False)):
        world = World(vcpus=[Vcpu(i, offset=-10**12) for i in range(3)])
        shown = show_world(world, read=last_read(lie))
        assert shown.status == (0 if accepted else REFUSED), shown.err


def test_first_cpu():
    """kvm-clock as programs read it on a CPU whose counter is not the first CPU's"""
    def on_cpu(number):
        def move(reply):
            (to,) = (v for v in reply["cpus"] if v["arch-id"] == 2 * number)
            (vcpu,) = (v for v in world.vcpus if v.index == number)
            for reading in reply["readings"]:
                of = next(v for v in world.vcpus if v.linux_cpu == reading["cpu"])
                reading["cpu"] = to["cpu"]
                counters = ["counter-before", "counter-after"]
                if reading["via"] == "counter":
                    counters.append("value")
                for member in counters:
                    reading[member] = (reading[member] + vcpu.offset - of.offset) % TWO_64
        return move

    for clocksource, number, refused in (("kvm-clock", 0, False), ("kvm-clock", 1, True),
                                         ("tsc", 2, True), ("acpi_pm", 2, False)):
        world = different_vcpus()
        world.clocksource = clocksource
        shown = show_world(world, read=[on_cpu(number)] * 2)
        if refused:
            assert_fails(shown, REFUSED, "programs there read the guest's clocks wrongly", "CPU 0")
            assert set(shown.refused()) == set(CLOCKS), shown.out
        else:
            assert shown.status == 0, shown.err


def test_other_counter():
    """an agent that counts by something else than the hypervisor"""
    def other(reply):
        reply["counter"] = "arm64-cntvct"
    shown = show_world(World(), read=other, ends=True)
    assert_fails(shown, REFUSED, "arm64-cntvct", COUNTER)

    def other_row(reply):
        reading_of(reply, COUNTER)["clock"] = "ppc-tb"
    shown = show_world(World(), read=last_read(other_row))
    assert_fails(shown, REFUSED, "ppc-tb", COUNTER)


def test_duplicates():
    """a clock read twice on one CPU is refused: which one counts?"""
    for change in (lambda reply: reply["readings"].append(dict(reply["readings"][0])),
                   lambda reply: reply["readings"].append({**reply["readings"][0], "value": 5})):
        shown = show_world(World(), read=change, ends=True)
        assert_fails(shown, REFUSED, READ, "mono", "twice")
    # On two CPUs is as it should be.
    world = World(vcpus=[Vcpu(i, offset=-10**12) for i in range(2)])

    def both(reply):
        reply["readings"] += [{**r, "cpu": 1 - r["cpu"]} for r in reply["readings"]]
    shown = show_world(world, read=both)
    assert shown.status == 0, shown.err
    assert len(shown.document["clocks"]) == 2 * (1 + len(CLOCKS))


def test_stepped_clock():
    """a guest clock that is set by an hour between the samples"""
    for step in HOUR, -HOUR:
        world = World()

        def set_clock(reply, world=world, step=step):
            del reply
            world.guest["realtime"].step(step)
        # The step follows the first reply.
        shown = show_world(world, read=[set_clock, None])
        assert shown.status == 0, shown.err
        row = shown.row("realtime")
        assert abs(row["offset"] - step + 10**9) <= row["bound"] < 10**5, row
        # Its mean rate is absurd, and true; backward it has none.
        assert (row["rate"] is None) == (step < 0) and (step < 0 or row["rate"] > 30000), row
        assert abs(shown.row("mono")["rate"] - 1) < 1e-3


def test_reboot():
    """a guest that reboots between the samples: no rate across"""
    world = World()

    def reboot(reply):
        reply["boot-id"] = "another"
    shown = show_world(world, read=[reboot, None])
    assert shown.status == 0, shown.err
    assert all(row["rate"] is None for row in shown.document["clocks"] if row["unit"] == "ns")


def test_absurd_values():
    """values and resolutions at the ends of their ranges"""
    def value(number):
        return lambda reply: reading_of(reply, "mono").update({"value": number})

    def resolution(number):
        return lambda reply: reading_of(reply, "mono").update({"resolution-ns": number})
    for number in (0, 1, (1 << 63) - 3):
        row = show_world(World(), read=value(number)).row("mono")
        assert row["guest-value"] == number, row
        assert abs(row["offset"] - (number - row["host-value"])) <= row["bound"] < 10**5, row
        assert abs(row["host-value"] - 10**15) < 10**9
    shown = show_world(World(), read=value((1 << 63) - 1))
    assert_fails(shown, REFUSED, "no offset of mono", "no bound")
    for number in (1 << 63, TWO_64 - 1):
        shown = show_world(World(), read=value(number), ends=True)
        assert_fails(shown, REFUSED, READ, "out of range")
    row = show_world(World(), read=resolution((1 << 32) - 1)).row("mono")
    assert row["bound"] >= (1 << 31) - 1 and abs(row["offset"] + 10**9) <= row["bound"], row
    for number in (1 << 32, -1, 0.5):
        shown = show_world(World(), read=resolution(number), ends=True, checked=False)
        assert_fails(shown, REFUSED, READ, "resolution-ns")


NASTY = ("\x1b[2J", "\x07", "a\nb", "\r", "\x7f", "\x9b31m", "\u202e", "\u2028", "\x00")


def test_control_characters():
    """names, reasons and ids that would act on a terminal"""
    def clock(reply, text):
        reading_of(reply, "mono")["clock"] = text
    def via(reply, text):
        reading_of(reply, "mono")["via"] = text
    def name(reply, text):
        reply["unavailable"] = [{"clock": text, "reason": "x"}]
    def reason(reply, text):
        reply["unavailable"] = [{"clock": "x", "reason": "because " + text}]
    places = [clock, via, name, reason]
    for member in "counter", "clocksource", "boot-id":
        places.append(lambda reply, text, member=member: reply.update({member: text}))
    jobs = [lambda reply, place=place, text=text: place(reply, text)
            for place in places for text in NASTY]

    def refused(change):
        # show() looks at everything that is printed.
        shown = show_world(World(), read=change, ends=True, checked=False)
        assert_fails(shown, REFUSED, "guest agent qga:")
    in_parallel(refused, jobs)
    # Half a character becomes a harmless one.
    for place in places:
        shown = show_loosely(World(), read=lambda reply, place=place: place(reply, "\ud800"))
        assert shown.status in (0, REFUSED), shown.err


def test_control_characters_from_qemu():
    """the same from the monitor; what is passed on as JSON is escaped"""
    def vcpu(member, text):
        return lambda reply: reply["vcpus"][0].update({member: text, "stable": member != "reason"})
    for text in NASTY[:-1]:
        for member in "source", "ratio-source", "reason":
            script = Script(World(), query=vcpu(member, text))
            shown = play([*NAME, script.query()], None, "--json")
            assert_fails(shown, REFUSED, "QMP monitor unix:", member, "unprintable")
        for member in "later", text:
            script = Script(World(), query=vcpu(member, text), checked=False)
            shown = play([*NAME, script.query(), script.query()], None, "--json")
            assert shown.status == 0, shown.err
            document = json.loads(shown.out)
            assert document["vcpus"][0][member] == text
    # Beyond 16 bits an escape takes two.
    text = "\U000e0001 \U0001f600 ä"
    script = Script(World(), query=vcpu("later", text), checked=False)
    shown = play([*NAME, script.query(), script.query()], None, "--json")
    assert json.loads(shown.out)["vcpus"][0]["later"] == text


def test_unknown_clocks():
    """clocks that the host does not have"""
    def add(*names):
        def change(reply):
            for name in names:
                reply["readings"].append({**reading_of(reply, "mono"), "clock": name})
        return change
    shown = show_world(World(), read=add("local", "x" * 64, "", "Ünïcödé"))
    assert_fails(shown, REFUSED, "the host has no clock of this name")
    assert set(shown.refused()) == {"x" * 64, "", "Ünïcödé"}
    # What only ftrace can read is paired with the host's mono.
    assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER, "local", *CLOCKS}
    assert shown.row("local")["host"] == "mono"
    assert shown.row("local")["offset"] == shown.row("mono")["offset"]
    shown = show_world(World(), read=add("x" * 65), ends=True)
    assert_fails(shown, REFUSED, READ, "longer than 64")


def test_many_readings():
    """6,000 readings are shown in bounded time; 10,000 are refused"""
    def many(reply, count=6000):
        reading = reading_of(reply, "mono")
        reply["cpus"] = [{"cpu": i, "arch-id": 0} for i in range(3000)]
        reply["readings"] += [{**reading, "cpu": i} for i in range(1, 3000)]
        reply["readings"] += [{**reading, "clock": f"mono{i}"} for i in range(3000, count)]
    # Python takes its time to make such a reply, all the more to check it.
    shown = show_world(World(), "--timeout", "60", read=many, checked=False)
    assert_fails(shown, REFUSED, "the host has no clock of this name")
    assert len(shown.document["clocks"]) == 1 + len(CLOCKS) + 2999
    print(f"# {shown.seconds:.1f} s for 6,000 readings")
    assert instrumented() or shown.seconds < 10, shown.seconds

    def more(reply):
        reply["cpus"] = [{"cpu": i} for i in range(5000)]
    assert_fails(show_world(World(), read=more, ends=True), REFUSED, READ, "more than 4096")

    for count in 10000, 30000:
        shown = show_world(World(), read=lambda reply, count=count: many(reply, count),
                           ends=True, checked=False)
        assert_fails(shown, REFUSED, "guest agent qga:", READ)


def members(value, path=()):
    """paths of all members and elements"""
    items = value.items() if isinstance(value, dict) else enumerate(value) \
        if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from members(item, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


OPTIONAL = {"arch-id", "thread-id", "host-counter-khz", "guest-counter-khz", "kvmclock", "epochs"}
REPLACEMENTS = (None, -1, 1.5, "x", [{}], TWO_64 - 1)


def one_broken(job):
    """One member of a reply missing or wrong: an offset or a refusal that names it."""
    which, path, how = job

    def change(reply):
        holder = at(reply, path[:-1])
        if how == "missing":
            del holder[path[-1]]
        elif how == "extra":
            if isinstance(at(reply, path), dict):
                at(reply, path)["x-future"] = {"a": [None]}
        else:
            holder[path[-1]] = copy.deepcopy(how[0])
    shown = show_loosely(World(), **{which: change})
    told = f"{which} {path} {how}: {shown.status} {shown.err}"
    if how == "extra":
        assert shown.status == 0, told
    elif how == "missing" and isinstance(path[-1], str) and path[-1] not in OPTIONAL:
        assert shown.status == REFUSED and path[-1] in shown.err, told
        assert "monitor unix:" in shown.err or "agent qga:" in shown.err, told
    elif how == "missing":
        assert shown.status in (0, REFUSED), told
    else:
        assert shown.status in (0, REFUSED), told


def test_broken_replies():
    """every member missing, of the wrong type, or at the end of its range; extra members pass"""
    jobs = []
    for which, reply in (("query", World().query()), ("read", World().read())):
        seen = set()
        for path in members(reply):
            # One element of a list stands for all.
            if tuple(key if isinstance(key, str) else 0 for key in path) not in seen:
                seen.add(tuple(key if isinstance(key, str) else 0 for key in path))
                jobs += [(which, path, "missing"), (which, path, "extra")]
                jobs += [(which, path, (value,)) for value in REPLACEMENTS]
    print(f"# {len(jobs)} replies")
    in_parallel(one_broken, jobs)


def test_not_an_object():
    """a reply that is something else altogether"""
    for value in ("[]", "1", '"x"', "true", "{}", "[{}]"):
        script = Script(World())
        shown = play([*NAME, script.query(), script.query()],
                     [Expect(READ), Raw(f'{{"return": {value}}}\n')])
        assert_fails(shown, REFUSED, "guest agent qga:", READ)


if __name__ == "__main__":
    cases.run(globals())
