# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traces of a host and its guests, put on one timeline: by `apply`, judged by trace-cmd's report."""
import base64
import json
import shlex
import shutil
import subprocess

import trace_report
from measure import mount_tracefs, start_agent, wait_for

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "tools": True}
# (clock of the host's trace, clock of the guest's)
PAIRS = (("x86-tsc", "mono"), ("mono", "x86-tsc"), ("boot", "boot"), ("x86-tsc", "x86-tsc"))
# What the guest does meanwhile: timers, sleeps, processes.
LOAD = "for i in 1 2 3 4 5 6 7 8 9 10; do cat /proc/stat >/dev/null; usleep 100000; done"
KVM_ENABLED = "/sys/kernel/tracing/events/kvm/kvm_entry/enable"


def fetch(machine, path, to):
    to.write_bytes(base64.b64decode(machine.check(f"base64 <{path}", 120)))
    return to


def record(t, guest, target, host_clock, guest_clock):
    """A recording of all three at once; the paths of log, host's and guest's trace, here."""
    name = f"{guest.name}-{host_clock}-{guest_clock}"
    log = f"/run/{name}.tcs"
    sync = t.host.check(f"trace-clock-sync record -o {log} {target} --interval 0.5 --timeout 20 "
                        "</dev/null >/run/record.log 2>&1 & echo $!").strip()
    wait_for(t.host, f"[ $(wc -l <{log}) -gt 4 ]", 60)
    trace = t.host.check("cd /run && trace-cmd record -e kvm:kvm_entry -e kvm:kvm_exit "
                         f"-C {host_clock} -o host.dat </dev/null >/run/host.log 2>&1 & "
                         "echo $!").strip()
    wait_for(t.host, f"[ $(cat {KVM_ENABLED}) = 1 ]", 60)
    guest.check(f"cd /run && trace-cmd record -e sched -e irq -C {guest_clock} -o guest.dat "
                f"sh -c {shlex.quote(LOAD)} 2>&1", 240)
    t.host.check(f"kill -INT {trace}")
    wait_for(t.host, f"[ ! -d /proc/{trace} ]", 100)
    t.host.check(f"kill -INT {sync}")
    wait_for(t.host, f"[ ! -d /proc/{sync} ]", 60)
    t.note(t.host.get("/run/record.log").strip())
    here = t.workshop.directory
    found = (fetch(t.host, log, here / f"{name}.tcs"),
             fetch(t.host, "/run/host.dat", here / f"{name}-host.dat"),
             fetch(guest, "/run/guest.dat", here / f"{name}-guest.dat"))
    if t.workshop.keep_logs:
        t.workshop.keep_logs.mkdir(parents=True, exist_ok=True)
        for path in found:
            shutil.copy(path, t.workshop.keep_logs)
    return found


def threads_of(log):
    reply = json.loads(log.read_text().splitlines()[1])["qmp-after"]
    return {v["cpu-index"]: v["thread-id"] for v in reply["vcpus"]}


def run(t, verb, log, host, guest):
    return subprocess.run([t.workshop.build / "collector/trace-clock-sync", verb, log, "--guest",
                           guest, "--host", host], capture_output=True, text=True, timeout=120)


def hold(t, guest, cid):
    """Every pair: as recorded nothing fits, after `apply` everything does."""
    start_agent(guest, "vsock")
    target = f"--qmp {guest.qmp_path} --agent vsock:{cid}"
    wrong = []
    for pair in PAIRS:
        log, host, trace = record(t, guest, target, *pair)
        threads = threads_of(log)
        before = trace_report.judge(trace_report.read(host, trace), trace.name, threads)
        applied = run(t, "apply", log, host, trace)
        after = trace_report.judge(trace_report.read(host, trace), trace.name, threads)
        checked = run(t, "check", log, host, trace)
        t.note(f"{guest.name}: host {pair[0]}, guest {pair[1]}: as recorded {before[1]} of "
               f"{before[0]} outside ({before[2]} unknown); after apply {after[1]} of {after[0]} "
               f"({after[2]} unknown)\n{applied.stdout}{applied.stderr}"
               f"{checked.stdout}{checked.stderr}")
        if applied.returncode or checked.returncode or after[1] or after[0] < 100:
            wrong.append(pair)
    assert not wrong, wrong


def boot(t, name, cid, **options):
    guest = t.host.boot_guest(name, cid=cid, vcpus=2, **options)
    for machine in (t.host, guest):
        mount_tracefs(machine)
    return guest


def check_unscaled(t):
    """a guest at the host's rate: no event outside its windows"""
    guest = boot(t, "unscaled", 3)
    hold(t, guest, 3)
    guest.quit()


def check_scaled(t):
    """a guest of 1 GHz: no event outside its windows"""
    hold(t, boot(t, "slow", 4, cpu="host,tsc-frequency=1000000000"), 4)
