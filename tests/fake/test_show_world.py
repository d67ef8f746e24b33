# SPDX-License-Identifier: GPL-2.0-or-later
"""A host and a guest that exist only as functions of a host counter, for tests of `show`.

The counter advances by chosen steps, not by this machine's time: the same seed gives the same
replies, and the collector sees a VM on another machine. The world knows the truth about every
clock, so that tests can ask whether what `show` prints contains it. Not a test itself.
"""
import json
import os
import random
import socket
import subprocess
import sys
import time
from fractions import Fraction

import peers
from probe import BUILD, LIMIT, WRAPPER, instrumented
from qapi_schema import Schema

TWO_64 = 1 << 64
CLOCKS = ("mono", "mono_raw", "boot", "tai", "realtime")
COUNTER = "x86-tsc"
QUERY, READ, _ = peers.OURS
REFUSED, UNREACHABLE, USAGE, FILE = 4, 3, 2, 5


def signed(value):
    """modulo 2^64, as a signed 64-bit integer"""
    return (value + (1 << 63)) % TWO_64 - (1 << 63)


class Clock:
    """Nanoseconds as a function of the host counter; `rate` is in ns per tick. With a wobble the
    rate alternates between rate * (1 + wobble) and rate * (1 - wobble)."""

    def __init__(self, start, base, rate, wobble=Fraction(0), period=2, resolution=1):
        self._start, self._base, self.rate = start, base, rate
        self._wobble, self._period, self.resolution = wobble, period, resolution

    def at(self, counter):
        """the true value"""
        elapsed = counter - self._start
        phase = elapsed % self._period
        extra = self._wobble * min(phase, self._period - phase)
        return self._base + self.rate * (elapsed + extra)

    def shown(self, counter):
        """what a read gives"""
        return int(self.at(counter) // self.resolution) * self.resolution

    def step(self, ns):
        self._base += ns


class Vcpu:
    def __init__(self, index, multiplier=1 << 32, shift=32, offset=0, bound=0):
        self.index, self.arch_id, self.linux_cpu = index, 2 * index, index
        self.multiplier, self.shift = multiplier, shift
        self.offset, self.bound = signed(offset), bound
        self.unstable = None

    def counter(self, host):
        return ((host * self.multiplier >> self.shift) + self.offset) % TWO_64

    def mapping(self, rng):
        return {"offset": signed(self.offset + rng.randint(-self.bound, self.bound)),
                "ratio": {"multiplier": self.multiplier, "shift": self.shift},
                "source": "tcg" if self.bound else "kvm-device-attr",
                "ratio-source": "unity" if self.multiplier == 1 << self.shift else "kvm-khz",
                "bound-ticks": self.bound}


class World:
    """Without more ado: 2 GHz, one unscaled vCPU, guest clocks one second behind the host's."""

    def __init__(self, seed=1, khz=2000000, start=10**12, vcpus=None):
        self.rng, self.khz, self.now = random.Random(seed), khz, start
        rate = Fraction(10**6, khz)
        self.vcpus = vcpus or [Vcpu(0, offset=-start)]
        self.host = {name: Clock(start, (i + 1) * 10**15, rate) for i, name in enumerate(CLOCKS)}
        self.guest = {name: Clock(start, (i + 1) * 10**15 - 10**9, rate)
                      for i, name in enumerate(CLOCKS)}
        self.running, self.generation = True, 1
        self.step_ns = (100, 3000)       # how long each read takes
        self.gap_ns = 1000               # around each reply
        self.pause_ns = 100 * 10**6      # between two samples
        self.unavailable = []
        # Not kvm-clock: programs read that wrongly where vCPUs' counters differ, as here they may.
        self.clocksource = "hpet"
        self.queries, self.guest_calls = [], []

    def tick(self, ns=None):
        low, high = self.step_ns
        ns = self.rng.randint(low, high) if ns is None else ns
        self.now += ns * self.khz // 10**6
        return self.now

    def bracket(self):
        """(before, moment, after): the moment anywhere in between, its ends included"""
        before, after = self.tick(), self.tick()
        kind = self.rng.randrange(4)
        moment = (before, after, self.rng.randint(before, after),
                  self.rng.randint(before, after))[kind]
        return before, moment, after

    def query(self):
        """a reply of QMP"""
        self.tick(self.gap_ns)
        vcpus = []
        for vcpu in self.vcpus:
            before, _, after = self.bracket()
            reply = {"cpu-index": vcpu.index, "arch-id": vcpu.arch_id,
                     "thread-id": 4000 + vcpu.index, **vcpu.mapping(self.rng),
                     "counter-before": before, "counter-after": after,
                     "stable": vcpu.unstable is None}
            if vcpu.unstable is not None:
                reply["reason"] = vcpu.unstable
            vcpus.append(reply)
        clocks = []
        for name, clock in self.host.items():
            before, moment, after = self.bracket()
            clocks.append({"clock": name, "counter-before": before, "value": clock.shown(moment),
                           "counter-after": after, "resolution-ns": clock.resolution})
        self.tick(self.gap_ns)
        reply = {"accel": "kvm", "running": self.running, "counter": COUNTER,
                 "generation": self.generation, "host-counter-khz": self.khz, "vcpus": vcpus,
                 "host-clocks": clocks, "epochs": []}
        self.queries.append(reply)
        return reply

    def read(self):
        """a reply of the agent"""
        self.tick(self.gap_ns)
        readings, moments = [], {}
        for name, clock in (*self.guest.items(), (COUNTER, None)):
            vcpu = self.rng.choice(self.vcpus)
            before, moment, after = self.bracket()
            readings.append({
                "clock": name, "cpu": vcpu.linux_cpu, "counter-before": vcpu.counter(before),
                "value": clock.shown(moment) if clock else vcpu.counter(moment),
                "counter-after": vcpu.counter(after),
                "resolution-ns": clock.resolution if clock else 0,
                "via": "clock_gettime" if clock else "counter"})
            moments[name, vcpu.linux_cpu] = (before, moment, after)
        self.tick(self.gap_ns)
        self.guest_calls.append(moments)
        return {"counter": COUNTER, "clocksource": self.clocksource, "boot-id": "0-1-2",
                "cpus": [{"cpu": v.linux_cpu, "arch-id": v.arch_id} for v in self.vcpus],
                "readings": readings, "unavailable": self.unavailable}

    def pause(self):
        self.tick(self.pause_ns)


class Answer:
    """The next request is `command`; the reply is made when it has come."""

    def __init__(self, command, make, checked=True):
        self._command, self._make, self._checked = command, make, checked

    def run(self, line):
        peers.Expect(self._command).run(line)
        peers.Reply(self._make(), self._checked).run(line)


class Serve:
    """Whatever is asked, until the client leaves, which it may do at any time."""

    def __init__(self, answers, synchronise=False, checked=True):
        self._answers, self._synchronise, self._checked = answers, synchronise, checked

    def run(self, line):
        try:
            if self._synchronise:
                peers.Sync().run(line)
            while True:
                request = json.loads(line.read())
                line.command, line.id = request["execute"], request.get("id")
                self._answer(line, request.get("arguments", {}))
        except peers.Failure as e:
            if "got the end" not in str(e):
                raise

    def _answer(self, line, _arguments):
        peers.Reply(self._answers[line.command](), self._checked).run(line)


NAME = (peers.Expect("query-name", {}), peers.Reply({"name": "toy"}))


def changed(make, change):
    """a reply with change(reply) done to it; what `change` returns takes its place if not None"""
    def make_changed():
        reply = make()
        other = change(reply) if change else None
        return reply if other is None else other
    return make_changed


class Script:
    """What both peers are asked during a `show` of this world. `query` and `read` change the
    replies: functions of a reply, or lists with one for each (None: leave it alone)."""

    def __init__(self, world, query=None, read=None, checked=True):
        self._world, self._checked = world, checked
        self._query, self._read = query, read
        self._asked, self._reads = 0, 0

    @staticmethod
    def _pick(change, number):
        if isinstance(change, list):
            return change[number] if number < len(change) else None
        return change

    def query(self, before=None):
        """one query; `before` is called first"""
        number, self._asked = self._asked, self._asked + 1

        def make():
            if before:
                before()
            return changed(self._world.query, self._pick(self._query, number))()
        return Answer(QUERY, make, self._checked)

    def read(self):
        number, self._reads = self._reads, self._reads + 1
        return Answer(READ, changed(self._world.read, self._pick(self._read, number)),
                      self._checked)

    def whole(self):
        """(monitor, agent): two samples, and a query before the agent is connected"""
        return ([*NAME, self.query(), self.query(), self.query(),
                 self.query(self._world.pause), self.query()], [self.read(), self.read()])


class Shown:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    @property
    def document(self):
        return parse(self.out)

    def row(self, clock, cpu=None):
        rows = [r for r in self.document["clocks"]
                if r["guest"] == clock and cpu in (None, r["guest-cpu"])]
        assert len(rows) == 1, f"{len(rows)} rows of {clock}: {self.out}"
        return rows[0]

    def refused(self):
        return {r["guest"]: r["reason"] for r in self.document["refused"]}


def show(*arguments, out=subprocess.PIPE, close=()):
    """Runs show; `close`: file descriptors that are closed in it."""
    command = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync"), "show", *arguments]
    if close:
        redirections = " ".join(f"{fd}>&-" for fd in close)
        command = ["sh", "-c", f'exec "$0" "$@" {redirections}', *command]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    start = time.monotonic()
    # pylint: disable=consider-using-with
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=subprocess.PIPE, env=environment)
    try:
        texts = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError("show hangs") from None
    result = Shown(process.returncode, (texts[0] or b"").decode(), texts[1].decode(),
                   time.monotonic() - start)
    for line in (result.out + result.err).split("\n"):
        assert line.isprintable(), f"not fit for a terminal: {line!r}"
    lines = result.err.splitlines()
    assert len(lines) <= 1, result.err
    assert not lines or lines[0].startswith("trace-clock-sync show: "), result.err
    assert bool(lines) == (result.status != 0), (result.status, result.err)
    return result


