#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The methods that do without the hypervisor, against guests whose truth is known.

Argument: the build directory.
"""
import json
import os
import random
import re
import tempfile
import time

import cases

from probe import BUILD, instrumented
from probed_world import METHODS, PROBE, ProbedWorld, ask, run
from test_show_bounds import Tsc
from test_show_world import CLOCKS, COUNTER, TWO_64, Vcpu, parse, signed

SEEDS = 3 if instrumented() else 8
SLOW = ((0.0002, 0.002), (0.0001, 0.004))
TSC = Tsc()
SYNCHRONIZED = {"LD_PRELOAD": os.path.abspath(os.path.join(BUILD, "tests/fake/fake-adjtimex.so")),
                "FAKE_MAX_ERROR_US": "1500"}


def worlds(delays=SLOW):
    first = int(os.environ.get("TCS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"# TCS_TEST_SEED={first}")
    for seed in range(first, first + (1 if "TCS_TEST_SEED" in os.environ else SEEDS)):
        yield ProbedWorld(seed, TSC, delays)


def hold(world, document, method):
    """The truth is in every row; returns the bounds of the clocks in ns."""
    rows = {row["guest"]: row for row in document["clocks"]}
    assert set(rows) >= {COUNTER, *CLOCKS}, document
    for row in rows.values():
        assert row["method"] == method, row
    row, vcpu = rows[COUNTER], world.vcpus[0]
    truth = vcpu.counter(row["host-value"])
    assert abs(signed(row["guest-value"] - truth)) <= row["bound"], (truth, row)
    if row["rate"] is not None:
        rate = vcpu.multiplier / 2**vcpu.shift
        assert abs(row["rate"] - rate) <= row["rate-bound"], (rate, row)
    for name in CLOCKS:
        truth = world.guest[name].offset
        assert abs(rows[name]["offset"] - truth) <= rows[name]["bound"], (truth, rows[name])
    return sorted(rows[name]["bound"] for name in CLOCKS)


def test_exchange():
    """with --agent alone the exchange is used, and its bounds hold however long each way takes"""
    for world in worlds():
        shown = ask(world, "show", "--json")
        assert shown.status == 0, shown.err
        document = parse(shown.out)
        assert document["vcpus"] == [] and document["accel"] == "unknown", document
        assert document["generation"] == 0 and document["running"], document
        bounds = hold(world, document, "exchange")
        print(f"# +/- {bounds[len(bounds) // 2]} ns")
        # The fast ways tell, (0.2 + 0.1) ms / 2, not the slow ones. The rest is scheduling: room
        # for a busy machine.
        assert instrumented() or bounds[0] < 20_000_000, bounds
        assert instrumented() or shown.seconds < 10, shown.seconds


def test_with_hypervisor():
    """with --qmp as well, --method chooses; the vCPUs are told as ever"""
    for world in worlds():
        shown = ask(world, "show", "--json", "--method", "exchange", qmp=True)
        assert shown.status == 0, shown.err
        document = parse(shown.out)
        assert document["vcpus"] == world.queries[-1]["vcpus"], document
        hold(world, document, "exchange")
        shown = ask(world, "show", "--json", "--method", "hypervisor", qmp=True)
        hold(world, parse(shown.out), "hypervisor")


def test_ptp_kvm():
    """ptp-kvm: bounds hold, and do not depend on how slow the agent is"""
    for world in worlds():
        shown = ask(world, "show", "--json", "--method", "ptp-kvm")
        assert shown.status == 0, shown.err
        bounds = hold(world, parse(shown.out), "ptp-kvm")
        print(f"# +/- {bounds[len(bounds) // 2]} ns")


def preloaded():
    if instrumented():
        cases.skip("a library cannot be preloaded before a sanitizer")
    return SYNCHRONIZED


def test_realtime():
    """realtime: bounds hold where both clocks are as far off as their kernels claim"""
    environment = preloaded()
    for world in worlds():
        world.guest["realtime"].offset = world.rng.randint(-3_500_000, 3_500_000)
        shown = ask(world, "show", "--json", "--method", "realtime", environment=environment)
        assert shown.status == 0, shown.err
        bounds = hold(world, parse(shown.out), "realtime")
        # Both kernels' errors, and what either may have grown since.
        assert 4_500_000 <= bounds[0] and bounds[-1] < 6_000_000, bounds


def test_realtime_refused():
    """realtime is refused where a clock is not synchronized, or further off than claimed"""
    environment = preloaded()
    world = ProbedWorld(1, TSC)
    world.guest["realtime"].offset = 0

    def refused(*wanted, **changed):
        result = ask(world, "show", "--method", "realtime",
                     environment={**environment, **changed})
        assert result.status == 4 and not result.out, (result.status, result.out)
        for word in ("method realtime", *wanted):
            assert word in result.err, (word, result.err)
    assert ask(world, "show", "--method", "realtime", environment=environment).status == 0
    refused("host's realtime is not synchronized", "chrony", LD_PRELOAD="")
    world.error = {"synchronized": False, "max-error-ns": 0, "estimated-error-ns": 0}
    refused("guest's realtime is not synchronized", "chrony")
    world.error = {"synchronized": True, "max-error-ns": 1 << 63, "estimated-error-ns": 0}
    refused("guest's realtime is not synchronized")
    world.error = {"synchronized": True, "max-error-ns": 7_500_000, "estimated-error-ns": 0}
    refused("guest's kernel was told that its realtime has no error", "timesyncd", "chrony")
    world.error = None
    refused("does not say how far off")
    world.error = {"synchronized": True, "max-error-ns": 1000, "estimated-error-ns": 0}
    world.guest["realtime"].offset = 10**9
    refused("further apart than their kernels claim")


def refused(world, status, *words, method="exchange", **options):
    result = ask(world, "show", "--timeout", "2", "--method", method, **options)
    assert result.status == status and not result.out, (result.status, result.out, result.err)
    for word in words:
        assert word in result.err, (word, result.err)
    return result


def test_old_agent():
    """an agent without the probe command: told, with what to do"""
    world = ProbedWorld(1, TSC)
    refused(world, 3, PROBE, "answers no probes", "trace-clock-agent --listen", "--qmp",
            probe=None)
    # As a stock qemu-ga through guest-exec would be.
    refused(world, 3, "qga-extension.so", "guest-exec", probe=None, prefix="qga:")


def test_no_ptp():
    """a guest without ptp_kvm: the guest's own reason"""
    world = ProbedWorld(1, TSC)
    world.missing["ptp-kvm"] = "modprobe ptp_kvm in the guest"
    refused(world, 4, "the guest has no ptp-kvm: modprobe ptp_kvm", method="ptp-kvm")


