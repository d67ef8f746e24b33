# SPDX-License-Identifier: GPL-2.0-or-later
"""The methods that do without the hypervisor, on real KVM: what they claim is held against it."""
import json
import re

from channel import Failure
from measure import (CLOCKS, OUR_PORT, PORT, QGA_PORT, clock, exact, show, show_ok, start_agent,
                     start_qga, stop, straight_line_through, wait_for)

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync", "tests/testbed/set-realtime-error")
RUNS = 8
COUNTER = "x86-tsc"
SET_ERROR = "/run/set-realtime-error"


def compare(t, more="", status=0):
    result = t.host.run(f"trace-clock-sync compare --json --timeout 20 --qmp {t.guest.qmp_path} "
                        f"--agent {t.agent} {more}", 60)
    if result.status != status:
        raise Failure(f"compare: status {result.status}: {result.err}\n{result.out[-3000:]}")
    return json.loads(result.out), result.err


def hold_counter(t, row):
    """A row of x86-tsc holds against debugfs, which knows the offset exactly."""
    truth = t.guest.debugfs(row["guest-cpu"])["tsc-offset"]
    assert abs(row["offset"] - truth) <= row["bound"], (row, truth)


def summary(rows):
    bounds = sorted(row["bound"] for row in rows)
    return f"bound {bounds[0]} / median {bounds[len(bounds) // 2]} / {bounds[-1]} {rows[0]['unit']}"


def probe_alone(t, agent, runs=RUNS, method=None):
    """show with --agent alone: the counter holds against debugfs; all rows by clock."""
    rows = {}
    for _ in range(runs):
        document = show_ok(t.host, f"--agent {agent}" + (f" --method {method}" if method else ""))
        assert document["vcpus"] == [] and document["accel"] == "unknown", document
        for row in document["clocks"]:
            assert row["method"] == (method or "exchange"), row
            rows.setdefault(row["guest"], []).append(row)
        for row in clock(document, COUNTER):
            hold_counter(t, row)
    for name in (COUNTER, *CLOCKS):
        t.note(f"{name} over {agent}: {summary(rows[name])}")
    return rows


def hold_line(t, rows):
    """Rows of the exchange and of the hypervisor have one straight line in common."""
    for _ in range(3):
        document = show_ok(t.host, f"--qmp {t.guest.qmp_path} --agent {t.agent}")
        for name in CLOCKS:
            rows[name] += clock(document, name)
    for name in CLOCKS:
        problem = straight_line_through([(r["host-value"], r["offset"] - r["bound"],
                                          r["offset"] + r["bound"]) for r in rows[name]])
        assert problem is None, f"{name}: {problem}"


def check_vsock(t):
    """--agent alone over vsock: every clock's bound holds, 8 times"""
    t.guest = t.host.boot_guest("g1", cid=3, vcpus=2, args=[
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{PORT}-:{PORT}",
        "-device", "virtio-net-pci,netdev=net,romfile="])
    exact(t.guest)
    start_agent(t.guest, "vsock")
    t.agent = "vsock:3"
    t.rows = probe_alone(t, t.agent)
    hold_line(t, t.rows)
    t.note(t.host.check(f"trace-clock-sync show --agent {t.agent}"))


def check_other_routes(t):
    """the same over TCP, a serial port and qemu-ga with the extension"""
    t.guest.check("ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up && "
                  "ip route add default via 10.0.2.2")
    start_agent(t.guest, f"tcp:10.0.2.15:{PORT}")
    hold_line(t, probe_alone(t, f"tcp:127.0.0.1:{PORT}"))
    start_agent(t.guest, f"serial:/dev/virtio-ports/{OUR_PORT}")
    hold_line(t, probe_alone(t, f"unix:{t.guest.agent_socket(OUR_PORT)}", 3))
    pid = start_qga(t.guest, extension=True)
    hold_line(t, probe_alone(t, f"qga:{t.guest.agent_socket(QGA_PORT)}", 3))
    stop(t.guest, pid)


def check_guest_exec(t):
    """a stock qemu-ga through guest-exec answers no probes: told, with what to do"""
    pid = start_qga(t.guest, extension=False)
    status, _, err = show(t.host, f"--agent qga:{t.guest.agent_socket(QGA_PORT)}")
    stop(t.guest, pid)
    t.note(err)
    assert status == 3 and "answers no probes" in err and "trace-clock-agent" in err, (status, err)


def check_no_ptp(t):
    """without ptp_kvm the method is refused with the guest's reason"""
    status, _, err = show(t.host, f"--agent {t.agent} --method ptp-kvm")
    assert status == 4 and "modprobe ptp_kvm" in err, (status, err)


def load_ptp(t):
    for file in t.workshop.kernel.module_files(("ptp_kvm",)):
        t.guest.shell.put(f"/run/{file.name}", file.read_bytes())
        t.guest.check(f"insmod /run/{file.name}")
    wait_for(t.guest, "[ -e /dev/ptp0 ]")


def check_ptp(t):
    """ptp-kvm: the counter's bound holds against debugfs, every clock's against the hypervisor"""
    load_ptp(t)
    hold_line(t, probe_alone(t, t.agent, 5, "ptp-kvm"))


