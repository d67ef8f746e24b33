# SPDX-License-Identifier: GPL-2.0-or-later
# Traces of another architecture's host and guest, put on one timeline by the collector there, and
# judged by `check` there and by this machine's trace-cmd.
import trace_report
import traces

# By architecture: traces.HostTrace.
CROSSINGS = {"arm64": traces.CROSSINGS, "riscv64": traces.CROSSINGS,
             "ppc64el": ("kvm_hv:kvm_guest_enter", "kvm_hv:kvm_guest_exit")}
# Events for several pages of ppc64's 64 KiB: of a single one, which only the end of a recording
# writes out, trace-cmd 3.1 was seen to lose all, once in seven times.
LOAD = "for i in $(seq 20); do cat /proc/stat >/dev/null; usleep 10000; done"
LIMIT_SECONDS = 300
LEAST_EVENTS = 100


def _run(host, verb, log, clock):
    return host.run(f"cd /run && trace-clock-sync {verb} {log} --guest {clock}.dat --host host.dat",
                    LIMIT_SECONDS)


def _judge(context, log, clock):
    """Notes what both referees find; whether they saw enough and found nothing."""
    host, guest, here = context.arch, context.guest, context.workshop.directory
    local = traces.fetch(guest, f"/run/{clock}.dat", here / f"{clock}.dat")
    host.put(f"/run/{clock}.dat", local.read_bytes())
    uncorrected = _run(host, "check", log.path, clock)
    applied = _run(host, "apply", log.path, clock)
    assert applied.status == 0, applied
    checked = _run(host, "check", log.path, clock)
    context.note(applied.out + checked.out + checked.err)
    judged = traces.JUDGED.search(checked.out)
    assert checked.status == 0 and int(judged.group(1)) >= LEAST_EVENTS, checked
    assert uncorrected.status != 0, uncorrected
    files = [traces.fetch(host, f"/run/{name}.dat", here / f"{name}-applied.dat")
             for name in ("host", clock)]
    seen, outside, unknown = trace_report.judge(trace_report.read(*files), files[1].name,
                                                context.threads)
    context.note(f"trace-cmd's report: {outside} of {seen} outside, {unknown} not judged")
    assert seen >= LEAST_EVENTS and outside == 0, (seen, outside)


def apply_and_check(context, host_clock, clocks):
    """apply: traces by these clocks; no event of the guest's is outside its vCPU's windows."""
    host, guest = context.arch, context.guest
    log = traces.Log(host, guest, clocks)
    trace = traces.HostTrace(host, host_clock, CROSSINGS[host.system.arch.name])
    for clock in clocks:
        traces.record_guest(guest, clock, LOAD)
    trace.stop()
    log.more()
    context.note(log.stop())
    context.threads = {v["cpu-index"]: v["thread-id"]
                       for v in guest.qmp("query-trace-clock-sync")["vcpus"]}
    for clock in clocks:
        _judge(context, log, clock)
