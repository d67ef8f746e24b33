# SPDX-License-Identifier: GPL-2.0-or-later
"""trace-clock-sync record and map on real KVM, held against readings taken apart from them."""
import json

from measure import CLOCKS, SCHEMA, exact, reset_stopped, start_agent, wait_for

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
LOG = "/run/run.tcs"
PROBES = 12


def read_clocks(machine):
    """Bracketed readings that the recording knows nothing of."""
    reply = json.loads(machine.check("trace-clock-agent --once"))
    SCHEMA.check_reply("guest-get-trace-clocks", reply)
    return {r["clock"]: r for r in reply["readings"] if r["clock"] in CLOCKS}


def convert(t, log, source, target, values, status=0):
    """[(value, low, high) or None] of `map`."""
    words = " ".join(str(v) for v in values)
    result = t.host.run(f"trace-clock-sync map {log} {source} {target} {words}", 30)
    assert result.status == status, (result.status, result.err)
    rows = [line.split() for line in result.out.splitlines()]
    assert len(rows) == len(values), result.out
    return [None if row[0] == "unknown" else tuple(int(w) for w in row[:3]) for row in rows]


def hold(t, log, side, probes):
    """Every probe's clock value lies where the recording puts its counter bracket."""
    for name in CLOCKS:
        readings = [probe[name] for probe in probes]
        first = convert(t, log, f"{side}:x86-tsc", f"{side}:{name}",
                        [r["counter-before"] for r in readings])
        last = convert(t, log, f"{side}:x86-tsc", f"{side}:{name}",
                       [r["counter-after"] for r in readings])
        widths = sorted(high - low for _, low, high in first)
        t.note(f"{side}:{name}: width {widths[0]} / median {widths[len(widths) // 2]} / "
               f"{widths[-1]} ns")
        for reading, (_, low, _), (_, _, high) in zip(readings, first, last):
            assert low <= reading["value"] + reading["resolution-ns"] and \
                high >= reading["value"], (name, reading, low, high)


def check_probes(t):
    """while a command runs: bounds hold for readings the recording does not know"""
    t.guest = t.host.boot_guest("g1", cid=3, vcpus=2)
    start_agent(t.guest, "vsock")
    t.target = f"--qmp {t.guest.qmp_path} --agent vsock:3"
    pid = t.host.check(f"trace-clock-sync record -o {LOG} {t.target} --interval 0.3 -- sleep 12 "
                       "</dev/null >/run/record.log 2>&1 & echo $!").strip()
    wait_for(t.host, f"[ $(wc -l <{LOG}) -gt 6 ]")
    guests, hosts = [], []
    for _ in range(PROBES):
        guests.append(read_clocks(t.guest))
        hosts.append(read_clocks(t.host))
    wait_for(t.host, f"[ ! -d /proc/{pid} ]", 30)
    t.note(t.host.get("/run/record.log").strip())
    hold(t, LOG, "guest", guests)
    hold(t, LOG, "host", hosts)
    t.guests = guests


def check_counter(t):
    """the counter maps exactly, both ways, and any clock to any other"""
    offset = exact(t.guest)["vcpus"][0]["offset"]
    ticks = [g["mono"]["counter-before"] for g in t.guests]
    for tick, (value, low, high) in zip(ticks, convert(t, LOG, "guest:x86-tsc", "host:x86-tsc",
                                                       ticks)):
        assert value == low == high == tick - offset, (tick, value, offset)
    for tick, (value, low, high) in zip(ticks, convert(
            t, LOG, "host:x86-tsc", "guest:x86-tsc@1", [tick - offset for tick in ticks])):
        assert value == low == high == tick, (tick, value)
    # There and back again comes out where it began.
    values = [g["mono"]["value"] for g in t.guests]
    there = convert(t, LOG, "guest:mono", "host:boot", values)
    back = convert(t, LOG, "host:boot", "guest:mono", [v for v, _, _ in there])
    for value, (_, low, high), (_, first, last) in zip(values, back, there):
        assert low - (last - first) <= value <= high + (last - first), (value, low, high)


def more_samples(t, log):
    """Returns when a sample that began after the call, and another, are in the log."""
    lines = int(t.host.check(f"wc -l <{log}"))
    wait_for(t.host, f"[ $(wc -l <{log}) -gt {lines + 2} ]")


