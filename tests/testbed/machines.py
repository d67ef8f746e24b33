# SPDX-License-Identifier: GPL-2.0-or-later
# The testbed's machines. Host is L1: TCG with AMD's virtualization emulated, so that its kernel
# runs real KVM. Guest is L2, a guest of that KVM, or (LocalGuest) of a QEMU on this machine.
# All run init.sh and are steered through a Shell. What scenarios do with them is not known here.
import ctypes
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import cache
import image
import l0_qemu
import qemu_tree
import stock
from channel import Failure, Qmp, Shell, Stream

# Path in the build directory -> path in the machines. A guest has only what it runs, because its image is unpacked
# emulated, and in L1: the collector's libraries are most of all this.
GUEST_BINARIES = {
    "guest-agent/trace-clock-agent": "/usr/bin/trace-clock-agent",
    "guest-agent/qga-extension.so": "/usr/lib/trace-clock-sync/qga-extension.so",
    "tests/fake/fake-lying-agent": "/usr/bin/fake-lying-agent",
    "tests/testbed/marker-probe": "/usr/bin/marker-probe",
    "tests/testbed/msr": "/usr/bin/msr",
}
BINARIES = {
    **GUEST_BINARIES,
    "collector/trace-clock-sync": "/usr/bin/trace-clock-sync",
    "qemu-plugin/trace-clock-sync.so": "/usr/lib/qemu/trace-clock-sync.so",
}
PLUGIN = BINARIES["qemu-plugin/trace-clock-sync.so"]
EXTENSION = BINARIES["guest-agent/qga-extension.so"]

HOST_MODULES = ("kvm-amd", "vhost_vsock", "virtio_pci", "virtio_console")
GUEST_MODULES = ("vmw_vsock_virtio_transport", "virtio_pci", "virtio_console", "virtio_net", "msr")
# What a host with tools=True, and its guests, have besides: a network between them for NTP, and the
# clock that KVM shows its guests as PTP hardware.
HOST_TOOL_MODULES, GUEST_TOOL_MODULES = ("tun",), ("ptp_kvm",)
# Serial ports every guest has besides the control port; each is a socket at its VMM.
AGENT_PORTS = ("org.trace-clock-sync.0", "org.qemu.guest_agent.0")
# Without the last two L1 calls its TSC unstable, and KVM rewrites offsets at every load.
STABLE_TSC = "tsc=reliable clocksource=tsc"
# The last two for time, under emulation: a look at 255 PCI buses that are not there takes a guest 2 s, and what is done
# against speculation, which no emulator does, a tenth of its boot.
COMMON_KERNEL_LINE = "console=ttyS0 quiet panic=-1 pci=lastbus=0 mitigations=off"
# Connections from here to programs in L1, two for each guest it starts. More than 16 ports on one
# virtio-serial device hang the driver of the 6.1 kernel while it loads.
POOL = 14
# What L1 runs in, and its CPU, whose SVM may scale the TSC. Not this
# machine's 7.2: before 8.1 TCG could translate code while another CPU patched it and keep the
# temporary int3, so that 1 in 43 boots, and now and then a running L1, hung for ever. With 10.0 all
# boots of four vCPUs that were given the time came up, and they take about half as long.
L0 = {"unscaled": (l0_qemu.qemu_or_stock, "max,+svm,-tsc-scale"),
      "scaling": (l0_qemu.qemu, "max,+svm,+tsc-scale")}
# What Linux says, every 26 s, of a CPU that does not leave the kernel.
LOCKUP = re.compile("BUG: soft lockup.*")
_LIBC = ctypes.CDLL(None)
# A machine that does something else besides takes a minute and more.
BOOT_SECONDS, BOOT_ATTEMPTS = 150, 2


