#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `show` prints and how it ends: output, options, paused VMs, peers that are not there, that
fail, die or hang. Argument: the build directory."""
import os
import select
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import cases
from peers import Close, Error, Expect, ExpectSync, Greet, Peer, QMP, Reply, Sync, agent, monitor
from probe import WRAPPER, BUILD
from test_show_world import (CLOCKS, COUNTER, FILE, NAME, QUERY, READ, REFUSED, UNREACHABLE, USAGE,
                             Clock, Script, Vcpu, Visited, World, assert_fails, parse, play, show,
                             show_world)

NO_QEMU = "/nonexistent/qmp"


class Clockwork(World):
    """Every read takes 1000 ns and shows the clock in the middle."""

    def __init__(self, **options):
        super().__init__(**options)
        self.step_ns = (1000, 1000)

    def bracket(self):
        before = self.tick()
        moment = self.tick(500)
        return before, moment, self.tick(500)


def fixed_world():
    """Two vCPUs, the second scaled to 3/4; guest clocks off by different amounts."""
    start = 7 * 10**12
    ratio = 3 << 46
    vcpus = [Vcpu(0, 1 << 48, 48, -start), Vcpu(1, ratio, 48, 123456789, 25)]
    world = Clockwork(start=start, vcpus=vcpus)
    rate = Fraction(1, 2)
    for name, base, ppm in (("mono", 86400 * 10**9, 40), ("realtime", 1700000000 * 10**9, -7),
                            ("boot", 3, 0)):
        world.guest[name] = Clock(start, base, rate * (1 + Fraction(ppm, 10**6)))
    world.guest["tai"] = Clock(start, 10**18, rate, resolution=4000000)
    world.unavailable = [{"clock": "perf", "reason": "no perf_event_open here"}]
    # One CPU after the other, whatever the seed.
    turns = [vcpus[i % 2] for i in (0, 1, 0, 1, 0, 0)] * 2
    world.rng.choice = lambda choices: turns.pop(0)
    world.rng.randint = lambda low, high: (low + high) // 2
    return world


GOLDEN = """\
VM toy: kvm, running, counter x86-tsc, generation 1
guest: clocksource hpet, boot id 0-1-2, asked through qga

vCPU  thread  offset (ticks)  +/-  ratio                 known from              stable
   0    4000  -7000000000000    0  1                     kvm-device-attr, unity  yes
   1    4001       123456789   25  211106232532992/2^48  tcg, kvm-khz            yes

clock     CPU   offset (guest - host)         +/-                      rate  method
x86-tsc     0    -7000000000000 ticks     0 ticks               1.000000000  hypervisor
x86-tsc     1    -1749926591711 ticks    25 ticks               0.750000000  hypervisor
mono        0     -913599.999995998 s     1009 ns      +40.00 +/- 20.16 ppm  hypervisor
mono_raw    1          -1.000000000 s     1020 ns       +0.00 +/- 20.39 ppm  hypervisor
boot        0    -2999999.999999998 s     1009 ns       +0.00 +/- 20.16 ppm  hypervisor
tai         1   996000000.001913498 s  2001025 ns  -458.97 +/- 40002.08 ppm  hypervisor
realtime    0  1694999999.999999298 s     1009 ns       -7.00 +/- 20.16 ppm  hypervisor

clock  no offset, because
perf   no perf_event_open here
"""


def test_text():
    """the text for people, byte by byte"""
    world = fixed_world()
    shown = play(*Script(world).whole())
    assert shown.status == 0, shown.err
    assert shown.out == GOLDEN, shown.out


GOLDEN_REFUSED = """\
VM toy: kvm, running, counter x86-tsc, generation 1
guest: clocksource hpet, boot id 0-1-2, asked through qga

vCPU  thread  offset (ticks)  +/-  ratio                 known from              stable
   0    4000  -7000000000000    0  1                     kvm-device-attr, unity  yes
   1    4001       123456789   25  211106232532992/2^48  tcg, kvm-khz            no