def play(monitor, agent, *options, prefix="qga:"):
    """show of these two scripts; agent None: there is none."""
    with peers.monitor(*monitor) as qmp, Visited(qmp):
        if agent is None:
            return show("--qmp", qmp.address, *options)
        with peers.agent(*agent, prefix=prefix) as guest, Visited(guest):
            return show("--qmp", qmp.address, "--agent", guest.address, *options)


class Visited:
    """In the end somebody comes to a peer that still waits, so that it fails at once."""

    def __init__(self, peer):
        self._path = peer.address.split(":", 1)[1]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(self._path)


def show_world(world, *options, query=None, read=None, checked=True, prefix="qga:", ends=False):
    """show --json of two samples of this world; `ends`: it ends with the agent's first reply"""
    script = Script(world, query, read, checked)
    monitor, agent = script.whole()
    if ends:
        monitor, agent = monitor[:4], agent[:1]
    return play(monitor, agent, "--json", *options, prefix=prefix)


def show_loosely(world, query=None, read=None):
    """show --json where the changed replies may end it anywhere"""
    monitor = Serve({"query-name": lambda: {"name": "toy"}, QUERY: changed(world.query, query)},
                    checked=False)
    agent = Serve({READ: changed(world.read, read)}, synchronise=True, checked=False)
    with peers.monitor(monitor) as qmp, Visited(qmp), \
            peers.Peer(peers.AGENT, [agent], prefix="qga:") as guest, Visited(guest):
        return show("--qmp", qmp.address, "--agent", guest.address, "--json")