def test_hostile_probes():
    """probe replies that cannot be true are refused, whatever is wrong with them"""
    def lie(change, *words, status=4):
        world = ProbedWorld(3, TSC)
        world.vcpus = [Vcpu(0)]

        def probe(arguments):
            reply = world.probe(arguments)
            change(reply, world.asked)
            return reply
        refused(world, status, *words, probe=probe, checked=False)

    def add(member, ticks, first=1):
        def change(reply, number):
            if number >= first:
                reply[member] = (reply[member] + ticks) % TWO_64
        return change

    def both(ticks, first):
        def change(reply, number):
            add("counter-receive", ticks, first)(reply, number)
            add("counter-transmit", ticks, first)(reply, number)
        return change
    lie(add("counter-receive", 10**6), "replied before it was asked")
    lie(add("counter-transmit", 1 << 63), "replied before it was asked")
    lie(both(1 << 62, 5), "jumped")
    lie(both(10**9, 7), "contradict each other")
    lie(both(-10**9, 40), "contradict each other")
    lie(lambda reply, number: reply.update(counter="ppc-tb"), "counts by ppc-tb")
    lie(lambda reply, number: reply.update({"boot-id": f"{number}"}), "booted anew")
    lie(lambda reply, number: reply.update({"counter": "\x1b[2J"}), "counter")
    for member in "counter", "cpu", "counter-receive", "counter-transmit", "boot-id":
        lie(lambda reply, number, member=member: reply.pop(member), member)
    lie(lambda reply, number: reply.update({"counter-receive": -1}), "counter-receive")
    lie(lambda reply, number: reply.update({"cpu": "0"}), "cpu")


def test_other_cpu():
    """where answers are of another CPU than the readings, only its counter is told"""
    world = ProbedWorld(3, TSC)
    result = ask(world, "show", "--json", probe=lambda _: {**world.probe({}), "cpu": 7})
    assert result.status == 4 and "CPU 0 was not asked for" in result.err, result.err
    assert [row["guest-cpu"] for row in result.document["clocks"]] == [7], result.out


