# SPDX-License-Identifier: GPL-2.0-or-later
"""trace-clock-sync show over every route to a guest agent, on real KVM."""
from measure import (CLOCKS, OUR_PORT, PORT, QGA_PORT, clock, exact, show, show_ok, start_agent,
                     start_qga, stop)

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "guest-agent/qga-extension.so", "collector/trace-clock-sync",
         "tests/fake/fake-lying-agent")


def route(t, agent):
    """All clocks come out, and the counter's offset is KVM's own."""
    document = show_ok(t.host, f"--qmp {t.guest.qmp_path} --agent {agent}")
    truth = exact(t.guest)["vcpus"][0]["offset"]
    for row in clock(document, "x86-tsc"):
        assert row["offset"] == truth and 0 <= row["bound"] <= 1, (row, truth)
        assert row["unit"] == "ticks", row
    for name in CLOCKS:
        row = clock(document, name)[0]
        assert row["unit"] == "ns" and row["bound"] >= 0 and row["method"], row
        t.note(f"{row['guest']} - {row['host']}: {row['offset']} +- {row['bound']} {row['unit']}")
    # The guest booted after the host: its clocks that start at boot are behind.
    assert clock(document, "mono_raw")[0]["offset"] < 0, document["clocks"]
    return document


def check_no_agent(t):
    """without an agent, show gives the counter alone"""
    t.guest = t.host.boot_guest("g1", cid=3, vcpus=2, args=[
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{PORT}-:{PORT}",
        "-device", "virtio-net-pci,netdev=net,romfile="])
    document = show_ok(t.host, f"--qmp {t.guest.qmp_path}")
    truth = exact(t.guest)["vcpus"][0]["offset"]
    assert clock(document, "x86-tsc")[0]["offset"] == truth, document


def check_vsock(t):
    """trace-clock-agent on vsock, default port and a port of its own"""
    start_agent(t.guest, "vsock")
    route(t, "vsock:3")
    start_agent(t.guest, "vsock:4321")
    route(t, "vsock:3:4321")


def check_serial(t):
    """trace-clock-agent on a virtio-serial port, a Unix socket at the host"""
    start_agent(t.guest, f"serial:/dev/virtio-ports/{OUR_PORT}")
    agent = f"unix:{t.guest.agent_socket(OUR_PORT)}"
    route(t, agent)
    route(t, agent)  # a second connection to the same port


def check_tcp(t):
    """trace-clock-agent on TCP, at an address given explicitly"""
    t.guest.check("ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up && "
                  "ip route add default via 10.0.2.2")
    start_agent(t.guest, f"tcp:10.0.2.15:{PORT}")
    route(t, f"tcp:127.0.0.1:{PORT}")


def check_qga_extension(t):
    """a stock qemu-ga with our extension preloaded"""
    pid = start_qga(t.guest, extension=True)
    route(t, f"qga:{t.guest.agent_socket(QGA_PORT)}")
    stop(t.guest, pid)


def check_qga_exec(t):
    """a stock qemu-ga alone, through guest-exec of trace-clock-agent --once"""
    start_qga(t.guest, extension=False)
    route(t, f"qga:{t.guest.agent_socket(QGA_PORT)}")


def check_other_machine(t):
    """an agent of another machine (here the host itself, over unix and tcp) is refused"""
    # Its counters are true, but not those of this guest: the hypervisor's map tells.
    for listen in ("unix:/run/other.sock", "tcp:127.0.0.1:4322"):
        start_agent(t.host, listen)
        status, document, err = show(t.host, f"--qmp {t.guest.qmp_path} --agent {listen}")
        t.note(f"status {status}: {err}")
        assert status == 4 and err, (status, document)
        # What the hypervisor alone knows remains; nothing rests on the agent's word.
        assert all(row["method"] == "hypervisor" and row["guest"] == "x86-tsc"
                   for row in document["clocks"]), document["clocks"]


def check_lie(t):
    """a guest that lies about its counter is refused; one that lies by 0 is not"""
    for port, ticks in ((5000, 0), (5001, 2_000_000_000), (5002, -2_000_000_000), (5003, 2**63)):
        start_agent(t.guest, f"vsock:{port}",
                    program=f"env FAKE_LIE_TICKS={ticks} fake-lying-agent")
        status, document, err = show(t.host, f"--qmp {t.guest.qmp_path} --agent vsock:3:{port}")
        t.note(f"off by {ticks} ticks: status {status}: {err}")
        if ticks == 0:
            assert status == 0, (status, err)
            continue
        assert status == 4 and "the hypervisor excludes" in err, (status, err)
        assert all(row["guest"] == "x86-tsc" for row in document["clocks"]), document["clocks"]


def check_paused(t):
    """a guest paused by QMP stop: show gives the counter, and says why nothing else"""
    t.guest.qmp("stop")
    status, document, err = show(t.host, f"--qmp {t.guest.qmp_path} --agent vsock:3 --timeout 2")
    t.note(f"status {status}: {err}")
    assert status == 4 and "paused" in err, (status, err)
    assert clock(document, "x86-tsc")[0]["offset"] == exact(t.guest)["vcpus"][0]["offset"]
    document = show_ok(t.host, f"--qmp {t.guest.qmp_path}")
    assert clock(document, "x86-tsc")[0]["offset"] == exact(t.guest)["vcpus"][0]["offset"]
    t.guest.qmp("cont")
    route(t, "vsock:3")
