#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots a small guest on this machine with our plugin and agent in it, prints what `show` finds, and
# puts everything away again; then leaves traces of a host and a guest, and pictures of them, in demo/
# (demo_traces.py). Uses the testbed's parts. The commands are shown so that a user can try them on a
# VM of his own.
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/testbed"), str(ROOT / "tests")]

import demo_traces  # noqa: E402
import measure  # noqa: E402
import stock  # noqa: E402
from channel import Failure  # noqa: E402
from machines import LocalGuest, Workshop  # noqa: E402


def say(text):
    print(f"\n== {text}", flush=True)


def command(words):
    """The command as one would type it, a line for each option."""
    text = shlex.join(str(w) for w in words)
    print("   $ " + text.replace(" -", " \\\n       -"))


def start_guest(workshop):
    """(the guest, its accelerator): KVM, or TCG where a guest cannot be had by KVM."""
    why = "/dev/kvm cannot be used"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        try:
            return LocalGuest(workshop, "demo", accel="kvm", cpu="host", vcpus=2), "kvm"
        except Failure as e:
            # A machine may offer its guests a KVM that is not whole.
            why = f"QEMU does not start with this machine's KVM: {str(e).splitlines()[-1].strip(' |')}"
    print(f"   ({why}; so QEMU emulates the processor)", flush=True)
    return LocalGuest(workshop, "demo", accel="tcg", cpu="max", vcpus=2), "tcg"


def traces(workshop, build, accel):
    try:
        demo_traces.make(workshop, build, say, ROOT / "demo", accel)
        return 0
    except (Failure, OSError, ValueError, subprocess.SubprocessError) as e:
        print(f"demo: the traces: {e}", file=sys.stderr)
        print("demo: what was shown before holds. The emulated host may just have been slow: run "
              "`make demo` again;\n"
              "      for more, see tests/testbed/run.py --build build --keep-logs DIR kvm_traces",
              file=sys.stderr)
        return 1


def demo(build):
    started = time.monotonic()
    say("1. A guest's image: Debian's kernel, busybox and our agent, nothing else "
        "(kept in the cache for the next time)")
    workshop = Workshop(build)
    guest = None
    try:
        workshop.guest_image()
        say("2. A stock QEMU starts it. -plugin is all it takes: "
            "QMP then knows query-trace-clock-sync")
        guest, accel = start_guest(workshop)
        plugin = Path(build, "qemu-plugin/trace-clock-sync.so")
        command(["qemu-system-x86_64", "-accel", accel, "-plugin", plugin,
                 "-qmp", f"unix:{guest.qmp_path},server=on,wait=off",
                 "-chardev", f"socket,id=a1,path={guest.agent_socket(measure.OUR_PORT)},"
                             "server=on,wait=off",
                 "-device", "virtio-serial-pci",
                 "-device", f"virtserialport,chardev=a1,name={measure.OUR_PORT}", "..."])

        say("3. In the guest, our agent reads clocks when it is asked")
        print(f"   guest$ trace-clock-agent --listen serial:/dev/virtio-ports/{measure.OUR_PORT} &")
        measure.start_agent(guest.shell, f"serial:/dev/virtio-ports/{measure.OUR_PORT}")

        say("4. Every host-guest clock offset (guest - host), with a bound that holds")
        words = [Path(build, "collector/trace-clock-sync"), "show", "--qmp", guest.qmp_path,
                 "--agent", f"unix:{guest.agent_socket(measure.OUR_PORT)}"]
        command(words)
        print()
        status = subprocess.run(words, stdin=subprocess.DEVNULL, timeout=60,
                                check=False).returncode

        say("5. The guest is shut down, its files are removed")
        guest.qmp("quit")
        guest.close()
        guest = None
        print("   On a VM of your own: start QEMU with the -plugin option,\n"
              "   trace-clock-agent in the guest, and run show as above.", flush=True)
        if status == 0:
            status = traces(workshop, build, accel)
        print(f"\n   {time.monotonic() - started:.0f} s in all.")
        return status
    finally:
        if guest:
            guest.close()
        workshop.close()


def main():
    try:
        return demo(sys.argv[1] if len(sys.argv) > 1 else "build")
    except KeyboardInterrupt:
        print("demo: interrupted; everything it started is put away", file=sys.stderr)
        return 130
    except (Failure, stock.Unavailable) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
