# SPDX-License-Identifier: GPL-2.0-or-later
"""query-trace-clock-sync on real KVM: every number equal to what KVM's debugfs says."""
import time
from collections import Counter

from channel import QmpError
from measure import exact, mount_tracefs, query

NEEDS = ("qemu-plugin/trace-clock-sync.so",)
TRACING = "/sys/kernel/tracing"
KICKED_QUERIES = 40


def check_before_boot(t):
    """before boot (-S) the command answers for a stopped machine"""
    t.g1 = t.host.boot_guest("g1", cid=3, vcpus=1, paused=True)
    assert not query(t.g1)["running"]
    t.g1.qmp("cont")
    t.g1.shell.wait_ready()


def check_one_vcpu(t):
    """1 vCPU: offset and ratio equal debugfs bit for bit, while it runs"""
    reply = exact(t.g1)
    t.note(reply)
    assert reply["running"]
    clocks = {r["clock"] for r in reply["host-clocks"]}
    assert clocks >= {"mono", "mono_raw", "boot", "tai", "realtime"}, clocks


def check_kvmclock(t):
    """kvmclock comes as a pair with the host counter, inside the query"""
    before = query(t.g1)
    pair = query(t.g1)["kvmclock"]
    after = query(t.g1)
    assert before["vcpus"][0]["counter-after"] < pair["host-counter"] \
        < after["vcpus"][0]["counter-before"], (before, pair, after)


def check_stopped(t):
    """paused by QMP stop: the same numbers, running is false"""
    before = exact(t.g1)
    t.g1.qmp("stop")
    stopped = exact(t.g1)
    assert not stopped["running"]
    assert stopped["vcpus"][0]["offset"] == before["vcpus"][0]["offset"]
    t.g1.qmp("cont")
    assert exact(t.g1)["generation"] == before["generation"]


def check_refusals(t):
    """unknown arguments and vCPUs are refused by name"""
    for arguments in ({"nonsense": 1}, {"vcpus": [7]}, {"vcpus": "0"}):
        try:
            t.g1.qmp("query-trace-clock-sync", arguments)
        except QmpError as e:
            t.note(e)
        else:
            raise AssertionError(f"accepted {arguments}")
    assert query(t.g1, [0])["vcpus"] and query(t.g1, [])["vcpus"] == []


def check_four_vcpus(t):
    """4 vCPUs: all equal debugfs bit for bit"""
    t.g1.quit()
    t.g4 = t.host.boot_guest("g4", cid=4, vcpus=4)
    exact(t.g4)
    subset = query(t.g4, [3, 1])
    assert sorted(v["cpu-index"] for v in subset["vcpus"]) == [1, 3], subset


def kicks(t, during):
    """How often each thread was kicked out of KVM meanwhile, by its id."""
    event = f"{TRACING}/events/kvm/kvm_userspace_exit/enable"
    t.host.check(f"echo >{TRACING}/trace; echo 1 >{event}")
    during()
    lines = t.host.check(f"echo 0 >{event}; grep restart {TRACING}/trace || true").splitlines()
    return Counter(int(line.split("[")[0].strip().rpartition("-")[2]) for line in lines)


def check_kicks(t):
    """a query kicks each vCPU out of the guest once, and no other QEMU's vCPU"""
    mount_tracefs(t.host)
    other = t.host.boot_guest("other", vcpus=1)
    threads = [v["thread-id"] for v in query(t.g4)["vcpus"]]
    strangers = [v["thread-id"] for v in query(other)["vcpus"]]

    def ask():
        for _ in range(KICKED_QUERIES):
            assert len(query(t.g4)["vcpus"]) == len(threads)
    start = time.monotonic()
    asked = kicks(t, ask)
    seconds = time.monotonic() - start
    # QEMU itself kicks now and then.
    usual = kicks(t, lambda: time.sleep(seconds))
    t.note(f"{KICKED_QUERIES} queries in {seconds:.1f} s: kicks {[asked[n] for n in threads]}, other VM "
           f"{[asked[n] for n in strangers]}; without queries {[usual[n] for n in threads]} and "
           f"{[usual[n] for n in strangers]}")
    assert all(0 < asked[n] <= KICKED_QUERIES + usual[n] for n in threads), (asked, usual)
    assert all(asked[n] < KICKED_QUERIES // 2 for n in strangers), asked
    other.quit()


def check_busy_vcpus(t):
    """4 busy vCPUs answer as well as idle ones"""
    t.g4.check("for i in 1 2 3 4; do (while :; do :; done) & done")
    for _ in range(5):
        exact(t.g4)
    t.g4.quit()


def check_fallback(t):
    """source=kvm-msr: the measured offset, give or take its bound, holds the true one"""
    guest = t.host.boot_guest("gm", cid=5, vcpus=2, plugin="source=kvm-msr")
    widest = 0
    for _ in range(50):
        for vcpu in query(guest)["vcpus"]:
            assert vcpu["source"] == "kvm-msr", vcpu
            truth = guest.debugfs(vcpu["cpu-index"])["tsc-offset"]
            assert abs(vcpu["offset"] - truth) <= vcpu["bound-ticks"], (vcpu, truth)
            widest = max(widest, vcpu["bound-ticks"])
    assert widest > 0, "a measured offset cannot be exact"
    t.note(f"widest bound: {widest} ticks")
    guest.quit()


def check_unknown_option(t):
    """an unknown plugin option keeps QEMU from starting, with a reason"""
    result = t.host.run("qemu-system-x86_64 -L /usr/share/qemu -M none -display none -plugin "
                        "/usr/lib/qemu/trace-clock-sync.so,nonsense=1 </dev/null")
    assert result.status not in (0, 137), result
    assert "nonsense" in result.err, result
    t.note(result.err)
