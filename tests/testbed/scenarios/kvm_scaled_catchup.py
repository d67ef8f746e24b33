# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose TSC is faster than that of a host without scaling: KVM makes it catch up by moving
its offset, so no offset is true for long."""
import time

from measure import exact, query, show, start_agent

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
# QEMU refuses frequencies further off than 250 ppm where KVM cannot scale. KVM leaves those be, but
# its tolerance can be set, and what lies between is what this is about.
FASTER_PPM = 200
TOLERANCE = "/sys/module/kvm/parameters/tsc_tolerance_ppm"


def frequency(t, ppm):
    return f"host,tsc-frequency={t.host_khz + t.host_khz * ppm // 1000000}000"


def check_tolerated(t):
    """within KVM's tolerance the guest simply has the host's TSC"""
    assert "TSC scaling supported" not in t.host.check("dmesg")
    guest = t.host.boot_guest("plain", vcpus=1, paused=True)
    t.host_khz = query(guest)["host-counter-khz"]
    guest.quit()
    guest = t.host.boot_guest("tolerated", vcpus=1, paused=True, cpu=frequency(t, FASTER_PPM))
    vcpu, = exact(guest)["vcpus"]
    assert vcpu["ratio-source"] == "unity" and vcpu["guest-counter-khz"] > t.host_khz, vcpu
    guest.quit()


def check_refused(t):
    """a much faster guest: QEMU itself refuses to start it"""
    result = t.host.run("qemu-system-x86_64 -L /usr/share/qemu -L /usr/share/seabios -nodefaults "
                        "-display none -accel kvm -cpu host,tsc-frequency=3000000000 </dev/null")
    t.note(result.err)
    assert result.status not in (0, 137) and "TSC scaling unavailable" in result.err, result


def check_catch_up(t):
    """beyond KVM's tolerance: not stable, and the reason says catch-up"""
    t.host.check(f"echo 10 >{TOLERANCE}")
    t.guest = t.host.boot_guest("faster", cid=3, vcpus=2, cpu=frequency(t, FASTER_PPM))
    first = [t.guest.debugfs(n)["tsc-offset"] for n in range(2)]
    for vcpu in query(t.guest)["vcpus"]:
        t.note(vcpu)
        assert vcpu["stable"] is False and "catch-up" in vcpu["reason"], vcpu
    # With a master clock KVM catches up when that is renewed, as it is by stop and cont.
    time.sleep(1)
    t.guest.qmp("stop")
    t.guest.qmp("cont")
    t.guest.check("taskset 1 true && taskset 2 true")  # each vCPU runs
    second = [t.guest.debugfs(n)["tsc-offset"] for n in range(2)]
    t.note(f"offsets {first}, a second later {second}")
    assert all(b > a for a, b in zip(first, second)), "this is no catch-up mode"


def check_show(t):
    """show refuses every clock of such a guest, with that reason"""
    start_agent(t.guest, "vsock")
    status, document, err = show(t.host, f"--qmp {t.guest.qmp_path} --agent vsock:3")
    t.note(f"status {status}: {err}")
    assert status == 4, (status, document)
    assert document["clocks"] == [] and document["refused"], document
    told = {row["guest"]: row["reason"] for row in document["refused"]}
    for name in ("x86-tsc", "mono"):
        assert "catch-up" in told[name], told
