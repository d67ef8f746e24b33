# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent as systemd starts it, by the unit that is installed: what the unit takes away from it must not be what it
needs. A guest under TCG with Debian's systemd as its first process."""
import json
import re
import shlex
import socket
import time

import image
import stock
from machines import BOOT_SECONDS, COMMON_KERNEL_LINE, GUEST_BINARIES, GUEST_MODULES, STABLE_TSC
from measure import CLOCKS, OUR_PORT, PORT, SCHEMA, wait_for

NEEDS = ("guest-agent/trace-clock-agent", "data/trace-clock-agent.service", "tests/fake/rpc-probe")
MARKED = ("local", "global", "perf", "uptime", "counter")
NAMES = ("x86-tsc", *CLOCKS, *MARKED)
SOCKET = "/run/trace-clock-agent/socket"
WHERE = (f"serial:/dev/virtio-ports/{OUR_PORT}", "vsock", f"tcp:127.0.0.1:{PORT}", f"unix:{SOCKET}")
CGROUP = "/sys/fs/cgroup/system.slice/trace-clock-agent.service"
INSTANCES = "/sys/kernel/tracing/instances"
VCPUS = 2

# What of Debian's systemd starts a service; of its units those that any system has.
PACKAGES = ("systemd", "libsystemd-shared", "libseccomp2", "libapparmor1", "libaudit1", "libcap-ng0", "libip4tc2",
            "libkmod2")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
UNITS = ("basic.target", "local-fs.target", "multi-user.target", "paths.target", "shutdown.target", "slices.target",
         "sockets.target", "swap.target", "sys-kernel-tracing.mount", "sysinit.target", "timers.target", "umount.target")
OWN_UNITS = {
    # As systemd-journald is not here, what a service says goes where the console has it.
    "etc/systemd/system.conf": "[Manager]\nDefaultStandardOutput=kmsg\nDefaultStandardError=kmsg\n",
    "etc/systemd/system/control.service":
        "[Unit]\nDescription=The testbed's control channel\n[Service]\n"
        "Environment=PATH=/usr/bin:/usr/sbin:/bin HOME=/root\n"
        "ExecStart=/bin/control-loop /dev/virtio-ports/tcs.control\n",
    "etc/default/trace-clock-agent": f'OPTIONS="{" ".join("--listen " + w for w in WHERE)}"\n',
}
WANTED = {"sysinit.target": ("sys-kernel-tracing.mount",), "multi-user.target": ("control", "trace-clock-agent")}


