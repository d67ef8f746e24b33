#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`show` while things change under it: mappings, vCPUs, clocks of the host; and vCPUs that are not
stable or not known. Argument: the build directory."""
import cases
from peers import Close, Expect
from test_show_world import (CLOCKS, COUNTER, NAME, QUERY, REFUSED, UNREACHABLE, Script, Vcpu,
                             World, assert_fails, play, show_world)

HOUR = 3600 * 10**9


def two_vcpus(apart=0):
    return World(vcpus=[Vcpu(0, offset=-10**12), Vcpu(1, offset=-10**12 - apart)])


def attempts(world, change, count):
    """A first sample in which change(number) comes between its queries until the attempt
    `count`; the collector may try three times. Then the second sample, undisturbed."""
    script = Script(world)
    monitor, agent = [*NAME, script.query()], []
    for number in range(min(count + 1, 3)):
        before = (lambda number=number: change(number)) if number < count else None
        monitor += [script.query(), script.query(before)]
        agent.append(script.read())
    if count < 3:
        monitor += [script.query(world.pause), script.query()]
        agent.append(script.read())
    return play(monitor, agent, "--json")


def assert_retried(make_world, change, *words):
    """A change once or twice is survived, three times it is refused."""
    for count in 1, 2:
        world = make_world()
        shown = attempts(world, lambda number, world=world: change(world, number), count)
        assert shown.status == 0, shown.err
        assert shown.document["vcpus"] == world.queries[-1]["vcpus"]
        for row in shown.document["clocks"]:
            if row["unit"] == "ns":
                assert abs(row["offset"] + 10**9) <= row["bound"] < 10**5, row
    world = make_world()
    shown = attempts(world, lambda number: change(world, number), 3)
    assert_fails(shown, REFUSED, "QMP monitor unix:", "try again", *words)
    assert shown.out == ""


def test_mapping_changes():
    """a mapping that changes while the guest reads: the sample is taken anew, then refused"""
    def offset(world, _number):
        world.vcpus[0].offset -= 1

    def ratio(world, number):
        world.vcpus[-1].multiplier = (1 << 32) + number + 1

    def shift(world, number):
        bits = 32 + 16 * ((number + 1) % 2)
        world.vcpus[0].shift, world.vcpus[0].multiplier = bits, 1 << bits
    for change in offset, ratio, shift:
        assert_retried(World, change, "vCPU 0", "changed meanwhile")
    assert_retried(two_vcpus, ratio, "vCPU 1", "changed meanwhile")


def test_generation_changes():
    """a mapping that changed and changed back, which only the generation tells"""
    def generation(world, _number):
        world.generation += 2
    assert_retried(World, generation, "changed")


def test_generation_of_unstable():
    """where a vCPU is not stable the generation may grow all the time"""
    world = two_vcpus()
    world.vcpus[1].unstable = "KVM sets it anew whenever it is loaded"

    def grow(reply):
        world.generation += 1
        world.vcpus[1].offset += 1000
        reply["generation"] = world.generation

    def read_on_0(reply):
        for reading in reply["readings"]:
            reading["cpu"] = 0
    shown = show_world(world, query=grow, read=read_on_0)
    assert_fails(shown, REFUSED, "vCPU 1 is not stable: KVM sets")
    assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER, *CLOCKS}


def test_bounded_mappings():
    """mappings known within bounds are the same while the bounds meet"""
    for apart, same in ((20, True), (21, False)):
        def told(rng, apart=apart):
            told.calls += 1
            mapping = Vcpu.mapping(world.vcpus[0], rng)
            return {**mapping, "offset": -10**12 + (apart if told.calls % 2 else 0) - apart // 2}
        told.calls = 0
        world = World(vcpus=[Vcpu(0, offset=-10**12, bound=10)])
        world.vcpus[0].mapping = told
        if same:
            assert show_world(world).status == 0
        else:
            assert_fails(attempts(world, lambda number: None, 3), REFUSED, "changed meanwhile")


def test_stability_changes():
    """a vCPU that becomes stable or ceases to be while the guest reads"""
    def becomes(world, number):
        world.vcpus[0].unstable = None if world.vcpus[0].unstable else "it did not answer"
        del number

    def make(unstable):
        world = World()
        world.vcpus[0].unstable = unstable
        return world
    for unstable in "it did not answer", None:
        world = make(unstable)
        shown = attempts(world, lambda number, world=world: becomes(world, number), 3)
        assert_fails(shown, REFUSED, "vCPU 0", "try again")


def test_unplugged():
    """vCPUs that are plugged and unplugged while the guest reads"""
    def plug(world, number):
        if number % 2:
            world.vcpus.pop()
        else:
            world.vcpus.append(Vcpu(1, offset=-10**12))
    assert_retried(World, plug, "plugged or unplugged")

    def replace(world, number):
        world.vcpus[1].index = 2 + number
    assert_retried(two_vcpus, replace, "vCPU", "changed")


def test_not_stable():
    """a vCPU that is not stable, with a mapping and without: its clocks are refused, others not"""
    for known in True, False:
        for all_of_them in False, True:
            world = two_vcpus(apart=777)
            for vcpu in world.vcpus[0 if all_of_them else 1:]:
                vcpu.unstable = "nobody knows"

            def forget(reply, known=known):
                for vcpu in reply["vcpus"]:
                    if not vcpu["stable"] and not known:
                        for name in ("offset", "ratio", "source", "ratio-source", "bound-ticks",
                                     "counter-before", "counter-after", "thread-id"):
                            del vcpu[name]
            shown = show_world(world, query=forget)
            assert_fails(shown, REFUSED, "is not stable: nobody knows")
            document, good = shown.document, 0 if all_of_them else 1
            refused = {(name, cpu) for name, cpu in world.guest_calls[-1]
                       if all_of_them or cpu == 1}
            names = {COUNTER} | {name for name, _ in refused}
            assert set(shown.refused()) == names, shown.out
            assert {r["guest-cpu"] for r in document["clocks"]} <= {0}
            assert sum(r["guest"] == COUNTER for r in document["clocks"]) == good
            read = sum(cpu == 0 and name != COUNTER for name, cpu in world.guest_calls[-1])
            assert len(document["clocks"]) == good * (1 + read)


def test_not_stable_anonymous():
    """where the guest cannot tell its CPUs, one that is not stable may be the one"""
    for which in 0, 1:
        world = two_vcpus()
        world.vcpus[which].unstable = "nobody knows"
        shown = show_world(world, read=lambda reply: reply.update({"cpus": []}))
        assert_fails(shown, REFUSED, "is not stable: nobody knows")
        assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER}, shown.out
        assert "no hardware id" in shown.refused()["mono"]


def test_no_vcpus_but_agent():
    """readings of a guest that has no vCPU"""
    world = World()
    shown = show_world(world, query=lambda reply: reply.update({"vcpus": []}))
    assert_fails(shown, REFUSED, "CPU 0", "hardware id 0, which no vCPU has")
    assert shown.document["clocks"] == []


def test_host_clock_stepped():
    """a host clock that is set while the guest reads: refused, the others are not"""
    for step in HOUR, -HOUR, 10**6, -10**6:
        world = World()

        def set_clock(reply, world=world, step=step):
            world.host["realtime"].step(step)
            del reply
        shown = show_world(world, query=[None, None, None, set_clock, None])
        assert_fails(shown, REFUSED, "no offset of realtime", "contradict", "stepped", "try again")
        assert list(shown.refused()) == ["realtime"]
        assert {row["guest"] for row in shown.document["clocks"]} == \
            {COUNTER, *CLOCKS} - {"realtime"}
        # Between the samples it spoils the rate only.
        world = World()
        shown = show_world(world, query=[None, None,
                                         lambda reply, w=world, s=step: set_clock(reply, w, s)])
        assert shown.status == 0, shown.err
        row = shown.row("realtime")
        assert abs(row["offset"] + step + 10**9) <= row["bound"] < 10**5, row


def test_host_clocks_missing():
    """no host clocks, or not this one, or each twice"""
    shown = show_world(World(), query=lambda reply: reply.update({"host-clocks": []}))
    assert_fails(shown, REFUSED, "the host has no clock of this name")
    assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER}
    assert set(shown.refused()) == set(CLOCKS)
    for missing in CLOCKS:
        world = World()
        del world.host[missing]
        shown = show_world(world)
        assert_fails(shown, REFUSED, f"no offset of {missing}", "the host has no clock")
        assert list(shown.refused()) == [missing]
        for name in {*CLOCKS} - {missing}:
            row = shown.row(name)
            # Without mono_raw rates are not known and bounds are wider; they are bounds.
            assert abs(row["offset"] + 10**9) <= row["bound"] < 10**6, row
    shown = show_world(World(), query=lambda reply: reply["host-clocks"].extend(
        [dict(clock) for clock in reply["host-clocks"]]))
    assert shown.status == REFUSED, shown.err


def test_host_counter_backward():
    """host counters that run backward between two queries"""
    def earlier(reply):
        for reading in reply["vcpus"] + reply["host-clocks"]:
            reading["counter-before"] -= 10**9
            reading["counter-after"] -= 10**9
    script = Script(World(), query=[None, None, earlier])
    shown = play([*NAME, script.query(), script.query(), script.query()], [script.read()])
    assert_fails(shown, REFUSED, "ran backward", "QMP monitor unix:")


def test_paused_meanwhile():
    """a VM that is paused between the samples"""
    world = World()
    script = Script(world)

    def stop():
        world.running = False
    monitor = [*NAME, script.query(), script.query(), script.query(), script.query(stop),
               script.query()]
    shown = play(monitor, [script.read()], "--json")
    assert_fails(shown, REFUSED, "paused")
    assert {row["guest"] for row in shown.document["clocks"]} == {COUNTER}


def test_dies_while_retrying():
    """a QEMU that goes away at the second attempt"""
    world = World()
    script = Script(world)

    def change():
        world.vcpus[0].offset += 1
    shown = play([*NAME, script.query(), script.query(), script.query(change), Expect(QUERY),
                  Close()], [script.read()])
    assert_fails(shown, UNREACHABLE, "closed the connection")


if __name__ == "__main__":
    cases.run(globals())
