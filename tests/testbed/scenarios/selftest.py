# SPDX-License-Identifier: GPL-2.0-or-later
"""The testbed itself, with nothing but stock parts: if this fails, look here first."""
import time

from channel import Failure


def check_host(t):
    """L1 boots with KVM and a stable TSC"""
    host = t.host
    assert host.check("cat /sys/devices/system/clocksource/clocksource0/current_clocksource") \
        == "tsc\n"
    host.check("test -c /dev/kvm && test -c /dev/vhost-vsock")


def check_shell(t):
    """the control channel carries status, output, and any bytes"""
    result = t.host.run("echo out; echo err >&2; exit 3")
    assert result == (3, "out\n", "err\n"), result
    data = bytes(range(256)) * 4096
    t.host.put("/tmp/data", data)
    assert t.host.check("md5sum </tmp/data; wc -c </tmp/data").split()[-1] == str(len(data))
    assert t.host.run("sleep 5", timeout=1).status == 137


def check_one_vcpu(t):
    """a guest with 1 vCPU runs under KVM, and debugfs tells its TSC offset"""
    guest = t.host.boot_guest("g1", cid=3, vcpus=1, plugin=False)
    assert guest.qmp("query-kvm")["enabled"]
    offset = guest.debugfs(0)["tsc-offset"]
    t.note(f"tsc-offset {offset}")
    assert offset < 0  # the guest's TSC started after the host's
    source = guest.check("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
    assert source == "kvm-clock\n", source
    guest.quit()


def check_four_vcpus(t):
    """a guest with 4 vCPUs has all of them, each with an offset"""
    guest = t.host.boot_guest("g4", cid=4, vcpus=4, plugin=False)
    assert guest.check("nproc") == "4\n"
    offsets = [guest.debugfs(n)["tsc-offset"] for n in range(4)]
    t.note(f"tsc-offsets {offsets}")
    guest.qmp("stop")
    guest.monitor.wait_event("STOP")
    guest.quit()


def check_lockup(t):
    """where the host's kernel says that a CPU is stuck, nothing waits for it any more, and the emulator is to blame"""
    assert t.host.emulator_fault() is None
    t.host.check("(for n in 1 2 3; do sleep 6; echo '<0>watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [fake]' "
                 ">/dev/kmsg; done) >/dev/null 2>&1 &")
    start = time.monotonic()
    try:
        t.host.run("sleep 100", timeout=100)
    except Failure as e:
        t.note(e)
        assert "locked up" in str(e) and time.monotonic() - start < 60
    else:
        raise Failure("it waited")
    fault = t.emulator_fault()
    assert "soft lockup - CPU#1 stuck for 26s! [fake]" in fault, fault
