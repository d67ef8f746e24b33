# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's own ftrace clocks on real KVM: `show --host-clock`, and in recordings."""
import json

from instances import instances, instances_gone
from measure import SCHEMA, exact, mount_tracefs, show, show_ok, start_agent, wait_for
from lines import line_at, swapped

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
GUEST_CLOCKS = ("local", "global", "perf", "uptime", "mono")
HOST_CLOCKS = ("local@0", "local@1", "global", "perf", "uptime", "boot")
ROUNDS = 6
LOG = "/run/clocks.tcs"


def named(option, names):
    return " ".join(f"--{option} {name}" for name in names)


def read_clocks(machine, shift=0):
    """{clock: box} of an agent of its own; counters minus `shift`, "local@CPU" for each CPU."""
    names = ",".join({name.split("@")[0] for name in GUEST_CLOCKS + HOST_CLOCKS})
    reply = json.loads(machine.check(f"trace-clock-agent --once --clocks {names} --cpus 0,1"))
    SCHEMA.check_reply("guest-get-trace-clocks", reply)
    boxes = {}
    for r in reply["readings"]:
        name = f"local@{r['cpu']}" if r["clock"] == "local" else r["clock"]
        boxes.setdefault(name, []).append({
            "before": r["counter-before"] - shift, "after": r["counter-after"] - shift,
            "value": r["value"], "resolution": r["resolution-ns"]})
    return boxes


def collect(into, found):
    for name, boxes in found.items():
        into.setdefault(name, []).extend(boxes)


def guest_line(t, row):
    return t.guest_boxes[f"local@{row['guest-cpu']}" if row["guest"] == "local" else row["guest"]]


def true_offset(t, row):
    """[low, high] of guest - host when the guest's clock showed what it did in that row."""
    boxes = guest_line(t, row)
    resolution = max(box["resolution"] for box in boxes)
    last = row["guest-value"] + resolution
    when = (line_at(swapped(boxes), row["guest-value"])[0], line_at(swapped(boxes), last)[1])
    host = t.host_boxes[row["host"]]
    return row["guest-value"] - line_at(host, when[1])[1], last - line_at(host, when[0])[0]


def check_show(t):
    """every guest clock against every host clock: bounds hold against readings taken apart"""
    t.guest = t.host.boot_guest("g1", cid=3, vcpus=2)
    for machine in (t.guest, t.host):
        mount_tracefs(machine)
    t.agent = start_agent(t.guest, "vsock")
    t.target = f"--qmp {t.guest.qmp_path} --agent vsock:3"
    shift = exact(t.guest)["vcpus"][0]["offset"]
    assert all(v["offset"] == shift for v in exact(t.guest)["vcpus"])
    t.guest_boxes, t.host_boxes, rows = {}, {}, []
    for _ in range(ROUNDS):
        collect(t.guest_boxes, read_clocks(t.guest, shift))
        collect(t.host_boxes, read_clocks(t.host))
        document = show_ok(t.host, f"{t.target} {named('clock', GUEST_CLOCKS)} "
                                   f"{named('host-clock', HOST_CLOCKS)}")
        assert {(r["guest"], r["host"]) for r in document["clocks"]} == \
            {(guest, host) for guest in GUEST_CLOCKS for host in HOST_CLOCKS}, document
        rows += document["clocks"]
    collect(t.guest_boxes, read_clocks(t.guest, shift))
    collect(t.host_boxes, read_clocks(t.host))
    assert not instances(t.host), instances(t.host)
    for guest in GUEST_CLOCKS:
        for host in HOST_CLOCKS:
            pairs = [r for r in rows if (r["guest"], r["host"]) == (guest, host)]
            truths = [true_offset(t, r) for r in pairs]
            bounds = sorted(r["bound"] for r in pairs)
            t.note(f"{guest} - host's {host}: bound {bounds[0]} / median "
                   f"{bounds[len(bounds) // 2]} / {bounds[-1]} ns; known apart to "
                   f"{min(high - low for low, high in truths):.0f} ns")
            for row, (low, high) in zip(pairs, truths):
                assert row["offset"] - row["bound"] <= high, (row, low, high)
                assert row["offset"] + row["bound"] >= low, (row, low, high)


def check_default(t):
    """without --host-clock no instance is made on the host, and mono is what pairs with local"""
    document = show_ok(t.host, f"{t.target} --clock local --clock mono")
    assert {(r["guest"], r["host"]) for r in document["clocks"]} == \
        {("local", "mono"), ("mono", "mono")}, document


def check_local(t):
    """`local` alone is that of every CPU, and says which"""
    document = show_ok(t.host, f"{t.target} --clock local --host-clock local")
    assert sorted((r["guest-cpu"], r["host"]) for r in document["clocks"]) == \
        [(cpu, f"local@{host}") for cpu in (0, 1) for host in (0, 1)], document
    result = t.host.run(f"trace-clock-sync show {t.target} --clock local --host-clock local@1 "
                        "--timeout 20", 40)
    assert result.status == 0 and "local - host's local@1" in result.out, result
    t.note(result.out)


def check_mismatch(t):
    """ticks and nanoseconds, and a count, have no offset; status 4 says what to do"""
    for options, words in (("--clock perf --host-clock x86-tsc", ("ticks", "map")),
                           ("--clock x86-tsc --host-clock mono", ("ticks", "map")),
                           ("--clock mono --host-clock counter", ("counts", "map")),
                           ("--clock counter --host-clock mono", ("counts", "map"))):
        status, document, err = show(t.host, f"{t.target} {options}")
        assert status == 4 and not document["clocks"], (options, status, document, err)
        assert all(word in err for word in words), (options, err)
        assert len(document["refused"]) == 1 and "host" in document["refused"][0], document
    document = show_ok(t.host, f"{t.target} --host-clock boot --host-clock x86-tsc")
    assert {(r["guest"], r["host"]) for r in document["clocks"]} >= \
        {("mono", "boot"), ("realtime", "boot"), ("x86-tsc", "x86-tsc")}, document


