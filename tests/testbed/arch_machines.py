# SPDX-License-Identifier: GPL-2.0-or-later
# The testbed's machines of other architectures: ArchHost is L1, an emulated host that runs real KVM,
# ArchGuest is L2. Steered as those of machines.py are; what differs is a line of MACHINES.
import shlex
from collections import namedtuple

import arch_parts
import image
from channel import Qmp, Shell, Stream
from machines import AGENT_PORTS, BINARIES, PLUGIN, POOL, Guest, Host, Process, port

# host, guest: QEMU's words for each; console: the kernel's, in both.
Machine = namedtuple("Machine", "host guest console modules bus memory")
MACHINES = {
    # CPU max, but without what makes each return to the host's user space slow under emulation.
    "arm64": Machine(
        ["-M", "virt,virtualization=on,gic-version=3", "-cpu", "max,pauth-impdef=on", "-smp", 2,
         "-nodefaults"],
        ["-M", "virt,gic-version=host"], "ttyAMA0", (), "pcie.0", 3072),
    # One CPU: the emulated ones' timebases are not in step once KVM has set one of them.
    "ppc64el": Machine(
        # -nodefaults would take its PCI bridges away, too.
        ["-M", "powernv9", "-smp", 1, "-vga", "none", "-net", "none", "-monitor", "none"],
        ["-M", "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"],
        "hvc0", ("kvm-hv",), "pcie.0", 4096),
    "riscv64": Machine(["-M", "virt", "-cpu", "max,h=true", "-smp", 2, "-nodefaults"],
                       ["-M", "virt"], "ttyS0", ("kvm",), "pcie.0", 3072),
}
HOST_MODULES = ("vhost_vsock", "virtio_pci", "virtio_console")
GUEST_MODULES = ("vmw_vsock_virtio_transport", "virtio_pci", "virtio_console")
# Three times what a busy machine took.
BOOT_SECONDS = 300


# A guest's image is unpacked twice emulated: only what it runs.
GUEST_PROGRAMS = ("guest-agent/trace-clock-agent",)
TRACE_CMD = "usr/bin/trace-cmd"


def _ours(workshop, system, programs, packed=False):
    layer = image.Layer()
    for source in programs:
        if workshop.has(source):
            system.add_program(layer, workshop.build / source, BINARIES[source])
    path = workshop.path("ours.cpio")
    layer.write(path, packed)
    return path


def _images(workshop, system, machine):
    """L1's image, with L2's kernel and image in it. Packed: powernv takes no more than 128 MiB."""
    def base(modules):
        return image.base_layer(system.kernel, modules, system.root / "bin/busybox")

    guest = base(GUEST_MODULES)
    system.add_program(guest, system.root / TRACE_CMD)
    guest_path = image.join(workshop.path("guest.initrd"),
                            [guest.cached("arch-guest"), _ours(workshop, system, GUEST_PROGRAMS)])
    host = base(HOST_MODULES + machine.modules)
    system.add_program(host, system.qemu)
    system.add_program(host, system.root / TRACE_CMD)
    host.add("boot/vmlinuz", system.kernel.image)
    for name in ("slof.bin", "efi-virtio.rom"):
        file = system.root / "usr/share/qemu" / name
        if file.exists():
            host.add(f"usr/share/qemu/{name}", file, 0o644)
    wrapped = image.Layer()
    wrapped.add("boot/guest.initrd", guest_path)
    wrapped_path = workshop.path("wrapped.cpio")
    wrapped.write(wrapped_path, packed=True)
    return image.join(workshop.path("host.initrd"),
                      [host.cached("arch-host", packed=True), wrapped_path,
                       _ours(workshop, system, BINARIES, packed=True)])