vCPU 1 is not stable: the host's counter is not trusted by its kernel

clock     CPU   offset (guest - host)      +/-                  rate  method
x86-tsc     0    -7000000000000 ticks  0 ticks           1.000000000  hypervisor
mono        0     -913599.999995999 s  1008 ns  +39.99 +/- 20.14 ppm  hypervisor
realtime    0  1694999999.999999298 s  1009 ns   -7.00 +/- 20.16 ppm  hypervisor

clock     no offset, because
x86-tsc   vCPU 1 is not stable: the host's counter is not trusted by its kernel
mono_raw  vCPU 1 is not stable: the host's counter is not trusted by its kernel
boot      the host has no clock of this name to pair it with
tai       vCPU 1 is not stable: the host's counter is not trusted by its kernel
perf      no perf_event_open here
"""


def test_text_refused():
    """the text for people where something is refused, byte by byte"""
    world = fixed_world()
    world.vcpus[1].unstable = "the host's counter is not trusted by its kernel"
    del world.host["boot"]
    shown = play(*Script(world).whole())
    assert_fails(shown, REFUSED, "no offset of x86-tsc: vCPU 1 is not stable: the host's counter")
    assert shown.out == GOLDEN_REFUSED, shown.out


def test_document():
    """the JSON document has what DESIGN 5.3 says, with 64-bit integers intact"""
    world = World(start=(1 << 63) + 5, vcpus=[Vcpu(0, offset=(1 << 63) - 9)])
    shown = show_world(world)
    assert shown.status == 0, shown.err
    document = parse(shown.out)
    assert document["vm"] == "toy" and document["accel"] == "kvm" and document["running"]
    assert document["generation"] == 1 and document["refused"] == []
    assert document["vcpus"] == world.queries[-1]["vcpus"]
    assert [row["guest"] for row in document["clocks"]] == [COUNTER, *CLOCKS]
    assert shown.row(COUNTER)["host-value"] > 1 << 63 > shown.row(COUNTER)["guest-value"]
    assert shown.row(COUNTER)["offset"] == (1 << 63) - 9 and shown.row(COUNTER)["rate"] == 1


def test_clock_filter():
    """--clock keeps the rows asked for"""
    for wanted in (["mono"], ["tai", COUNTER], ["boot", "boot"]):
        options = [f"--clock={name}" for name in wanted]
        shown = show_world(World(), *options)
        assert shown.status == 0, shown.err
        assert {row["guest"] for row in shown.document["clocks"]} == set(wanted)
    world = World()
    world.unavailable = [{"clock": "perf", "reason": "not here"}]
    assert show_world(world, "--clock", "mono").refused() == {}
    shown = show_world(world, "--clock", "mono", "--clock", "perf")
    assert shown.refused() == {"perf": "not here"}
    assert_fails(shown, REFUSED, "no offset of perf: not here")
    assert_fails(show_world(World(), "--clock", "global"), REFUSED, "'global'", "without --clock")


def test_host_clock():
    """--host-clock pairs each guest clock with each host clock, and the truth is inside"""
    for hosts in ["boot"], ["mono", "realtime", "mono"]:
        world = World()
        shown = show_world(world, *[f"--host-clock={host}" for host in hosts])
        assert shown.status == 0, shown.err
        rows = shown.document["clocks"]
        assert [(row["guest"], row["host"]) for row in rows] == \
            [(guest, host) for guest in CLOCKS for host in dict.fromkeys(hosts)], rows
        for row in rows:
            moment = world.guest_calls[-1][row["guest"], 0][1]
            truth = world.guest[row["guest"]].at(moment) - world.host[row["host"]].at(moment)
            assert abs(truth - row["offset"]) <= row["bound"] < 10**6, (row, float(truth))
        # The counter was not asked for, and has ticks.
        refused = [(r["guest"], r["host"]) for r in shown.document["refused"]]
        assert refused == [(COUNTER, host) for host in dict.fromkeys(hosts)], refused
    script = Script(World())
    shown = play(*script.whole(), "--clock=boot", "--host-clock=tai")
    assert shown.status == 0 and "boot - host's tai" in shown.out, shown.out


def test_host_clock_counter():
    """the counter pairs with the counter alone"""
    shown = show_world(World(), "--host-clock", COUNTER)
    assert shown.status == 0 and [r["guest"] for r in shown.document["clocks"]] == [COUNTER]
    assert {r["guest"] for r in shown.document["refused"]} == set(CLOCKS)
    shown = show_world(World(), "--host-clock", COUNTER, "--host-clock", "mono", "--clock", "mono",
                       "--clock", COUNTER)
    assert [(r["guest"], r["host"]) for r in shown.document["clocks"]] == \
        [(COUNTER, COUNTER), ("mono", "mono")]
    assert_fails(shown, REFUSED, "no offset of", "ticks", "nanoseconds", "`map`")


def test_host_clock_refused():
    """a pair without an offset: status 4 where it was asked for"""
    for options, words in ((["--clock=mono", f"--host-clock={COUNTER}"], ["ticks"]),
                           ([f"--clock={COUNTER}", "--host-clock=mono"], ["ticks"]),
                           (["--host-clock=counter"], ["counter counts events", "`map`"]),
                           (["--clock=mono", "--host-clock=counter"], ["counter counts events"])):
        shown = show_world(World(), *options)
        assert_fails(shown, REFUSED, "no offset of", *words)
        assert not shown.document["clocks"] and shown.document["refused"]
    world = World()
    del world.host["tai"]
    shown = show_world(world, "--clock=mono", "--host-clock=tai", "--host-clock=boot")
    assert_fails(shown, REFUSED, "no offset of mono - host's tai", "no clock of this name")
    script = Script(World())
    shown = play([*NAME, script.query(), script.query()], None, "--host-clock=boot")
    assert_fails(shown, REFUSED, "'boot'", "--agent")


def test_contradiction_beside_filter():
    """--clock does not hide that another clock's data contradict each other"""
    def lie(reply):
        for member in "counter-before", "counter-after":
            reply["readings"][1][member] += 10**9
    shown = show_world(World(), "--clock", "boot", read=[None, lie])
    assert list(shown.refused()) == ["mono_raw"]
    assert_fails(shown, REFUSED, "no offset of mono_raw", "excludes")