def check_not_root(t):
    """a user other than root is told what failed, where, and what to do"""
    t.host.check("mkdir -p /etc; grep -qs ^nobody: /etc/passwd || "
                 "echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd")
    for verb in ("show", "record -o /tmp/none.tcs"):
        result = t.host.run(f"su nobody -s /bin/sh -c '/usr/bin/trace-clock-sync {verb} "
                            f"--qmp {t.guest.qmp_path} --host-clock uptime'")
        assert result.status == 4 and "/sys/kernel/tracing" in result.err and \
            "root" in result.err, result
    t.note(result.err)


def convert(t, source, target, values):
    result = t.host.run(f"trace-clock-sync map {LOG} {source} {target} " +
                        " ".join(str(v) for v in values), 30)
    assert result.status == 0, (source, target, result)
    return [tuple(int(w) for w in line.split()[:3]) for line in result.out.splitlines()]


def check_record(t):
    """recorded host clocks hold for readings that the recording does not know"""
    pid = t.host.check(f"trace-clock-sync record -o {LOG} {t.target} --interval 0.3 --timeout 20 "
                       f"{named('clock', GUEST_CLOCKS)} {named('host-clock', HOST_CLOCKS)} "
                       "--host-clock counter </dev/null >/run/record.log 2>&1 & echo $!").strip()
    wait_for(t.host, f"[ $(wc -l <{LOG}) -gt 6 ]", 60)
    # perf and global are read off the perf page: no instance for those.
    made = sorted(name.rsplit(".", 1)[1] for name in instances(t.host))
    assert made == ["counter", "local", "uptime"], made
    boxes = {}
    for _ in range(ROUNDS):
        collect(boxes, read_clocks(t.host))
    lines = int(t.host.check(f"wc -l <{LOG}"))
    wait_for(t.host, f"[ $(wc -l <{LOG}) -gt {lines + 2} ]", 60)
    t.host.check(f"kill -TERM {pid}")
    wait_for(t.host, f"[ ! -d /proc/{pid} ]", 30)
    instances_gone(t.host)
    t.note(t.host.get("/run/record.log").strip())
    for name in HOST_CLOCKS:
        first = convert(t, "host:x86-tsc", f"host:{name}", [b["before"] for b in boxes[name]])
        last = convert(t, "host:x86-tsc", f"host:{name}", [b["after"] for b in boxes[name]])
        widths = sorted(high - low for _, low, high in first)
        t.note(f"host:{name}: width {widths[0]} / median {widths[len(widths) // 2]} / "
               f"{widths[-1]} ns")
        for box, (_, low, _), (_, _, high) in zip(boxes[name], first, last):
            assert low <= box["value"] + box["resolution"] and high >= box["value"], \
                (name, box, low, high)


def check_log(t):
    """each sample has what was read of them, as it came"""
    samples = [json.loads(line) for line in t.host.get(LOG).splitlines()[1:]]
    counts = []
    for sample in samples:
        found = {(r["clock"], r.get("cpu")): r for r in sample["host-clocks"]}
        assert set(found) == {("local", 0), ("local", 1), ("global", None), ("perf", None),
                              ("uptime", None), ("counter", None)}, found
        for r in found.values():
            low, high = (sample[f"qmp-{end}"]["vcpus"][0]["counter-before"]
                         for end in ("before", "after"))
            assert low < r["counter-before"] <= r["counter-after"] < high, (r, low, high)
            assert set(r) - {"cpu"} == {"clock", "counter-before", "value", "counter-after",
                                        "resolution-ns"}, r
        assert {r["clock"] for r in sample["guest"]["readings"]} == set(GUEST_CLOCKS), sample["guest"]
        counts.append(found["counter", None])
    assert all(a["value"] < b["value"] for a, b in zip(counts, counts[1:])), counts


def check_killed(t):
    """kill -9 of a recording leaves no instance"""
    log = "/run/killed.tcs"
    pid = t.host.check(f"trace-clock-sync record -o {log} --qmp {t.guest.qmp_path} --interval 0.1 "
                       "--host-clock local --host-clock uptime </dev/null >/run/record.log 2>&1 & "
                       "echo $!").strip()
    wait_for(t.host, f"[ $(wc -l <{log}) -gt 4 ]")
    assert len(instances(t.host)) == 2, instances(t.host)
    t.host.check(f"kill -KILL {pid}")
    instances_gone(t.host)


def check_unread(t):
    """a guest clock that cannot be read ends a recording before it begins"""
    # An agent that has read such a clock keeps tracefs busy.
    t.guest.check(f"kill -TERM {t.agent}")
    wait_for(t.guest, f"[ ! -d /proc/{t.agent} ]")
    t.guest.check("umount /sys/kernel/debug/tracing 2>/dev/null; umount /sys/kernel/debug; "
                  "umount /sys/kernel/tracing && [ ! -d /sys/kernel/tracing/instances ]")
    start_agent(t.guest, "vsock")
    result = t.host.run(f"trace-clock-sync record -o /run/none.tcs {t.target} --clock uptime "
                        "--timeout 20", 40)
    assert result.status == 4 and "uptime" in result.err, result
    assert t.host.run("[ -e /run/none.tcs ]").status == 1
    t.note(result.err)
