# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt domain on real KVM migrates live to another host and back, while `record --all` and
then a `record` on the other host sample it. Both hosts are libvirtds of one kernel, so KVM itself
says what each of its QEMUs has for a counter, and one counter says when."""
import re
import time

from libvirt_host import DomainLog, Libvirtd
from machines import PLUGIN
from measure import wait_for, wait_with_log

NEEDS = ("qemu-plugin/trace-clock-sync.so", "collector/trace-clock-sync")
HOST = {"libvirt": True}
OTHER = "/run/other"
STEPS = 32


class Record:
    """A `record` that goes on until the file /run/end is there."""

    def __init__(self, t, output, where):
        self._host, self._said = t.host, f"/run/{output}.said"
        connections = " ".join(f"--connect '{host.uri}'" for host in (t.home, t.other))
        t.host.check(f"(trace-clock-sync record -o /run/{output} {where} {connections} --agent none "
                     "--timeout 20 --interval 0.2 -- sh -c 'until [ -e /run/end ]; do sleep 1; done' "
                     f"</dev/null >{self._said} 2>&1; echo $? >/run/{output}.status) &")

    def wait_said(self, text):
        wait_with_log(self._host, f"grep '{text}' {self._said}", self._said, 60)

    def end(self):
        """(status, standard error)."""
        status = self._said.replace(".said", ".status")
        wait_with_log(self._host, f"[ -s {status} ]", self._said, 90)
        return int(self._host.get(status)), self._host.get(self._said)


class Stay:
    """Of the domain at one host: its QEMU's threads, and KVM's word for its offset."""

    def __init__(self, t, libvirtd, log):
        self.offset = libvirtd.kvm_offset("web1")
        log.more()
        self.threads = set(map(int, t.host.check(
            f"ls /proc/{libvirtd.pid('web1')}/task").split()))
        assert libvirtd.kvm_offset("web1") == self.offset

    def of(self, samples):
        """Those of the samples that are its QEMU's; each has its offset."""
        found = [s for s in samples if vcpu(s)["thread-id"] in self.threads]
        assert found and {vcpu(s)["offset"] for s in found} == {self.offset}, (self.offset, found)
        return found


def vcpu(sample):
    return sample["qmp-after"]["vcpus"][0]


def tick(sample):
    return vcpu(sample)["counter-before"]


def check_start(t):
    """two libvirtds, and two domains on KVM at one of them"""
    t.home = Libvirtd(t)
    t.other = Libvirtd(t, OTHER)
    for vm in ("web1", "web2"):
        t.home.define(vm, PLUGIN)
        t.home.virsh(f"start {vm}")


def migrate(t, source, target):
    count, start = len(t.log.samples()), time.monotonic()
    try:
        source.virsh(f"migrate --live --persistent web1 '{target.uri}' "
                     f"--migrateuri unix://{OTHER}/migration")
    except Exception:
        t.note(target.logs())  # the source's are told by virsh()
        raise
    count = len(t.log.samples()) - count
    t.note(f"{count} samples at home in {time.monotonic() - start:.1f} s")
    return count