def test_no_agent():
    """without an agent the counter alone is shown"""
    world = World()
    script = Script(world)
    shown = play([*NAME, script.query(), script.query()], None, "--json")
    assert shown.status == 0 and [r["guest"] for r in shown.document["clocks"]] == [COUNTER]
    script = Script(world)
    shown = play([*NAME, script.query(), script.query()], None, "--json", "--clock", "mono")
    assert_fails(shown, REFUSED, "'mono'", "--agent")


class Untouched:
    """An agent's address at which nobody may call."""

    def __enter__(self):
        self._peer = Peer("agent", [], prefix="qga:")
        self.address = self._peer.address
        return self

    def __exit__(self, *error):
        # pylint: disable=protected-access
        assert error[0] or not select.select([self._peer._listener], [], [], 0)[0], "contacted"
        self._peer.stop_listening()
        self._peer._directory.cleanup()


def test_paused():
    """the agent of a paused VM is not contacted; the counter is still shown"""
    for options in (["--json"], []):
        world = World()
        world.running = False
        script = Script(world)
        with Untouched() as guest:
            shown = play([*NAME, script.query(), script.query()], None, *options,
                         "--agent", guest.address)
        assert_fails(shown, REFUSED, "paused", "resume it")
        if options:
            assert not shown.document["running"] and shown.row(COUNTER)["bound"] == 0
        else:
            assert "VM toy: kvm, paused," in shown.out and COUNTER in shown.out
    world.running = False
    script = Script(world)
    assert play([*NAME, script.query(), script.query()], None).status == 0