class Workshop:
    """What the machines of one run are made from, and where its files live."""

    def __init__(self, build, keep_logs=None):
        self.build = Path(build)
        self.keep_logs = Path(keep_logs) if keep_logs else None
        # Short, because the path of a Unix socket is limited to 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="tcs-", dir="/tmp"))
        self.kernel = stock.kernel()
        self._numbers = itertools.count(1)

    def path(self, name):
        return self.directory / f"{next(self._numbers)}-{name}"

    def has(self, binary):
        return (self.build / binary).exists()

    def _build_layer(self, binaries):
        layer = image.Layer()
        for source, target in binaries.items():
            if self.has(source):
                layer.add_program(self.build / source, target)
        path = self.path("build.cpio")
        layer.write(path)
        return path

    def guest_image(self, tools=False, qemu_ga=stock.Qemu.qemu_ga, perf=False):
        name = f"guest-{'tools-' if tools else ''}{'perf-' if perf else ''}{cache.digest(str(qemu_ga))}.initrd"
        path = self.directory / name
        if not path.exists():
            base = image.base_layer(self.kernel,
                                    GUEST_MODULES + (GUEST_TOOL_MODULES if tools else ()))
            if tools:
                image.add_tools(base, stock.tools())
            if perf:
                base.add_program(stock.installed("/usr/bin/perf"))
            base.add_program(qemu_ga, "/usr/sbin/qemu-ga")
            image.join(path, [base.cached("guest"), self._build_layer(GUEST_BINARIES)])
        return path

    def host_image(self, qemu, qemu_root, tools=False, libvirt=False, perf=False):
        base = image.base_layer(self.kernel, HOST_MODULES + (HOST_TOOL_MODULES if tools else ()))
        if tools:
            image.add_tools(base, stock.tools())
        if libvirt:
            for program in image.LIBVIRT:
                stock.installed(program)
            image.add_libvirt(base)
        if perf:
            base.add_program(stock.installed("/usr/bin/perf"))
        base.add("boot/vmlinuz", self.kernel.image)
        image.add_qemu(base, qemu, qemu_root)
        guest = image.Layer()
        guest.add("boot/guest.initrd", self.guest_image(tools, qemu.qemu_ga, perf))
        wrapped = self.path("guest.cpio")
        guest.write(wrapped)
        return image.join(self.path("host.initrd"),
                          [base.cached("host"), wrapped, self._build_layer(BINARIES)])

    def close(self):
        if self.keep_logs:
            self.keep_logs.mkdir(parents=True, exist_ok=True)
            for log in self.directory.glob("*.log"):
                shutil.copy(log, self.keep_logs)
        shutil.rmtree(self.directory, ignore_errors=True)


def tail(text, lines=15):
    return "\n".join("  | " + line for line in text.strip().splitlines()[-lines:])


def _die_with_us():
    """In the child: have the kernel kill QEMU even where this program is killed itself."""
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Process:
    """A QEMU on this machine, with its output in a log."""

    def __init__(self, workshop, name, command, environment=None):
        self.name = name
        self.log = workshop.path(f"{name}.log")
        self._out = open(self.log, "wb")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self._out,
            stderr=subprocess.STDOUT, cwd=workshop.directory, preexec_fn=_die_with_us,
            env=dict(os.environ, **(environment or {})))

    def output(self):
        return self.log.read_text(errors="replace")

    def why(self):
        time.sleep(0.2)  # what it said last may still be on its way into the log
        status = self.process.poll()
        state = "is running" if status is None else f"ended with status {status}"
        return f"{self.name} {state}; it said last:\n{tail(self.output())}"

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._out.close()


def port(number, name, chardev):
    """QEMU's words for one virtio-serial port; the caller declares the chardev."""
    return ["-device", f"virtserialport,bus=ports.0,nr={number},chardev={chardev},name={name}"]


class Host:
    """L1. kernel_args replaces STABLE_TSC; release is the Debian release its QEMU comes from, or
    tree the one that is built with us in its tree; l0 is a key of L0; tools: chrony and trace-cmd
    are there, and in the guests; perf: perf is there, and in the guests; libvirt: libvirtd and virsh are there."""

    def __init__(self, workshop, kernel_args=STABLE_TSC, release=None, cpus=2, memory=3072,
                 l0="unscaled", tools=False, tree=None, libvirt=False, perf=False):
        get_emulator, cpu = L0[l0]
        emulator = get_emulator()
        self.qemu = qemu_tree.tree(tree) if tree else stock.qemu(release)
        self.qemu_root = f"/opt/qemu-{tree or release}" if tree or release else "/"
        self.guests = []
        self._streams = []

        def connect(name):
            stream = Stream(workshop.path("s"), f"host {name}", lambda: self._process.why(),
                            lambda: len(self._lockups()))
            self._streams.append(stream)
            return stream

        names = [f"pool.{n}" for n in range(POOL)] + ["tcs.control"]
        streams = [connect(name) for name in names]
        command = [*emulator.command(), "-M", "q35", "-accel", "tcg", "-cpu", cpu,
                   "-smp", cpus, "-m", memory, "-nodefaults", "-display", "none", "-no-reboot",
                   "-serial", "stdio",
                   "-kernel", workshop.kernel.image,
                   "-initrd", workshop.host_image(self.qemu, self.qemu_root, tools, libvirt, perf),
                   "-append", f"{COMMON_KERNEL_LINE} {kernel_args}",
                   "-device", "virtio-serial-pci,id=ports,max_ports=31"]
        for number, (name, stream) in enumerate(zip(names, streams), 1):
            command += ["-chardev", f"socket,id=c{number},path={stream.path}"]
            command += port(number, name, f"c{number}")
        self._pool = list(zip(names, streams))[:-1]
        self._process = Process(workshop, "host", command, emulator.environment())
        self.shell = Shell(streams[-1])
        try:
            self.shell.wait_ready(BOOT_SECONDS)
        except BaseException:
            self.close()
            raise
        self.run, self.check = self.shell.run, self.shell.check
        self.put, self.get = self.shell.put, self.shell.get

    def take_port(self, what, why):
        """A fresh connection: (the device in L1, the Stream whose near end is here)."""
        if not self._pool:
            raise Failure("this scenario starts more guests than L1 has ports for")
        name, stream = self._pool.pop(0)
        stream.what, stream.why = what, why
        return f"/dev/virtio-ports/{name}", stream

    def boot_guest(self, name, paused=False, **options):
        """A Guest that is up, or with paused=True one that has not started yet.

        A boot that does not end is tried again; that is said aloud, and only boots are repeated.
        """
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            guest = Guest(self, name, paused=paused, **options)
            if paused:
                return guest
            try:
                guest.shell.wait_ready(BOOT_SECONDS)
                return guest
            except Failure:
                if attempt == BOOT_ATTEMPTS:
                    raise
                print(f"# {name} did not boot in {BOOT_SECONDS} s: trying again", flush=True)
                guest.quit()

    def console(self):
        return self._process.output()

    def _lockups(self):
        return LOCKUP.findall(self.console())

    def emulator_fault(self):
        """A text if L1's kernel says that one of its CPUs is stuck, which no program may bring about; or None.

        Under the emulated SVM the thread of a guest's vCPU is where that was seen.
        """
        said = self._lockups()
        return f"the host's kernel says: {said[-1]}" if said else None

    def close(self):
        self._process.close()
        for stream in self._streams:
            stream.close()