def check_record(t):
    """it migrates there and back: record loses it, says so, and has it again; nobody else notices"""
    everything = Record(t, "runs", "--all")
    t.log, t.web2 = (DomainLog(t.host, f"/run/runs/{vm}.tcs") for vm in ("web1", "web2"))
    wait_for(t.host, f"[ -s {t.log.path} ] && [ -s {t.web2.path} ]", 60)
    t.before = Stay(t, t.home, t.log)
    assert migrate(t, t.home, t.other) > 0
    everything.wait_said("a sample failed, going on: domain web1 at qemu:///system is not running")
    there = Record(t, "there", "--domain web1")
    t.there = DomainLog(t.host, "/run/there")
    wait_for(t.host, f"[ -s {t.there.path} ]", 60)
    t.away = Stay(t, t.other, t.there)
    migrate(t, t.other, t.home)
    everything.wait_said("web1 is sampled again")
    t.after = Stay(t, t.home, t.log)
    web2 = t.home.kvm_offset("web2")
    t.web2.more()
    t.host.check("touch /run/end")
    t.note([stay.offset for stay in (t.before, t.away, t.after)])
    for record, status, told in ((everything, 0, "web1 is sampled again"),
                                 (there, 3, "is not running; start it")):
        ended, said = record.end()
        t.note(said)
        assert ended == status and told in said, (ended, said)
        # Not one of the other domain's has failed.
        assert not re.search("web2 at|web2: |web2 over .* failed", said), said
        for name, count in re.findall(r"^(\S+): (\d+) samples of ", said, re.MULTILINE):
            assert len(DomainLog(t.host, name).samples()) == int(count), said
    assert {vcpu(s)["offset"] for s in t.web2.samples()} == {web2}


def guest(tick_of_host, stay):
    return (tick_of_host + stay.offset) % 2**64


def both_ways(log, ticks, stay):
    """What map makes of the host's counter, and of what the guest's showed then."""
    return (log.map(ticks),
            log.map([guest(at, stay) for at in ticks], ("guest:x86-tsc", "host:x86-tsc")))


def assert_nothing(log, ticks, stay):
    """That a log knows nothing of these times of a stay, nor of the guest's counter then."""
    for rows in both_ways(log, ticks, stay):
        assert not any(rows), [(at, guest(at, stay), row) for at, row in zip(ticks, rows) if row]


def check_logs(t):
    """each sample and what map makes of it is KVM's own offset for the QEMU that was asked"""
    for log, stays in ((t.log, (t.before, t.after)), (t.there, (t.away,))):
        samples, n = log.samples(), 0
        for stay in stays:
            found = stay.of(samples)
            stay.ticks, n = [tick(s) for s in found], n + len(found)
            # A QEMU that the guest has left is asked once more, perhaps.
            stay.lived = [tick(s) for s in found if s["qmp-after"]["running"]]
            there, back = both_ways(log, stay.ticks, stay)
            assert there == [(guest(at, stay),) * 3 for at in stay.ticks], (stay.offset, there)
            assert back == [(at,) * 3 for at in stay.ticks], (stay.ticks, back)
        assert n == len(samples), (n, len(samples))
    # Nobody's numbers are another's.
    assert len({stay.offset for stay in (t.before, t.away, t.after)}) == 3


def came(log, stay):
    """When QEMU says that the guest came."""
    epochs = stay.of(log.samples())[0]["qmp-after"]["epochs"]
    assert [e["cause"] for e in epochs] == ["first seen", "migration"], epochs
    assert epochs[-1]["offset"] == stay.offset != epochs[0]["offset"], (stay.offset, epochs)
    return epochs[-1]["host-counter"]


def check_gap(t):
    """while it was away its log here says nothing, or what QEMU says has been since it came back"""
    first, last, back = t.before.ticks[-1], t.after.ticks[0], came(t.log, t.after)
    at = [first + (last - first) * i // STEPS for i in range(1, STEPS)] + [back - 1, back, last]
    rows = t.log.map(at)
    t.note(f"{rows.count(None)} of {len(rows)} times unknown, of {last - first} ticks; "
           f"it was back after {back - first}")
    for when, row in zip(at, rows):
        assert row == (((guest(when, t.after),) * 3) if when >= back else None), (when, row)
    assert_nothing(t.log, t.away.lived, t.away)


def check_before(t):
    """the log there says nothing of what was before it came, though its QEMU was waiting for it"""
    begin = came(t.there, t.away)
    assert max(t.before.lived) < begin, (t.before.lived, begin)
    assert t.there.map([begin - 1]) == [None]
    assert_nothing(t.there, t.before.lived, t.before)
    assert t.there.map([begin]) == [(guest(begin, t.away),) * 3]