def test_no_vcpus():
    """a VM without vCPUs"""
    world = World()
    world.vcpus = []
    for options in [], ["--json"]:
        script = Script(world)
        shown = play([*NAME, script.query(), script.query()], None, *options)
        assert shown.status == 0, shown.err
        if options:
            assert shown.document["clocks"] == shown.document["vcpus"] == []
        else:
            assert "no vCPU" in shown.out


def test_names():
    """the VM is called by its name where it has a printable one, else by its monitor's address"""
    for name, shown_name in (("a b ä", "a b ä"), ("\x1b]0;x", None), (None, None),
                             ("x" * 65, None)):
        script = Script(World())
        asked = [Expect("query-name", {}), Reply({} if name is None else {"name": name})]
        with monitor(*asked, script.query(), script.query()) as qmp:
            shown = show("--qmp", qmp.address, "--json")
            assert shown.document["vm"] == (shown_name or qmp.address), shown.out


def test_routes():
    """the agent over a Unix socket and TCP, the monitor over TCP; --samples reaches the agent"""
    for family, prefix, route in (("unix", "qga:", "qga"), ("unix", "unix:", "unix"),
                                  ("tcp", "tcp:", "tcp")):
        world = World()
        script = Script(world)
        queries, _ = script.whole()
        reads = [step for _ in range(2) for step in
                 (Expect(READ, {"samples": 7}), Reply(None))]
        # Made when asked, so that it lies between the queries.
        for step in reads[1::2]:
            step.run = lambda line, world=world: Reply(world.read()).run(line)
        with monitor(*queries, family=family) as qmp, \
                agent(*reads, family=family, prefix=prefix) as guest:
            shown = show("--qmp", qmp.address, "--agent", guest.address, "--samples=7")
        assert shown.status == 0 and f"asked through {route}\n" in shown.out, shown.out + shown.err


def test_usage():
    """bad options: status 2, and the message says what would be right"""
    for options, words in (
            ([], ["--qmp", "missing"]),
            (["--qmp"], ["--help"]),
            (["--qmp", NO_QEMU, "--nonsense"], ["--nonsense", "--help"]),
            (["--qmp", NO_QEMU, "nonsense"], ["nonsense", "--help"]),
            (["--qmp", NO_QEMU, "--timeout", "0"], ["--timeout", "1 to 3600"]),
            (["--qmp", NO_QEMU, "--timeout", "3601"], ["--timeout", "1 to 3600"]),
            (["--qmp", NO_QEMU, "--timeout", "-1"], ["--timeout"]),
            (["--qmp", NO_QEMU, "--timeout", "1.5"], ["1.5", "--help"]),
            (["--qmp", NO_QEMU, "--timeout", "99999999999"], ["--help"]),
            (["--qmp", NO_QEMU, "--samples", "0"], ["--samples", "1 to 1000"]),
            (["--qmp", NO_QEMU, "--samples", "1001"], ["--samples", "1 to 1000"]),
            (["--qmp", NO_QEMU, "--samples", "many"], ["many", "--help"]),
            (["--qmp", NO_QEMU, "--clock"], ["--help"]),
            (["--qmp", NO_QEMU, "--host-clock"], ["--help"]),
            (["--qmp", NO_QEMU, "--host-clock", "moon"], ["'moon'", "mono_raw", "local@CPU"]),
            (["--qmp", NO_QEMU, "--clock", "moon"], ["'moon'", "mono_raw", "ppc-tb"]),
            (["--qmp", NO_QEMU, "--clock", "mono", "--clock", "local@1"], ["'local@1'"]),
            (["--qmp", NO_QEMU, "--host-clock", "local@8191"], ["8191", "online"]),
            (["--qmp", ""], ["QMP address ''", "HOST:PORT"]),
            (["--qmp", "host:0"], ["host:0", "HOST:PORT"]),
            # A bad agent's address is told before anything is tried.
            (["--qmp", NO_QEMU, "--agent", "qga"], ["agent address 'qga'", "qga:PATH"]),
            (["--qmp", NO_QEMU, "--agent", "vsock:x"], ["vsock:x", "vsock:CID"]),
            (["--qmp", NO_QEMU, "--agent", "unix:" + NO_QEMU], ["one socket"]),
            (["--qmp", NO_QEMU, "--agent", ""], ["agent address ''", "qga:PATH"])):
        shown = show(*options)
        assert shown.out == "", (options, shown.out)
        assert_fails(shown, USAGE, *words)


