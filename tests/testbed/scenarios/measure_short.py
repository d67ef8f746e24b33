# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/measure does for half an hour, for a minute: every clock of one guest under NTP."""
from pathlib import Path

import figures
import readings
import subject
from readings import Box
from verdict import Verdict

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"tools": True}
DOCUMENT = Path(__file__).resolve().parents[3] / "docs/measurements.md"
SECONDS, LEAST, INTERVAL_S = 60, 30, 0.4


def check_arithmetic(t):
    """the tests for contradictions find none where there is none, and find those there are"""
    def box(x, y, width=4, height=1):
        return Box(x, x + width, y, y + height)

    line = [box(x, 3 * x + 6) for x in range(0, 100, 10)]
    assert readings.no_line(line) is None
    assert readings.no_line(line + [box(45, 3 * 45 + 25)])
    assert readings.no_line(line + [box(45, 3 * 45 - 10)])
    assert readings.no_rate(line, 2, 4) is None
    # Three ticks of width make up for 0.1 a tick over 90, and for no more.
    assert readings.no_rate(line, 2, 2)
    assert readings.no_rate(line, 4, 5)
    assert readings.no_rate(line + [box(200, 3 * 200 + 250)], 2, 4)
    alike = [(box(x, 3 * x), box(x + 5, 3 * (x + 5) + 1000)) for x in range(0, 100, 10)]
    assert readings.no_constant(alike, 3, 3) is None
    assert readings.no_constant(alike + [(box(100, 300), box(105, 1400))], 3, 3)
    count = [Box(x, x + 4, x // 5, x // 5) for x in range(0, 100, 10)]
    assert readings.not_ascending(count) is None
    assert readings.not_ascending(count + [Box(200, 204, 18, 18)])
    assert readings.not_ascending(count + [Box(95, 96, 1, 1)])
    vcpu = {"ratio": {"multiplier": 3 << 31, "shift": 32}, "offset": -7}
    for host in (2**40, 2**40 + 1, 2**40 + 2):
        first, last = readings.host_span(vcpu, host * 3 // 2 - 7)
        assert first <= host <= last <= first + 1, (first, host, last)


def check_document(t):
    """a part that was measured takes its place in the document; all others stay as they are"""
    old = DOCUMENT.read_text(encoding="utf-8")
    assert figures.rewrite(old, figures.section(old, "", {})) == old
    new = figures.rewrite(old, figures.section(old, "", {"compare": {"runs": 17, "rows": []}}))
    assert "17 runs" in new and "17 runs" not in old
    part = figures.PART.split(old)
    kept = [text for name, text in zip(part[1::2], part[2::2]) if name != "compare"]
    assert len(kept) >= 2 and all(text in new for text in kept)


def check_readings(t):
    """a minute of record and of readings apart from it on two vCPUs, while chrony slews"""
    guest = subject.Subject("g1", None, 2, 1)
    t.states, _ = subject.measure(t.host, [guest], SECONDS, LEAST, INTERVAL_S, t.note)
    t.note(guest.said)
    t.guest = guest
    t.verdict = Verdict(guest, t.workshop.build / "collector/trace-clock-sync")
    for name, row in t.verdict.rows.items():
        t.note(f"{name}: {row['readings']} readings" + (
            ", bound median / p99 / max " + " / ".join(
                f"{v:.0f}" for v in readings.summary(row["bounds"])) if row["bounds"] else ""))
        assert row["readings"] >= LEAST, name


def check_slewed(t):
    """chrony steered both kernels' clocks meanwhile, which stayed within 500 ppm"""
    for title, states in (("host", t.states), ("guest", t.guest.states)):
        ppm = [s["frequency-ppm"] + (s["tick-us"] - 10000) * 100 for s in states]
        t.note(f"{title}: {', '.join(f'{p:+.1f}' for p in ppm)} ppm")
        # A kernel has 0 until somebody sets it.
        assert any(ppm), f"{title}: nobody moved this clock"
        assert max(map(abs, ppm)) < 500, ppm


def check_consistent(t):
    """no two readings contradict each other, the timelines, or KVM"""
    assert not t.verdict.contradictions(), "\n".join(t.verdict.contradictions()[:20])


def check_can_fail(t):
    """the same readings with one of them moved are refused"""
    before, replies, after = t.guest.probes[len(t.guest.probes) // 2]
    for name in ("mono", "local", "counter"):  # one of each kind
        reading = next(r for r in replies[0]["readings"] if r["clock"] == name)
        moved = dict(reading, value=reading["value"] + 10**9)
        replies[0]["readings"][replies[0]["readings"].index(reading)] = moved
        verdict = Verdict(t.guest, t.workshop.build / "collector/trace-clock-sync")
        assert verdict.rows[name]["contradictions"], f"a {name} that is a second off passes"
        replies[0]["readings"][replies[0]["readings"].index(moved)] = reading
