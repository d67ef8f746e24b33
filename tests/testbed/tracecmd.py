# SPDX-License-Identifier: GPL-2.0-or-later
# trace-cmd's own correction of a guest's time stamps (TIME_SHIFT), held against the map that KVM
# uses. It records host and guest with the counter as their clock, so the truth is a matter of
# integers.
import re

import traces
from channel import Failure
from measure import mount_tracefs, wait_for

CLOCK = "x86-tsc"
PORT = 823
SAMPLE = re.compile(r"^\s*(-?\d+) (\d+) (\d+) (\d+)\[offset \* scaling >> fraction @ time\]$",
                    re.MULTILINE)
PROTOCOL = re.compile(r"Negotiated (\S+) time sync protocol")


def start_agent(guest):
    mount_tracefs(guest)
    guest.check(f"trace-cmd agent -p {PORT} </dev/null >/run/trace-cmd-agent 2>&1 &")


def record(host, guest, cid, seconds=4, sync_ms=1000):
    """One recording: (protocol, [(offset, scale, fraction, time)] of the guest's first CPU).

    Raises Failure where trace-cmd fails or leaves no correction in the guest's file.
    """
    path = f"/tmp/tc-{guest.name}"
    done = host.run(
        f"rm -f {path}*; trace-cmd record --tsync-interval {sync_ms} -o {path}.dat -C {CLOCK} "
        f"-e kvm:kvm_hypercall -A {guest.name}@{cid}:{PORT} -C {CLOCK} -e sched:sched_process_exec "
        f"sleep {seconds} </dev/null", 90)
    said = done.out + done.err
    if done.status != 0:
        raise Failure(f"trace-cmd record: status {done.status}: {said[-300:]}")
    dump = host.check(f"trace-cmd dump --options -v -i {path}-{guest.name}.dat")
    samples = [tuple(map(int, m.groups())) for m in SAMPLE.finditer(dump)]
    protocol = PROTOCOL.search(said)
    if not protocol or not samples:
        raise Failure(f"trace-cmd left no correction: {said[-300:]}\n{dump[-500:]}")
    return protocol.group(1), samples


def error_ticks(vcpu, sample):
    """How far, in host ticks, the correction puts a guest event of the sample's own time off.

    As trace-cmd report applies it: ((time * scale) >> fraction) + offset in 64 bits.
    """
    offset, scale, fraction, time = sample
    corrected = (((time * scale) % 2**64 >> fraction) + offset) % 2**64
    ratio = vcpu["ratio"]
    scaled = (time - vcpu["offset"]) % 2**64
    truth = (scaled << ratio["shift"]) // ratio["multiplier"]
    return (corrected - truth + 2**63) % 2**64 - 2**63


def record_command(guest, clock, options=""):
    """record -A of host and guest by one clock, in the directory where it is run."""
    return (f"trace-cmd record {options} -o host.dat -C {clock} {traces.EVENTS} "
            f"-A {guest.name}@{guest.cid}:{PORT} -C {clock} -e sched -e irq")


def start_record(host, guest, clock, options=""):
    """Its pid, for traces.stop(), once both sides are traced and the guest has done something."""
    pid = traces.start(host, record_command(guest, clock, options), "/run/host.log")
    wait_for(host, f"[ $(cat {traces.KVM_ENABLED}) = 1 ]", 60)
    wait_for(guest, "[ $(cat /sys/kernel/tracing/events/sched/enable) = 1 ]", 60)
    guest.check(f"for n in 1 2 3 4 5 6; do {traces.LOAD}; done", 120)
    return pid


def beside(workshop, host, guest, clock, seconds=3):
    """A recording corrected by trace-cmd itself, then by `apply`: what `check` finds of both."""
    start_agent(guest)
    log = traces.Log(host, guest)
    command = record_command(guest, clock, "--tsync-interval 500")
    done = host.run(f"cd /run && rm -f host*.dat; {command} sleep {seconds} </dev/null", 120)
    said = done.out + done.err
    guest.run("killall trace-cmd")
    log.more()
    log.stop()
    if done.status != 0:
        raise Failure(f"trace-cmd record: status {done.status}: {said[-300:]}")
    here = workshop.directory / f"{guest.name}-{clock}-own"
    here.mkdir(exist_ok=True)
    files = [traces.fetch(host, path, here / name) for path, name in
             ((log.path, "run.tcs"), ("/run/host.dat", "host.dat"),
              (f"/run/host-{guest.name}.dat", "guest.dat"))]
    protocol = PROTOCOL.search(said)
    theirs = traces.checked(workshop.build, *files)
    theirs["protocol"] = protocol.group(1) if protocol else "none"
    return theirs, traces.applied(workshop.build, *files)
