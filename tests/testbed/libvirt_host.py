# SPDX-License-Identifier: GPL-2.0-or-later
# libvirtd inside L1, with domains on its KVM, and the logs that `record` makes of them. The host is
# one with libvirt=True.
import json
import sys
import time
import uuid
from pathlib import Path

from measure import wait_for

sys.path.append(str(Path(__file__).resolve().parents[1]))
from libvirtd import HIDDEN, LIBVIRTD_CONF, QEMU_CONF, domain_xml  # noqa: E402

TICKS = ("host:x86-tsc", "guest:x86-tsc")


class Libvirtd:
    """A libvirtd in its usual places; or, with a directory, one that takes itself for another
    host's: it has that place to itself, by mounts that only it sees."""

    def __init__(self, t, directory=None):
        self._t, self._host, self.directory = t, t.host, directory
        paths = {path: f"{directory}/{name}" if directory else path
                 for path, name in HIDDEN.items()}
        self._run, self._log = paths["/run/libvirt"], paths["/var/log/libvirt"]
        sockets = f"{directory}/sockets" if directory else "/run/libvirt"
        self.uri = "qemu:///system" + (f"?socket={sockets}/libvirt-sock" if directory else "")
        own_uuid = uuid.uuid4()
        self._host.check(f"mkdir -p {' '.join((*paths, *paths.values(), sockets))}")
        self._host.put(f"{paths['/etc/libvirt']}/qemu.conf", QEMU_CONF.encode())
        conf = LIBVIRTD_CONF.format(directory="", uuid=own_uuid).replace("/sockets", sockets)
        self._host.put(f"{paths['/etc/libvirt']}/libvirtd.conf", conf.encode())
        command = "libvirtd --config /etc/libvirt/libvirtd.conf"
        if directory:
            mounts = " && ".join(f"mount --bind {own} {path}" for path, own in paths.items())
            command = ("unshare --uts --mount --propagation private sh -c "
                       f"'hostname other-host && {mounts} && exec {command} "
                       f"--pid-file {directory}/libvirtd.pid'")
        self._said = f"{self._run}/libvirtd.said"
        self._host.check(f"{command} </dev/null >{self._said} 2>&1 &")
        try:
            wait_for(self._host, f"virsh -c '{self.uri}' list", 60)
        except Exception:
            t.note(self.logs())
            raise

    def virsh(self, words, timeout=120):
        start = time.monotonic()
        try:
            out = self._host.check(f"virsh -c '{self.uri}' {words}", timeout)
        except Exception:
            self._t.note(self.logs())
            raise
        self._t.note(f"virsh {words}: {time.monotonic() - start:.1f} s")
        return out

    def define(self, name, *args, **options):
        """As libvirtd.domain_xml, but of KVM."""
        xml = domain_xml(name, *args, **options)
        xml = xml.replace("<domain type='qemu'", "<domain type='kvm'", 1)
        self._host.put(f"/run/{name}.xml", xml.encode())
        self.virsh(f"define /run/{name}.xml", 60)

    def logs(self):
        """What libvirtd and QEMU said last, for a failure."""
        return self._host.run(f"tail -n 30 {self._said}; tail -n 8 {self._log}/qemu/*.log").out

    def pid(self, name):
        return int(self._host.get(f"{self._run}/qemu/{name}.pid"))

    def kvm_offset(self, name):
        """KVM's own word for the counter of the domain's first vCPU."""
        return int(self._host.check(
            f"cat /sys/kernel/debug/kvm/{self.pid(name)}-*/vcpu0/tsc-offset"))


class DomainLog:
    """The log of one VM, while `record` writes it and afterwards."""

    def __init__(self, host, path):
        self._host, self.path = host, path

    def samples(self):
        return [json.loads(line) for line in self._host.get(self.path).splitlines()[1:]]

    def more(self, count=4):
        """Returns when so many samples have been added."""
        lines = int(self._host.check(f"wc -l <{self.path}"))
        wait_for(self._host, f"[ $(wc -l <{self.path}) -ge {lines + count} ]", 60)

    def map(self, values, clocks=TICKS):
        """[(value, low, high) or None where it is unknown]."""
        result = self._host.run(f"trace-clock-sync map {self.path} {' '.join(clocks)} "
                                + " ".join(map(str, values)), 60)
        rows = [line.split() for line in result.out.splitlines()]
        assert len(rows) == len(values) and "warning" not in result.err, (result.out, result.err)
        return [None if row[0] == "unknown" else tuple(int(w) for w in row[:3]) for row in rows]


def mapping_at(reply, tick):
    """The offset that a QEMU's history has for that time; None: before its beginning."""
    known = [e["offset"] for e in reply["epochs"] if e["host-counter"] <= tick]
    return known[-1] if known else None
