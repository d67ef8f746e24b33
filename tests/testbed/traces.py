# SPDX-License-Identifier: GPL-2.0-or-later
# Real traces of a host and its guests, taken while `record` keeps a log of each; what `apply` makes
# of them, judged by what trace-cmd prints and by `check`. Which pairs there are is not known here.
import base64
import gzip
import json
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import trace_report
from measure import mount_tracefs, start_agent, wait_for, wait_with_log

GUEST_CLOCKS = ("x86-tsc", "mono", "boot", "local")
# What a guest does meanwhile: timers, sleeps, processes.
LOAD = "for i in 1 2 3 4 5 6 7 8; do cat /proc/stat >/dev/null; usleep 60000; done"
GUEST_SECONDS = 240  # for one recording in a guest
CROSSINGS = ("kvm:kvm_entry", "kvm:kvm_exit")
EVENTS = " ".join(f"-e {name}" for name in CROSSINGS)
KVM_ENABLED = "/sys/kernel/tracing/events/kvm/kvm_entry/enable"
WITHIN = re.compile(r"within (\d+) (ns|ticks), half of the time within (\d+)")
TIGHTEST = re.compile(r"tightest: (\d+) \S+ after an entry .*?, (\d+) \S+ before an exit")
OUTSIDE = re.compile(r"(\d+) of (\d+) events are shown while their vCPU was not running, by up to "
                     r"(\d+)")
JUDGED = re.compile(r"(\d+) events judged, (\d+) not")


def prepare(host, guest):
    for machine in (host, guest):
        mount_tracefs(machine)
    start_agent(guest, "vsock")


def fetch(machine, path, to):
    text = machine.check(f"gzip -1 <{path} | base64", 240)
    to.write_bytes(gzip.decompress(base64.b64decode(text)))
    return to


def wait_for_agent(host, guest):
    """A guest's vsock resets its connections when it finds out that it was moved, which is not at once."""
    wait_for(host, f"trace-clock-sync show --qmp {guest.qmp_path} --agent vsock:{guest.cid} "
             "--timeout 10 >/dev/null", 60)


def start(machine, command, said):
    return machine.check(f"cd /run && {command} </dev/null >{said} 2>&1 & echo $!").strip()


def stop(machine, pid, said):
    """Ctrl-C, and what it had said when it was gone."""
    machine.check(f"kill -INT {pid}")
    wait_for(machine, f"[ ! -d /proc/{pid} ]", 100)
    return machine.get(said).strip()


class Log:
    """`record` of one guest."""

    def __init__(self, host, guest, clocks=GUEST_CLOCKS, agent=True):
        self.host, self.path = host, f"/run/{guest.name}.tcs"
        self._said = f"/run/{guest.name}.record"
        words = f"--agent vsock:{guest.cid} " + " ".join(f"--clock {c}" for c in clocks) \
            if agent else ""
        host.check(f"rm -f {self.path}")  # of an earlier round: a log is never overwritten
        self._pid = start(host, f"trace-clock-sync record -o {self.path} --qmp {guest.qmp_path} "
                          f"{words} --interval 0.5 --timeout 20", self._said)
        wait_with_log(host, f"[ -s {self.path} ] && [ $(wc -l <{self.path}) -gt 3 ]", self._said,
                      60)

    def more(self):
        lines = int(self.host.check(f"wc -l <{self.path}"))
        wait_for(self.host, f"[ $(wc -l <{self.path}) -gt {lines + 2} ]", 40)

    def stop(self):
        return stop(self.host, self._pid, self._said)


class HostTrace:
    """Every entry into a guest and exit from it; events: their names, an entry first."""

    def __init__(self, host, clock, events=CROSSINGS):
        self.host, self.clock = host, clock
        words = " ".join(f"-e {event}" for event in events)
        self._pid = start(host, f"trace-cmd record {words} -C {clock} -o host.dat",
                          "/run/host.log")
        enabled = f"/sys/kernel/tracing/events/{events[-1].replace(':', '/')}/enable"
        wait_for(host, f"[ $(cat {enabled}) = 1 ]", 60)

    def stop(self):
        stop(self.host, self._pid, "/run/host.log")