def guest_command(qemu_words, name, kernel, initrd, vcpus, memory, run_dir, plugin):
    """The part of a guest's command line that is the same everywhere. The caller adds the
    accelerator, the CPU, and chardevs "control" and "qmp"."""
    words = [*qemu_words, "-name", f"guest={name},debug-threads=on", "-M", "q35",
             "-smp", vcpus, "-m", memory, "-nodefaults", "-display", "none", "-no-reboot",
             "-kernel", kernel, "-initrd", initrd, "-append", COMMON_KERNEL_LINE,
             # The monitor of the tests; the one for the collector is a listening socket.
             "-mon", "chardev=qmp,mode=control",
             "-qmp", f"unix:{run_dir}/{name}.qmp,server=on,wait=off"]
    if plugin is not None:
        words += ["-plugin", plugin]
    words += ["-device", "virtio-serial-pci,id=ports"]
    for number, agent in enumerate(AGENT_PORTS, 1):
        words += ["-chardev", f"socket,id=a{number},path={run_dir}/{name}.{agent},"
                              "server=on,wait=off", *port(number, agent, f"a{number}")]
    return words + port(len(AGENT_PORTS) + 1, "tcs.control", "control")


class Guest:
    """L2: a QEMU under real KVM inside Host, which need not be up yet: see Host.boot_guest.

    plugin: True, False, or options such as "source=kvm-msr". paused: -S, not booted yet.
    """

    def __init__(self, host, name, cid=None, vcpus=1, cpu="host", memory=256, plugin=True,
                 args=(), paused=False):
        self.host, self.name, self.cid, self.vcpus = host, name, cid, vcpus
        host.guests.append(self)
        self._log = f"/run/{name}.log"
        self.qmp_path = f"/run/{name}.qmp"
        qmp_device, qmp_stream = host.take_port(f"QMP of {name}", self.why)
        control_device, control_stream = host.take_port(f"guest {name}", self.why)
        if plugin:
            plugin = PLUGIN if plugin is True else f"{PLUGIN},{plugin}"
        words = guest_command(host.qemu.command(host.qemu_root), name, "/boot/vmlinuz",
                              "/boot/guest.initrd", vcpus, memory, "/run", plugin or None)
        words += ["-accel", "kvm", "-cpu", cpu, "-serial", "stdio",
                  # "pipe" opens any device for both directions: here the host's own port.
                  "-chardev", f"pipe,id=qmp,path={qmp_device}",
                  "-chardev", f"pipe,id=control,path={control_device}"]
        if cid:
            words += ["-device", f"vhost-vsock-pci,guest-cid={cid}"]
        if paused:
            words += ["-S"]
        words = [str(w) for w in [*words, *args]]
        environment = [f"{k}={v}" for k, v in host.qemu.environment(host.qemu_root).items()]
        command = shlex.join(["env", *environment, *words] if environment else words)
        self.pid = int(host.check(f"{command} </dev/null >{self._log} 2>&1 & echo $!"))
        self.monitor = Qmp(qmp_stream)
        self.monitor.wait_ready()
        self.shell = Shell(control_stream)
        self.run, self.check = self.shell.run, self.shell.check
        self.put, self.get = self.shell.put, self.shell.get

    def why(self):
        seen = self.host.run(f"kill -0 {self.pid} 2>&1; tail -n 15 {self._log}")
        return f"QEMU of {self.name} in L1 said last:\n{tail(seen.out)}"

    def qmp(self, command, arguments=None, timeout=30):
        return self.monitor.command(command, arguments, timeout)

    def agent_socket(self, port_name):
        return f"/run/{self.name}.{port_name}"

    def debugfs(self, vcpu):
        """What KVM itself says: {"tsc-offset": …} and, where it scales, the two ratio files."""
        base = f"/sys/kernel/debug/kvm/{self.pid}-*/vcpu{vcpu}"
        lines = self.host.check(f"cd {base} && for f in tsc-*; do echo $f $(cat $f); done")
        return {line.split()[0]: int(line.split()[1]) for line in lines.splitlines()}

    def emulator_fault(self):
        """A text if the guest's processor or its interrupts failed, by QEMU's or its kernel's own word; or None.

        What an unmodified TCG does to guests of several vCPUs now and then (l0_qemu/svm-faults.patch): a reset with nothing
        on the console, or no interrupts any more.
        """
        if self.host.run(f"kill -0 {self.pid}").status != 0:
            try:
                event = self.monitor.wait_event("SHUTDOWN", 2)
            except Failure:
                return None  # it was killed, or QEMU itself failed
            reset = event["data"].get("reason") == "guest-reset"
            return f"the processor of {self.name} was reset" if reset else None
        stalled = self.host.run(f"grep -E -m1 'detected stalls on CPUs|soft lockup' {self._log}").out.strip()
        return f"the kernel of {self.name} says: {stalled}" if stalled else None

    def kill(self, signal="KILL"):
        self.host.check(f"kill -{signal} {self.pid}")

    def wait_gone(self, seconds=20):
        """After a kill or a quit: L1's PID 1 reaps, so the process directory disappears."""
        self.host.check(f"i=0; while [ -d /proc/{self.pid} ]; do i=$((i+1)); "
                        f"[ $i -lt {seconds * 20} ] || exit 1; usleep 50000; done",
                        timeout=seconds + 10)

    def quit(self):
        self.kill()
        self.wait_gone()


