# SPDX-License-Identifier: GPL-2.0-or-later
# The checks that every other architecture's scenario runs: the offset against a truth that our
# programs know nothing of, every clock, `show`, `record` and `map`, 200 readings. How the truth is
# had is the architecture's business: a function truth(context) that gives the guest's offset.
import json
import re
import time

from measure import CLOCKS, SCHEMA, clock, mount_tracefs, query, show_ok, start_agent, wait_for
from recording import look, since

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
LOG = "/run/run.tcs"
READINGS = 200
PROBES = 10
MARKED = ("local", "global", "perf", "uptime")
TRACING = "/sys/kernel/tracing"
SECONDS = 120


def held(context, guest):
    """A query whose offset has the truth within its bound, for each vCPU."""
    reply = query(guest)
    truth = context.truth()
    assert reply["accel"] == "kvm" and reply["counter"] == context.counter, reply
    assert len(reply["vcpus"]) == guest.vcpus, reply
    for vcpu in reply["vcpus"]:
        assert vcpu["stable"] and vcpu["source"] == "kvm-one-reg", vcpu
        assert vcpu["ratio"]["multiplier"] == 1 << vcpu["ratio"]["shift"], vcpu
        assert abs(vcpu["offset"] - truth) <= vcpu["bound-ticks"], (vcpu, truth)
        assert vcpu["counter-before"] <= vcpu["counter-after"], vcpu
    return reply


def show_all(context):
    """show: every clock of the guest's has an offset, and the counter that of the hypervisor."""
    host, guest = context.arch, context.guest
    mount_tracefs(guest)
    start_agent(guest, "vsock")
    where = context.where = f"--qmp {guest.qmp_path} --agent vsock:{guest.cid} --timeout 60"
    document = show_ok(host, where, SECONDS)
    for name in (context.counter, *CLOCKS):
        context.note(clock(document, name)[0])
    row = clock(document, context.counter)[0]
    assert abs(row["offset"] - context.truth()) <= row["bound"], (row, context.truth())
    # One at a time: each takes an ftrace instance in the guest, which is slow to make here.
    for name in MARKED:
        context.note(clock(show_ok(host, f"{where} --clock {name}", SECONDS), name)[0])


    # One that has no offset, as it counts events: its numbers ascend.
    first, second = (_read(guest, ("counter",))["counter"] for _ in range(2))
    context.note(second)
    assert first["unit"] == "count" and first["value"] < second["value"], (first, second)


def _read(machine, clocks=CLOCKS):
    """Bracketed readings that the recording knows nothing of."""
    reply = json.loads(machine.check(f"trace-clock-agent --once --clocks {','.join(clocks)}",
                                     SECONDS))
    SCHEMA.check_reply("guest-get-trace-clocks", reply)
    assert {r["clock"] for r in reply["readings"]} == set(clocks), reply
    return {r["clock"]: r for r in reply["readings"]}


def ftrace_counter(context):
    """ftrace's clock of that name is the counter: its stamp lies between two readings"""
    guest, name = context.guest, context.counter
    guest.check(f"echo {name} >{TRACING}/trace_clock")
    before = _read(guest, (name,))[name]["counter-before"]
    guest.check(f"echo here >{TRACING}/trace_marker")
    after = _read(guest, (name,))[name]["counter-after"]
    event = guest.check(f"grep ': here$' {TRACING}/trace").strip()
    context.note(event)
    stamp = int(re.search(r" (\d+): ", event).group(1))
    assert before < stamp < after, (before, event, after)


def _map(context, source, target, values):
    words = " ".join(map(str, values))
    out = context.arch.check(f"trace-clock-sync map {LOG} {source} {target} {words}", SECONDS)
    return [tuple(int(w) for w in line.split()[:3]) for line in out.splitlines()]


def _hold(context, side, probes):
    """Every probe's clock value lies where the recording puts its counter bracket."""
    counter = f"{side}:{context.counter}" + ("@0" if side == "guest" else "")
    for name in CLOCKS:
        readings = [probe[name] for probe in probes]
        # In one call: reading the log is what takes long here.
        rows = _map(context, counter, f"{side}:{name}",
                    [r[end] for end in ("counter-before", "counter-after") for r in readings])
        first, last = rows[:len(readings)], rows[len(readings):]
        widths = sorted(high - low for _, low, high in first)
        context.note(f"{side}:{name}: width {widths[0]} / median {widths[len(widths) // 2]} / "
                     f"{widths[-1]} ns")
        for reading, (_, low, _), (_, _, high) in zip(readings, first, last):
            assert low <= reading["value"] + reading["resolution-ns"] and \
                high >= reading["value"], (name, reading, low, high)


def record(context):
    """record: 200 samples without a contradiction; readings it does not know lie within it."""
    host, guest = context.arch, context.guest
    pid = host.check(f"trace-clock-sync record -o {LOG} {context.where} --interval 0.05 "
                     "</dev/null >/run/record.log 2>&1 & echo $!").strip()
    wait_for(host, f"[ $(wc -l <{LOG}) -gt 3 ]", SECONDS)
    probes = [(_read(guest), _read(host)) for _ in range(PROBES)]
    wait_for(host, f"[ $(wc -l <{LOG}) -gt {READINGS + 1} ]", 4 * SECONDS)
    host.check(f"kill -INT {pid}")
    wait_for(host, f"[ ! -d /proc/{pid} ]", SECONDS)
    context.note(host.get("/run/record.log").strip())
    context.samples = [json.loads(line) for line in host.get(LOG).splitlines()[1:]]
    assert len(context.samples) >= READINGS, len(context.samples)
    truth = context.truth()
    widest = 0
    for sample in context.samples:
        for vcpu in (v for key in ("qmp-before", "qmp-after") if key in sample
                     for v in sample[key]["vcpus"]):
            assert vcpu["stable"] and abs(vcpu["offset"] - truth) <= vcpu["bound-ticks"], vcpu
            widest = max(widest, vcpu["bound-ticks"])
    context.note(f"{len(context.samples)} samples; widest bound {widest} ticks")
    _hold(context, "guest", [guest for guest, _ in probes])
    _hold(context, "host", [host for _, host in probes])


def export(context):
    """export: perf is given the counter's offset, and a bound that holds the true one."""
    done = context.arch.run(f"trace-clock-sync export {LOG} perf --pid 1", SECONDS)
    context.note(done.out + done.err)
    assert done.status == 0, done
    offset, scale = done.out.strip().split(",")[-2:]
    bound = int(re.search(r"within (\d+) ticks", done.err).group(1))
    assert scale == "1" and abs(int(offset) - context.truth()) <= bound, (done, context.truth())


def stop_and_cont(context, seconds=0):
    """QMP stop and cont: not stable in between, a new epoch with the cause cont after, and the
    counter behind what it would have been. Returns the reply then."""
    guest = context.guest
    before = look(guest)
    guest.qmp("stop")
    stopped = query(guest)
    assert not stopped["running"] and not stopped["vcpus"][0]["stable"], stopped
    context.note(stopped["vcpus"][0]["reason"])
    time.sleep(seconds)
    guest.qmp("cont")
    after = look(guest)
    moved = after["vcpus"][0]["offset"] - before["vcpus"][0]["offset"]
    context.note(f"the offset moved by {moved} ticks")
    assert moved < 0 and all(v["stable"] for v in after["vcpus"]), after
    assert since(before, after) == [(n, "cont") for n in range(guest.vcpus)], after["epochs"]
    return after