def assert_fails(result, status, *words, within=None):
    """The status, and a message that has these words."""
    assert result.status == status, (result.status, result.err)
    for word in words:
        assert word in result.err, f"'{word}' is not in: {result.err}"
    if within is not None and not instrumented():
        low, high = within
        assert low <= result.seconds <= high + 1.5, f"{result.seconds:.2f} s"


# DESIGN 5.3, in the language of the other contracts. "rate" is a number or null.
SHOW_SCHEMA = """
{ 'enum': 'Unit', 'data': ['ns', 'ticks'] }
{ 'struct': 'Row',
  'data': { 'guest': 'str', 'host': 'str', 'guest-cpu': 'int',
            'guest-value': 'uint64', 'host-value': 'uint64', 'offset': 'int',
            'unit': 'Unit', 'bound': 'uint64', 'rate': 'any',
            '*rate-bound': 'number', 'method': 'str' } }
{ 'struct': 'Refusal',
  'data': { 'guest': 'str', '*host': 'str', 'reason': 'str' } }
{ 'struct': 'Report',
  'data': { 'vm': 'str', 'accel': 'str', 'running': 'bool', 'generation': 'int',
            'vcpus': ['TraceClockVcpu'], 'clocks': ['Row'],
            'refused': ['Refusal'] } }
{ 'command': 'show', 'returns': 'Report' }
"""


def _load_schema():
    path = os.path.join(peers.HERE, "../../qapi/trace-clock-sync.json")
    with open(path, encoding="utf8") as f:
        return Schema(f.read(), SHOW_SCHEMA)


_REPORT = _load_schema()


def _object(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"given twice: {names}"
    return dict(pairs)


def _no_constant(word):
    raise AssertionError(f"{word} is not JSON")


def parse(text):
    """The document of show --json, after checking it against DESIGN 5.3."""
    document = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    _REPORT.check_reply("show", document)
    for row in document["clocks"]:
        assert row["rate"] is None or isinstance(row["rate"], (int, float)), row
        assert ("rate-bound" in row) == (row["rate"] is not None), row
        difference = row["guest-value"] - row["host-value"]
        assert signed(difference) == row["offset"], row
    return document


if __name__ == "__main__":
    sys.exit("not a test: see test_show*.py")
