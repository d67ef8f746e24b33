# SPDX-License-Identifier: GPL-2.0-or-later
# All methods side by side on one guest whose clock real daemons discipline: chrony over NTP, then
# chrony on the PTP clock that KVM shows the guest. What `compare` then says.
import json
import time

import ntp
from channel import Failure
from measure import start_agent

CLOCK = "realtime"
SETTLE_SECONDS = 40
RUNS = 6
# Debian's own settings: large errors are stepped away at the start, nothing limits the slew.
DEFAULTS = ["makestep 1 3", ntp.RTCSYNC]


def start_chrony(guest, name, source):
    """A chronyd of the guest on one source, once it has settled."""
    chrony = ntp.Chrony(guest, name, [source, *DEFAULTS, "port 0"], steers=True)
    chrony.wait_synchronised(120)
    time.sleep(SETTLE_SECONDS)
    return chrony


def compare(host, guest, cid, runs):
    """{method: {"bounds": [ns], "errors": [ns], "holds": all of them, "took": [µs]}} of CLOCK."""
    found = {}
    for _ in range(runs):
        done = host.run(f"trace-clock-sync compare --json --timeout 20 --qmp {guest.qmp_path} "
                        f"--agent vsock:{cid} --clock {CLOCK}", 90)
        # 4 says that a bound did not hold, which is for us to tell.
        if done.status not in (0, 4) or not done.out:
            raise Failure(f"compare: status {done.status}: {done.err}")
        document = json.loads(done.out)
        took = {m["method"]: m.get("took-us") for m in document["methods"]}
        for row in document["clocks"]:
            if row["guest"] != CLOCK:
                continue
            rows = found.setdefault(row["method"], {"bounds": [], "errors": [], "holds": True,
                                                    "took": []})
            rows["bounds"].append(row["bound"])
            rows["errors"].append(abs(row.get("difference", 0)))
            rows["holds"] &= row.get("holds", True)
            rows["took"].append(took[row["method"]])
    return found


def measure(host, note, runs=RUNS):
    """{"NTP" or "PTP": (compare's result, the guest's chrony's own view)}"""
    ntp.start_source(host)
    ntp.start_host_client(host).wait_synchronised()
    guest = host.boot_guest("ranked", cid=3, args=ntp.network_args(1))
    ntp.connect(host, guest, 1)
    start_agent(guest, "vsock")
    sources = {"NTP": f"server {ntp.network(1)[0]} minpoll 2 maxpoll 4 iburst",
               "PTP": "refclock PHC /dev/ptp0 poll 2 dpoll -1"}
    result = {}
    for name, source in sources.items():
        chrony = start_chrony(guest, name.lower(), source)
        found = compare(host, guest, 3, runs)
        if "realtime" not in found:
            raise Failure(f"compare has no row of realtime under {name}: " + host.run(
                f"trace-clock-sync compare --qmp {guest.qmp_path} --agent vsock:3").out)
        note(f"{name}: {chrony.tracking()}")
        result[name] = (found, chrony.tracking())
        chrony.stop()
    return result
