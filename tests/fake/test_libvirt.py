#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs as libvirt domains, through a libvirtd of the test's own and QEMUs that it starts: bare
machines under TCG, without a guest. Argument: the build directory."""
import json
import os
import signal
import socket
import sys
import tempfile
import time

from libvirt_recording import (PLUGIN, Recording, another_daemon, daemon, epoch_break, main,
                               program)

CHANNEL = ("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"
           "</channel>")
USAGE, UNREACHABLE, REFUSED, FILE = 2, 3, 4, 5


def verb(name, *words):
    return program(name, "--connect", daemon().uri, *words)


def assert_fails(process, status, *words):
    assert process.returncode == status, (process.returncode, process.stderr)
    assert process.stdout == "" or status == REFUSED, process.stdout
    for word in words:
        assert word in process.stderr, (word, process.stderr)


def test_domain():
    """show asks a domain's QEMU by the domain's name"""
    daemon().create("web1")
    shown = verb("show", "--domain", "web1", "--agent", "none", "--json")
    assert shown.returncode == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document["vm"] == "web1" and document["accel"] == "tcg", document
    assert document["clocks"][0]["guest"] == "x86-tsc", document


def test_usage():
    """options that contradict each other are told before libvirt is asked"""
    nowhere = ("--connect", "qemu+unix:///system?socket=/nonexistent")
    for words, told in (
            (("--domain", "a", "--all"), "give one of both"),
            (("--domain", "a", "--qmp", "/x"), "leave out --qmp"),
            (("--all", "--agent", "vsock:3"), "one --agent cannot serve all"),
            (("--domain", ""), "--domain is empty"),
            ((), "add --domain NAME or --all"),
            (("--domain", "a", "--agent", "nonsense"), "agent address 'nonsense'")):
        assert_fails(program("show", *nowhere, *words), USAGE, told)
    for name in ("show", "compare"):
        assert_fails(program(name, *nowhere, "--domain", "a"), UNREACHABLE,
                     "cannot connect to libvirt at qemu+unix", "/nonexistent",
                     "check that libvirtd (or virtqemud) runs")


def test_one_thread():
    """record's own callbacks run in one thread, whatever libvirt does beside: GLib never complains"""
    with tempfile.TemporaryDirectory(prefix="libvirt-") as directory:
        # Each fails at its first sample, as the domain has no agent; libvirt was asked before that which there are.
        for number in range(20):
            failed = verb("record", "-o", os.path.join(directory, str(number)), "--all")
            assert_fails(failed, UNREACHABLE, "no channel for a guest agent")
            assert "GLib" not in failed.stderr, failed.stderr


def test_not_there():
    """what is not there, with the next step: the domain, its QEMU's component, its agent"""
    daemon().define("off")
    daemon().create("plain", plugin=False)
    daemon().create("mute", devices=CHANNEL)
    assert_fails(verb("show", "--domain", "nobody"), UNREACHABLE, "has no domain nobody",
                 "list --all")
    session = daemon().uri.replace("system", "session", 1)
    for words in (("show", "--domain", "nobody"), ("plugin", "show", "--domain", "nobody")):
        for uri, is_hinted in ((daemon().uri, False), (session, True)):
            told = program(*words, "--connect", uri)
            assert_fails(told, UNREACHABLE, f"libvirt at {uri} has no domain nobody", "list --all")
            assert ("add --connect qemu:///system" in told.stderr) == is_hinted, told.stderr
    assert_fails(verb("show", "--domain", "off"), UNREACHABLE, "domain off", "is not running",
                 "start off")
    assert_fails(verb("show", "--domain", "plain"), UNREACHABLE, "started without the component",
                 "trace-clock-sync plugin add --domain plain")
    assert_fails(verb("show", "--domain", "web1"), UNREACHABLE, "no channel for a guest agent",
                 "org.qemu.guest_agent.0", "--agent none")
    assert_fails(verb("show", "--domain", "mute"), UNREACHABLE, "its guest agent does not answer",
                 "start qemu-guest-agent")
    assert_fails(verb("show", "--domain", "web1", "--connect", daemon().uri), USAGE,
                 "at more than one of the URIs")
    assert_fails(program("show", "--domain", "test", "--connect", "test:///default"), UNREACHABLE,
                 "is for 'TEST'")


def test_paused():
    """a paused domain has no offset under TCG, and its agent is not waited for"""
    daemon().virsh("suspend", "mute")
    shown = verb("show", "--domain", "mute")
    daemon().virsh("resume", "mute")
    assert_fails(shown, REFUSED, "while the VM is stopped")
    assert "tcg, paused" in shown.stdout and shown.seconds < 5, (shown.seconds, shown.stdout)


