# SPDX-License-Identifier: GPL-2.0-or-later
# What several scenarios ask of the programs under test: queries held to their schema, `show`,
# agents of every kind, and whether measured intervals can all be true at once.
import json
import shlex
from fractions import Fraction
from pathlib import Path

from channel import Failure
from machines import BOOT_ATTEMPTS, BOOT_SECONDS, EXTENSION
from qapi_schema import Schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.load(ROOT / "qapi/trace-clock-sync.json", ROOT / "qapi/guest-trace-clocks.json")
PORT = 18230
CLOCKS = ("mono", "mono_raw", "boot", "tai", "realtime")

OUR_PORT = "org.trace-clock-sync.0"
QGA_PORT = "org.qemu.guest_agent.0"


def query(guest, vcpus=None):
    arguments = None if vcpus is None else {"vcpus": vcpus}
    return SCHEMA.check_reply("query-trace-clock-sync",
                              guest.qmp("query-trace-clock-sync", arguments))


def show(host, arguments, timeout=40):
    """trace-clock-sync show --json in L1: (status, document or None, standard error).

    An agent's first answer may take six seconds: it makes five ftrace instances, and under
    emulation twice over Linux 6.1 takes a second for each.
    """
    if "--timeout" not in arguments:
        arguments += " --timeout 20"
    result = host.run(f"trace-clock-sync show --json {arguments}", timeout)
    try:
        document = json.loads(result.out) if result.out.strip() else None
    except ValueError as e:
        raise Failure(f"show --json printed something else: {result.out[:500]}") from e
    return result.status, document, result.err


def show_ok(host, arguments, timeout=40):
    status, document, err = show(host, arguments, timeout)
    if status != 0 or document is None:
        raise Failure(f"show {arguments}: status {status}: {err}")
    return document


def clock(document, name):
    """The rows of one guest clock."""
    rows = [row for row in document["clocks"] if row["guest"] in (name, f"guest:{name}")]
    assert rows, f"show has no clock {name}: {json.dumps(document)[:2000]}"
    return rows


def wait_for(machine, condition, seconds=20):
    """Returns when a shell condition holds in the machine; 20 looks a second."""
    machine.check(f"i=0; until ( {condition} ) >/dev/null 2>&1; do i=$((i+1)); "
                  f"[ $i -lt {seconds * 20} ] || {{ echo 'never: {condition}' >&2; exit 1; }}; usleep 50000; done",
                  timeout=3 * seconds + 10)  # a look may take long itself


def wait_with_log(machine, condition, log, seconds=20):
    """wait_for, whose failure says what a program wrote meanwhile."""
    try:
        wait_for(machine, condition, seconds)
    except Failure as e:
        raise Failure(f"{e}\n{log} says:\n{machine.get(log)}") from e


def mount_tracefs(machine):
    """Where it is not mounted yet; busybox here has no mountpoint."""
    machine.check("[ -d /sys/kernel/tracing/instances ] || "
                  "mount -t tracefs nodev /sys/kernel/tracing")


def start_agent(machine, listen, program="trace-clock-agent"):
    """trace-clock-agent in a guest (or in L1); returns its pid once it listens."""
    log = "/run/agent-" + "".join(c if c.isalnum() else "-" for c in listen)
    # Another agent may have written there; its word is not to be taken for this one's.
    pid = machine.check(f"rm -f {log}; {program} --listen {shlex.quote(listen)} "
                        f"</dev/null >{log} 2>&1 & echo $!").strip()
    wait_with_log(machine, f"grep 'listening on' {log}", log)
    return int(pid)


def start_qga(guest, extension):
    """The stock qemu-ga, with our extension preloaded or without; returns its pid."""
    preload = f"LD_PRELOAD={EXTENSION} " if extension else ""
    pid = guest.check(f"{preload}qemu-ga -m virtio-serial -p /dev/virtio-ports/{QGA_PORT} "
                      "-t /run </dev/null >/run/qga.log 2>&1 & echo $!").strip()
    # It has no word for "ready", but an open port is one.
    wait_with_log(guest, f"ls -l /proc/{pid}/fd | grep vport", "/run/qga.log")
    return int(pid)


