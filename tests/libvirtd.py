# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirtd of the test's own: its configuration, state and sockets lie in a directory of the
test, by mounts that only it sees. Needs root, no systemd, no D-Bus. Not a test itself."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
# Nothing of the system: no other user, cgroups, security labels, log daemon.
QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
seccomp_sandbox = 0
"""
LIBVIRTD_CONF = """\
unix_sock_dir = "{directory}/sockets"
auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "{uuid}"
"""
# Of one that listens on TCP as well: without encryption or password, so in a network of its own.
LIBVIRTD_TCP_CONF = """\
listen_tls = 0
listen_tcp = 1
listen_addr = "127.0.0.1"
tcp_port = "16509"
auth_tcp = "none"
"""
NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
HIDDEN = {"/etc/libvirt": "etc", "/var/lib/libvirt": "lib", "/var/cache/libvirt": "cache",
          "/var/log/libvirt": "log", "/run/libvirt": "run"}

USERS = {"passwd": "libvirt-qemu:x:64055:64055::/:/bin/false\n",
         "group": "libvirt-qemu:x:64055:\nkvm:x:64056:\n"}


def domain_xml(name, plugin=None, devices="", memory=32, vcpus=1, boot="", emulator=None):
    """A machine without disk: where `boot` has no kernel, SeaBIOS finds nothing to boot, and
    waits. `plugin`: the path of QEMU's component, or None. `emulator`: QEMU's own, or None for this machine's."""
    words = ["-plugin", plugin] if plugin else []
    extra = "".join(f"    <qemu:arg value='{word}'/>\n" for word in words)
    if words:
        extra = f"  <qemu:commandline>\n{extra}  </qemu:commandline>\n"
    return f"""<domain type='qemu' xmlns:qemu='{NAMESPACE}'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <emulator>{emulator or shutil.which("qemu-system-x86_64", path=SEARCH)}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {devices}
  </devices>
{extra}</domain>
"""


class Libvirtd:
    """plugin: the path of QEMU's component. skip: called with the reason where this cannot run.
    tcp: it listens on TCP as well, where only programs behind `in_its_network` reach it."""

    def __init__(self, directory, plugin, skip, tcp=False):
        self.directory, self._plugin, self._skip, self._tcp = directory, plugin, skip, tcp
        self.socket = os.path.join(directory, "sockets", "libvirt-sock")
        self.uri = f"qemu:///system?socket={self.socket}"
        self.tcp_uri = "qemu+tcp://127.0.0.1/system" if tcp else None
        self.process = None
        # Two of them take each other for other hosts by this, and by the host's name.
        self._uuid = uuid.uuid4()
        for name in (*HIDDEN.values(), "sockets"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        self._write("etc/qemu.conf", QEMU_CONF)
        self._write("etc/libvirtd.conf",
                    LIBVIRTD_CONF.format(directory=directory, uuid=self._uuid)
                    + (LIBVIRTD_TCP_CONF if tcp else ""))

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(text)
        return file.name

    def start(self):
        mounts = "".join(f"mkdir -p {path} && mount --bind {self.directory}/{name} {path} && "
                         for path, name in HIDDEN.items())
        # libvirtd looks its default user up even where qemu.conf names another.
        for name in ("passwd", "group"):
            with open(f"/etc/{name}", encoding="utf-8") as file:
                lines = file.read()
            own = self._write(name, lines + USERS[name])
            mounts += f"mount --bind {own} /etc/{name} && "
        network = ["--net"] if self._tcp else []
        if self._tcp:
            mounts += "busybox ip link set lo up && "
        with open(os.path.join(self.directory, "libvirtd.log"), "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--uts", "--mount", *network, "--propagation", "private", "sh", "-c",
                 f"hostname tcs-{self._uuid.hex} && {mounts} "
                 "exec libvirtd --config /etc/libvirt/libvirtd.conf "
                 f"--pid-file {self.directory}/libvirtd.pid {'--listen' if self._tcp else ''}"],
                env={**os.environ, "PATH": SEARCH}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        deadline = time.monotonic() + 30
        while self.virsh("list", check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._skip(f"libvirtd does not start here: {self.log()[-500:]!r}")
            time.sleep(0.1)

    def in_its_network(self):
        """The words to put before a command that is to reach its TCP port."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"]

    def log(self):
        with open(os.path.join(self.directory, "libvirtd.log"), encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def virsh(self, *words, check=True, uri=None):
        process = subprocess.run(["virsh", "-c", uri or self.uri, *words],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=120, check=False)
        assert not check or process.returncode == 0, (words, process.stderr, self.log()[-2000:])
        return process

    def define(self, name, plugin=True, **options):
        xml = domain_xml(name, self._plugin if plugin else None, **options)
        self.virsh("define", self._write(f"{name}.xml", xml))

    def create(self, name, **options):
        self.define(name, **options)
        self.virsh("start", name)
        return name

    def qemu_pid(self, name):
        with open(os.path.join(self.directory, "run/qemu", f"{name}.pid"),
                  encoding="ascii") as file:
            return int(file.read())

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Its QEMUs stay; start() makes a libvirtd that takes them over."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """Ends libvirtd and every QEMU that it started."""
        self.signal(signal.SIGCONT)
        self.kill()
        folder = os.path.join(self.directory, "run/qemu")
        for entry in os.listdir(folder) if os.path.isdir(folder) else ():
            if entry.endswith(".pid"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.qemu_pid(entry[:-len(".pid")]), signal.SIGKILL)


@contextlib.contextmanager
def libvirtd(plugin, skip, tcp=False):
    """A running one; skips where there cannot be one."""
    if os.geteuid() != 0:
        skip("libvirtd needs root here")
    for program in ("libvirtd", "virsh", "unshare", "qemu-system-x86_64",
                    *(("nsenter", "busybox") if tcp else ())):
        if shutil.which(program, path=SEARCH) is None:
            skip(f"{program} is not installed")
    with tempfile.TemporaryDirectory(prefix="tcs-lv-", ignore_cleanup_errors=True) as directory:
        daemon = Libvirtd(directory, plugin, skip, tcp)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.close()
