# SPDX-License-Identifier: GPL-2.0-or-later
# libvirtd inside L1, with domains on its KVM. The host is one with libvirt=True.
import sys
import uuid
from pathlib import Path

from measure import wait_for

sys.path.append(str(Path(__file__).resolve().parents[1]))
from libvirtd import LIBVIRTD_CONF, QEMU_CONF, domain_xml  # noqa: E402


def start(host):
    host.check("mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt")
    host.put("/etc/libvirt/qemu.conf", QEMU_CONF.encode())
    conf = LIBVIRTD_CONF.format(directory="/run/libvirt", uuid=uuid.uuid4())
    host.put("/etc/libvirt/libvirtd.conf", conf.replace("/sockets", "").encode())
    host.check("libvirtd --config /etc/libvirt/libvirtd.conf </dev/null >/run/libvirtd.log 2>&1 &")
    wait_for(host, "virsh -c qemu:///system list", 60)


def define(host, name, *args, **options):
    """As libvirtd.domain_xml, but of KVM."""
    xml = domain_xml(name, *args, **options).replace("<domain type='qemu'", "<domain type='kvm'", 1)
    host.put(f"/run/{name}.xml", xml.encode())
    host.check(f"virsh -c qemu:///system define /run/{name}.xml", 60)


def logs(host):
    """What libvirtd and QEMU said last, for a failure."""
    return host.run("tail -n 30 /run/libvirtd.log; tail -n 8 /var/log/libvirt/qemu/*.log").out


def kvm_offset(host, name):
    """KVM's own word for the counter of the domain's first vCPU."""
    return int(host.check(
        f"cat /sys/kernel/debug/kvm/$(cat /run/libvirt/qemu/{name}.pid)-*/vcpu0/tsc-offset"))
