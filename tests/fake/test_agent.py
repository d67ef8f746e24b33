#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# test_agent.py BUILD_DIR [TEST...]: the real trace-clock-agent over unix, tcp and a terminal
# line, with good and hostile peers. Python only; prints TAP.
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

from test_agent_common import (COMMAND, FTRACE_CLOCKS, POSIX_CLOCKS, Agent, Client,
                               Skip, check_reply, forbid_setaffinity,
                               run, until)

LINE_MAX = 65536
DEPTH_MAX = 32
CLIENTS_MAX = 16


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if "VmRSS" in line)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def once_reads(bench):
    """--once reads every POSIX clock and the counter, and lists the rest"""
    ids = {"mono": time.CLOCK_MONOTONIC, "mono_raw": time.CLOCK_MONOTONIC_RAW,
           "boot": time.CLOCK_BOOTTIME, "tai": time.CLOCK_TAI,
           "realtime": time.CLOCK_REALTIME}
    before = {name: time.clock_gettime_ns(i) for name, i in ids.items()}
    reply = bench.once()
    after = {name: time.clock_gettime_ns(i) for name, i in ids.items()}
    values = {r["clock"]: r["value"] for r in reply["readings"]}
    assert {"x86-tsc", *POSIX_CLOCKS} <= set(values), values
    for name in ids:
        assert before[name] <= values[name] <= after[name], name
    # Whether ftrace's own can be read depends on this machine; each is told of.
    rest = {u["clock"] for u in reply["unavailable"]}
    assert rest == {*FTRACE_CLOCKS, "ppc-tb"} - set(values), reply
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        assert reply["boot-id"] == f.read().strip()
    assert len(reply["cpus"]) == 1, reply


def once_options(bench):
    """--clocks, --samples and --cpus choose what is read"""
    cpus = sorted(os.sched_getaffinity(0))
    reply = bench.once("--clocks", "boot,ppc-tb,local", "--samples", "1000",
                       "--cpus", ",".join(map(str, reversed(cpus))))
    read = [r["cpu"] for r in reply["readings"] if r["clock"] == "boot"]
    assert read == cpus[::-1], reply
    assert [c["cpu"] for c in reply["cpus"]] == cpus[::-1], reply
    unread = {u["clock"] for u in reply["unavailable"]} - {"local"}
    assert unread == {"ppc-tb"}, reply


def once_arch_id(bench):
    """An arch-id is what the kernel says too, or is left out"""
    with open("/proc/cpuinfo", encoding="ascii") as f:
        text = f.read()
    ids = {}
    for line in text.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "processor":
            cpu = int(value)
        elif name == "apicid":
            ids[cpu] = int(value)
    if not ids:
        raise Skip("/proc/cpuinfo of this machine has no apicid")
    cpus = ",".join(map(str, os.sched_getaffinity(0)))
    for entry in bench.once("--cpus", cpus)["cpus"]:
        assert entry.get("arch-id", ids[entry["cpu"]]) == ids[entry["cpu"]]


def bad_usage(bench):
    """Every wrong option ends with its status and names what is wrong"""
    for options, text in [
            (["--cpus", "8191"], "CPU 8191"), (["--cpus", "8192"], "8191"),
            (["--cpus", "-1"], "cpus"), (["--cpus", "0,0"], "CPU 0 twice"),
            (["--cpus", ""], "cpus"), (["--cpus", "0,x"], "'x'"),
            (["--samples", "0"], "samples"), (["--samples", "1001"], "samples"),
            (["--samples", "9" * 40], "samples"), (["--samples", "1.5"], "samples"),
            (["--clocks", "a" * 33], "32"), (["--clocks", "mono,"], "clocks"),
            (["--clocks", "mono,mono"], "mono"), (["--clocks", "a b"], "clocks"),
            (["--clocks", "mono,foo"], "no clock is named 'foo'; there are x86-tsc, mono,"),
            (["--clocks", ",".join(f"c{i}" for i in range(65))], "64"),
            (["--nonsense"], "nonsense"), (["extra"], "extra"),
            (["--listen", "vsock"], "--once")]:
        said = bench.once(*options, status=2)
        assert text in said, (options, said)
    for where, status in [
            ("", 2), ("foo", 2), ("tcp", 2), ("tcp:80", 2), ("tcp::80", 2),
            ("tcp:[]:80", 2), ("tcp:::1:80", 2), ("tcp:127.0.0.1:0", 2),
            ("tcp:127.0.0.1:65536", 2), ("unix", 2), ("unix:", 2),
            ("unix:/" + "x" * 200, 2), ("serial", 2), ("serial:", 2),
            ("vsock:", 2), ("vsock:x", 2), ("vsock:4294967295", 2),
            ("unix:/nonexistent/x", 3), ("unix:/", 3), ("serial:/nonexistent", 3),
            ("serial:/", 3), ("tcp:256.256.256.256:80", 3)]:
        said = bench.cannot_listen(where, status=status)
        assert where.split(":")[0] in said, said
    assert "--listen" in bench.cannot_listen(status=2)