def test_lying_readings():
    """readings that the guest's own answers exclude are refused"""
    for ticks in 10**10, -10**10:
        world = ProbedWorld(4, TSC)
        world.vcpus = [Vcpu(0)]

        def read(arguments, world=world, ticks=ticks):
            reply = world.answer(arguments)
            for reading in reply["readings"]:
                for member in "counter-before", "counter-after":
                    reading[member] = (reading[member] + ticks) % TWO_64
                if reading["via"] == "counter":
                    reading["value"] = (reading["value"] + ticks) % TWO_64
            return reply
        result = ask(world, "show", "--json", read=read)
        assert result.status == 4 and "do not trust" in result.err, (result.status, result.err)
        assert {row["guest"] for row in result.document["clocks"]} <= {COUNTER}, result.out


def test_reboot():
    """a guest that boots anew between probes and readings is refused"""
    world = ProbedWorld(5, TSC)

    def read(arguments):
        world.boot_id = "9-9-9"
        return world.answer(arguments)
    refused(world, 4, "booted anew", "try again", read=read)


def test_silent():
    """an agent that does not answer probes, or readings after them: the time limit holds"""
    def never(_arguments):
        time.sleep(4)
        return {}
    for options in {"probe": never}, {"read": never}:
        result = refused(ProbedWorld(6, TSC), 3, "agent", checked=False, **options)
        assert 1.5 < result.seconds < 12, result.seconds


def test_slow():
    """a slow agent is asked less often, and its bounds hold"""
    world = ProbedWorld(7, TSC, ((0.05, 0.1), (0.05, 0.1)))
    result = ask(world, "show", "--json")
    assert result.status == 0, result.err
    hold(world, parse(result.out), "exchange")
    assert world.asked < 20, world.asked


def test_usage():
    """what cannot be done with the addresses given is told before anything is tried"""
    for words, wanted in ((("--agent", "unix:/x", "--method", "hypervisor"), "add --qmp"),
                          (("--qmp", "/x", "--method", "exchange"), "add --agent"),
                          (("--agent", "unix:/x", "--method", "sundial"), "no method 'sundial'"),
                          ((), "--qmp is missing")):
        result = run("show", *words)
        assert result.status == 2 and wanted in result.err, (words, result.err)
    for words in (("--qmp", "/x"), ("--agent", "unix:/x")):
        result = run("compare", *words)
        assert result.status == 2 and "both --qmp and --agent" in result.err, result.err
    result = run("compare", "--qmp", "/x", "--agent", "unix:/x", "--method", "exchange")
    assert result.status == 2, result.err


def test_compare():
    """compare: all methods on the same readings, the tightest first, each bound held"""
    environment = preloaded()
    for world in worlds():
        world.guest["realtime"].offset = world.rng.randint(-1_000_000, 1_000_000)
        result = ask(world, "compare", "--json", qmp=True, environment=environment)
        assert result.status == 0, result.err
        document = result.document
        assert [m["method"] for m in document["methods"]] == list(METHODS), document
        assert all("reason" not in m and m["took-us"] > 0 for m in document["methods"]), document
        for name in COUNTER, "mono", "realtime":
            rows = result.rows(name)
            assert {row["method"] for row in rows} == set(METHODS), rows
            assert rows == sorted(rows, key=lambda row: row["bound"]), rows
            truth = next(r for r in rows if r["method"] == "hypervisor")
            assert "holds" not in truth, truth
            for row in rows:
                if row is not truth:
                    assert row["holds"] is True, row
                    assert abs(row["difference"]) <= row["bound"] + truth["bound"], row
                if name != COUNTER:
                    assert abs(row["offset"] - world.guest[name].offset) <= row["bound"], row
        text = ask(world, "compare", qmp=True, environment=environment)
        assert text.status == 0 and len(re.findall(r"^mono .* yes ", text.out, re.M)) == 3, text.out


def test_compare_refused():
    """compare lists methods that cannot run, with the reason, and goes on with the others"""
    world = ProbedWorld(8, TSC)
    world.missing["ptp-kvm"] = "no such device"
    world.error = None
    result = ask(world, "compare", "--json", qmp=True, probe=None)
    assert result.status == 0, result.err
    reasons = {m["method"]: m.get("reason") for m in result.document["methods"]}
    assert reasons["hypervisor"] is None, reasons
    assert "no such device" in reasons["ptp-kvm"], reasons
    assert "answers no probes" in reasons["exchange"], reasons
    assert "how far off" in reasons["realtime"], reasons
    assert {row["method"] for row in result.document["clocks"]} == {"hypervisor"}, result.out


