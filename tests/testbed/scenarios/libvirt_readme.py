# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md's way from a libvirt domain to one timeline and pictures, and what docs/howto-libvirt.md begins with:
their commands as they stand there, on real KVM. What is said in words (copy this, start that) is done here."""
import os
import re
import subprocess
from pathlib import Path

import documents
import howto
import traces
from libvirt_host import Libvirtd
from machines import BOOT_SECONDS, COMMON_KERNEL_LINE, PLUGIN, DomainGuest
from measure import QGA_PORT, mount_tracefs, start_qga, wait_for, wait_with_log

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"libvirt": True, "tools": True}
README = (documents.ROOT / "README.md").read_text(encoding="utf-8")
START, SHOW, RECORD, GUEST, TOGETHER = range(5)
HERE = "/run/readme"


def check_text(t):
    """the five blocks of commands are there"""
    t.blocks = documents.blocks("README.md", 5, "A libvirt domain, from nothing to a picture")
    t.howto, = documents.blocks("docs/howto-libvirt.md", 1)
    # What `make install` puts where the program looks for it.
    installed = re.search(r"^QEMU gets one more option, `-plugin (\S+)`", README, re.MULTILINE)[1]
    assert f"(default {installed})" in t.host.check("trace-clock-sync plugin --help"), installed
    t.host.check(f"mkdir -p {HERE} {os.path.dirname(installed)} && cp {PLUGIN} {installed}")
    mount_tracefs(t.host)


def check_domain(t):
    """the domain gets the component and starts"""
    t.libvirtd = Libvirtd(t)
    device, stream = t.host.take_port("web1", t.libvirtd.logs)
    t.libvirtd.define(
        "web1", memory=256, vcpus=2,
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
    t.offset = t.libvirtd.kvm_offset("web1")


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
    # Until the guest has done, however slow it is.
    block = t.blocks[RECORD].replace("sleep 20", "sh -c 'until [ -e done ]; do usleep 100000; done'")
    assert block != t.blocks[RECORD]
    t.host.check(f"cd {HERE} && (\n{block}\n) </dev/null >said 2>&1 &")
    wait_with_log(t.host, f"[ $(cat {traces.KVM_ENABLED}) = 1 ]", f"{HERE}/said", 60)
    t.guest.check(f"cd /run && {t.blocks[GUEST]}", 240)
    t.host.check(f"touch {HERE}/done")
    wait_with_log(t.host, "! pidof trace-clock-sync trace-cmd", f"{HERE}/said", 120)
    t.note(t.host.get(f"{HERE}/said"))


def check_howto(t):
    """howto-libvirt.md's first commands: plugin add once more changes nothing, show, record of all domains"""
    t.host.check(f"mkdir {HERE}/howto")
    # An emulated host's libvirtd may take longer to answer than a real one's.
    patient = re.sub(r"^trace-clock-sync (show|record) ", r"\g<0>--timeout 30 ", t.howto, flags=re.MULTILINE)
    said = howto.run_all(t.host, f"{HERE}/howto", patient, "said")
    t.note(said)
    assert "; nothing changed" in said and f" {t.offset} ticks " in said, said
    samples = int(t.host.check(f"grep -c qmp-after {HERE}/howto/runs/web1.tcs"))
    assert samples > 5, samples
    # record's own example is the same, in a folder of its own.
    example, = [line for line in documents.examples(t.host.check("trace-clock-sync record --help"))
                if "--all" in line]
    assert example in documents.lines(t.howto), (example, t.howto)


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