def test_no_such_clock():
    """record and compare know a clock that there is not before they ask anybody, too"""
    program = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync")]
    with tempfile.TemporaryDirectory() as folder:
        for verb, *option in (("record", "--clock"), ("record", "--host-clock"),
                              ("compare", "--clock")):
            for name, status in (("moon", USAGE), ("mono", UNREACHABLE)):
                words = ["--qmp", NO_QEMU, "--agent", "unix:" + NO_QEMU + ".agent", *option, name]
                if verb == "record":
                    words += ["-o", os.path.join(folder, name)]
                done = subprocess.run([*program, verb, *words], capture_output=True, check=False,
                                      text=True, timeout=60)
                assert done.returncode == status, (words, done)
                assert ("'moon'" in done.stderr) == (name == "moon"), (words, done)
        assert "moon" not in os.listdir(folder)


def test_help():
    """help is for every option; no verb or an unknown one is a usage error"""
    shown = show("--help")
    assert shown.status == 0
    for option in ("--qmp", "--agent", "--clock", "--host-clock", "--samples", "--timeout", "--json"):
        assert option in shown.out, shown.out
    program = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync")]
    for arguments, status in (([], 2), (["--help"], 0), (["shew"], 2), (["--version"], 0)):
        done = subprocess.run([*program, *arguments], capture_output=True, check=False, text=True)
        assert done.returncode == status and "trace-clock-sync" in done.stdout + done.stderr
        assert (done.stdout == "") == (status != 0)


def test_output_fails():
    """standard output full or closed: status 5, and nothing goes where it should not"""
    for options in [], ["--json"]:
        script = Script(World())
        with monitor(*NAME, script.query(), script.query()) as qmp, \
                open("/dev/full", "wb") as full:
            shown = show("--qmp", qmp.address, *options, out=full)
        assert_fails(shown, FILE, "standard output", "No space left")
        # Descriptor 1 must not become a socket: what is printed would go to QEMU.
        for closed in (1,), (0, 1):
            script = Script(World())
            with monitor(*NAME, script.query(), script.query()) as qmp:
                shown = show("--qmp", qmp.address, *options, close=closed)
            assert_fails(shown, FILE, "standard output", "Bad file descriptor")


def test_error_output_closed():
    """standard error closed: an error goes nowhere else"""
    with monitor(*NAME, Expect(QUERY), Error("no")) as qmp:
        command = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync"), "show", "--qmp",
                   qmp.address]
        done = subprocess.run(["sh", "-c", 'exec "$0" "$@" 0>&- 2>&-', *command],
                              stdout=subprocess.PIPE, check=False)
    assert done.returncode == UNREACHABLE and done.stdout == b"", done


def test_nobody_there():
    """no monitor, no agent"""
    assert_fails(show("--qmp", NO_QEMU), UNREACHABLE, NO_QEMU, "No such file", "check")
    script = Script(World())
    shown = play([*NAME, script.query()], None, "--agent", "qga:/nonexistent/qga")
    assert_fails(shown, UNREACHABLE, "qga:/nonexistent/qga", "No such file")


def test_no_socket():
    """a path that is there and is no socket"""
    with tempfile.NamedTemporaryFile() as file:
        assert_fails(show("--qmp", file.name), USAGE, file.name, "a file and no socket")
        assert_fails(show("--qmp", NO_QEMU, "--agent", f"unix:{file.name}"), USAGE, "no socket")
    with tempfile.TemporaryDirectory() as directory:
        assert_fails(show("--qmp", NO_QEMU, "--agent", f"qga:{directory}"), USAGE, "a directory")