def once_full(bench):
    """A full disk or a closed pipe on standard output is status 5"""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([bench.agent, "--once"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 5 and b"No space" in done.stderr, done


def affinity_restored(bench):
    """A request for another CPU leaves the agent's own affinity as it was"""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("needs two CPUs")
    path = bench.path("s")
    with Agent(bench, "unix:" + path) as agent, Client.unix(path) as client:
        os.sched_setaffinity(agent.pid, {cpus[0]})
        client.ask(COMMAND, {"cpus": [cpus[1], cpus[0]]})
        assert os.sched_getaffinity(agent.pid) == {cpus[0]}
        reply = client.ask(COMMAND, {"cpus": [cpus[1], 8191]})
        assert "CPU 8191" in reply["error"]["desc"], reply
        assert os.sched_getaffinity(agent.pid) == {cpus[0]}
        reply = client.ask(COMMAND)["return"]
        assert [c["cpu"] for c in reply["cpus"]] == [cpus[0]], reply


def without_affinity(bench):
    """Where affinity calls are forbidden, readings are still of one CPU"""
    forbid = forbid_setaffinity()
    reply = bench.once("--samples", "1000", preexec_fn=forbid)
    assert len(reply["readings"]) == 6, reply
    assert len(reply["cpus"]) >= 1, reply
    here = min(os.sched_getaffinity(0))
    bound = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {here})
    try:
        reply = bench.once("--cpus", str(here), preexec_fn=forbid)
        assert [c["cpu"] for c in reply["cpus"]] == [here], reply
        other = max(bound)
        if other != here:
            said = bench.once("--cpus", str(other), status=1,
                              preexec_fn=forbid)
            assert f"CPU {other}" in said, said
    finally:
        os.sched_setaffinity(0, bound)


def chased_about(bench):
    """A thread that others move between CPUs never mixes them in a reading"""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        raise Skip("needs two CPUs")
    path = bench.path("s")
    done = threading.Event()

    def chase(pid):
        while not done.is_set():
            for cpu in cpus:
                os.sched_setaffinity(pid, {cpu})
                time.sleep(0.0001)

    with Agent(bench, "unix:" + path, preexec_fn=forbid_setaffinity()) as agent:
        thread = threading.Thread(target=chase, args=(agent.pid,))
        thread.start()
        try:
            with Client.unix(path) as client:
                for i in range(900):
                    cpu = cpus[i % 2]
                    # All clocks now and then: ftrace's take long.
                    words = {"samples": 500, **({"clocks": ["mono", "boot"]} if i % 20 else {})}
                    reply = client.ask(COMMAND, {"cpus": [cpu], **words})
                    for reading in reply.get("return", {}).get("readings", []):
                        assert reading["cpu"] == cpu, reading
                    client.ask(COMMAND, words)
        finally:
            done.set()
            thread.join()


def time_namespace(bench):
    """In a time namespace the shifted clocks are refused"""
    prefix = ["unshare", "--time", "--monotonic", "1000", "--boottime", "1000"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise Skip("cannot make a time namespace here") from None
    reply = bench.once(prefix=prefix)
    assert {r["clock"] for r in reply["readings"]} == \
        {"x86-tsc", "tai", "realtime"}, reply


def over_unix(bench):
    """All commands over a unix socket that only its owner may use"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path):
        mode = os.stat(path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
        with Client.unix(path) as client:
            client.answers_all()
    assert not os.path.exists(path)


def over_tcp(bench):
    """All commands over tcp, by address, by name and by IPv6"""
    port = free_port()
    with Agent(bench, f"tcp:127.0.0.1:{port}"):
        with Client.tcp("127.0.0.1", port) as client:
            client.answers_all()
        assert str(port) in bench.cannot_listen(f"tcp:127.0.0.1:{port}")
    with Agent(bench, f"tcp:localhost:{port}"), \
            Client.tcp("127.0.0.1", port) as client:
        client.answers_all()
    try:
        port = free_port("::1")
    except OSError:
        return  # no IPv6 here
    with Agent(bench, f"tcp:[::1]:{port}"), Client.tcp("::1", port) as client:
        client.answers_all()


class Line:
    """The host side of a terminal line, reachable for the agent by `path`."""

    def __init__(self, path):
        self.master, slave = os.openpty()  # cooked, and echoing
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(os.ttyname(slave), path)
        os.close(slave)

    def recv(self, size):
        return os.read(self.master, size)

    def sendall(self, data):
        while data:
            data = data[os.write(self.master, data):]

    def close(self):
        os.close(self.master)


def over_serial(bench):
    """All commands over a terminal line, as raw bytes"""
    path = bench.path("line")
    with Client(Line(path)) as client, Agent(bench, "serial:" + path):
        client.answers_all()
        client.send(b'\x03\x04\x11\x13\r\n')  # keys a cooked line would eat
        assert "error" in client.reply()
        client.works()


def serial_hangup(bench):
    """A host that leaves the line costs no CPU; one that returns is served"""
    path = bench.path("line")
    line = Line(path)
    with Agent(bench, "serial:" + path) as agent:
        client = Client(line)
        client.works()
        client.send(b'{"execute":"guest-pi')
        time.sleep(0.1)
        client.close()
        used = cpu_seconds(agent.pid)
        time.sleep(1.5)
        assert cpu_seconds(agent.pid) - used < 0.1, "busy while hung up"
        with Client(Line(path)) as client:
            time.sleep(1)  # at least WAIT_LAST_MS
            client.send(b'ng"}\n')  # must not complete what was dropped
            assert "error" in client.reply()
            client.answers_all()


def several_listeners(bench):
    """Several listeners in one agent; one that fails ends it all"""
    paths = bench.path("a"), bench.path("b")
    port = free_port()
    where = ["unix:" + paths[0], f"tcp:127.0.0.1:{port}", "unix:" + paths[1]]
    with Agent(bench, *where), Client.unix(paths[0]) as a, \
            Client.unix(paths[1]) as b, Client.tcp("127.0.0.1", port) as c:
        for client in a, b, c, a, b, c:
            client.works()
    said = bench.cannot_listen("unix:" + paths[0], "unix:/nonexistent/x")
    assert "cannot listen" in said and "/nonexistent/x" in said, said
    assert not os.path.exists(paths[0])


def nested(depth):
    """A request of this depth altogether."""
    n = depth - 1
    return b'{"execute":"guest-ping","id":' + b"[" * n + b"]" * n + b"}"


def long_line(length):
    request = b'{"execute":"guest-ping"}'
    return request + b" " * (length - len(request))


HOSTILE = [
    # what is sent as a line, and what the description of the error says
    (b"garbage", "object"), (b"{", "ends before"), (b"[]", "object"),
    (b"null", "object"), (b"42 ", "object"), (b'"x"', "object"),
    (b"}", "object"), (b"//", "object"), (b'{"execute"', "ends before"),
    (b"{}}", "JSON"), (b'{/**/"execute":"guest-ping"}', "JSON"),
    (b'{"execute":"guest-ping"} x', "JSON"), (b"{}", "execute"),
    (b'{"execute":"guest-ping"}{"execute":"guest-ping"}', "JSON"),
    (b"{'execute':'guest-ping'}", "JSON"), (b'{"execute":1}', "execute"),
    (b'{"execute":"guest-ping",}', "JSON"), (b'{"execute":null}', "execute"),
    (b'{"execute":"guest-ping","more":1}', "more"),
    (b'{"execute":"guest-ping","arguments":[]}', "arguments"),
    (b'{"execute":"guest-ping","arguments":null}', "arguments"),
    (b'{"execute":"guest-ping","arguments":{"x":1}}', "'x'"),
    (b'{"execute":"guest-ping\x00"}', "NUL"), (b"\x00", "NUL"),
    (b'{"execute":"guest-ping","id":"\xfe"}', "JSON"),
    (b'{"execute":"guest-sync"}', "id"),
    (b'{"execute":"guest-sync","arguments":{"id":1.5}}', "id"),
    (nested(DEPTH_MAX + 1), "nesting"), (nested(5000), "nesting"),
    (b"[" * 60000, "object"), (b'{"a":' + b"[" * 60000, "nesting"), (b'{"a":' * 10000, "nesting"),
    (long_line(LINE_MAX + 1), "65536"), (b"x" * 1000000, "65536"),
    (b"\x00" * (LINE_MAX + 5), "65536"),
]

BAD_ARGUMENTS = [
    ({"samples": 0}, "samples"), ({"samples": 1001}, "samples"),
    ({"samples": "5"}, "samples"), ({"samples": 5.0}, "samples"),
    ({"samples": True}, "samples"), ({"samples": None}, "samples"),
    ({"samples": 2 ** 64 + 5}, "samples"), ({"samples": -2 ** 63}, "samples"),
    ({"samples": 2 ** 32 + 5}, "samples"),
    ({"clocks": "mono"}, "clocks"), ({"clocks": None}, "clocks"),
    ({"clocks": [1]}, "clocks"), ({"clocks": [""]}, "clocks"),
    ({"clocks": ["mono\0"]}, "clocks"), ({"clocks": ["\u00e9"]}, "clocks"),
    ({"clocks": ["a" * 33]}, "clocks"), ({"clocks": ["mono"] * 2}, "mono"),
    ({"clocks": [f"c{i}" for i in range(65)]}, "clocks"),
    ({"clocks": [["mono"]]}, "clocks"),
    ({"cpus": 0}, "cpus"), ({"cpus": []}, "cpus"), ({"cpus": [-1]}, "cpus"),
    ({"cpus": ["0"]}, "cpus"), ({"cpus": [0, 0]}, "CPU 0"),
    ({"cpus": [2 ** 32]}, "cpus"), ({"cpus": [2 ** 64]}, "cpus"),
    ({"cpus": [8191]}, "CPU 8191"), ({"cpus": list(range(4097))}, "4096"),
    ({"cpu": 0}, "'cpu'"), ({"Samples": 1}, "'Samples'"),
]


def hostile_lines(bench):
    """Each hostile line gets one clear error; the next line is answered"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path) as agent, Client.unix(path) as client:
        for line, text in HOSTILE:
            client.send(line + b"\n")
            error = client.reply()["error"]
            assert error["class"] == "GenericError", (line[:80], error)
            assert text in error["desc"], (line[:80], error)
            client.works()
        for arguments, text in BAD_ARGUMENTS:
            error = client.ask(COMMAND, arguments)["error"]
            assert error["class"] == "GenericError", (arguments, error)
            assert text in error["desc"], (arguments, error)
        client.send(nested(DEPTH_MAX) + b"\n")
        assert "return" in client.reply()
        client.send(long_line(LINE_MAX) + b"\n")
        assert "return" in client.reply()
        assert rss_kib(agent.pid) < 64 * 1024, rss_kib(agent.pid)


def cut_lines(bench):
    """However requests are cut into packets, they get the same replies"""
    path = bench.path("s")
    ping = b'{"execute":"guest-ping","id":%d}\n'
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        for byte in ping % 1:
            client.send(bytes([byte]))
        assert client.reply() == {"return": {}, "id": 1}
        client.send(b"\n \r\n\t\n" + b"".join(ping % i for i in range(3000)))
        for i in range(3000):
            assert client.reply() == {"return": {}, "id": i}
        client.send(b"x" * 70000 + b"\xff" + ping % 5)
        assert "65536" in client.reply()["error"]["desc"]
        assert client.reply() == {"return": {}, "id": 5}
        client.send(b"[[[\xff\xff" + ping % 6 + b'{"execute":')
        assert client.reply() == {"return": {}, "id": 6}
        client.stream.shutdown(socket.SHUT_WR)  # in the middle of a line
        assert client.ended()
        with Client.unix(path) as other:
            other.works()


def garbage(bench):
    """Random bytes never hurt; a fresh line is always answered"""
    seed = int(os.environ.get("SEED", random.randrange(2 ** 32)))
    print(f"# SEED={seed}")
    dice = random.Random(seed)
    path = bench.path("s")
    words = [b'{"execute":"%s","arguments":' % COMMAND.encode(), b"{", b"}",
             b"[", b"]", b'"', b"\n", b"\xff", b"\x00", b"\\u0000", b"cpus",
             b"1e999", b"-", b"99999999999999999999", b"\xf4\x90", b"//"]
    with Agent(bench, "unix:" + path):
        for _ in range(60):
            with Client.unix(path) as client:
                data = b"".join(dice.choice(words) if dice.random() < 0.7 else
                                dice.randbytes(dice.randrange(40))
                                for _ in range(dice.randrange(200)))
                client.send(data + b'\n\xff{"execute":"guest-sync-delimited",'
                                   b'"arguments":{"id":4711}}\n')
                while client.line() != b'\xff{"return":4711}':
                    pass


def many_clients(bench):
    """Sixteen clients are served, a further one is told so and closed"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path):
        clients = [Client.unix(path) for _ in range(CLIENTS_MAX)]
        for client in clients:
            client.works()
        with Client.unix(path) as client:
            assert "error" in client.reply()
            assert client.ended()
        clients.pop().close()

        def is_served():
            with Client.unix(path) as client:
                return "return" in client.ask("guest-ping")

        until(is_served, "a place has become free")
        for client in clients:
            client.works()
            client.close()


def slow_reader(bench):
    """A client that does not read is dropped, and others never notice"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path) as agent, Client.unix(path) as slow, \
            Client.unix(path) as good:
        start = time.monotonic()
        requests = (b'{"execute":"%s"}\n' % COMMAND.encode()) * 3000

        def flood():
            slow.stream.settimeout(30)
            try:
                slow.send(requests * 20)
            except OSError:
                pass

        thread = threading.Thread(target=flood)
        thread.start()
        while thread.is_alive():
            good.works()
            assert time.monotonic() - start < 20, "still not dropped"
            time.sleep(0.05)
        assert 9 < time.monotonic() - start, "dropped too early"
        assert rss_kib(agent.pid) < 64 * 1024, rss_kib(agent.pid)
        check_reply(good.ask(COMMAND)["return"])


def late_reader(bench):
    """A client that reads late, but in time, misses nothing"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        # Of one clock, so that they fill the socket's buffers within the second.
        n = 4000
        thread = threading.Thread(target=client.send, args=(b"".join(
            b'{"execute":"%s","id":%d,"arguments":{"clocks":["mono"]}}\n' % (COMMAND.encode(), i)
            for i in range(n)),))
        thread.start()
        time.sleep(1)
        for i in range(n):
            assert client.reply()["id"] == i
        thread.join()


def stale_socket(bench):
    """A killed agent's socket is replaced; a live one and a file are not"""
    path = bench.path("s")
    Agent(bench, "unix:" + path).kill()
    assert os.path.exists(path)
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        client.works()
        said = bench.cannot_listen("unix:" + path)
        assert path in said and "another program answers there" in said, said
        client.works()
        with Client.unix(path) as other:
            other.works()
    assert not os.path.exists(path)
    with socket.socket(socket.AF_UNIX) as busy, \
            socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(path)
        busy.listen(0)
        waiting.connect(path)  # the queue is full now: EAGAIN for the next
        bench.cannot_listen("unix:" + path)
        assert os.path.exists(path)
    os.unlink(path)
    with open(path, "w", encoding="ascii") as f:
        f.write("precious")
    assert "a file that is no socket" in bench.cannot_listen("unix:" + path)
    assert "it is a directory" in bench.cannot_listen("unix:" + bench.directory)
    with open(path, encoding="ascii") as f:
        assert f.read() == "precious"


def signals(bench):
    """SIGTERM and SIGINT end it with clients connected; its file goes"""
    path = bench.path("s")
    for number in signal.SIGTERM, signal.SIGINT:
        with Agent(bench, "unix:" + path) as agent:
            client = Client.unix(path)
            client.works()
            client.send(b"{")
            os.kill(agent.pid, number)
            assert client.ended()
            assert agent.process.wait(5) == 0
            assert not os.path.exists(path)
            agent.may_end = True
            client.close()


def few_descriptors(bench):
    """Out of descriptors the agent waits, without a busy loop, and goes on"""
    path = bench.path("s")

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))

    with Agent(bench, "unix:" + path, preexec_fn=limit) as agent:
        clients = [Client.unix(path) for _ in range(12)]
        time.sleep(0.3)
        used = cpu_seconds(agent.pid)
        time.sleep(1.5)
        assert cpu_seconds(agent.pid) - used < 0.1, "busy"
        clients[0].works()
        for client in clients[:8]:
            client.close()
        for client in clients[8:]:
            client.works()
            client.close()


if __name__ == "__main__":
    sys.exit(run([once_reads, once_options, once_arch_id, bad_usage, once_full,
                  affinity_restored, without_affinity, chased_about,
                  time_namespace, over_unix, over_tcp, over_serial,
                  serial_hangup, several_listeners, hostile_lines, cut_lines, garbage,
                  many_clients, slow_reader, late_reader, stale_socket,
                  signals, few_descriptors], sys.argv))
