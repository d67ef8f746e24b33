# SPDX-License-Identifier: GPL-2.0-or-later
# What scenarios in_tree_… check of a QEMU that has trace-clock-sync compiled in, whatever its release.
# No plugin is loaded, but where that is said; qemu-ga in the guest is the tree's, without extension.
import qemu_tree
import stock
from libvirt_host import Libvirtd
from measure import QGA_PORT, clock, exact, query, show, show_ok, start_qga, stop

NEEDS = ("qemu-plugin/trace-clock-sync.so", "collector/trace-clock-sync")
COMMAND, EVENT = "query-trace-clock-sync", "TRACE_CLOCK_SYNC_CHANGE"


def _shape(value, path=""):
    """Where a reply has what: {(path, type)}, the same for every element of a list."""
    if isinstance(value, dict):
        return {(path, "object")}.union(*(_shape(v, f"{path}.{k}") for k, v in value.items()))
    if isinstance(value, list):
        return {(path, "array")}.union(*(_shape(v, path + "[]") for v in value))
    return {(path, type(value).__name__)}


def _tree(t):
    """Looked up by each check, so that each is skipped where there is none."""
    return qemu_tree.tree(t.host_options["tree"])


def check_schema(t):
    """query-qmp-schema shows the command, its argument and the event"""
    guest = t.local_guest("none", qemu=_tree(t), machine="none", plugin=False)
    entries = {e["name"]: e for e in guest.qmp("query-qmp-schema")}
    assert entries[COMMAND]["meta-type"] == "command", entries[COMMAND]
    assert entries[EVENT]["meta-type"] == "event", entries[EVENT]
    arguments = entries[entries[COMMAND]["arg-type"]]["members"]
    assert [m["name"] for m in arguments] == ["vcpus"] and "default" in arguments[0], arguments
    assert query(guest)["vcpus"] == []
    guest.qmp("quit")


def check_same_as_plugin(t):
    """the reply is of the same form as the plugin's in a stock QEMU, member by member"""
    replies = []
    for name, options in (("stock", {"plugin": True}),
                          ("built-in", {"plugin": False, "qemu": _tree(t)})):
        guest = t.local_guest(name, vcpus=2, paused=True, **options)
        query(guest)
        replies.append(query(guest))  # with a history
        guest.qmp("quit")
        guest.close()
    theirs, ours = map(_shape, replies)
    assert theirs == ours, theirs ^ ours
    for member in ("accel", "running", "counter", "generation"):
        assert replies[0][member] == replies[1][member], (member, replies)


def check_plugin_beside(t):
    """with the plugin loaded as well there is one command, and QEMU says why"""
    guest = t.local_guest("both", vcpus=1, paused=True, qemu=_tree(t))
    commands = [c["name"] for c in guest.qmp("query-commands")]
    assert commands.count(COMMAND) == 1, commands
    assert "built in" in guest.process.output(), guest.process.output()
    query(guest)
    guest.qmp("quit")


def check_kvm(t):
    """real KVM, 2 vCPUs: offset and ratio equal debugfs bit for bit"""
    t.guest = t.host.boot_guest("g1", vcpus=2, plugin=False)
    reply = exact(t.guest)
    t.note(reply["vcpus"])
    assert reply["generation"] >= 2 and len(reply["epochs"]) >= 2, reply
    assert len(query(t.guest, [1])["vcpus"]) == 1


def check_event(t):
    """a system_reset changes the mapping: an event says so, and the reply agrees"""
    guest = t.host.boot_guest("g2", vcpus=1, plugin=False, args=["-action", "reboot=reset"])
    before = exact(guest)
    guest.monitor.events.clear()
    guest.qmp("stop")
    guest.qmp("system_reset")
    event = guest.monitor.wait_event(EVENT)
    t.note(event["data"])
    assert event["data"]["cpu-index"] == 0 and event["data"]["cause"] == "reset", event
    after = exact(guest)
    assert event["data"]["generation"] == after["generation"] > before["generation"], after
    assert after["vcpus"][0]["offset"] != before["vcpus"][0]["offset"], (before, after)
    # Nothing changes, nothing is said; but the firmware may reset it once more before it is stopped again.
    guest.qmp("cont")
    guest.qmp("stop")
    more = exact(guest)["generation"] - after["generation"]
    said = [e for e in guest.monitor.events if e["event"] == EVENT]
    t.note(f"cont and stop: {said}")
    assert len(said) == more, (more, said)
    guest.quit()


def check_hmp(t):
    """info trace-clock-sync says the same to people"""
    text = t.guest.qmp("human-monitor-command", {"command-line": "info trace-clock-sync"})
    t.note(text)
    for index in range(2):
        truth = t.guest.debugfs(index)["tsc-offset"]
        line = next(li for li in text.splitlines() if li.startswith(f"CPU #{index}:"))
        assert f"{truth:+d} +- 0 ticks" in line and "NOT STABLE" not in line, (line, truth)


def check_collector(t):
    """the collector gets the counter from QEMU and the clocks from the tree's qemu-ga"""
    pid = start_qga(t.guest, extension=False)
    agent = f"qga:{t.guest.agent_socket(QGA_PORT)}"
    document = show_ok(t.host, f"--qmp {t.guest.qmp_path} --agent {agent}")
    truth = exact(t.guest)["vcpus"][0]["offset"]
    assert all(row["offset"] == truth for row in clock(document, "x86-tsc")), document["clocks"]
    for name in ("mono", "mono_raw", "boot", "tai", "realtime"):
        row = clock(document, name)[0]
        t.note(f"{row['guest']} - {row['host']}: {row['offset']} +- {row['bound']} {row['unit']}")
        assert row["unit"] == "ns" and row["bound"] >= 0, row
    assert clock(document, "mono_raw")[0]["offset"] < 0, document["clocks"]
    _check_markers(t, agent)
    stop(t.guest, pid)


def check_libvirt(t):
    """a libvirt domain of this QEMU, without any option: show finds the command, with KVM's own offset"""
    # What QEMU looks for beside itself: firmware, and the TCG that libvirt has every QEMU try.
    t.host.check(f"ln -sf ../seabios/bios-256k.bin {t.host.qemu_root}/usr/share/qemu/")
    tcg = _tree(t).build / "accel-tcg-x86_64.so"
    if tcg.exists():
        modules = f"{t.host.qemu_root}/{stock.MULTIARCH}/qemu"
        t.host.check(f"mkdir -p {modules}")
        t.host.put(f"{modules}/{tcg.name}", tcg.read_bytes())
    libvirtd = Libvirtd(t)
    libvirtd.define("web1", emulator=f"{t.host.qemu_root}/usr/bin/qemu-system-x86_64")
    libvirtd.virsh("start web1")
    document = show_ok(t.host, "--domain web1 --connect qemu:///system --agent none")
    row, = clock(document, "x86-tsc")
    assert (row["offset"], row["bound"]) == (libvirtd.kvm_offset("web1"), 0), document
    libvirtd.virsh("destroy web1")


def _check_markers(t, agent):
    """ftrace's own clocks: read where qemu-ga has libtracefs, else unavailable with that reason"""
    status, document, said = show(t.host, f"--qmp {t.guest.qmp_path} --agent {agent} --clock uptime "
                                          "--clock mono")
    assert document and clock(document, "mono"), (document, said)
    if _tree(t).has_libtracefs:
        assert status == 0 and clock(document, "uptime")[0]["bound"] >= 0, (document, said)
    else:
        # A clock that was named and cannot be had is a refusal.
        reason = document["refused"][0]["reason"]
        t.note(reason)
        assert status == 4 and "built without libtracefs" in reason, (document, said)