def test_hung():
    """a QEMU or a libvirtd that hangs costs the time limit and no more"""
    pid = daemon().qemu_pid("mute")
    for stop, resume in ((lambda: os.kill(pid, signal.SIGSTOP),
                          lambda: os.kill(pid, signal.SIGCONT)),
                         (lambda: daemon().signal(signal.SIGSTOP),
                          lambda: daemon().signal(signal.SIGCONT))):
        stop()
        try:
            shown = verb("show", "--domain", "mute", "--timeout", "1")
        finally:
            resume()
        assert_fails(shown, UNREACHABLE, "libvirt gave no answer", "within the time limit",
                     "are not stopped or stuck")
        assert shown.seconds < 10, shown.seconds
    daemon().signal(signal.SIGSTOP)
    try:
        shown = verb("show", "--all", "--timeout", "1")
    finally:
        daemon().signal(signal.SIGCONT)
    assert_fails(shown, UNREACHABLE, "gave no answer to the question which domains run")


def test_all():
    """show --all: every running domain; those that fail are told and counted"""
    shown = verb("show", "--all", "--agent", "none")
    assert shown.returncode == UNREACHABLE, shown.stderr
    assert "VM web1:" in shown.stdout and "VM mute:" in shown.stdout, shown.stdout
    assert "show: plain: " in shown.stderr and "1 of 3 VMs failed" in shown.stderr, shown.stderr


def test_restart():
    """a domain that is started anew while it is recorded: a new epoch, and nothing in between"""
    with Recording("--domain", "web1", command=("sleep", "1000")) as recording:
        recording.wait_samples(5)
        daemon().virsh("destroy", "web1")
        daemon().virsh("start", "web1")
        recording.wait_samples(5)
        recording.process.send_signal(signal.SIGTERM)
        status, err = recording.wait()
        assert status == 0 and "a sample failed, going on" in err, (status, err)
        epoch_break(recording)


def test_reset():
    """a reset in a recording is no other QEMU: the log goes on"""
    with Recording("--domain", "web1") as recording:
        recording.wait_samples(5)
        daemon().virsh("reset", "web1")
        recording.wait_samples(5)
        status, err = recording.stop()
        assert status == 0 and "failed" not in err, (status, err)


def test_crash():
    """record --all: of two domains one crashes, one hangs for a while; the third does not notice"""
    daemon().virsh("destroy", "plain")
    daemon().create("web2")
    with Recording("--all", "--timeout", "1") as recording:
        for vm in ("web1", "web2", "mute"):
            recording.wait_samples(6, vm)
        os.kill(daemon().qemu_pid("web2"), signal.SIGKILL)
        hung = daemon().qemu_pid("mute")
        os.kill(hung, signal.SIGSTOP)
        before = time.monotonic()
        recording.wait_samples(10, "web1")
        seconds = time.monotonic() - before
        os.kill(hung, signal.SIGCONT)
        recording.wait_samples(3, "mute")
        recording.wait_samples(3, "web1")
        status, err = recording.stop()
        assert status == UNREACHABLE, err
        assert "web2: its recording has ended early" in err, err
        assert "1 of 3 VMs were not recorded to the end" in err, err
        # Ten samples, 0.1 s apart.
        assert seconds < 5, seconds
        print(f"# ten samples beside a hung and a crashed VM took {seconds:.2f} s")
        assert sorted(os.listdir(recording.output)) == ["mute.tcs", "web1.tcs", "web2.tcs"]


