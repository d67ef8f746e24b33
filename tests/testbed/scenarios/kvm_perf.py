# SPDX-License-Identifier: GPL-2.0-or-later
"""A perf.data of a host and one of its scaled guest, on real KVM: `perf inject --guest-data` with what `export`
writes puts every event of the guest's where its vCPU ran. The commands are those of docs/howto-perf.md."""
import re
import subprocess
from collections import Counter
from pathlib import Path

import trace_report
import traces
from measure import wait_with_log

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "perf": True}
HOWTO = (Path(__file__).resolve().parents[3] / "docs/howto-perf.md").read_text(encoding="utf-8")
ON_HOST, IN_GUEST, EXPORT, INJECT = range(4)
HERE = "/run/pair"
# Many processes, and after each a while in which the vCPU is not in the guest: an error shows then.
LOAD = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); cat /proc/stat >/dev/null; usleep 20000; done"
WRONG_NS = 5_000_000
TASK = re.compile(r"(\d+)\.(\d{9}): (PERF_RECORD_(?:COMM|FORK|EXIT).*)$", re.MULTILINE)
CROSSING = re.compile(r" (\d+) +\[\d+\] +(\d+)\.(\d{9}): +kvm:(kvm_entry|kvm_exit):")


def ns(seconds, fraction):
    return int(seconds) * 10**9 + int(fraction)


def check_boot(t):
    """a vCPU of 1 GHz; the how-to has its four blocks"""
    t.blocks = re.findall(r"^```\w*\n(.*?)^```", HOWTO, re.MULTILINE | re.DOTALL)
    assert len(t.blocks) == 4 and "vsock:3" in t.blocks[ON_HOST], t.blocks
    t.vm = t.host.boot_guest("g1", cid=3, vcpus=1, cpu="host,tsc-frequency=1000000000", memory=384)
    traces.prepare(t.host, t.vm)
    t.host.check(f"mkdir -p /run/vm && ln -s {t.vm.qmp_path} /run/vm/qmp.sock")


def shown(here, name):
    """What perf script prints of a file."""
    return subprocess.run(["perf", "script", "-i", name, "--show-task-events", "--ns"], cwd=here,
                          capture_output=True, text=True, errors="replace", timeout=240, check=True).stdout


def tasks(text):
    """[(ns, what)] of processes that began, became others and ended; what was there before has no time"""
    return [(ns(*match[:2]), match[2]) for match in TASK.findall(text) if int(match[0])]


def on_host(block):
    """Only what judges, in room for all of it; and until the guest has done, however slow it is."""
    return block.replace("perf record -a", "perf record -a -m 1024 -e kvm:kvm_entry -e kvm:kvm_exit").replace(
        "sleep 10", f"sh -c 'until [ -e {HERE}/done ]; do usleep 100000; done'")


def record(t, here, change):
    """Both sides by the how-to's commands, change() made to each; their files are here then."""
    t.host.check(f"rm -rf {HERE}; mkdir -p {HERE} && cd {HERE} && (\n{on_host(change(t.blocks[ON_HOST]))}\n) "
                 "</dev/null >said 2>&1 &")
    wait_with_log(t.host, f"[ -s {HERE}/perf.data ] && [ -s {HERE}/run.tcs ]", f"{HERE}/said", 60)
    command = change(t.blocks[IN_GUEST]).strip().replace("sleep 5", f"sh -c '{LOAD}'")
    t.vm.check(f"mkdir -p {HERE} && cd {HERE} && {command} 2>&1", 240)
    t.host.check(f"touch {HERE}/done")
    wait_with_log(t.host, "! pidof trace-clock-sync", f"{HERE}/said", 180)
    said = t.host.get(f"{HERE}/said")
    t.note(said)
    assert "lost" not in said, "a lost crossing would judge wrongly"
    here.mkdir()
    for machine, name, to in ((t.host, "run.tcs", "run.tcs"), (t.host, "perf.data", "perf.data"),
                              (t.vm, "perf.data", "perf.data.guest")):
        traces.fetch(machine, f"{HERE}/{name}", here / to)


def merge(t, here, guest_clock, host_clock):
    """What export and perf inject make of them: [what perf script prints of host, guest and both]."""
    program = (t.workshop.build / "collector/trace-clock-sync").absolute()
    words = t.blocks[EXPORT].split()[1:]
    words = [str(t.vm.pid) if w == "$QEMU_PID" else w for w in words]
    words[words.index("--guest-clock") + 1] = guest_clock
    words[words.index("--host-clock") + 1] = host_clock
    done = subprocess.run([program, *words], cwd=here, capture_output=True, text=True, timeout=60, check=False)
    t.note(done.stdout + done.stderr)
    assert done.returncode == 0, done
    inject = t.blocks[INJECT].splitlines()[0].replace("LINE", done.stdout.strip())
    merged = subprocess.run(["sh", "-c", inject], cwd=here, capture_output=True, text=True, timeout=240, check=False)
    assert merged.returncode == 0, merged.stderr
    return [shown(here, name) for name in ("perf.data", "perf.data.guest", "merged.data")]


def pair(t, title, guest_clock, host_clock, change):
    here = t.workshop.directory / title
    record(t, here, change)
    host, guest, merged = merge(t, here, guest_clock, host_clock)
    mine = tasks(guest)
    added = sorted((Counter(tasks(merged)) - Counter(tasks(host))).elements())
    assert sorted(what for _, what in mine) == sorted(what for _, what in added), (mine[:5], added[:5])
    thread = t.vm.qmp("query-trace-clock-sync")["vcpus"][0]["thread-id"]
    crossings = sorted((trace_report.Row("host", int(tid), 0, ns(s, f), event, "")
                        for tid, s, f, event in CROSSING.findall(merged)), key=lambda row: row.stamp)

    def judge(wrong_ns=0):
        """(judged, of those outside, not judged), were the guest's events so much later"""
        rows = [trace_report.Row("guest", 0, 0, stamp + wrong_ns, "task", what) for stamp, what in added]
        return trace_report.judge(crossings + rows, "guest", {0: thread})

    found = judge()
    t.note(f"{title}: {found[0]} events of the guest's judged, {found[1]} outside, {found[2]} not judged")
    assert found[0] > 100 and not found[1], found
    wrong = {error: judge(error)[1] for error in (-WRONG_NS, WRONG_NS)}
    t.note(f"outside, were they so many ns later: {wrong}")
    assert all(wrong.values()), wrong


def check_mono(t):
    """both by CLOCK_MONOTONIC, as the how-to has it"""
    pair(t, "mono", "mono", "mono", lambda command: command)


def check_own(t):
    """both by perf's own clock: on the host made of its TSC, in the guest of kvm-clock"""
    pair(t, "own", "perf", "x86-tsc",
         lambda command: command.replace("-k CLOCK_MONOTONIC ", "").replace(
             "--agent vsock:3 ", "--agent vsock:3 --clock perf "))