def record_guest(guest, clock, load=LOAD):
    guest.check(f"cd /run && trace-cmd record -e sched -e irq -C {clock} -o {clock}.dat "
                f"sh -c {shlex.quote(load)} 2>&1", GUEST_SECONDS)


def record_all(guest, clocks):
    for clock in clocks:
        record_guest(guest, clock)


class Round:
    """One host's trace, and while it lasts a log of each guest and a trace by each clock."""

    def __init__(self, workshop, host, guests, host_clock, guest_clocks):
        self.host_clock, self.found = host_clock, []
        logs = {g.name: Log(host, g) for g in guests}
        trace = HostTrace(host, host_clock)
        # Guests beside each other: most of the time each waits for its own timers.
        with ThreadPoolExecutor(len(guests)) as pool:
            for done in [pool.submit(record_all, guest, guest_clocks) for guest in guests]:
                done.result()
        trace.stop()
        for log in logs.values():
            log.more()
        self.said = [f"{name}: {log.stop()}" for name, log in logs.items()]
        here = workshop.directory / host_clock
        here.mkdir(exist_ok=True)
        host_file = fetch(host, "/run/host.dat", here / "host.dat")
        for guest in guests:
            log = fetch(host, logs[guest.name].path, here / f"{guest.name}.tcs")
            for clock in guest_clocks:
                file = fetch(guest, f"/run/{clock}.dat", here / f"{guest.name}-{clock}.dat")
                self.found.append((guest, clock, log, host_file, file))
        if workshop.keep_logs:
            shutil.copytree(here, workshop.keep_logs / host_clock, dirs_exist_ok=True)


def run(build, verb, log, host, guest, *words):
    return subprocess.run([build / "collector/trace-clock-sync", verb, log, "--guest", guest,
                           "--host", host, *words], capture_output=True, text=True, timeout=240)


def threads_of(log):
    reply = json.loads(log.read_text().splitlines()[1])["qmp-after"]
    return {v["cpu-index"]: v["thread-id"] for v in reply["vcpus"]}


def checked(build, log, host, guest, *words):
    """What `check` finds: how many events are outside, and by how much."""
    done = run(build, "check", log, host, guest, *words)
    outside = OUTSIDE.search(done.stderr)
    judged, tight = JUDGED.search(done.stdout), TIGHTEST.search(done.stdout)
    return {"status": done.returncode, "said": done.stdout + done.stderr,
            "judged": int(judged.group(1)) if judged else 0,
            "not-judged": int(judged.group(2)) if judged else 0,
            "outside": int(outside.group(1)) if outside else 0,
            "worst": int(outside.group(3)) if outside else 0,
            "tightest": [int(v) for v in tight.groups()] if tight else None}


def applied(build, log, host, guest, *words):
    """`apply`, then `check` and trace-cmd's report: everything that is to be known of one pair."""
    done = run(build, "apply", log, host, guest, *words)
    within = WITHIN.findall(done.stdout)
    found = {"applied": done.returncode, "apply-said": done.stdout + done.stderr,
             "unit": within[0][1] if within else None,
             "bound": [max(int(w[2]) for w in within), max(int(w[0]) for w in within)]
             if within else None}
    if done.returncode == 0:
        found.update(checked(build, log, host, guest, *words))
        found["report"] = trace_report.judge(trace_report.read(host, guest), guest.name,
                                             threads_of(log))
    return found


def is_right(found, least=100):
    """Whether both referees saw enough and found nothing."""
    return found["applied"] == 0 and found["status"] == 0 and found["judged"] >= least and \
        found["report"][0] >= least and not found["outside"] and not found["report"][1]


def line(title, host_clock, guest_clock, found):
    if found["applied"] or not found["tightest"]:
        return f"{title}: host {host_clock}, guest {guest_clock}: {found}"
    return (f"{title}: host {host_clock}, guest {guest_clock}: {found['outside']} of "
            f"{found['judged']} outside ({found['not-judged']} not judged; trace-cmd's report: "
            f"{found['report'][1]} of {found['report'][0]}); tightest {found['tightest'][0]} / "
            f"{found['tightest'][1]}, bound median {found['bound'][0]}, greatest "
            f"{found['bound'][1]} {found['unit']}")