def test_compare_violation():
    """a method whose claimed bound does not hold is told loudly, with status 4"""
    world = ProbedWorld(9, TSC, ((0.01, 0.01), (0.01, 0.01)))
    world.ptp_lie_ns = 3_000_000  # within the time it takes to ask
    result = ask(world, "compare", "--json", qmp=True)
    assert result.status == 4 and "ptp-kvm" in result.err and "DOES NOT HOLD" in result.err, \
        result.err
    wrong = [row for row in result.document["clocks"] if row.get("holds") is False]
    assert wrong and {row["method"] for row in wrong} == {"ptp-kvm"}, wrong


def test_record():
    """record and map without QMP: what is between two samples is where it should be"""
    for world in worlds():
        with tempfile.TemporaryDirectory(prefix="methods-") as where:
            log = os.path.join(where, "run.tcs")
            result = ask(world, "record", "-o", log, "--interval", "0.2", "--", "sleep", "1")
            assert result.status == 0, result.err
            with open(log, encoding="utf8") as file:
                samples = [json.loads(line) for line in file][1:]
            for sample in samples:
                assert sample["method"] == "exchange" and len(sample["probes"]) >= 2, sample
            first, last = (s["guest"]["readings"] for s in (samples[3], samples[-3]))
            values = [next(r["value"] for r in readings if r["clock"] == "mono")
                      for readings in (first, last)]
            middle = str(sum(values) // 2)
            mapped = run("map", log, "guest:mono", "host:mono", middle)
            assert mapped.status == 0, mapped.err
            value, low, high = map(int, mapped.out.split())
            truth = int(middle) - world.guest["mono"].offset
            assert low <= truth <= high, (low, truth, high)
            # The counter itself, both ways.
            host = samples[len(samples) // 2]["window"][0]
            guest = world.vcpus[0].counter(host)
            counter = f"guest:{COUNTER}@{world.vcpus[0].linux_cpu}"
            for source, target, value, truth in ((f"host:{COUNTER}", counter, host, guest),
                                                 (counter, f"host:{COUNTER}", guest, host)):
                mapped = run("map", log, source, target, str(value))
                assert mapped.status == 0, mapped.err
                _, low, high = map(int, mapped.out.split())
                assert (truth - low) % TWO_64 <= (high - low) % TWO_64 < 1 << 40, \
                    (low, truth, high)


def test_record_change():
    """record and map without QMP: a counter that is set, or a reboot, splits the counter's line"""
    for reboot in False, True:
        world = ProbedWorld(10, TSC)
        world.vcpus = [Vcpu(0, offset=5)]
        starts, last = [], [0]

        def probe(arguments, world=world, reboot=reboot, starts=starts, last=last):
            # Between two samples: after a pause that is longer than any within one, even where the
            # machine is busy.
            if len(world.guest_calls) >= 4 and time.monotonic() - last[0] > 0.4 and not starts:
                starts.append(TSC.read())
                world.vcpus[0].offset += 10**12
                if reboot:
                    world.boot_id = "another"
            last[0] = time.monotonic()
            return world.probe(arguments)
        with tempfile.TemporaryDirectory(prefix="methods-") as where:
            log = os.path.join(where, "run.tcs")
            result = ask(world, "record", "-o", log, "--interval", "0.5", "--", "sleep", "4",
                         probe=probe)
            assert result.status == 0, result.err
            with open(log, encoding="utf8") as file:
                windows = [json.loads(line)["window"][0] for line in list(file)[1:]]
            assert len(windows) > 6 and starts, (len(windows), starts)
            counter, known = f"guest:{COUNTER}@0", 0
            for host in windows:
                mapped = run("map", log, f"host:{COUNTER}", counter, str(host))
                if mapped.status == 4:
                    continue
                _, low, high = map(int, mapped.out.split())
                truth = host + 5 + (10**12 if host > starts[0] else 0)
                assert low <= truth <= high, (low, truth, high)
                known += 1
            assert known >= len(windows) - (0 if reboot else 2), (known, len(windows))


if __name__ == "__main__":
    cases.run(globals())
