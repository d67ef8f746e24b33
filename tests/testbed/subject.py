# SPDX-License-Identifier: GPL-2.0-or-later
# A guest whose clocks are measured while NTP moves them, in two ways at once: trace-clock-sync
# record in L1, and readings of every clock on every vCPU that are taken apart from it and that it
# knows nothing of. Collects only; verdict.py judges.
import base64
import gzip
import json
import threading
import time

import ntp
from channel import Failure
from measure import CLOCKS, SCHEMA, exact, query, start_agent, wait_for

# Those that ftrace alone can read are read when they are asked for by name.
MARKED = ("local", "global", "perf", "uptime", "counter")
NAMES = ("x86-tsc", *CLOCKS, *MARKED)
PROBE_PORT = 4000
STATE_SECONDS = 10
# Readings of each clock and vCPU between two queries, and the pause after each.
BATCH, PAUSE_US = 20, 250_000


class Subject:
    """khz: the guest's counter, None for the host's own. number: of its network and vsock CID."""

    def __init__(self, name, khz, vcpus, number):
        self.name, self.khz, self.vcpus, self.number = name, khz, vcpus, number
        self.cid = number + 2
        self.probes = []  # (query before, agent's replies, each from one CPU, query after)
        self.rounds = 0   # of them: readings of each clock on each CPU
        self.states = []  # ntp.kernel_state of the guest
        self.log = None   # text of the sync log
        self.said = None  # by record, when it ended
        self._error = None
        self._log_path = f"/run/{name}.tcs"

    def boot(self, host):
        self.host = host
        cpu = "host" if self.khz is None else f"host,tsc-frequency={self.khz}000"
        guest = self.guest = host.boot_guest(self.name, cid=self.cid, vcpus=self.vcpus, cpu=cpu,
                                             memory=320, args=ntp.network_args(self.number))
        ntp.connect(host, guest, self.number)
        guest.check("mount -t tracefs nodev /sys/kernel/tracing")
        start_agent(guest, "vsock")
        start_agent(guest, f"tcp:127.0.0.1:{PROBE_PORT}")
        self.truth = [guest.debugfs(n) for n in range(self.vcpus)]
        exact(guest)

    def steer(self):
        """Sets the guest's clock wrong by up to a second, and has chrony put it right."""
        self.guest.check("date -s @$(date +%s)")
        self.chrony = ntp.start_guest_client(self.guest, self.number)

    def start(self, interval_s):
        clocks = " ".join(f"--clock {name}" for name in NAMES)
        self.host.check(f"trace-clock-sync record -o {self._log_path} --qmp {self.guest.qmp_path} "
                        f"--agent vsock:{self.cid} --timeout 60 --interval {interval_s} {clocks} "
                        f"</dev/null >/run/{self.name}.record 2>&1 & echo $! >/run/{self.name}.pid")
        wait_for(self.host, f"[ -s {self._log_path} ]", 60)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._probe_all, daemon=True)
        self._thread.start()

    def _probe_all(self):
        # A request for each CPU: one for all would move the agent to and fro for each clock.
        self.guest.put("/run/requests", "".join(json.dumps(
            {"execute": "guest-get-trace-clocks",
             "arguments": {"clocks": list(NAMES), "cpus": [cpu]}}) + "\n"
            for cpu in range(self.vcpus)).encode())
        next_state = 0
        try:
            while not self._ending.is_set():
                self._probe()
                if time.monotonic() > next_state:
                    self.states.append(ntp.kernel_state(self.guest))
                    next_state = time.monotonic() + STATE_SECONDS
        except Exception as e:  # pylint: disable=broad-except  # told by stop(), in its own thread
            self._error = e

    def _probe(self):
        before = query(self.guest)
        answer = self.guest.check(
            f"i=0; while [ $i -lt {BATCH} ]; do i=$((i+1)); cat /run/requests; usleep {PAUSE_US}; "
            f"done | nc 127.0.0.1 {PROBE_PORT}", 300)
        after = query(self.guest)
        replies = [json.loads(line)["return"] for line in answer.splitlines()]
        assert len(replies) == self.vcpus * BATCH, answer
        for reply in replies:
            SCHEMA.check_reply("guest-get-trace-clocks", reply)
        self.probes.append((before, replies, after))
        self.rounds += BATCH

    def samples(self):
        return int(self.host.check(f"wc -l <{self._log_path}")) - 1

    def stop(self):
        self._ending.set()
        self._thread.join(300)
        if self._error or self._thread.is_alive():
            raise Failure(f"probes of {self.name}: {self._error or 'hang'}") from self._error
        self.host.check(f"kill -INT $(cat /run/{self.name}.pid)")
        wait_for(self.host, f"[ ! -d /proc/$(cat /run/{self.name}.pid) ]", 60)
        self.said = self.host.get(f"/run/{self.name}.record").strip()
        packed = self.host.check(f"gzip -1 -c {self._log_path} | base64", 300)
        self.log = gzip.decompress(base64.b64decode(packed)).decode()
        assert [self.guest.debugfs(n) for n in range(self.vcpus)] == self.truth, "KVM's map moved"


def measure(host, subjects, seconds, least, interval_s, note):
    """Takes readings of all subjects at once, for so long and until each clock has `least`.

    Returns ntp.kernel_state of the host over time, and how many seconds it took.
    """
    source = ntp.start_source(host)
    ntp.start_host_client(host).wait_synchronised()
    for subject in subjects:
        subject.boot(host)
        subject.steer()
    # So that there is something to correct all the time: the outside world runs fast and slow.
    source.command("doffset 0.1")
    for subject in subjects:
        subject.start(interval_s)
    states, start, turn = [], time.monotonic(), 0
    while True:
        spent = time.monotonic() - start
        if spent > turn * 30:
            source.command(f"dfreq {20 if turn == 0 else 40 if turn % 2 == 0 else -40}")
            turn += 1
        states.append(ntp.kernel_state(host))
        if len(states) % 6 == 0 or spent > seconds:
            have = {s.name: (s.samples(), s.rounds * s.vcpus) for s in subjects}
            note(f"{spent:.0f} s: readings of each clock by record and apart from it: {have}")
            least_now = min(sum(pair) for pair in have.values())
            if spent > seconds and (least_now >= least or spent > 2 * seconds + 60):
                break
        time.sleep(STATE_SECONDS)
    for subject in subjects:
        subject.stop()
    return states, spent