def test_plugin():
    """plugin add and remove: idempotent, and the definition is byte for byte what it was"""
    daemon().define("edit", plugin=False)
    original = daemon().virsh("dumpxml", "edit").stdout

    def plugin(action, *words):
        done = program("plugin", action, "--domain", "edit", "--connect", daemon().uri, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout, daemon().virsh("dumpxml", "--inactive", "edit").stdout
    assert "has no -plugin" in plugin("show")[0]
    out, added = plugin("add", "--plugin", PLUGIN)
    assert f"added -plugin {PLUGIN}" in out and added.count("qemu:arg") == 2, (out, added)
    out, again = plugin("add", "--plugin", PLUGIN)
    assert "nothing changed" in out and again == added, out
    out, other = plugin("add", "--plugin", "/elsewhere & 'here'/trace-clock-sync.so,source=tsc")
    assert "added" in out and other.count("qemu:arg") == 2 and "elsewhere" in other, other
    plugin("add", "--plugin", PLUGIN)
    daemon().virsh("start", "edit")
    shown = verb("show", "--domain", "edit", "--agent", "none")
    assert shown.returncode == 0, shown.stderr
    out, removed = plugin("remove")
    assert "shut it down and start it again" in out and removed == original, removed
    out, removed = plugin("remove")
    assert "nothing changed" in out and removed == original, removed


def test_plugin_beside():
    """what else a domain gives QEMU stays, and XML in its metadata is not touched"""
    lines = ["<qemu:commandline>", "  <qemu:arg value='-plugin'/>",
             "  <qemu:arg value='/x/trace-clock-sync.so'/>", "</qemu:commandline>"]
    daemon().define("beside", plugin=False)
    xml = daemon().virsh("dumpxml", "beside").stdout
    decoy = ("  <metadata>\n    <a:b xmlns:a='http://a/'>\n"
             + "".join(f"  {line.replace('qemu:', 'a:')}\n" for line in lines)
             + "    </a:b>\n  </metadata>\n  <memory")
    xml = xml.replace("  <memory", decoy, 1).replace(
        "<domain type='qemu'>",
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>").replace(
            "</domain>", "  <qemu:commandline>\n    <qemu:arg value='-d'/>\n"
                         "    <qemu:arg value='unimp'/>\n    <qemu:env name='A' value='b'/>\n"
                         "  </qemu:commandline>\n</domain>")
    path = os.path.join(daemon().directory, "decoy.xml")
    with open(path, "w", encoding="utf8") as file:
        file.write(xml)
    daemon().virsh("define", path)
    original = daemon().virsh("dumpxml", "beside").stdout
    for action in ("add", "add", "remove"):
        done = program("plugin", action, "--domain", "beside", "--connect", daemon().uri,
                       "--plugin", PLUGIN)
        assert done.returncode == 0, done.stderr
        now = daemon().virsh("dumpxml", "beside").stdout
        assert (PLUGIN in now) == (action == "add") and "unimp" in now, now
    assert now == original, now


def test_transient():
    """a transient domain has no definition to change"""
    path = os.path.join(daemon().directory, "edit.xml")
    with open(path, encoding="utf8") as file:
        xml = file.read().replace("<name>edit</name>", "<name>brief</name>")
    with open(path + ".brief", "w", encoding="utf8") as file:
        file.write(xml)
    daemon().virsh("create", path + ".brief")
    assert_fails(program("plugin", "add", "--domain", "brief", "--connect", daemon().uri,
                         "--plugin", PLUGIN), REFUSED, "is transient")
    assert_fails(program("plugin", "add", "--domain", "nobody", "--connect", daemon().uri,
                         "--plugin", PLUGIN), UNREACHABLE, "nobody")


def test_tcp():
    """libvirt over TCP, as of another host, alone and beside one at a Unix socket"""
    for name in daemon().virsh("list", "--name").stdout.split():
        daemon().virsh("destroy", name)
    daemon().virsh("start", "web1")
    with another_daemon(tcp=True) as other:
        other.create("far")
        other.create("web1")
        there, prefix = ("--connect", other.tcp_uri), other.in_its_network()
        shown = program("show", *there, "--domain", "far", "--agent", "none", "--json",
                        prefix=prefix)
        assert shown.returncode == 0 and json.loads(shown.stdout)["vm"] == "far", shown.stderr
        shown = program("plugin", "show", *there, "--domain", "far", prefix=prefix)
        assert shown.returncode == 0 and PLUGIN in shown.stdout, (shown.stdout, shown.stderr)
        shown = program("show", *there, "--connect", daemon().uri, "--all", "--agent", "none",
                        prefix=prefix)
        assert shown.returncode == 0 and shown.stdout.count("VM far:") == 1, shown.stderr
        assert shown.stdout.count("VM web1:") == 2, shown.stdout
        with Recording("--all", *there, prefix=prefix) as recording:
            vms = ("far", "web1", "web1%2")
            for vm in vms:
                recording.wait_samples(5, vm)
            status, err = recording.stop()
            assert status == 0 and "failed" not in err, (status, err)
            assert sorted(os.listdir(recording.output)) == sorted(f"{vm}.tcs" for vm in vms)
            threads = {tuple(s["qmp-after"]["vcpus"][0]["thread-id"] for s in
                             recording.samples(vm))[-1] for vm in vms}
            assert len(threads) == 3, f"a QEMU is in two logs: {threads}"


def test_tcp_nobody():
    """a URI where no server listens, or one that says nothing: status 3 within the time limit"""
    with socket.socket() as closed, socket.socket() as silent:
        for server in (closed, silent):
            server.bind(("127.0.0.1", 0))
        silent.listen()
        refused, hanging = (f"qemu+tcp://127.0.0.1:{server.getsockname()[1]}/system"
                            for server in (closed, silent))
        for words in (("show", "--domain", "web1"), ("show", "--all"),
                      ("plugin", "show", "--domain", "web1"),
                      ("record", "-o", "/nonexistent/run", "--all", "--connect", daemon().uri)):
            failed = program(*words, "--connect", refused)
            assert_fails(failed, UNREACHABLE, f"cannot connect to libvirt at {refused}",
                         "Connection refused", "check that libvirtd (or virtqemud) runs there")
            assert failed.seconds < 5, failed.seconds
        for words in (("show", "--domain", "web1"), ("show", "--all"),
                      ("record", "-o", "/nonexistent/run", "--all", "--connect", daemon().uri)):
            failed = program(*words, "--connect", hanging, "--timeout", "1")
            assert_fails(failed, UNREACHABLE, "libvirt gave no answer", "within the time limit")
            assert failed.seconds < 5, failed.seconds


if __name__ == "__main__":
    sys.exit(main(globals()))
