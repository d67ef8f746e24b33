# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md's way from a libvirt domain to one timeline and pictures: its commands as they stand there, on real
KVM. What it says in words (copy this, start that) is done here."""
import os
import re
import subprocess
from pathlib import Path

import libvirt_host
import traces
from machines import BOOT_SECONDS, COMMON_KERNEL_LINE, PLUGIN, DomainGuest
from measure import QGA_PORT, mount_tracefs, start_qga, wait_for, wait_with_log

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"libvirt": True, "tools": True}
README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
START, SHOW, RECORD, GUEST, TOGETHER = range(5)
HERE = "/run/readme"


def check_text(t):
    """the five blocks of commands are there"""
    t.blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(t.blocks) == 5, t.blocks
    # What `make install` puts where the program looks for it.
    installed = re.search(r"^QEMU gets one more option, `-plugin (\S+)`", README, re.MULTILINE)[1]
    assert f"(default {installed})" in t.host.check("trace-clock-sync plugin --help"), installed
    t.host.check(f"mkdir -p {HERE} {os.path.dirname(installed)} && cp {PLUGIN} {installed}")
    mount_tracefs(t.host)


def check_domain(t):
    """the domain gets the component and starts"""
    libvirt_host.start(t.host)
    device, stream = t.host.take_port("web1", lambda: libvirt_host.logs(t.host))
    libvirt_host.define(
        t.host, "web1", memory=256, vcpus=2,
        boot="<kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.initrd</initrd>"
             f"<cmdline>{COMMON_KERNEL_LINE}</cmdline>",
        devices=f"""
    <serial type='null'/>
    <channel type='unix'><target type='virtio' name='{QGA_PORT}'/></channel>
    <channel type='pipe'><source path='{device}'/><target type='virtio' name='tcs.control'/></channel>""")
    t.note(t.host.check(t.blocks[START], 120))
    t.guest = DomainGuest(stream)
    t.guest.shell.wait_ready(BOOT_SECONDS)
    mount_tracefs(t.guest)
    t.offset = libvirt_host.kvm_offset(t.host, "web1")


def check_show(t):
    """without a guest agent show says what to do; with it, its table has KVM's own offset"""
    refused = t.host.run(t.blocks[SHOW], 60)
    assert refused.status == 3 and "start qemu-guest-agent in the guest" in refused.err, refused
    start_qga(t.guest, extension=False)
    wait_for(t.host, "virsh qemu-agent-command web1 '{\"execute\":\"guest-ping\"}'", 60)
    table = t.host.check(t.blocks[SHOW], 60)
    t.note(table)
    assert re.search(rf"^x86-tsc +0 +{t.offset} ticks +0 ticks ", table, re.MULTILINE), (t.offset, table)


def check_record(t):
    """record beside trace-cmd on the host, trace-cmd in the guest meanwhile"""
    t.host.check(f"cd {HERE} && (\n{t.blocks[RECORD]}\n) </dev/null >said 2>&1 &")
    wait_with_log(t.host, f"[ $(cat {traces.KVM_ENABLED}) = 1 ]", f"{HERE}/said", 60)
    t.guest.check(f"cd /run && {t.blocks[GUEST]}", 240)
    wait_with_log(t.host, "! pidof trace-clock-sync trace-cmd", f"{HERE}/said", 120)
    t.note(t.host.get(f"{HERE}/said"))


def check_together(t):
    """apply, check, one report of both, and two pictures"""
    here = t.workshop.directory / "readme"
    here.mkdir()
    for machine, path in ((t.host, f"{HERE}/run.tcs"), (t.host, f"{HERE}/host.dat"), (t.guest, "/run/guest.dat")):
        traces.fetch(machine, path, here / Path(path).name)
    done = subprocess.run(["sh", "-e", "-c", t.blocks[TOGETHER]], cwd=here, capture_output=True, text=True,
                          timeout=240, check=False,
                          env={**os.environ, "PATH": f"{(t.workshop.build / 'collector').absolute()}:/usr/bin:/bin"})
    t.note(done.stdout + done.stderr)
    assert done.returncode == 0, done.returncode
    judged = traces.JUDGED.search(done.stdout)
    assert judged and int(judged[1]) > 100 and " outside" not in done.stderr, judged
    merged = (here / "merged.txt").read_text(encoding="utf-8", errors="replace")
    assert min(len(re.findall(rf"^ *{name}:", merged, re.MULTILINE)) for name in ("host.dat", "guest.dat")) > 100
    for name in ("drift.svg", "timeline.svg"):
        assert "</svg>" in (here / name).read_text(encoding="utf-8"), name