class ArchHost(Host):
    """L1 of an architecture (a key of MACHINES)."""

    def __init__(self, workshop, architecture):  # pylint: disable=super-init-not-called
        self.machine = MACHINES[architecture]
        self.system = arch_parts.system(architecture)
        emulator = arch_parts.emulator(architecture)
        self._streams = []
        self.gdb = workshop.path("gdb")  # for GdbStub
        names = [f"pool.{n}" for n in range(POOL)] + ["tcs.control"]
        for name in names:
            self._streams.append(Stream(workshop.path("s"), f"host {name}",
                                        lambda: self._process.why()))
        command = [*emulator.command(), *self.machine.host, "-accel", "tcg",
                   "-m", self.machine.memory, "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", self.system.kernel.image,
                   "-initrd", _images(workshop, self.system, self.machine),
                   "-append", f"console={self.machine.console} quiet panic=-1",
                   "-gdb", f"unix:{self.gdb},server=on,wait=off",
                   "-device", f"virtio-serial-pci,id=ports,max_ports=31,bus={self.machine.bus}"]
        for number, (name, stream) in enumerate(zip(names, self._streams), 1):
            command += ["-chardev", f"socket,id=c{number},path={stream.path}"]
            command += port(number, name, f"c{number}")
        self._pool = list(zip(names, self._streams))[:-1]
        self._process = Process(workshop, "host", command, emulator.environment())
        self.shell = Shell(self._streams[-1])
        try:
            self.shell.wait_ready(BOOT_SECONDS)
        except BaseException:
            self.close()
            raise
        self.run, self.check = self.shell.run, self.shell.check
        self.put, self.get = self.shell.put, self.shell.get

    def boot_guest(self, name, paused=False, **options):
        guest = ArchGuest(self, name, paused=paused, **options)
        if not paused:
            guest.shell.wait_ready(BOOT_SECONDS)
        return guest


class ArchGuest(Guest):
    """L2, a QEMU under real KVM inside an ArchHost."""

    def __init__(self, host, name, cid=None, vcpus=1, memory=512, plugin=True, accel="kvm",
                 cpu="host", args=(), paused=False):  # pylint: disable=super-init-not-called
        self.host, self.name, self.cid, self.vcpus = host, name, cid, vcpus
        self._log = f"/run/{name}.log"
        self.qmp_path = f"/run/{name}.qmp"
        qmp_device, qmp_stream = host.take_port(f"QMP of {name}", self.why)
        control_device, control_stream = host.take_port(f"guest {name}", self.why)
        words = [f"/usr/bin/{host.system.arch.qemu}", "-L", "/usr/share/qemu",
                 "-name", f"guest={name},debug-threads=on", *host.machine.guest,
                 "-accel", accel, "-cpu", cpu, "-smp", vcpus, "-m", memory, "-nodefaults",
                 "-display", "none", "-no-reboot", "-serial", "stdio",
                 "-kernel", "/boot/vmlinuz", "-initrd", "/boot/guest.initrd",
                 "-append", f"console={host.machine.console} quiet panic=-1",
                 # "pipe" opens any device for both directions: here the host's own port.
                 "-chardev", f"pipe,id=qmp,path={qmp_device}", "-mon", "chardev=qmp,mode=control",
                 "-chardev", f"pipe,id=control,path={control_device}",
                 "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
                 "-device", "virtio-serial-pci,id=ports"]
        for number, agent in enumerate(AGENT_PORTS, 1):
            words += ["-chardev", f"socket,id=a{number},path=/run/{name}.{agent},"
                                  "server=on,wait=off", *port(number, agent, f"a{number}")]
        words += port(len(AGENT_PORTS) + 1, "tcs.control", "control")
        if plugin:
            words += ["-plugin", PLUGIN]
        if cid:
            words += ["-device", f"vhost-vsock-pci,guest-cid={cid}"]
        if paused:
            words += ["-S"]
        command = shlex.join(str(w) for w in [*words, *args])
        self.pid = int(host.check(f"{command} </dev/null >{self._log} 2>&1 & echo $!"))
        self.monitor = Qmp(qmp_stream)
        self.monitor.wait_ready(60)
        self.shell = Shell(control_stream)
        self.run, self.check = self.shell.run, self.shell.check
        self.put, self.get = self.shell.put, self.shell.get
