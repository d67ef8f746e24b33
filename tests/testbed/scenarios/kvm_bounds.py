# SPDX-License-Identifier: GPL-2.0-or-later
"""200 runs of show on one VM: no two of them may contradict each other."""
from fractions import Fraction

from measure import CLOCKS, clock, exact, show_ok, start_agent, straight_line_through

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
RUNS = 200


def check_line(t):
    """the exact test for a common line finds one, and finds contradictions"""
    line = [(x, 3 * x + 5, 3 * x + 5) for x in range(-5, 6)]
    assert straight_line_through(line) is None
    assert straight_line_through([(0, 0, 1), (1, 5, 6), (2, 0, 1)])
    assert straight_line_through([(0, 0, 2), (1, 2, 4), (2, 0, 2)]) is None
    assert straight_line_through([(0, 0, 2), (1, 3, 4), (2, 0, 2)])
    assert straight_line_through([(2**60, 1, 2), (2**60, 3, 4)])
    assert straight_line_through([(Fraction(1, 3), 1, 2), (2**70, 3, 4)]) is None


def check_collect(t):
    """200 runs in a row succeed, each with KVM's own offset for x86-tsc"""
    t.rows = {}
    guest = t.host.boot_guest("g1", cid=3, vcpus=2)
    start_agent(guest, "vsock")
    truth = exact(guest)["vcpus"][0]["offset"]
    for _ in range(RUNS):
        document = show_ok(t.host, f"--qmp {guest.qmp_path} --agent vsock:3")
        for name in CLOCKS:
            clock(document, name)
        for row in clock(document, "x86-tsc"):
            assert row["offset"] == truth and row["bound"] <= 1, (row, truth)
        for row in document["clocks"]:
            # A counter may differ from CPU to CPU; the system's clocks must not.
            cpu = row["guest-cpu"] if row["unit"] == "ticks" else "any"
            key = (row["guest"], row["host"], f"CPU {cpu}")
            t.rows.setdefault(key, []).append(row)


def contradiction(rows):
    # The numbers come as JSON wrote them; as fractions none is rounded.
    return straight_line_through([
        (Fraction(r["host-value"]), Fraction(r["offset"]) - Fraction(r["bound"]),
         Fraction(r["offset"]) + Fraction(r["bound"])) for r in rows])


def check_consistent(t):
    """for every clock, one straight line crosses all intervals"""
    assert t.rows, "nothing was collected"
    wrong = []
    for key, rows in sorted(t.rows.items(), key=str):
        bounds = sorted(r["bound"] for r in rows)
        t.note(f"{key}: {len(rows)} runs, bound {bounds[0]} / median {bounds[len(bounds) // 2]} / "
               f"{bounds[-1]} {rows[0]['unit']}")
        problem = contradiction(rows)
        if problem:
            wrong.append(f"{key}: {problem}")
    assert not wrong, "\n".join(wrong)