class DomainGuest:
    """A guest whose QEMU is libvirt's, behind the Stream of its control port."""

    def __init__(self, stream):
        self.shell = Shell(stream)
        self.run, self.check = self.shell.run, self.shell.check
        self.put, self.get = self.shell.put, self.shell.get


class LocalGuest:
    """A guest of a QEMU on this machine, by default under plain TCG."""

    def __init__(self, workshop, name, qemu=None, accel="tcg", cpu="max", vcpus=1, memory=256,
                 plugin=True, args=(), machine=None, paused=False, timeout=120, tools=False):
        self.name = name
        qemu = qemu or stock.qemu()
        self.run_dir = workshop.directory
        self.qmp_path = self.run_dir / f"{name}.qmp"
        self._qmp_stream = Stream(workshop.path("s"), f"QMP of {name}", lambda: self.process.why())
        self._control = None
        chardevs = ["-chardev", f"socket,id=qmp,path={self._qmp_stream.path}"]
        plugin_path = workshop.build.absolute() / "qemu-plugin/trace-clock-sync.so"
        if plugin:
            plugin = plugin_path if plugin is True else f"{plugin_path},{plugin}"
        if machine:
            # A bare machine: no kernel, no devices, only the monitors.
            words = [*qemu.command(), "-M", machine, "-nodefaults", "-display", "none",
                     "-mon", "chardev=qmp,mode=control",
                     "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
            words += ["-plugin", plugin] if plugin else []
        else:
            self._control = Stream(workshop.path("s"), f"guest {name}",
                                   lambda: self.process.why())
            chardevs += ["-chardev", f"socket,id=control,path={self._control.path}"]
            words = guest_command(qemu.command(), name, workshop.kernel.image,
                                  workshop.guest_image(tools), vcpus, memory, self.run_dir,
                                  plugin or None)
            words += ["-cpu", cpu, "-serial", "stdio"]
        words += ["-accel", accel, *chardevs, *(["-S"] if paused else []), *args]
        self.command = [str(w) for w in words]
        self.process = Process(workshop, name, words, qemu.environment())
        self.monitor = Qmp(self._qmp_stream)
        try:
            self.monitor.wait_ready(timeout)
            if self._control:
                self.shell = Shell(self._control)
                if not paused:
                    self.shell.wait_ready(timeout)
        except BaseException:
            self.close()
            raise

    def qmp(self, command, arguments=None, timeout=30):
        return self.monitor.command(command, arguments, timeout)

    def agent_socket(self, port_name):
        return self.run_dir / f"{self.name}.{port_name}"

    def close(self):
        self.process.close()
        for stream in (self._qmp_stream, self._control):
            if stream:
                stream.close()
