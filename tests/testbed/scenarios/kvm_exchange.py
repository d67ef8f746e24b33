# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest tells without its hypervisor's help, against what KVM knows, on real KVM."""
import json

from measure import (OUR_PORT, QGA_PORT, exact, start_agent, start_qga, straight_line_through)

NEEDS = ("guest-agent/trace-clock-agent", "guest-agent/qga-extension.so",
         "qemu-plugin/trace-clock-sync.so", "tests/testbed/exchange-probe")
PROBES = 500
ROUNDS = 5


def exchange(t, where):
    """A line from probes alone holds KVM's own offset, on each vCPU."""
    for vcpu in exact(t.guest)["vcpus"]:
        seen = t.host.run(f"/run/exchange-probe {where} {PROBES} {vcpu['cpu-index']} "
                          f"{vcpu['offset']}", timeout=120)
        t.note(f"{where} vCPU {vcpu['cpu-index']}: {seen.out.strip()}{seen.err.strip()}")
        assert seen.status == 0 and json.loads(seen.out)["held"], seen


def check_vsock(t):
    """the counter's line from probes over vsock holds KVM's offset"""
    t.guest = t.host.boot_guest("g1", cid=3, vcpus=2)
    binary = t.workshop.build / "tests/testbed/exchange-probe"
    t.host.put("/run/exchange-probe", binary.read_bytes(), "755")
    start_agent(t.guest, "vsock")
    exchange(t, "vsock:3")


def check_serial(t):
    """and over a virtio-serial port"""
    start_agent(t.guest, f"serial:/dev/virtio-ports/{OUR_PORT}")
    exchange(t, f"unix:{t.guest.agent_socket(OUR_PORT)}")


def check_qga(t):
    """and through a stock qemu-ga with the extension"""
    start_qga(t.guest, extension=True)
    exchange(t, f"unix:{t.guest.agent_socket(QGA_PORT)}")


def check_wrong(t):
    """an offset that is not KVM's is outside"""
    offset = exact(t.guest)["vcpus"][0]["offset"] + 20_000_000
    seen = t.host.run(f"/run/exchange-probe vsock:3 {PROBES} 0 {offset}", timeout=120)
    assert seen.status == 4, seen


def read_clock(machine, name):
    reply = json.loads(machine.check(f"trace-clock-agent --once --clocks {name} --samples 100 "
                                     "--cpus 0"))
    assert reply["readings"], reply
    return reply["readings"][0]


def interval(reading, offset, rate):
    """(host counter, least, most): the clock's value there, by this reading."""
    before, after = reading["counter-before"] - offset, reading["counter-after"] - offset
    # The bracket may lie on either side of its middle; the rate is known far better than 1 %.
    slack = (after - before) * rate * 101 // 200_000_000 + 1
    return ((before + after) // 2, reading["value"] - slack,
            reading["value"] + reading["resolution-ns"] + slack)


def check_ptp_kvm_absent(t):
    """without its module ptp-kvm is refused with what to do"""
    reply = json.loads(t.guest.check("trace-clock-agent --once --clocks ptp-kvm"))
    t.note(reply["unavailable"])
    assert not reply["readings"] and "modprobe ptp_kvm" in reply["unavailable"][0]["reason"]


def check_ptp_kvm(t):
    """ptp-kvm in the guest is the host's realtime, by KVM's own offset"""
    for number, file in enumerate(t.workshop.kernel.module_files(["ptp_kvm"])):
        t.guest.put(f"/run/{number}.ko", file.read_bytes())
        t.guest.check(f"insmod /run/{number}.ko")
    offset = exact(t.guest)["vcpus"][0]["offset"]
    host = [read_clock(t.host, "realtime")]
    guest = []
    for _ in range(ROUNDS):
        guest.append(read_clock(t.guest, "ptp-kvm"))
        host.append(read_clock(t.host, "realtime"))
    assert all(r["via"] == "ptp" for r in guest), guest
    ticks = host[-1]["counter-before"] - host[0]["counter-before"]
    rate = (host[-1]["value"] - host[0]["value"]) * 1_000_000 // ticks + 1  # ns per 10^6 ticks
    told = [interval(r, offset, rate) for r in guest]
    t.note(f"ptp-kvm: bounds of +- {[(hi - lo) // 2 for _, lo, hi in told]} ns")
    said = straight_line_through([interval(r, 0, rate) for r in host] + told)
    assert said is None, said
    # The same with an offset that is wrong by twice the widest is not possible.
    off = 4 * max(hi - lo for _, lo, hi in told) * 1_000_000 // rate
    wrong = [interval(r, offset + off, rate) for r in guest]
    assert straight_line_through([interval(r, 0, rate) for r in host] + wrong) is not None


def check_ptp_kvm_denied(t):
    """a device that may not be opened is refused with the reason"""
    reply = t.guest.check("chmod 600 /dev/ptp0; chmod 755 /run; "
                          "busybox setuidgid nobody true 2>/dev/null && "
                          "busybox setuidgid nobody trace-clock-agent --once --clocks ptp-kvm "
                          "|| echo cannot")
    if reply.strip() == "cannot":
        t.skip("no other user in this guest")
    assert "Permission denied" in json.loads(reply)["unavailable"][0]["reason"], reply
