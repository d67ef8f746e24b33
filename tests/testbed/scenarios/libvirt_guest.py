# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt domain with a guest in it, under TCG on this machine: its qemu-ga, asked through
libvirtd, with our extension, with guest-exec and the helper, and with neither."""
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

from channel import Stream
from machines import DomainGuest
from measure import CLOCKS, QGA_PORT, clock, start_agent, start_qga, stop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from libvirtd import libvirtd  # pylint: disable=wrong-import-position

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "guest-agent/qga-extension.so", "collector/trace-clock-sync")


def until_connected(t):
    """libvirt learns a moment later that an agent has opened its port, and that one has closed it."""
    ping = ("qemu-agent-command", "web1", '{"execute":"guest-ping"}', "--timeout", "20")
    deadline = time.monotonic() + 30
    while t.daemon.virsh(*ping, check=False).returncode != 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    t.daemon.virsh(*ping)


def verb(t, name, *words):
    start = time.monotonic()
    done = subprocess.run(
        [t.workshop.build.absolute() / "collector/trace-clock-sync", name,
         "--connect", t.daemon.uri, *words], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120, check=False)
    t.note(f"{name} {' '.join(words)}: status {done.returncode}, "
           f"{time.monotonic() - start:.2f} s {done.stderr}")
    return done


def check_start(t):
    """a domain with a kernel and a channel for qemu-ga starts"""
    stack = t.closing(contextlib.ExitStack())
    t.daemon = stack.enter_context(libvirtd(
        t.workshop.build.absolute() / "qemu-plugin/trace-clock-sync.so", t.skip))
    stream = Stream(t.workshop.path("s"), "the guest")
    boot = (f"<kernel>{t.workshop.kernel.image}</kernel>"
            f"<initrd>{t.workshop.guest_image()}</initrd>"
            "<cmdline>console=ttyS0 quiet panic=-1</cmdline>")
    devices = f"""
    <serial type='null'/>
    <channel type='unix'><target type='virtio' name='{QGA_PORT}'/></channel>
    <channel type='unix'><source mode='connect' path='{stream.path}'/>
      <target type='virtio' name='tcs.control'/></channel>"""
    t.daemon.create("web1", memory=256, vcpus=2, boot=boot, devices=devices)
    t.guest = DomainGuest(stream)
    t.guest.shell.wait_ready(120)


def assert_route(t, route):
    done = verb(t, "show", "--domain", "web1", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["vm"] == "web1", document
    for name in CLOCKS:
        row = clock(document, name)[0]
        assert row["bound"] >= 0 and row["method"] == "hypervisor", row
        t.note(f"{row['guest']} - {row['host']}: {row['offset']} +- {row['bound']} {row['unit']}")
    shown = verb(t, "show", "--domain", "web1")
    assert f"asked through {route}\n" in shown.stdout, shown.stdout


def check_no_agent(t):
    """no qemu-ga in the guest: told, with what to do"""
    done = verb(t, "show", "--domain", "web1")
    assert done.returncode == 3 and "start qemu-guest-agent in the guest" in done.stderr


def check_extension(t):
    """qemu-ga with our extension, by show and compare"""
    pid = start_qga(t.guest, extension=True)
    until_connected(t)
    assert_route(t, "qga")
    done = verb(t, "compare", "--domain", "web1")
    t.note(done.stdout)
    assert done.returncode == 0 and "hypervisor" in done.stdout, done.stdout
    stop(t.guest, pid)


def check_exec(t):
    """a stock qemu-ga: guest-info tells that it lacks the command, guest-exec runs the helper"""
    t.pid = start_qga(t.guest, extension=False)
    until_connected(t)
    assert_route(t, "qga-exec")


def check_no_helper(t):
    """a stock qemu-ga without the helper, and one that blocks guest-exec: told, with what to do"""
    t.guest.check("mv /usr/bin/trace-clock-agent /run/helper")
    done = verb(t, "show", "--domain", "web1")
    assert done.returncode == 3 and "install trace-clock-agent in the guest" in done.stderr
    stop(t.guest, t.pid)
    t.guest.check("mv /run/helper /usr/bin/trace-clock-agent")
    t.guest.check(f"qemu-ga -m virtio-serial -p /dev/virtio-ports/{QGA_PORT} -t /run "
                  "-b guest-exec </dev/null >/run/qga.log 2>&1 & sleep 1")
    until_connected(t)
    done = verb(t, "show", "--domain", "web1")
    assert done.returncode == 3 and "allow guest-exec" in done.stderr, done.stderr
    assert "guest-info says that it is blocked" in done.stderr, done.stderr


def check_paused(t):
    """a paused domain: its agent is not waited for"""
    t.daemon.virsh("suspend", "web1")
    done = verb(t, "show", "--domain", "web1")
    t.daemon.virsh("resume", "web1")
    assert done.returncode == 4 and "paused" in done.stdout, done.stdout


def check_ours(t):
    """trace-clock-agent in qemu-ga's place, as libvirt sees it"""
    t.guest.check("killall qemu-ga; sleep 1")
    start_agent(t.guest, f"serial:/dev/virtio-ports/{QGA_PORT}")
    until_connected(t)
    assert_route(t, "qga")


def check_all(t):
    """record --all: a domain that has no agent is told of with what to do; the other is recorded meanwhile"""
    t.daemon.create("web2", devices=f"<channel type='unix'><target type='virtio' name='{QGA_PORT}'/></channel>")
    output = t.workshop.directory / "runs"
    done = verb(t, "record", "-o", str(output), "--all", "--timeout", "20", "--", "sleep", "5")
    assert done.returncode == 3 and "web2: not recorded: " in done.stderr, done.stderr
    assert "start qemu-guest-agent in the guest" in done.stderr, done.stderr
    assert [log.name for log in output.iterdir()] == ["web1.tcs"], list(output.iterdir())
    with open(output / "web1.tcs", encoding="utf-8") as log:
        samples = [json.loads(line) for line in log][1:]
    assert len(samples) > 4 and all("guest" in sample for sample in samples), len(samples)
