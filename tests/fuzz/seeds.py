#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes the first inputs of every fuzz target, out of the worlds that other tests have: small, and
# each with something that no other has. Argument: the directory for them. What libFuzzer found
# since is in corpus/; this is for starting anew, or after a format has changed.
import copy
import json
import sys
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "fake")]
import trace_dat  # pylint: disable=wrong-import-position
from traced_world import SECOND, START, World  # pylint: disable=wrong-import-position

HEADER = {"format": "trace-clock-sync", "version": 1, "vm": "vm", "host": {"slew-ppm": 500}}


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def samples(world, moments=(0, 1, 2)):
    """World's own samples, without the clocks that add length and nothing else."""
    for clocks in (world.host, world.guest):
        clocks.pop("boot", None)
    for s in moments:
        at = START + int(s * SECOND)
        # pylint: disable=protected-access
        yield {"window": [at + 1000, at + 100000], "qmp-before": world._query(at),
               "guest": world._guest_reply(at + 50000), "qmp-after": world._query(at + 100000)}


def epoch(generation, cpu, at, vcpu, cause):
    return {"generation": generation, "cpu-index": cpu, "host-counter": at, "cause": cause,
            **{name: vcpu[name] for name in ("offset", "ratio", "bound-ticks")}}


def with_history(lines):
    """The second sample's QEMU tells of a mapping in between."""
    first, second = lines[0]["qmp-before"], lines[1]
    vcpu = first["vcpus"][0]
    epochs = [epoch(1, 0, START - 5, vcpu, "first seen")]
    for query in first, lines[0]["qmp-after"]:
        query["epochs"] = epochs
    moved = {**vcpu, "offset": vcpu["offset"] + 1000000}
    for query in second["qmp-before"], second["qmp-after"]:
        query["generation"] = 2
        query["epochs"] = [*epochs, epoch(2, 0, START + SECOND // 2, moved, "reset")]
        query["vcpus"][0]["offset"] = moved["offset"]
    return lines


def without_hypervisor(world, lines, method):
    """What `--method` leaves in a log: no vCPU, and the guest's answers."""
    for line in lines:
        line["method"], line["probes"] = method, []
        lo, hi = line["window"]
        for query in line["qmp-before"], line["qmp-after"]:
            query.update({"vcpus": [], "accel": "unknown", "generation": 0})
        for n, at in enumerate((lo, lo + 500, hi - 700)):
            if method == "exchange":
                reply = {"counter": "x86-tsc", "boot-id": "b", "cpu": 0,
                         "counter-receive": world.counter(0, at + 100),
                         "counter-transmit": world.counter(0, at + 120)}
                line["probes"].append({"counter-before": at, "reply": reply,
                                       "counter-after": at + 300 - n})
                continue
            name = "ptp-kvm" if method == "ptp-kvm" else "realtime"
            ns = 10**18 + (at + 150 - START) * 10**6 // 2_100_000
            reply = {"counter": "x86-tsc", "clocksource": "tsc", "boot-id": "b",
                     "cpus": [{"cpu": 0}], "unavailable": [],
                     "realtime-error": {"synchronized": True, "max-error-ns": 2000001,
                                        "estimated-error-ns": 1},
                     "readings": [{"clock": name, "cpu": 0, "resolution-ns": 1, "value": ns,
                                   "counter-before": world.counter(0, at + 100),
                                   "counter-after": world.counter(0, at + 200),
                                   "via": "ptp" if name == "ptp-kvm" else "clock_gettime"}]}
            around = [{"clock": "realtime", "counter-before": c, "value": 10**18 +
                       (c + 5 - START) * 10**6 // 2_100_000, "counter-after": c + 10,
                       "resolution-ns": 1} for c in (at, at + 290)]
            line["probes"].append({"counter-before": at, "reply": reply, "counter-after": at + 300,
                                   "host-realtime": around,
                                   "host-realtime-error": {"synchronized": True,
                                                           "max-error-ns": 1500001,
                                                           "estimated-error-ns": 1}})
    return lines


def with_counts(lines):
    """ftrace's own clocks on either side."""
    for n, line in enumerate(lines):
        at = line["window"][0] + 2000
        line["host-clocks"] = [{"clock": name, "counter-before": at, "value": 1000 * n + 1000,
                                "counter-after": at + 900, "resolution-ns": step, **cpu}
                               for name, step, cpu in (("local", 1, {"cpu": 1}),
                                                       ("counter", 0, {}), ("uptime", 4000000, {}))]
        first = line["guest"]["readings"][0]
        line["guest"]["readings"] += [
            {**first, "clock": "counter", "unit": "count", "value": 50 * n + 7, "via": "marker",
             "resolution-ns": 0},
            {**first, "clock": "local", "via": "perf-page", "cpu": 1},
            {**first, "clock": "x86-tsc", "value": first["counter-before"] + 3, "via": "counter",
             "resolution-ns": 0}]
        line["guest"]["unavailable"] = [{"clock": "perf", "reason": "no"}]
    return lines


def logs():
    plain = World()
    yield "plain", list(samples(plain))
    yield "scaled", list(samples(World(ratio=Fraction(10, 21), same=False), (0, 1.5)))
    yield "jump", list(samples(World(jump=(START + SECOND, 10**9)), (0, 0.5, 1.5, 2)))
    yield "history", with_history(list(samples(World(), (0, 1))))
    yield "counts", with_counts(list(samples(World(), (0, 1))))
    for method in "exchange", "ptp-kvm", "realtime":
        world = World()
        yield method, without_hypervisor(world, list(samples(world, (0, 1))), method)
    alone = list(samples(World(), (0, 1)))
    for line in alone:
        del line["guest"]
        line["qmp-after"]["vcpus"][1] = {"cpu-index": 1, "stable": False, "reason": "no answer"}
    yield "unstable", alone


def traces():
    trace_dat.PAGE = 16  # our own reader does not look at event data
    small = {"HEADER_PAGE": b"a", "HEADER_EVENT": b"b", "EVENTS": {}}
    for name, value in small.items():
        setattr(trace_dat, name, value)
    one = {0: [], 1: []}
    offset = trace_dat.option("<", trace_dat.OFFSET, b"-1234\0")
    date = trace_dat.option("<", trace_dat.DATE, b"0x1234\0")
    tsc = trace_dat.option("<", trace_dat.TSC2NSEC, b"\3\0\0\0\4\0\0\0" + bytes(8))
    mine = trace_dat.option("<", trace_dat.TRACEID, b"12345678")
    yield "plain", trace_dat.TraceDat("mono", one).data
    yield "big-endian", trace_dat.TraceDat("local", one, order=">").data
    yield "options", trace_dat.TraceDat("x86-tsc", one, options=offset + date + tsc + mine).data
    yield "instance", trace_dat.TraceDat("mono", {3: []}, instance=b"other").data
    # The link ends up in two sectors.
    for pad in range(600):
        made = trace_dat.TraceDat("mono", one, pad_options=pad)
        if made.done_at % 512 == 508:
            yield "two-sectors", made.data
            break
    shift = trace_dat.option("<", trace_dat.TIME_SHIFT, bytes(16))
    twice = trace_dat.TraceDat("mono", one, options=shift)
    link = twice.done_at
    data = bytearray(twice.data)
    data[link:link + 8] = len(data).to_bytes(8, "little")
    yield "two-sections", data + b"\0\0\0\0" + bytes(4) + (14).to_bytes(8, "little") + \
        trace_dat.option("<", 0, bytes(8))
    yield "torn", twice.data + b"\0\0\0\0" + bytes(4) + (99).to_bytes(8, "little") + b"half"


def request(command, **arguments):
    return compact({"execute": command, **({"arguments": arguments} if arguments else {})})


def agent_lines():
    """What a client says to the agent."""
    read = "guest-get-trace-clocks"
    yield "sync", b"\xff" + request("guest-sync-delimited", id=5).encode() + b"\n" + \
        request("guest-sync", id=6).encode() + b"\n"
    yield "info", (request("guest-info") + "\n" + request("guest-ping") + "\n").encode()
    yield "read", (request(read, clocks=["mono", "x86-tsc"], samples=9, cpus=[0, 1]) +
                   "\n").encode()
    yield "probe", (request("guest-trace-clock-probe", cpu=0) + "\n").encode()
    yield "id", b'{"execute":"guest-ping","id":{"a":[1,"b",null]}}\n'
    yield "unknown", b'{"execute":"guest-exec","arguments":{"path":"/bin/sh"}}\n\n \n[]\n{\n'


def peer_lines():
    """What a monitor (first byte even) or an agent says to the collector."""
    answer = '{"return":{"a":1},"id":"@ID@"}\r\n'
    yield "monitor", ("0" + answer).encode()
    yield "event", ('0{"event":"STOP","data":{},"timestamp":{"seconds":1}}\n' + answer).encode()
    yield "error", b'0{"error":{"class":"CommandNotFound","desc":"no"},"id":"@ID@"}\n'
    yield "refused", b'0{"error":{"class":"GenericError","desc":"no"},"id":"@ID@"}\n'
    yield "wrong-id", b'0{"return":{},"id":"tcs-0"}\n'
    yield "agent", b'1\xff{"return":@ID@}\n'
    yield "stale", b'1{"return":{"half\xff{"return":3}\n\xff{"return":@ID@}\n{"return":{}}\n'
    yield "greeting", b'1{"QMP":{"version":{}}}\n'


TEXT = {  # lines as tools print them
    "ftrace": """# tracer: nop
          <idle>-0     [001] d..2.  1234.567890: sched_switch: prev_comm=swapper
 qemu-system-x86-4711  (4700) [003] 5000000123456: kvm_exit: reason EXIT
          a b [x]-12 [000] ..... 1.5: e: 7
""",
    "perf": """CPU 0/KVM 4711 [002]   123.456789012:          1 kvm:kvm_exit: reason
swapper     0 [000] 99.000001: cycles:  ffffffff81
        ffffffff8104f45a native_write_msr ([kernel.kallsyms])
""",
    "dmesg": """[    0.000000] Linux version
<6>[12345.678901] kvm: x
[Mon Nov 23 04:00:00 2026] no number
""",
    "bpftrace": "12345678901 kvm_entry 1\n18446744073709551615 last\n99999999999999999999 beyond\n",
}


def inputs():
    for name, text in TEXT.items():
        yield "text", name, text.encode()
    for name, data in agent_lines():
        yield "agent", name, data
    for name in "clocks", "samples", "cpus", "cpu":
        value = {"clocks": ["mono"], "samples": 3, "cpus": [0], "cpu": 0}[name]
        yield "qga", name, compact({name: value}).encode()
    for name, data in peer_lines():
        yield "rpc", name, data
    for name, lines in logs():
        yield "show", name, "".join(compact(line) + "\n" for line in (HEADER, *lines)).encode()
        parts = lines[-1]
        for part in "qmp-after", "guest":
            if part in parts and name in ("plain", "history", "counts", "unstable"):
                yield "reply", f"{part}-{name}", compact(parts[part]).encode()
        if "probes" in parts:
            yield "reply", f"probe-{name}", compact(copy.deepcopy(parts["probes"][0])).encode()
    for name, lines in logs():
        yield "log", name, "".join(compact(line) + "\n" for line in (HEADER, *lines)).encode()
    yield "log", "torn", (compact(HEADER) + "\n" + compact(next(samples(World())))).encode()
    for name, data in traces():
        yield "trace-dat", name, bytes(data)


def main():
    for target, name, data in inputs():
        directory = Path(sys.argv[1], target)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
        print(f"{target}/{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
