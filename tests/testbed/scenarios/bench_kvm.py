# SPDX-License-Identifier: GPL-2.0-or-later
"""The cost targets that take real KVM, for `make bench`: how far x86-tsc is off, scaled or not, and how wide the
bounds of the other clocks are, against what this machine's own loop of counter, clock, counter reaches."""
import json
import statistics
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))

import targets  # noqa: E402
from measure import CLOCKS, clock, exact, show_ok, start_agent, to_guest  # noqa: E402

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync", "tests/testbed/bracket-probe")
HOST = {"l0": "scaling"}
RUNS, TRIES, TICKS_MAX, WIDTHS_MAX = 20, 20000, 1, 2.0
# title: (vsock CID, kHz or the host's own)
GUESTS = {"unscaled": (3, None), "1 GHz": (4, 1_000_000), "3 GHz": (5, 3_000_000)}


def tightest(machine, binary, khz):
    """{clock: ns}"""
    machine.put("/run/bracket-probe", binary, "755")
    ticks = json.loads(machine.check(f"/run/bracket-probe {TRIES}", 120))
    return {name: count * 1e6 / khz for name, count in ticks.items()}


def check_show(t):
    """guests unscaled, of 1 GHz and of 3 GHz: show in turns"""
    binary = (t.workshop.build / "tests/testbed/bracket-probe").read_bytes()
    t.off, t.bounds, t.brackets = {}, {}, {}
    for title, (cid, khz) in GUESTS.items():
        cpu = "host" if khz is None else f"host,tsc-frequency={khz}000"
        guest = t.host.boot_guest(f"bench{cid}", cid=cid, vcpus=2, cpu=cpu)
        start_agent(guest, "vsock")
        t.off[title], t.bounds[title] = [], {name: [] for name in CLOCKS}
        for _ in range(RUNS):
            document = show_ok(t.host, f"--qmp {guest.qmp_path} --agent vsock:{cid}")
            reply = exact(guest)    # as debugfs has them, bit for bit
            rows = clock(document, "x86-tsc")
            assert len(rows) == len(reply["vcpus"]), rows
            t.off[title] += [abs(row["guest-value"] - to_guest(vcpu, row["host-value"])) + row["bound"]
                             for row, vcpu in zip(rows, reply["vcpus"])]
            for name in CLOCKS:
                t.bounds[title][name].append(clock(document, name)[0]["bound"])
        brackets = [tightest(t.host, binary, reply["host-counter-khz"]),
                    tightest(guest, binary, khz or reply["host-counter-khz"])]
        t.brackets[title] = {name: max(b[name] for b in brackets) for name in CLOCKS}
        t.note(f"{title}: brackets of host and guest, ns: {brackets}")
        guest.quit()


def check_counter(t):
    """x86-tsc: how far it is off, its bound included"""
    worst = {title: max(off) for title, off in t.off.items()}
    met = max(worst.values()) <= TICKS_MAX
    t.note(targets.line("x86-tsc, scaled or not, against KVM's debugfs", f"at most {TICKS_MAX} tick off",
                        ", ".join(f"{title} {off}" for title, off in worst.items()), met))
    assert met, worst


def check_bounds(t):
    """the other clocks: bounds against the tightest bracket of the slower side"""
    missed = []
    for title, bounds in t.bounds.items():
        ratios = {name: statistics.median(bounds[name]) / t.brackets[title][name] for name in CLOCKS}
        for name in CLOCKS:
            ordered = sorted(bounds[name])
            t.note(f"{title}, {name}: bound {ordered[0]} / {statistics.median(ordered)} / {ordered[-1]} ns, bracket "
                   f"{t.brackets[title][name]:.0f} ns: median {ratios[name]:.2f} times")
        name = max(ratios, key=ratios.get)
        met = ratios[name] <= WIDTHS_MAX
        t.note(targets.line(f"bound of the other clocks, {title}",
                            f"at most {WIDTHS_MAX:.0f} times the tightest bracket",
                            f"{ratios[name]:.2f} times ({name}: {statistics.median(bounds[name]):.0f} ns against "
                            f"{t.brackets[title][name]:.0f} ns)", met))
        missed += [] if met else [title]
    assert not missed, missed
