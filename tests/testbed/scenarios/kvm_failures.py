# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU, agent or collector killed, or stuck: the others say so, and nothing hangs."""
import random

from measure import OUR_PORT, clock, exact, query, show, show_ok, start_agent, stop

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
# What show may take before it is called a hang: its own --timeout, and slack for emulation.
TIMEOUT, HANG = 2, 15


def run_show(t, guest, agent="vsock:3"):
    status, document, err = show(
        t.host, f"--qmp {guest.qmp_path} --agent {agent} --timeout {TIMEOUT}", HANG)
    t.note(f"status {status}: {err.strip()}")
    assert status != 137, "show hangs"
    return status, document, err


def check_collector_killed(t):
    """the collector killed at 20 random moments: QEMU and agent serve the next one"""
    t.guest = t.host.boot_guest("g1", cid=3, vcpus=2)
    t.agent = start_agent(t.guest, "vsock")
    start_agent(t.guest, f"serial:/dev/virtio-ports/{OUR_PORT}")
    serial = f"unix:{t.guest.agent_socket(OUR_PORT)}"
    seed = random.randrange(2**32)
    t.note(f"seed {seed}")
    rng = random.Random(seed)
    for i in range(20):
        agent = ("vsock:3", serial)[i % 2]
        microseconds = rng.randrange(400000)
        t.host.check(f"trace-clock-sync show --qmp {t.guest.qmp_path} --agent {agent} "
                     f">/dev/null 2>&1 & pid=$!; usleep {microseconds}; kill -9 $pid; wait; true")
    for agent in ("vsock:3", serial):
        document = show_ok(t.host, f"--qmp {t.guest.qmp_path} --agent {agent}")
        assert clock(document, "x86-tsc")[0]["offset"] == exact(t.guest)["vcpus"][0]["offset"]


def check_agent_stuck(t):
    """an agent that is stuck: status 3 within the timeout"""
    t.guest.check(f"kill -STOP {t.agent}")
    status, _, err = run_show(t, t.guest)
    assert status == 3 and err
    t.guest.check(f"kill -CONT {t.agent}")
    assert run_show(t, t.guest)[0] == 0


def check_agent_killed_meanwhile(t):
    """an agent killed while it is asked: status 0 or 3, never a hang"""
    for _ in range(5):
        t.guest.check(f"(usleep {random.randrange(1000000)}; kill -9 {t.agent}) "
                      ">/dev/null 2>&1 &")
        status, _, err = run_show(t, t.guest)
        assert status == 0 or status == 3 and err, (status, err)
        t.guest.check(f"while [ -d /proc/{t.agent} ]; do usleep 50000; done")
        t.agent = start_agent(t.guest, "vsock")


def check_agent_gone(t):
    """no agent: status 3, and the message names its address"""
    stop(t.guest, t.agent)
    status, _, err = run_show(t, t.guest)
    assert status == 3 and "vsock:3" in err, (status, err)


def check_agent_and_plugin_alive(t):
    """after all that, QEMU's own numbers are still right"""
    exact(t.guest)
    t.agent = start_agent(t.guest, "vsock")


def check_qemu_stuck(t):
    """a QEMU that is stuck: status 3 within the timeout"""
    t.guest.kill("STOP")
    status, _, err = run_show(t, t.guest)
    assert status == 3 and err
    t.guest.kill("CONT")
    query(t.guest)
    assert run_show(t, t.guest)[0] == 0


def check_qemu_killed_meanwhile(t):
    """QEMU killed while it is asked: status 0 or 3, never a hang"""
    t.host.check(f"(usleep 100000; kill -9 {t.guest.pid}) >/dev/null 2>&1 &")
    status, _, err = run_show(t, t.guest)
    assert status == 0 or status == 3 and err, (status, err)
    t.guest.wait_gone()


def check_qemu_gone(t):
    """no QEMU: status 3, and the message names the socket"""
    status, _, err = run_show(t, t.guest)
    assert status == 3 and t.guest.qmp_path in err, (status, err)
    status, _, err = show(t.host, "--qmp /run/nothing --timeout 2", HANG)
    assert status == 3 and "/run/nothing" in err, (status, err)
