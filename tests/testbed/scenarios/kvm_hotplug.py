# SPDX-License-Identifier: GPL-2.0-or-later
"""vCPUs plugged into a running VM and unplugged while queries run; and a VM before its machine."""
import time

from channel import QmpError
from measure import clock, exact, query, show_ok, start_agent, wait_for
from recording import Recording, since, sound

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync", "tests/testbed/msr")
TSC_ADJUST = 0x3b
MOVE = 2_000_000
# What a query may take before it is called a hang.
PROMPT = 10


def truth(guest):
    return sound(exact(guest))


def plug(t):
    """Plugs all vCPUs that are missing, and returns what a query right after each says."""
    for number, slot in enumerate(t.slots):
        t.g.qmp("device_add", {"driver": slot["type"], "id": f"cpu{number}", **slot["props"]})
        t.g.vcpus += 1
        start = time.monotonic()
        reply = query(t.g)
        longest = time.monotonic() - start
        assert longest < PROMPT and reply["vcpus"][-1]["stable"], (longest, reply)
    # A guest that has not noticed a vCPU yet does not let go of it either.
    wait_for(t.g, "ls -d " + " ".join(f"/sys/devices/system/cpu/cpu{n}" for n in range(t.g.vcpus)))
    return truth(t.g)


def check_plug(t):
    """vCPUs plugged in: a first mapping with the cause hotplug, exact, also in show"""
    t.g = t.host.boot_guest("g1", cid=3, vcpus="2,maxcpus=4")
    t.g.vcpus = 2
    t.g.check(f"msr 1 {TSC_ADJUST} +{MOVE}")
    t.slots = sorted((slot for slot in t.g.qmp("query-hotpluggable-cpus")
                      if "qom-path" not in slot), key=lambda s: s["props"]["core-id"])
    before = truth(t.g)
    after = plug(t)
    assert since(before, after) == [(2, "hotplug"), (3, "hotplug")], after["epochs"]
    offsets = [v["offset"] for v in after["vcpus"]]
    t.note(f"offsets {offsets}")
    assert offsets == [offsets[0], offsets[0] + MOVE, offsets[0], offsets[0]], offsets
    start_agent(t.g, "vsock")
    document = show_ok(t.host, f"--qmp {t.g.qmp_path} --agent vsock:3")
    assert [r["offset"] for r in clock(document, "x86-tsc")] == offsets, document


def unplug(t, number):
    """Queries run until the vCPU is gone; returns how many, and the longest one's seconds."""
    count, longest = 0, 0
    t.g.qmp("device_del", {"id": f"cpu{number}"})
    deadline = time.monotonic() + 30

    def is_gone(event):
        # There is another event for its local APIC.
        return event["event"] == "DEVICE_DELETED" and event["data"].get("device") == f"cpu{number}"

    while not any(map(is_gone, t.g.monitor.events)):
        assert time.monotonic() < deadline, "the guest does not let go of the vCPU"
        start = time.monotonic()
        sound(query(t.g))
        longest = max(longest, time.monotonic() - start)
        count += 1
    t.g.monitor.events.clear()
    t.g.vcpus -= 1
    return count, longest


def check_unplug(t):
    """vCPUs unplugged and plugged again while queries run: none hangs, none is wrong"""
    recording = Recording(t.host, "/run/unplug.tcs", f"--qmp {t.g.qmp_path}", 0.01)
    for _ in range(5):
        for number in (1, 0):
            count, longest = unplug(t, number)
            t.note(f"{count} queries until it was gone, the longest {longest:.3f} s")
            assert longest < PROMPT, longest
        before = truth(t.g)
        after = plug(t)
        assert since(before, after) == [(2, "hotplug"), (3, "hotplug")], after["epochs"]
    unplug(t, 1)
    truth(t.g)
    try:
        query(t.g, [3])
    except QmpError as e:
        t.note(e)
    else:
        raise AssertionError("a vCPU that is gone was told")
    t.note(recording.stop())
    here = after["vcpus"][0]
    (value, low, high), = recording.map("host:x86-tsc", "guest:x86-tsc@0",
                                        [here["counter-after"]])
    assert value == low == high == here["counter-after"] + here["offset"]


def check_preconfig(t):
    """before there is a machine (-preconfig) QEMU does not know the command; then it does"""
    t.g.quit()
    t.g = t.host.boot_guest("g2", vcpus=2, paused=True, args=["--preconfig"])
    try:
        query(t.g)
    except QmpError as e:
        t.note(e)
    else:
        raise AssertionError("it knows vCPUs before there are any")
    t.g.qmp("x-exit-preconfig")
    reply = truth(t.g)
    assert not reply["running"] and {e["cause"] for e in reply["epochs"]} == {"first seen"}
    t.g.qmp("cont")
    assert truth(t.g)["generation"] == reply["generation"]