def check_unsynchronized(t):
    """realtime is refused where nothing disciplines the clocks"""
    status, _, err = show(t.host, f"--agent {t.agent} --method realtime")
    t.note(err)
    assert status == 4 and "not synchronized" in err and "chrony" in err, (status, err)


def check_compare(t):
    """compare: hypervisor < ptp-kvm < exchange in claimed bound, and each bound holds, 5 times"""
    names = " ".join(f"--clock {name}" for name in (COUNTER, *CLOCKS))
    for _ in range(5):
        document, _ = compare(t, names)
        methods = {m["method"]: m for m in document["methods"]}
        assert "not synchronized" in methods.pop("realtime")["reason"], methods
        assert all("reason" not in m for m in methods.values()), methods
        for name in (COUNTER, *CLOCKS):
            rows = [row for row in document["clocks"] if row["guest"] == name]
            # Tightest first, as printed.
            assert [r["method"] for r in rows] == ["hypervisor", "ptp-kvm", "exchange"], rows
            assert all(r["holds"] for r in rows[1:]), rows
            if name == COUNTER:
                for row in rows:
                    hold_counter(t, row)
    text = t.host.check(f"trace-clock-sync compare --qmp {t.guest.qmp_path} --agent {t.agent}", 60)
    t.note(text)
    assert re.search(r"^mono .* hypervisor ", text, re.M) and "not synchronized" in text, text


def synchronize(t):
    """Both machines' clocks as NTP would leave them, claimed to be within 200 us of UTC."""
    tool = (t.workshop.build / "tests/testbed/set-realtime-error").read_bytes()
    for machine in t.host, t.guest.shell:
        machine.put(SET_ERROR, tool, "755")
    document = show_ok(t.host, f"--qmp {t.guest.qmp_path} --agent {t.agent}")
    offset = clock(document, "realtime")[0]["offset"]
    t.host.check(f"{SET_ERROR} 200")
    t.guest.check(f"{SET_ERROR} 200 {-offset}")


def check_realtime(t):
    """realtime: as wide as both kernels' errors, and holds"""
    synchronize(t)
    document, _ = compare(t)
    rows = {r["method"]: r for r in document["clocks"] if r["guest"] == "mono"}
    assert set(rows) == {"hypervisor", "ptp-kvm", "exchange", "realtime"}, document
    t.note({m["method"]: m["took-us"] for m in document["methods"]})
    t.note({name: (row["bound"], row.get("difference")) for name, row in rows.items()})
    assert all(row["holds"] for row in document["clocks"] if "holds" in row), document
    # Twice 200 us, twice what the kernel may add within a second; and it adds that each second.
    assert 1_400_000 <= rows["realtime"]["bound"] < 50_000_000, rows
    document = show_ok(t.host, f"--agent {t.agent} --method realtime")
    for row in clock(document, COUNTER):
        hold_counter(t, row)


def check_realtime_lies(t):
    """a guest whose realtime is further off than its kernel claims is refused, or caught"""
    t.guest.check(f"{SET_ERROR} 200 5000000000")
    status, _, err = show(t.host, f"--agent {t.agent} --method realtime")
    t.note(err)
    assert status == 4 and "further apart than their kernels claim" in err, (status, err)


def check_record(t):
    """record and map with --agent alone: readings it does not know lie where it says"""
    log = "/run/exchange.tcs"
    pid = t.host.check(f"trace-clock-sync record -o {log} --agent {t.agent} --interval 0.3 -- "
                       "sleep 6 </dev/null >/run/record.log 2>&1 & echo $!").strip()
    wait_for(t.host, f"[ $(wc -l <{log}) -gt 6 ]")
    truth = exact(t.guest)["vcpus"][0]["offset"]
    probes = []
    for _ in range(5):
        reply = json.loads(t.guest.check("trace-clock-agent --once"))
        probes.append({r["clock"]: r for r in reply["readings"]})
    wait_for(t.host, f"[ ! -d /proc/{pid} ]", 30)
    t.note(t.host.get("/run/record.log").strip())
    for name in CLOCKS:
        for probe in probes:
            reading = probe[name]
            ticks = [str(reading[end] - truth) for end in ("counter-before", "counter-after")]
            rows = t.host.check(f"trace-clock-sync map {log} host:{COUNTER} guest:{name} " +
                                " ".join(ticks)).splitlines()
            (_, low, _), (_, _, high) = ([int(w) for w in row.split()] for row in rows)
            assert low <= reading["value"] + reading["resolution-ns"] and \
                high >= reading["value"], (name, reading, rows)
        t.note(f"{name}: {high - low} ns wide")
    # The counter itself holds against debugfs.
    sample = json.loads(t.host.check(f"sed -n 4p {log}"))
    host, cpu = sample["window"][0], sample["probes"][0]["reply"]["cpu"]
    row = t.host.check(f"trace-clock-sync map {log} host:{COUNTER} guest:{COUNTER}@{cpu} {host}")
    _, low, high = map(int, row.split())
    assert low <= host + truth <= high, (low, host + truth, high)
    t.note(f"{COUNTER}: {high - low} ticks wide")