def check_reset(t):
    """a reset in the middle: the counter splits, and a time in between is unknown"""
    log = "/run/reset.tcs"
    t.guest.quit()
    # Guests here end at a reboot unless they are told otherwise.
    t.guest = t.host.boot_guest("g2", cid=4, vcpus=2, args=["-action", "reboot=reset"])
    pid = t.host.check(f"trace-clock-sync record -o {log} --qmp {t.guest.qmp_path} "
                       "--interval 0.2 </dev/null >/run/record.log 2>&1 & echo $!").strip()
    wait_for(t.host, f"[ $(wc -l <{log}) -gt 5 ]")
    before = exact(t.guest)
    more_samples(t, log)  # what was asked apart from the recording lies within it
    reset_stopped(t.guest)
    more_samples(t, log)
    after = exact(t.guest)
    more_samples(t, log)
    t.guest.qmp("cont")
    t.note(f"epochs: {after['epochs']}")
    assert after["generation"] > before["generation"], (before, after)
    assert before["vcpus"][0]["offset"] != after["vcpus"][0]["offset"], after
    causes = [e["cause"] for e in after["epochs"] if e["generation"] > before["generation"]]
    assert "reset" in causes, after["epochs"]
    t.host.check(f"kill -INT {pid}")
    wait_for(t.host, f"[ ! -d /proc/{pid} ]")
    last_old = before["vcpus"][0]["counter-after"]
    first_new = after["vcpus"][0]["counter-before"]
    old, = convert(t, log, "host:x86-tsc", "guest:x86-tsc@0", [last_old])
    new, = convert(t, log, "host:x86-tsc", "guest:x86-tsc@0", [first_new])
    assert old[0] - last_old == before["vcpus"][0]["offset"], (old, before)
    assert new[0] - first_new == after["vcpus"][0]["offset"], (new, after)
    # Somewhere between the two the mapping changed; a fine search finds the gap.
    step = (first_new - last_old) // 64
    rows = t.host.run(f"trace-clock-sync map {log} host:x86-tsc guest:x86-tsc@0 " +
                      " ".join(str(last_old + i * step) for i in range(64)), 30)
    assert rows.status == 4 and "unknown" in rows.out, rows


def check_ends(t):
    """signals, kill -9, a torn line, an existing log, a full disk, a dead VM"""
    def start(log, more=""):
        return t.host.check(f"trace-clock-sync record -o {log} --qmp {t.guest.qmp_path} "
                            f"--interval 0.1 {more} </dev/null >/run/record.log 2>&1 & "
                            "echo $!").strip()

    for signal in ("INT", "TERM", "KILL"):
        log = f"/run/{signal}.tcs"
        pid = start(log)
        wait_for(t.host, f"[ $(wc -l <{log}) -gt 4 ]")
        t.host.check(f"kill -{signal} {pid}")
        wait_for(t.host, f"[ ! -d /proc/{pid} ]")
        convert(t, log, "host:mono", "host:boot", [10**9])
    result = t.host.run(f"trace-clock-sync record -o {log} --qmp {t.guest.qmp_path}")
    assert result.status == 5 and "exists" in result.err, result
    t.host.check(f"printf '{{\"window\"' >>{log}")
    result = t.host.run(f"trace-clock-sync map {log} host:mono host:boot 5")
    assert result.status == 0 and "torn" in result.err, result
    t.host.check(f"printf '\\n{{}}\\n' >>{log}")
    result = t.host.run(f"trace-clock-sync map {log} host:mono host:boot 5")
    assert result.status == 0 and result.err.count("damaged") == 2, result
    t.host.check("mkdir -p /run/small && mount -t tmpfs -o size=32k none /run/small")
    pid = start("/run/small/full.tcs")
    wait_for(t.host, f"[ ! -d /proc/{pid} ]")
    assert "No space left" in t.host.get("/run/record.log"), t.host.get("/run/record.log")
    result = t.host.run("trace-clock-sync map /run/small/full.tcs host:mono host:boot 5")
    assert result.status == 0 and not result.err, result
    pid = start("/run/dead.tcs")
    wait_for(t.host, "[ $(wc -l </run/dead.tcs) -gt 4 ]")
    t.guest.quit()
    wait_for(t.host, f"[ ! -d /proc/{pid} ]", 30)
    t.note(t.host.get("/run/record.log"))
    convert(t, "/run/dead.tcs", "host:mono", "host:boot", [10**9])
