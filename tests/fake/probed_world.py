# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that exists only as functions of this machine's counter, and answers every method.

Its clocks are this machine's plus a constant, its counter is this machine's through a map; so the
truth about every offset is known while the collector's own counter reads are real. Not a test.
"""
import json
import os
import subprocess
import time

import peers
import test_show_world
from probe import BUILD, LIMIT, WRAPPER
from test_show_bounds import LocalWorld
from test_show_world import COUNTER, QUERY, READ, Visited

PROBE = "guest-trace-clock-probe"
METHODS = ("hypervisor", "ptp-kvm", "exchange", "realtime")


class ProbedWorld(LocalWorld):
    """`delays`: (least, most) seconds on the way there and on the way back."""

    def __init__(self, seed, tsc, delays=((0, 0), (0, 0))):
        super().__init__(seed, tsc)
        self.delays, self.boot_id = delays, "0-1-2"
        self.error = {"synchronized": True, "max-error-ns": 2_000_000, "estimated-error-ns": 1}
        self.ptp_lie_ns = self.asked = 0
        self.missing = {}  # clock -> why it has none

    def travel(self, way):
        low, high = self.delays[way]
        # Mostly short, now and then long: as nets and schedulers are.
        time.sleep(low + (high - low) * self.rng.random() ** 4)

    def probe(self, arguments):
        self.asked += 1
        self.travel(0)
        vcpu = self.vcpus[0]
        receive = vcpu.counter(self.tick())
        reply = {"counter": COUNTER, "cpu": arguments.get("cpu", vcpu.linux_cpu),
                 "counter-receive": receive, "counter-transmit": vcpu.counter(self.tick()),
                 "boot-id": self.boot_id}
        self.travel(1)
        return reply

    def answer(self, arguments):
        """guest-get-trace-clocks"""
        self.travel(0)
        wanted = arguments.get("clocks")
        reply = self.read()
        reply["boot-id"] = self.boot_id
        if wanted and "ptp-kvm" in wanted:
            before, moment, after = self.bracket()
            vcpu = self.vcpus[0]
            reply["readings"].append({
                "clock": "ptp-kvm", "cpu": vcpu.linux_cpu, "counter-before": vcpu.counter(before),
                "value": moment.values["realtime"] + self.ptp_lie_ns,
                "counter-after": vcpu.counter(after), "resolution-ns": 1, "via": "ptp"})
        if wanted is not None:
            reply["readings"] = [r for r in reply["readings"] if r["clock"] in wanted]
        for name, reason in self.missing.items():
            if wanted and name in wanted:
                reply["readings"] = [r for r in reply["readings"] if r["clock"] != name]
                reply["unavailable"] = [{"clock": name, "reason": reason}]
        if self.error and any(r["clock"] == "realtime" for r in reply["readings"]):
            reply["realtime-error"] = self.error
        self.travel(1)
        return reply


class Serve(test_show_world.Serve):
    """The same with answers that are functions of the arguments; of other commands there is none."""

    def _answer(self, line, arguments):
        if self._checked and line.command in peers.OURS:
            errors = peers.SCHEMA.request_errors(line.command, arguments)
            if errors:
                raise peers.Failure(f"the request breaks its schema: {errors}")
        if line.command in self._answers:
            peers.Reply(self._answers[line.command](arguments), self._checked).run(line)
        else:
            peers.Error(f"The command {line.command} has not been found",
                        "CommandNotFound").run(line)


class Ran:
    def __init__(self, process, seconds):
        self.status, self.seconds = process.returncode, seconds
        self.out, self.err = process.stdout.decode(), process.stderr.decode()

    @property
    def document(self):
        return json.loads(self.out)

    def rows(self, clock):
        return [row for row in self.document["clocks"] if row["guest"] == clock]


def run(verb, *words, environment=None):
    command = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync"), verb, *words]
    start = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT,
                          check=False, env={**os.environ, "LC_ALL": "C.UTF-8",
                                            **(environment or {})})
    result = Ran(done, time.monotonic() - start)
    for line in (result.out + result.err).split("\n"):
        assert line.isprintable(), f"not fit for a terminal: {line!r}"
    return result


def agent_of(world, prefix="unix:", checked=True, **changed):
    """The agent of a world; `changed`: probe or read, other functions of the arguments; None:
    the agent does not know the command."""
    answers = {PROBE: changed.get("probe", world.probe), READ: changed.get("read", world.answer)}
    answers = {name: answer for name, answer in answers.items() if answer}
    return peers.Peer(peers.AGENT, [Serve(answers, synchronise=True, checked=checked)],
                      prefix=prefix)


def ask(world, verb, *words, qmp=False, environment=None, **options):
    """A verb about this world, through its agent and with qmp=True its monitor."""
    with agent_of(world, **options) as guest, Visited(guest):
        words = ["--agent", guest.address, *words]
        if not qmp:
            return run(verb, *words, environment=environment)
        monitor = Serve({"query-name": lambda _: {"name": "toy"},
                         QUERY: lambda _: world.query()})
        with peers.monitor(monitor) as host, Visited(host):
            return run(verb, "--qmp", host.address, *words, environment=environment)
