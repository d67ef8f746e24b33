# SPDX-License-Identifier: GPL-2.0-or-later
# Real NTP in the testbed: chrony in L1 and in its guests. In L1 one chronyd that touches no clock
# plays the outside world; its time runs at a rate of its own, which can be changed. A second one
# steers L1's clock by it and serves the guests. It knows nothing of what is measured meanwhile.
import ipaddress

from channel import Failure
from measure import wait_for

SOURCE_PORT = 11123
# Seconds between two questions, as a power of two: the shortest for which the error model makes
# a promise (docs/error-model.md, "Between samples").
POLL_LOG2 = 4
# ppm: (what chrony corrects an offset with, what it takes for its clock's own error). A guest
# follows its host, whose sum is part of what the guest takes for its own error. The guest's sum has
# to stay under the 500 ppm that the error model allows a clock; chrony alone would slew by 80000.
HOST_LIMITS, GUEST_LIMITS = (100, 40), (200, 160)
# Without it, which Debian has, the kernel is not told that it is synchronised.
RTCSYNC = "rtcsync"


class Chrony:
    """One chronyd on a machine. steers: whether it touches the clock there; limits: as above."""

    def __init__(self, machine, name, config, steers=False, limits=None):
        self.machine, self.name = machine, name
        self._run = f"/run/chrony-{name}"
        lines = ["cmdport 0", f"bindcmdaddress {self._run}/socket", f"pidfile {self._run}/pid",
                 *config]
        if limits:
            lines += [f"maxslewrate {limits[0]}", f"maxdrift {limits[1]}"]
        machine.check(f"mkdir -p -m 700 {self._run}")
        machine.put(f"{self._run}/conf", "".join(line + "\n" for line in lines).encode())
        machine.check(f"chronyd -d {'' if steers else '-x '}-u root -f {self._run}/conf "
                      f"</dev/null >{self._run}/log 2>&1 &")
        try:
            wait_for(machine, f"[ -S {self._run}/socket ]")
        except Failure as e:
            raise Failure(f"{e}\nchronyd says:\n{machine.get(self._run + '/log')}") from e

    def command(self, words):
        return self.machine.check(f"chronyc -c -h {self._run}/socket {words}").strip()

    def tracking(self):
        """chronyd's own view: seconds its clock is ahead of NTP's, frequency and skew in ppm."""
        fields = self.command("tracking").split(",")
        return {"reference": fields[1], "stratum": int(fields[2]), "system-s": float(fields[4]),
                "last-s": float(fields[5]), "rms-s": float(fields[6]),
                "frequency-ppm": float(fields[7]), "skew-ppm": float(fields[9])}

    def stop(self):
        self.machine.check(f"kill $(cat {self._run}/pid)")
        wait_for(self.machine, f"[ ! -e {self._run}/pid ]")

    def wait_synchronised(self, seconds=60):
        wait_for(self.machine, f"chronyc -c -h {self._run}/socket tracking | grep -q ',Normal$'",
                 seconds)


def start_source(host):
    """The outside world: serves a time of its own on a port of L1."""
    return Chrony(host, "source", ["local stratum 1", f"port {SOURCE_PORT}",
                                   "bindaddress 127.0.0.1", "allow 127.0.0.1"])


def client_config(server):
    return [f"server {server} minpoll {POLL_LOG2} maxpoll {POLL_LOG2} iburst"]


def start_host_client(host):
    """Steers L1's clock by the source, and serves guests."""
    return Chrony(host, "client", [*client_config(f"127.0.0.1 port {SOURCE_PORT}"),
                                   RTCSYNC, "port 123", "allow 10.0.0.0/8"], True, HOST_LIMITS)


def network(number):
    """Addresses of L1 and of guest `number` (1 to 250) on their own network."""
    net = ipaddress.ip_network(f"10.0.{number}.0/24")
    return str(net[1]), str(net[2])


def network_args(number):
    """QEMU's words for a guest's card on a tap of L1."""
    return ("-netdev", f"tap,id=net,ifname=tap{number},script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=net,romfile=")


def connect(host, guest, number):
    """Brings both ends of a guest's network up."""
    ours, theirs = network(number)
    host.check(f"ip addr add {ours}/24 dev tap{number} && ip link set tap{number} up")
    guest.check(f"ip addr add {theirs}/24 dev eth0 && ip link set eth0 up")
    wait_for(guest, f"ping -c 1 -W 1 {ours}")


def start_guest_client(guest, number):
    return Chrony(guest, "client", [*client_config(network(number)[0]), RTCSYNC, "port 0"],
                  True, GUEST_LIMITS)


def kernel_state(machine):
    """What steers a machine's clock now: adjtimex's frequency (ppm), tick (us) and status."""
    values = {}
    for line in machine.check("adjtimex").splitlines():
        name, _, rest = line.partition(":")
        values[name.split()[-1]] = rest.split()[0]
    return {"frequency-ppm": int(values["freq.adjust"]) / 65536, "tick-us": int(values["tick"]),
            "status": int(values["status"])}