def test_path_bytes():
    """the path of a socket is any bytes; what is printed is text"""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(os.fsencode(directory), b"qm\xffp")
        assert_fails(show("--qmp", path), UNREACHABLE, "qm\ufffdp", "No such file")
        script = Script(World())
        with monitor(*NAME[:1], Reply({}), script.query(), script.query()) as qmp:
            os.symlink(qmp.address.split(":", 1)[1], path)
            shown = show("--qmp", path, "--json")
            assert shown.status == 0 and shown.document["vm"].endswith("qm\ufffdp"), shown.out


def test_no_command():
    """a QEMU without the component, and an agent that does not know the command"""
    missing = Error(f"The command {QUERY} has not been found", "CommandNotFound")
    shown = play([*NAME, Expect(QUERY, {}), missing], None)
    assert_fails(shown, UNREACHABLE, "QMP monitor unix:", QUERY, "-plugin", "libvirt")
    script = Script(World())
    missing = Error(f"The command {READ} has not been found", "CommandNotFound")
    shown = play([*NAME, script.query(), script.query()], [Expect(READ), missing], prefix="unix:")
    assert_fails(shown, UNREACHABLE, "guest agent unix:", READ)


def test_error_replies():
    """errors that the peers reply are passed on"""
    refusal = Error("no\x1b[31m way", "GenericError")
    shown = play([*NAME, Expect(QUERY), refusal], None)
    assert_fails(shown, UNREACHABLE, "QMP monitor unix:", QUERY, "no?[31m way")
    script = Script(World())
    shown = play([*NAME, script.query(), script.query()], [Expect(READ), refusal])
    assert_fails(shown, UNREACHABLE, "guest agent qga:", READ, "no?[31m way")


def test_deaths():
    """a peer that goes away: at each step of the monitor's and of the agent's"""
    for answered in range(5):
        script = Script(World())
        queries, reads = script.whole()
        queries = [*queries[:2 + answered], Expect(QUERY), Close()]
        shown = play(queries, reads[:answered // 2] if answered else None, "--json")
        assert_fails(shown, UNREACHABLE, "QMP monitor unix:", "closed the connection", QUERY)
        assert shown.out == ""
    for answered in range(2):
        script = Script(World())
        queries, reads = script.whole()
        shown = play(queries[:4 + 2 * answered], [*reads[:answered], Expect(READ), Close()])
        assert_fails(shown, UNREACHABLE, "guest agent qga:", "closed the connection", READ)


def hang(script, words):
    """`script`: (monitor, agent), the second None where no agent is given"""
    queries, reads = script
    with Peer(QMP, [Greet(), Expect("qmp_capabilities"), *queries]) as qmp, Visited(qmp):
        if reads is None:
            shown = show("--qmp", qmp.address, "--timeout", "1")
        else:
            with Peer("agent", reads, prefix="qga:") as guest, Visited(guest):
                shown = show("--qmp", qmp.address, "--agent", guest.address, "--timeout", "1")
    assert_fails(shown, UNREACHABLE, "time limit", *words, within=(1, 1.2))


def test_hangs():
    """a peer that never answers: the time limit is kept, and told"""
    monitor_words, agent_words = ["QMP monitor unix:"], ["guest agent qga:"]
    ready = [Reply({}), *NAME]
    scripts = [Script(World()) for _ in range(3)]
    reads = [Sync(), scripts[2].read()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(hang, (
            ([], None),
            ([Reply({}), NAME[0]], None),
            ([*ready, Expect(QUERY)], None),
            ([*ready, scripts[0].query()], [ExpectSync()]),
            ([*ready, scripts[1].query(), scripts[1].query()], [Sync(), Expect(READ)]),
            ([*ready, scripts[2].query(), scripts[2].query(), Expect(QUERY)], reads),
        ), ([*monitor_words, "qmp_capabilities"], [*monitor_words, "query-name"],
            [*monitor_words, QUERY], agent_words, [*agent_words, READ], [*monitor_words, QUERY])))


if __name__ == "__main__":
    cases.run(globals())