def system_layer(t):
    """systemd, the unit as it would be installed, and what init.sh goes on with."""
    tree = stock.unpacked("systemd", PACKAGES)
    directories = [tree / LIBRARIES / "systemd", tree / LIBRARIES]
    loader = [image.LOADER, "--library-path", ":".join(map(str, directories))]
    layer = image.Layer()

    def place(path):
        return f"/{path.relative_to(tree)}" if path.is_relative_to(tree) else path

    for name in ("lib/systemd/systemd", "bin/systemctl"):
        layer.add(name, tree / name)
        for lib in image.libraries(tree / name, loader):
            layer.add(place(lib), lib)
    for name in UNITS:
        layer.add(f"lib/systemd/system/{name}", tree / "lib/systemd/system" / name, 0o644)
    for name, text in OWN_UNITS.items():
        layer.add(name, text.encode(), 0o644)
    for target, units in WANTED.items():
        for unit in units:
            unit += "" if "." in unit else ".service"
            layer.link(f"etc/systemd/system/{target}.wants/{unit}", f"/lib/systemd/system/{unit}"
                       if "control" not in unit else f"/etc/systemd/system/{unit}")
    layer.link("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    # Installed below /usr, where a package puts it.
    unit = (t.workshop.build / "data/trace-clock-agent.service").read_text(encoding="utf-8")
    unit = re.sub(r"^ExecStart=\S*/", "ExecStart=/usr/bin/", unit, flags=re.M)
    layer.add("lib/systemd/system/trace-clock-agent.service", unit.encode(), 0o644)
    layer.add_program(t.workshop.build / "tests/fake/rpc-probe", "/usr/bin/rpc-probe")
    layer.add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    layer.add("etc/group", b"root:x:0:\n", 0o644)
    layer.directory("var/tmp")
    layer.directory("home")
    return layer


def systemctl(t, words):
    return t.vm.shell.check(f"systemctl {words}", 60)


def value(t, field):
    return int(t.vm.shell.check(f"cat {CGROUP}/{field}"))


def main_pid(t):
    return int(systemctl(t, "show --value -p MainPID trace-clock-agent"))


def ask(t, request):
    """What the agent says through the virtio port, from here."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(str(t.vm.agent_socket(OUR_PORT)))
        line.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(line.makefile().readline())
    assert "return" in reply, reply
    return reply["return"]


def clocks(t, **arguments):
    request = {"execute": "guest-get-trace-clocks", "arguments": {"clocks": list(NAMES), **arguments}}
    return SCHEMA.check_reply("guest-get-trace-clocks", ask(t, request))


def assert_all_read(reply, cpus):
    assert not reply["unavailable"], reply["unavailable"]
    got = {(r["clock"], r["cpu"]) for r in reply["readings"]}
    assert {name for name, _ in got} == set(NAMES) and {cpu for _, cpu in got} == set(cpus), got


def check_start(t):
    """systemd starts it, with the limits of its unit"""
    base = image.base_layer(t.workshop.kernel, GUEST_MODULES + ("vsock_loopback",))
    programs = image.Layer()
    programs.add_program(t.workshop.build / "guest-agent/trace-clock-agent",
                         GUEST_BINARIES["guest-agent/trace-clock-agent"])
    path = t.workshop.path("service.initrd")
    own = t.workshop.path("own.cpio")
    programs.write(own)
    image.join(path, [base.cached("guest"), system_layer(t).cached("service"), own])
    t.vm = t.local_guest("service", vcpus=VCPUS, timeout=BOOT_SECONDS, memory=512, args=["-initrd", path, "-append", f"{COMMON_KERNEL_LINE} {STABLE_TSC}"])
    # systemd calls it active before it has begun to confine it.
    wait_for(t.vm.shell, f"[ -S {SOCKET} ]", 60)
    assert systemctl(t, "is-active trace-clock-agent") == "active\n"
    status = dict(line.split(":", 1) for line in
                  t.vm.shell.check(f"cat /proc/{main_pid(t)}/status").splitlines())
    t.note({name: status[name].strip() for name in ("CapBnd", "CapEff", "NoNewPrivs", "Seccomp", "Umask")})
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", status
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 38, "not CAP_PERFMON alone"
    root = f"/proc/{main_pid(t)}/root"
    for path, expected in (("/run", 1), ("/etc", 1), ("/run/trace-clock-agent", 0)):
        found = t.vm.shell.run(f"touch {root}{path}/x && rm {root}{path}/x")
        assert found.status == expected and ("Read-only" in found.err) == expected, (path, found)


def check_clocks(t):
    """confined so, it reads every clock, on every CPU"""
    reply = clocks(t, cpus=list(range(VCPUS)))
    assert_all_read(reply, range(VCPUS))
    assert "realtime-error" in reply, "adjtimex is forbidden"
    assert len(t.vm.shell.check(f"ls {INSTANCES}").split()) == len(MARKED)


def check_memory(t):
    """with all of ftrace's clocks open it has taken less than half of the memory and the tasks that it may have"""
    most, peak = value(t, "memory.max"), value(t, "memory.peak")
    tasks, most_tasks = value(t, "pids.current"), value(t, "pids.max")
    t.note(f"memory {value(t, 'memory.current') / 2**20:.1f} MiB, at most {peak / 2**20:.1f} of {most / 2**20:.0f}; "
           f"{tasks} of {most_tasks} tasks")
    t.note(t.vm.shell.check(f"grep -E '^(anon|file|kernel|slab|percpu) ' {CGROUP}/memory.stat"))
    assert "oom_kill 0" in t.vm.shell.check(f"cat {CGROUP}/memory.events")
    assert peak < most // 2 and tasks < most_tasks // 2


def check_perf_page(t):
    """perf_event_open() is let through: where the kernel allows it, perf is read by the kernel's own formula"""
    vias = {}
    for paranoid in (3, 2):
        t.vm.shell.check(f"echo {paranoid} >/proc/sys/kernel/perf_event_paranoid")
        systemctl(t, "restart trace-clock-agent")
        reply = clocks(t)
        assert not reply["unavailable"], reply["unavailable"]
        vias[paranoid] = {r["clock"]: r["via"] for r in reply["readings"]}["perf"]
    t.note(f"by kernel.perf_event_paranoid: {vias}")
    # Debian's kernel refuses with 3 whoever lacks CAP_SYS_ADMIN; others have no 3.
    assert vias[2] == "perf-page" and vias[3] in ("perf-page", "marker"), vias


def check_ways(t):
    """each way that the unit's comment names leads to it: virtio port, vsock, TCP, Unix socket"""
    request = shlex.quote(json.dumps({"clocks": ["mono", "perf"]}))
    for where in ("vsock:1", f"tcp:127.0.0.1:{PORT}", f"unix:{SOCKET}"):
        said = t.vm.shell.check(f"rpc-probe agent {where} guest-get-trace-clocks {request}", 60)
        reply = json.loads(re.search("^reply (.*)", said, re.M)[1])
        assert {r["clock"] for r in reply["readings"]} == {"mono", "perf"}, (where, said)
    assert t.vm.shell.check(f"stat -c %a {SOCKET}") == "600\n"


def check_killed(t):
    """killed, it leaves no instance of ftrace's, and systemd starts it anew; stopped, neither an instance nor a socket"""
    clocks(t)
    old = main_pid(t)
    t.vm.shell.check(f"kill -KILL {old}")
    wait_for(t.vm.shell, f"[ $(systemctl show --value -p MainPID trace-clock-agent) -gt {old} ]", 60)
    assert not t.vm.shell.check(f"ls {INSTANCES}"), "instances are left"
    assert_all_read(clocks(t, cpus=[0]), [0])
    start = time.monotonic()
    systemctl(t, "stop trace-clock-agent")
    t.note(f"stopped in {time.monotonic() - start:.1f} s")
    assert systemctl(t, "show --value -p Result trace-clock-agent") == "success\n"
    assert not t.vm.shell.check(f"ls {INSTANCES}"), "instances are left"
    assert t.vm.shell.run("test -e /run/trace-clock-agent").status == 1
