# SPDX-License-Identifier: GPL-2.0-or-later
# Turns what a measurement left (plain dictionaries, as JSON keeps them) into the generated section
# of docs/measurements.md. It measures nothing and judges nothing.
import re
import textwrap
from fractions import Fraction

BEGIN = "<!-- measure: begin. Everything up to its end is written by scripts/measure. -->"
END = "<!-- measure: end -->"
PART = re.compile(r"^<!-- measure: part (\S+) -->\n", re.MULTILINE)
# The section's parts, and the stages of a measurement that each is made of.
PARTS = {"clocks": ("clocks-1", "clocks-4"), "trace-cmd": ("trace-cmd",), "compare": ("compare",),
         "traces": ("traces-1", "traces-4")}


def number(value):
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def duration(ns):
    """Three digits or less, in the unit that suits."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if abs(ns) >= size:
            value = ns / size
            return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
    return f"{number(ns)} ns"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def bounds_cell(clock, row):
    if clock == "x86-tsc":
        return f"{row['bound'][0]:.0f} / {row['bound'][2]:.0f} ticks"
    return " / ".join(duration(v) for v in row["bound"])


def clocks(stages):
    """The table of clocks: a row a clock, a column a guest."""
    guests = [(guest, stage) for stage in stages for guest in stage["guests"]]
    names = list(guests[0][0]["rows"])
    rows = [["readings of each, at least", *(min(r["readings"] for r in g["rows"].values())
                                            for g, _ in guests)],
            ["contradictions", *(len(g["contradictions"]) for g, _ in guests)]]
    for name in names:
        rows.append([name, *(bounds_cell(name, g["rows"][name]) for g, _ in guests)])
    return table(["", *(g["title"] for g, _ in guests)], rows)


def steering(stage):
    """How NTP moved the clocks meanwhile, as adjtimex() of each kernel said."""
    def line(title, states):
        ppm = [s["frequency-ppm"] + (s["tick-us"] - 10000) * 100 for s in states]
        return [title, len(ppm), len(set(ppm)), f"{min(ppm):+.1f}", f"{max(ppm):+.1f}"]
    return [line(f"host of {stage['title']}", stage["host-states"]),
            *(line(g["title"], g["states"]) for g in stage["guests"])]


def trace_cmd(stage):
    rows = []
    for r in stage["recordings"]:
        errors = [abs(Fraction(e)) for e in r["errors-ns"]]
        spread = (min(errors), sorted(errors)[len(errors) // 2], max(errors)) if errors else ()
        rows.append([r["protocol"], r["title"], r["recordings"], r["failed"], len(errors),
                     *([duration(float(v)) for v in spread] or ["-"] * 3)])
    return table(["protocol", "guest", "recordings", "failed", "corrections in them",
                  "least error", "median", "greatest"], rows)


def show(stage):
    rows = [[r["title"], r["runs"], *(" / ".join(duration(v) for v in r["bounds"][name])
                                      for name in stage["show-clocks"])]
            for r in stage["shows"]]
    return table(["guest", "runs", *stage["show-clocks"]], rows)


def ranks(stage):
    order = sorted(stage["rows"], key=lambda r: (r["error"][0], r["bound"][0]))
    return table(["method", "guest's clock by", "median claimed bound", "median error",
                  "greatest error", "bound holds", "takes"],
                 [[r["method"], r["under"], duration(r["bound"][0]),
                   *(["-", "-"] if r["method"] == "hypervisor" else
                     [duration(r["error"][0]), duration(r["error"][2])]),
                   "always" if r["holds"] else "NO", duration(r["took-us"] * 1000)]
                  for r in order])


def paragraph(text):
    return textwrap.fill(" ".join(text.split()), 120) + "\n\n"


def clocks_section(machine, measured):
    minutes = " and ".join(number(s["seconds"] / 60) for s in measured)
    return "## Every clock, while NTP moves it\n\n" + paragraph(f"""
        `make measure` writes this and what follows; its raw data stay in `build/measure/`.
        {machine} Guests of the host's own frequency, of 1 GHz and of 3 GHz, their TSC scaled by
        KVM.""") + paragraph(f"""
        `record` sampled each guest, and apart from it every clock was read on every vCPU; the
        guests of one number of vCPUs ran at once, for {minutes} minutes. Contradictions were
        looked for among all readings, in exact arithmetic: no straight line through a clock
        that nobody steers; a rate beyond 500 ppm in one that NTP steers; a difference of two
        clocks that run alike that changed; a `counter` that did not rise; a map that is not
        what KVM's debugfs says, bit for bit; and a reading that `record` knew nothing of
        outside of what `map` says of the recording.""") + \
        paragraph("""
        Median / 99th percentile / greatest bound (half the width) of guest - host, as `map`
        tells it from the recording. The outermost intervals of a recording have one neighbour
        only, and give the greatest. `counter` is no time: it has the time between one reading
        and the next.""") + \
        clocks(measured) + "\n" + paragraph("""
        NTP: chrony in the host and, as its client, in each guest. The host's server is a
        chronyd whose rate is changed by 40 ppm every 30 s; each guest's clock was up to a
        second wrong at the start. What the kernels' `adjtimex()` said meanwhile, frequency and
        tick together:""") + \
        table(["clock", "looks", "different values", "least ppm", "greatest ppm"],
              [row for s in measured for row in steering(s)])


def trace_cmd_section(stage):
    return "\n## trace-cmd's own correction on such VMs\n\n" + paragraph("""
        trace-cmd, host and guest recorded with the counter as their clock: how far each
        correction that it wrote into the guest's file puts an event of that moment off, against
        KVM's map. It takes its protocol `kvm` where the host has debugfs, else `ptp`. On a
        scaled guest `kvm` multiplies where it had to divide: for 1 GHz the error is about half
        of the time the host was up when the guest was started, and three quarters of the time
        since.""") + \
        trace_cmd(stage) + "\n" + paragraph("""
        Single runs of `show` on the same VMs, median / greatest bound (x86-tsc: 0 ticks in
        each):""") + \
        show(stage)


def compare_section(stage):
    return "\n## All methods on one guest\n\n" + paragraph(f"""
        `compare` of the guest's realtime: {stage["runs"]} runs with the guest's clock
        disciplined by chrony over NTP, and as many by chrony on KVM's PTP clock (`/dev/ptp0`,
        ptp_kvm); the host's own clock by NTP. The error is the difference from the hypervisor's
        answer.""") + ranks(stage)


def amount(value, unit):
    return duration(value) if unit == "ns" else f"{value} ticks"


def pair_row(p):
    row = [p["title"], p["host-clock"], p["guest-clock"]]
    if p["applied"] or not p["tightest"]:
        return [*row, *["refused"] * 5]
    return [*row, p["judged"], p["outside"],
            *(" / ".join(amount(v, p["unit"]) for v in p[name]) for name in ("tightest", "bound")),
            p["not-judged"]]


def own_row(o):
    def cells(found, unit):
        if not found["judged"]:
            return ["all: no overlap", "-"]
        return [f"{found['outside']} of {found['judged']}",
                amount(found["worst"], unit) if found["outside"] else "-"]
    return [o["title"], o["clock"], o["trace-cmd"]["protocol"],
            *cells(o["trace-cmd"], o["apply"]["unit"]), *cells(o["apply"], o["apply"]["unit"])]


def traces_section(machine, measured):
    pairs = [p for s in measured for p in s["pairs"]]
    own = [o for s in measured for o in s["own"]]
    return "\n## Every pair of clocks in real traces\n\n" + paragraph(f"""
        {machine} The host records kvm_entry and kvm_exit, guests sched and irq events, all with
        trace-cmd, while `record` keeps a log with a sample every half second. `apply` corrects the
        guest's file. Outside: events that lie in no window between an entry and an exit of their
        vCPU's thread, by `check`; trace-cmd's own report finds as many. Tightest: the least time
        after an entry / before an exit. Bound: what `apply` claims for half of the time / for all
        of it. Not judged: before the first or after the last crossing in the host's trace, or among
        events that the kernel lost.""") + \
        table(["guest", "host's clock", "guest's clock", "events", "outside", "tightest", "bound",
               "not judged"], [pair_row(p) for p in pairs]) + \
        ("\n" + paragraph("""
        The same files corrected by trace-cmd itself (`record -A`), and then by `apply`: events
        outside, and how far at most.""") +
         table(["guest", "both clocks", "trace-cmd's protocol", "outside by trace-cmd", "by up to",
                "outside by apply", "by up to"], [own_row(o) for o in own])
         if own else "")


def section(document, machine, stages):
    """The whole section, and in it the parts of the stages that are given: {name: what it left}.

    Of the others what the document has.
    """
    makers = {"clocks": lambda found: clocks_section(machine, found),
              "trace-cmd": lambda found: trace_cmd_section(*found),
              "compare": lambda found: compare_section(*found),
              "traces": lambda found: traces_section(machine, found)}
    old = PART.split(document.partition(BEGIN)[2].partition(END)[0])
    texts = dict(zip(old[1::2], old[2::2]))
    for name, maker in makers.items():
        found = [stages[stage] for stage in PARTS[name] if stage in stages]
        if found:
            texts[name] = maker(found)
    return "".join(f"<!-- measure: part {name} -->\n{texts[name]}"
                   for name in PARTS if name in texts)


def rewrite(document, text):
    """The document with its generated section replaced, or added at its end."""
    block = f"{BEGIN}\n{text}{END}\n"
    if BEGIN in document:
        before, _, rest = document.partition(BEGIN)
        after = rest.partition(END)[2].lstrip("\n")
        return before + block + (f"\n{after}" if after else "")
    return document.rstrip("\n") + "\n\n" + block
