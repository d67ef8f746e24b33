#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Measures in the testbed what docs/measurements.md says, and writes its generated section. Each
# stage leaves its figures and raw data in build/measure/; the section is made of all there are.
import argparse
import gzip
import json
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/testbed"), str(ROOT / "tests")]

import figures  # noqa: E402
import machines  # noqa: E402
import ranking  # noqa: E402
import readings  # noqa: E402
import stock  # noqa: E402
import subject  # noqa: E402
import tracecmd  # noqa: E402
import traces  # noqa: E402
from channel import Failure  # noqa: E402
from machines import STABLE_TSC, Host, Workshop  # noqa: E402
from measure import CLOCKS, query, show_ok, start_agent  # noqa: E402
from verdict import Verdict  # noqa: E402

DOCUMENT = ROOT / "docs/measurements.md"
FREQUENCIES = {"unscaled": None, "1 GHz": 1_000_000, "3 GHz": 3_000_000}
SECONDS, LEAST = 600, 1000
INTERVAL_S = 0.25
SHOWS, RECORDINGS = 20, 3
# Guests that are traced by every clock; a faster one is like a slower one there.
TRACED = ("unscaled", "1 GHz")
RETRIES, TRACE_RETRIES = 2, 9
# A guest that boots beside others that are measured takes its time; a hang is what this is to tell.
machines.BOOT_SECONDS = 150
# It takes some ten seconds.
traces.GUEST_SECONDS = 100


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Bench:
    """What a stage works with. L1 is closed with it."""

    def __init__(self, build, out):
        self.build, self.out = build, out
        self.workshop = Workshop(build, out / "consoles")
        self.host = None

    def boot(self, **options):
        if self.host:
            self.host.close()
        self.host = Host(self.workshop, l0="scaling", tools=True, **options)
        return self.host

    def close(self):
        if self.host:
            self.host.close()
        self.workshop.close()


def title(name, vcpus):
    return f"{name}, {vcpus} vCPU{'s' if vcpus > 1 else ''}"


def judged(bench, stage, name, guest):
    """What the tables need of one guest, and its raw data in files."""
    raw = bench.out / f"{stage}-{guest.name}"
    with gzip.open(f"{raw}.tcs.gz", "wt", 1) as f:
        f.write(guest.log)
    with gzip.open(f"{raw}.probes.gz", "wt", 1) as f:
        json.dump({"truth": guest.truth, "probes": guest.probes}, f)
    verdict = Verdict(guest, bench.build / "collector/trace-clock-sync")
    ghz = query_khz(guest) / 1e6
    steps = [ticks / ghz for ticks in verdict.staircase()]
    rows = {clock: {"readings": row["readings"],
                    "bound": [float(v) for v in readings.summary(
                        steps if clock == "counter" else row["bounds"])]}
            for clock, row in verdict.rows.items()}
    for text in verdict.contradictions():
        say(f"CONTRADICTION: {text[:1000]}")
    return {"title": title(name, guest.vcpus), "rows": rows, "states": guest.states,
            "contradictions": verdict.contradictions(), "said": guest.said,
            "samples": verdict.samples, "probes": guest.rounds}


def query_khz(guest):
    return guest.probes[0][0]["host-counter-khz"]


def clocks(bench, stage, vcpus, options):
    """Guests of all frequencies at once, with so many vCPUs."""
    host = bench.boot()
    guests = {name: subject.Subject(f"g{(khz or 0) // 10**6}x{vcpus}", khz, vcpus, number)
              for number, (name, khz) in enumerate(FREQUENCIES.items(), 1)}
    states, seconds = subject.measure(host, list(guests.values()), options.seconds, options.least,
                                      INTERVAL_S, say)
    host.close()
    bench.host = None
    say("judging")
    return {"title": title("", vcpus).strip(", "), "seconds": seconds, "host-states": states,
            "guests": [judged(bench, stage, name, guest) for name, guest in guests.items()]}