def stop(machine, pid):
    """Ends a program that start_… started; returns when it is gone."""
    machine.check(f"kill -9 {pid}; while [ -d /proc/{pid} ]; do usleep 20000; done")


def exact(guest):
    """Asserts that query-trace-clock-sync says what KVM's debugfs says; returns the reply."""
    reply = query(guest)
    assert reply["accel"] == "kvm" and reply["counter"] == "x86-tsc", reply
    assert [v["cpu-index"] for v in reply["vcpus"]] == list(range(guest.vcpus)), reply
    for vcpu in reply["vcpus"]:
        truth = guest.debugfs(vcpu["cpu-index"])
        assert vcpu["offset"] == truth["tsc-offset"], (vcpu, truth)
        if "tsc-scaling-ratio" in truth:
            expected = {"multiplier": truth["tsc-scaling-ratio"],
                        "shift": truth["tsc-scaling-ratio-frac-bits"]}
            assert vcpu["ratio"] == expected, (vcpu, truth)
        else:
            # KVM shows the ratio only where the processor can scale.
            assert vcpu["ratio"]["multiplier"] == 1 << vcpu["ratio"]["shift"], vcpu
        assert vcpu["bound-ticks"] == 0 and vcpu["source"] == "kvm-device-attr", vcpu
        assert vcpu["stable"], vcpu
        assert vcpu["counter-before"] <= vcpu["counter-after"], vcpu
    return reply


def reset_stopped(guest):
    """Stops the VM and resets it; returns when KVM has other offsets.

    A running one would have them changed again: SeaBIOS, which has run before, resets once more, some 0.3 s after it begins.
    Where that is less than a second after ours, it is no move to KVM; on a busy machine it is later.
    """
    offset = exact(guest)["vcpus"][0]["offset"]
    guest.qmp("stop")
    guest.qmp("system_reset")
    wait_for(guest.host, f"[ $(cat /sys/kernel/debug/kvm/{guest.pid}-*/vcpu0/tsc-offset) != {offset} ]")


def wait_booted_again(t, guest):
    """Returns when the guest has booted after a reset, see Host.boot_guest for why in several attempts."""
    for attempt in range(1, BOOT_ATTEMPTS + 1):
        try:
            guest.shell.wait_ready(2 * BOOT_SECONDS)
            return
        except Failure:
            if attempt == BOOT_ATTEMPTS:
                raise
            t.note("the guest did not boot again: another reset")
            guest.qmp("system_reset")


def to_guest(vcpu, host):
    """The guest's counter when the host's shows this, by a vCPU's mapping as exact() has held it against KVM's."""
    scaled = host * vcpu["ratio"]["multiplier"] >> vcpu["ratio"]["shift"]
    return (scaled + vcpu["offset"]) % 2**64


def straight_line_through(intervals):
    """Whether one straight line crosses all intervals [(x, low, high)], exactly.

    If any line does, so does one through a low end and a high end of two intervals (or a constant
    one through an end): it can be moved and turned until it is held there. Instead of trying all
    pairs, the slope is bounded: a line of slope s exists iff max(low - s x) <= min(high - s x),
    that is low_i - high_j <= s (x_i - x_j) for every pair. Each pair bounds s on one side.
    Returns a text that names the contradiction, or None.
    """
    least = most = None
    for xi, low, _ in intervals:
        for xj, _, high in intervals:
            if xi == xj:
                if low > high:
                    return f"at {xi}: an interval from {low} misses one to {high}"
                continue
            s = Fraction(low - high, xi - xj)
            if xi > xj and (least is None or s > least[0]):
                least = (s, (xi, low), (xj, high))
            if xi < xj and (most is None or s < most[0]):
                most = (s, (xi, low), (xj, high))
    if least and most and least[0] > most[0]:
        return f"the slope must be >= {least} and <= {most}"
    return None