def shows(host, guest, name):
    """Bounds of single runs of show."""
    bounds = {clock: [] for clock in CLOCKS}
    truth = query(guest)["vcpus"][0]["offset"]
    for _ in range(SHOWS):
        for row in show_ok(host, f"--qmp {guest.qmp_path} --agent vsock:{guest.cid}")["clocks"]:
            if row["unit"] == "ticks":
                assert row["bound"] == 0 and (guest.scaled or row["offset"] == truth), row
            elif row["guest"].removeprefix("guest:") in bounds:
                bounds[row["guest"].removeprefix("guest:")].append(row["bound"])
    return {"title": title(name, 1), "runs": SHOWS,
            "bounds": {c: [sorted(b)[len(b) // 2], max(b)] for c, b in bounds.items()}}


def recordings(host, guest, name):
    """The errors of all corrections in a few recordings of trace-cmd."""
    errors, failed, protocols = [], 0, set()
    tracecmd.start_agent(guest)
    for _ in range(RECORDINGS):
        try:
            protocol, samples = tracecmd.record(host, guest, guest.cid)
        except Failure as e:
            say(f"trace-cmd: {e}")
            failed += 1
            guest.run("killall -9 trace-cmd")
            host.run("killall -9 trace-cmd")
            tracecmd.start_agent(guest)
            continue
        reply = query(guest)
        protocols.add(protocol)
        ticks = [tracecmd.error_ticks(reply["vcpus"][0], sample) for sample in samples]
        errors += [t * 1e6 / reply["host-counter-khz"] for t in ticks]
        say(f"{name}: {protocol}: " + ", ".join(figures.duration(e) for e in errors[-len(ticks):]))
    return {"title": title(name, 1), "protocol": "/".join(sorted(protocols)),
            "recordings": RECORDINGS, "failed": failed, "errors-ns": [str(e) for e in errors]}


def trace_cmd(bench, stage, _options):
    """With debugfs it takes KVM's numbers, without them it measures."""
    result = {"recordings": [], "shows": [], "show-clocks": list(CLOCKS)}
    for arguments in (STABLE_TSC, STABLE_TSC + " debugfs=off"):
        host = bench.boot(kernel_args=arguments)
        host.check("mountpoint -q /sys/kernel/tracing || "
                   "mount -t tracefs nodev /sys/kernel/tracing")
        for number, name in enumerate(("unscaled", "1 GHz"), 3):
            khz = FREQUENCIES[name]
            cpu = f"host,tsc-frequency={khz}000" if khz else "host"
            guest = host.boot_guest(f"{stage}{number}", cid=number, cpu=cpu)
            guest.scaled = bool(khz)
            start_agent(guest, "vsock")
            if "off" not in arguments:
                result["shows"].append(shows(host, guest, name))
            result["recordings"].append(recordings(host, guest, name))
            guest.quit()
    return result


def compare(bench, _stage, _options):
    """Every method on one guest, under real NTP and under real PTP."""
    found = ranking.measure(bench.boot(), say)
    return {"runs": ranking.RUNS, "rows": [
        {"method": method, "under": under, "holds": rows["holds"],
         "bound": readings.summary(rows["bounds"]), "error": readings.summary(rows["errors"]),
         "took-us": readings.summary(rows["took"])[0]}
        for under, (methods, _) in found.items() for method, rows in methods.items()]}


def traced_guest(host, stage, number, name, vcpus):
    khz = FREQUENCIES[name]
    guest = host.boot_guest(f"{stage}-{number}", cid=number, vcpus=vcpus, memory=320,
                            cpu=f"host,tsc-frequency={khz}000" if khz else "host")
    guest.title = title(name, vcpus)
    traces.prepare(host, guest)
    return guest


def beside(bench, guest, clock):
    """One recording, corrected by trace-cmd itself and by `apply`."""
    theirs, ours = tracecmd.beside(bench.workshop, bench.host, guest, clock)
    say(f"{guest.title}, {clock}: trace-cmd's {theirs['protocol']}: {theirs['said']}")
    return [{"title": guest.title, "clock": clock, "trace-cmd": theirs, "apply": ours}]


def pairs(bench, guest, host_clock):
    """Every guest's clock against one of the host's."""
    found = traces.Round(bench.workshop, bench.host, [guest], host_clock, traces.GUEST_CLOCKS)
    rows = []
    for _, clock, *files in found.found:
        pair = traces.applied(bench.build, *files)
        say(traces.line(guest.title, host_clock, clock, pair))
        rows.append({"title": guest.title, "host-clock": host_clock, "guest-clock": clock, **pair})
    return rows


def real_traces(bench, stage, vcpus, options):
    """Each recording of each guest on a host that was just started, and tried again by itself."""
    def on_new_host(number, name, measure, *words):
        def run():
            bench.boot()
            return measure(bench, traced_guest(bench.host, stage, number, name, vcpus), *words)

        what = f"{stage}, {name}, {measure.__name__} {words[-1]}"
        kept = bench.out / (re.sub(r"\W+", "-", what) + ".json")
        if not options.resume or not kept.exists():
            kept.write_text(json.dumps(again(what, run, TRACE_RETRIES)), encoding="utf-8")
        return json.loads(kept.read_text(encoding="utf-8"))

    result = {"pairs": [], "own": []}
    for number, name in enumerate(TRACED, 3):
        for host_clock in ("mono",) if options.short else ("x86-tsc", "mono", "boot"):
            result["pairs"] += on_new_host(number, name, pairs, host_clock)
        for clock in ("x86-tsc", "mono"):
            result["own"] += on_new_host(number, name, beside, clock)
    return result


STAGES = {"clocks-1": lambda *a: clocks(a[0], a[1], 1, a[2]),
          "clocks-4": lambda *a: clocks(a[0], a[1], 4, a[2]),
          "trace-cmd": trace_cmd, "compare": compare,
          "traces-1": lambda *a: real_traces(a[0], a[1], 1, a[2]),
          "traces-4": lambda *a: real_traces(a[0], a[1], 4, a[2])}


def machine():
    return ("Real KVM under emulation (TCG), the host of two CPUs, on a machine of "
            f"{os.cpu_count()} cores that may have done other work as well: clock reads and exits "
            "take some tens of times what they take on hardware, and bounds are wider by as much. "
            f"Linux {stock.kernel().version.partition('-')[0]}, QEMU {stock.qemu().version()}.")


def write_document(out, names):
    """Writes the parts that these stages make; the others stay what they are."""
    stages = {name: json.loads(path.read_text(encoding="utf-8"))
              for name in names for path in [out / f"{name}.json"] if path.exists()}
    document = DOCUMENT.read_text(encoding="utf-8")
    text = figures.section(document, machine(), stages)
    DOCUMENT.write_text(figures.rewrite(document, text), encoding="utf-8")
    print(text)
    return sum(len(g["contradictions"]) for s in stages.values() for g in s.get("guests", ())) + \
        sum(not traces.is_right(p) for s in stages.values() for p in s.get("pairs", ())) + \
        sum(not traces.is_right(o["apply"]) for s in stages.values() for o in s.get("own", ()))


def again(what, measure, retries=RETRIES):
    """measure()'s result. It is tried again where a machine of the testbed hangs; its figures are not chosen."""
    for _ in range(retries):
        try:
            return measure()
        except Failure as e:
            say(f"{what} failed, trying again: {e}")
    return measure()


def run_stage(name, options, out):
    def measure():
        bench = Bench(options.build, out)
        try:
            return STAGES[name](bench, name, options)
        finally:
            bench.close()
    # Those of real traces try again piece by piece.
    result = again(name, measure, 0 if name in figures.PARTS["traces"] else RETRIES)
    (out / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Measure in the testbed, for the documentation.")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of readings of each clock")
    parser.add_argument("--least", type=int, default=LEAST, help="readings of each clock")
    parser.add_argument("--short", action="store_true", help="one minute, to try it")
    parser.add_argument("--resume", action="store_true",
                        help="of the stages traces-1 and traces-4, which take long, measure only what no earlier run has")
    parser.add_argument("--only-write", action="store_true",
                        help="measure nothing; write the document from what earlier runs left")
    parser.add_argument("part", nargs="*", help=f"of {', '.join(figures.PARTS)}, or a stage of "
                        f"these ({', '.join(STAGES)}); all by default. The document's other parts "
                        "stay as they are")
    options = parser.parse_args()
    if options.short:
        options.seconds, options.least = 60, 40
    out = options.build.resolve() / "measure"
    out.mkdir(parents=True, exist_ok=True)
    options.build = options.build.resolve()
    names = []
    for name in options.part or figures.PARTS:
        if name not in STAGES and name not in figures.PARTS:
            parser.error(f"there is no part {name}")
        names += figures.PARTS.get(name, (name,))
    # A part is written whole, also where one of its stages was run alone.
    written = {s for part in figures.PARTS.values() if set(part) & set(names) for s in part}
    try:
        for name in names if not options.only_write else ():
            run_stage(name, options, out)
        wrong = write_document(out, sorted(written))
    except (Failure, stock.Unavailable) as e:
        print(f"measure: {e}", file=sys.stderr)
        return 1
    if wrong:
        print(f"measure: {wrong} contradictions; the raw data are in {out}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
