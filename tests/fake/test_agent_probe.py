#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# test_agent_probe.py BUILD_DIR [TEST...]: the real trace-clock-agent as the far end of a two-way
# exchange, and what it says of its realtime and of the host's. Python only; prints TAP.
import ctypes
import glob
import os
import random
import signal
import subprocess
import sys
import threading
import time

from test_agent_common import (COMMAND, PROBE, Agent, Client, Skip, check_probe,
                               forbid_setaffinity, run, until)

N = 3000


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("needs two CPUs")
    return cpus[0], cpus[-1]


def request(i, arguments=b"{}"):
    return b'{"execute":"%s","arguments":%s,"id":%d}\n' % (PROBE.encode(), arguments, i)


def counter(client, cpu):
    """The guest's counter before and after the agent's own reading of it."""
    reply = client.ask(COMMAND, {"clocks": ["x86-tsc"], "samples": 1, "cpus": [cpu]})
    reading = reply["return"]["readings"][0]
    return reading["counter-before"], reading["counter-after"]


def in_order(bench):
    """Both stamps lie after what was read before, and before what comes after"""
    path = bench.path("s")
    cpus = sorted(os.sched_getaffinity(0))
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        for i in range(100):
            cpu = cpus[i % len(cpus)]
            _, before = counter(client, cpu)
            reply = client.ask(PROBE, {"cpu": cpu})["return"]
            after, _ = counter(client, cpu)
            assert before < reply["counter-receive"] < reply["counter-transmit"] < after, \
                (before, reply, after)


def any_cpu(bench):
    """Without a CPU the reply says which it was"""
    path = bench.path("s")
    here = min(os.sched_getaffinity(0))
    with Agent(bench, "unix:" + path) as agent, Client.unix(path) as client:
        os.sched_setaffinity(agent.pid, {here})
        for arguments in None, {}:
            assert client.ask(PROBE, arguments)["return"]["cpu"] == here


def pipelined(bench):
    """Probes sent without waiting are answered in order, each good"""
    path = bench.path("s")
    cpus = sorted(os.sched_getaffinity(0))
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        data = b"".join(request(i, b'{"cpu":%d}' % cpus[i * len(cpus) // N]) for i in range(N))
        _, start = counter(client, cpus[0])
        thread = threading.Thread(target=client.send, args=(data,))
        thread.start()
        sent = received = start
        for i in range(N):
            reply = client.reply()
            assert reply["id"] == i, reply
            probe = check_probe(reply["return"], cpus[i * len(cpus) // N])
            # Those of one packet share an arrival.
            assert probe["counter-receive"] >= received, (probe, received)
            assert probe["counter-transmit"] > sent, (probe, sent)
            received, sent = probe["counter-receive"], probe["counter-transmit"]
        thread.join()
        end, _ = counter(client, cpus[-1])
        assert sent < end, (sent, end)


def late_tail(bench):
    """A request that comes in pieces has arrived when its end has"""
    path = bench.path("s")
    cpu = min(os.sched_getaffinity(0))
    with Agent(bench, "unix:" + path), Client.unix(path) as client, \
            Client.unix(path) as other:
        for i in range(20):
            text = request(i, b'{"cpu":%d}' % cpu)
            cut = 1 + i * (len(text) - 2) // 20
            client.send(text[:cut])
            time.sleep(0.002)
            _, before = counter(other, cpu)
            client.send(text[cut:])
            assert client.reply()["return"]["counter-receive"] > before


def affinity_kept(bench):
    """The agent's affinity is its own again before a reply can be read"""
    first, other = two_cpus()
    path = bench.path("s")
    with Agent(bench, "unix:" + path) as agent, Client.unix(path) as client:
        os.sched_setaffinity(agent.pid, {first})
        for _ in range(50):
            client.ask(PROBE, {"cpu": other})
            assert os.sched_getaffinity(agent.pid) == {first}
            client.ask(PROBE)
        assert "error" in client.ask(PROBE, {"cpu": 8191})
        assert os.sched_getaffinity(agent.pid) == {first}


def cannot_move(bench):
    """Where affinity calls are forbidden, a CPU it is not on is an error"""
    first, other = two_cpus()
    forbid = forbid_setaffinity()
    path = bench.path("s")
    bound = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {first})
    try:
        with Agent(bench, "unix:" + path, preexec_fn=forbid), \
                Client.unix(path) as client:
            for _ in range(20):
                client.ask(PROBE, {"cpu": first})
                error = client.ask(PROBE, {"cpu": other})["error"]
                assert f"CPU {other}" in error["desc"], error
                assert client.ask(PROBE)["return"]["cpu"] == first
    finally:
        os.sched_setaffinity(0, bound)


def chased_about(bench):
    """A thread that others move between CPUs says what it can vouch for"""
    cpus = two_cpus()
    for forbid in None, forbid_setaffinity():
        path = bench.path("s")
        done = threading.Event()
        answers = 0

        def chase(pid, ended):
            while not ended.is_set():
                for cpu in cpus:
                    os.sched_setaffinity(pid, {cpu})
                    time.sleep(0.0001)

        with Agent(bench, "unix:" + path, preexec_fn=forbid) as agent, \
                Client.unix(path) as client:
            thread = threading.Thread(target=chase, args=(agent.pid, done))
            thread.start()
            try:
                for i in range(2000):
                    reply = client.ask(PROBE, {"cpu": cpus[i % 2]} if i % 3 else None)
                    answers += "return" in reply
                    assert "return" in reply or "CPU" in reply["error"]["desc"], reply
            finally:
                done.set()
                thread.join()
        assert answers > 600, answers


BAD_ARGUMENTS = [
    (b'{"cpu":8191}', "CPU 8191 is not online"), (b'{"cpu":8192}', "8191"),
    (b'{"cpu":-1}', "from 0"), (b'{"cpu":1e0}', "integer"), (b'{"cpu":0.0}', "integer"),
    (b'{"cpu":"0"}', "integer"), (b'{"cpu":null}', "integer"), (b'{"cpu":true}', "integer"),
    (b'{"cpu":[0]}', "integer"), (b'{"cpu":{}}', "integer"),
    (b'{"cpu":18446744073709551616}', "from 0"), (b'{"cpu":-9223372036854775809}', "from 0"),
    (b'{"cpu":4294967296}', "from 0"), (b'{"cpus":[0]}', "'cpus'"), (b'{"Cpu":0}', "'Cpu'"),
    (b'{"":0}', "''"), (b'{"cpu":0,"id":1}', "'id'"), (b"[]", "object"), (b"0", "object"),
]


def bad_arguments(bench):
    """Each malformed argument is one clear error; the next probe is answered"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        for i, (arguments, text) in enumerate(BAD_ARGUMENTS):
            client.send(request(i, arguments))
            reply = client.reply()
            assert reply["id"] == i and text in reply["error"]["desc"], (arguments, reply)
            assert "return" in client.ask(PROBE)


def noise(bench):
    """Random arguments get one reply each, in order, and hurt nothing"""
    seed = int(os.environ.get("SEED", random.randrange(2 ** 32)))
    print(f"# SEED={seed}")
    dice = random.Random(seed)
    words = [b"{", b"}", b"[", b"]", b'"cpu"', b'"cpu":0', b":", b",", b"0", b"-", b"1e99", b"null",
             b'"\\u0000"', b"//", b"\xff\xfe"[1:], b"\x00", b"99999999999999999999"]
    path = bench.path("s")
    with Agent(bench, "unix:" + path), Client.unix(path) as client:
        for i in range(2000):
            text = b"".join(dice.choice(words) for _ in range(dice.randrange(8)))
            client.send(request(i, text) + request(-1 - i))
            replies = [client.reply() for _ in range(2)]
            assert "return" in replies[1] and replies[1]["id"] == -1 - i, (text, replies)
            # JSON that is none has no id to give back.
            assert replies[0].get("id", i) == i, (text, replies)
            assert "return" in replies[0] or replies[0]["error"]["desc"], (text, replies)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def turns(bench):
    """A client with much to ask gets a packet's worth before the others, no more"""
    path = bench.path("s")
    n, size, rounds = 100, 800, 10
    with Agent(bench, "unix:" + path) as agent:
        clients = [Client.unix(path) for _ in range(9)]
        for client in clients:
            client.works()
        ahead = []
        for i in range(rounds):
            greedy = clients[i % len(clients)]
            others = [client for client in clients if client is not greedy]
            os.kill(agent.pid, signal.SIGSTOP)
            until(lambda: state(agent.pid) == "T", "the agent has stopped")
            try:
                greedy.send(b"".join(request(k).rstrip().ljust(size - 1) + b"\n"
                                     for k in range(n)))
                for client in others:
                    client.send(request(0))
            finally:
                os.kill(agent.pid, signal.SIGCONT)
            stamps = [greedy.reply()["return"]["counter-transmit"] for _ in range(n)]
            for client in others:
                stamp = client.reply()["return"]["counter-transmit"]
                ahead.append(sum(other < stamp for other in stamps))
        print(f"# answered before: at most {max(ahead)} of {n}")
        assert max(ahead) <= 2 * 8192 // size, ahead
        for client in clients:
            client.close()


def fair(bench):
    """Clients that flood keep no other from being answered"""
    path = bench.path("s")
    data = b"".join(request(i) for i in range(1000))
    with Agent(bench, "unix:" + path), Client.unix(path) as good:
        floods = [Client.unix(path) for _ in range(3)]
        done = threading.Event()

        def write(client):
            try:
                while not done.is_set():
                    client.send(data)
            except OSError:
                pass

        def read(client):
            try:
                while client.stream.recv(1 << 20):
                    pass
            except OSError:
                pass

        threads = [threading.Thread(target=f, args=(c,)) for c in floods for f in (read, write)]
        for thread in threads:
            thread.start()
        try:
            times = []
            for _ in range(100):
                start = time.monotonic()
                good.ask(PROBE)
                times.append(time.monotonic() - start)
        finally:
            done.set()
            for client in floods:
                client.stream.shutdown(2)
            for thread in threads:
                thread.join()
        print(f"# median {sorted(times)[50] * 1e3:.2f} ms, most {max(times) * 1e3:.2f} ms")
        # What is left of it is the machine's, and much of it with sanitizers.
        assert sorted(times)[50] < 2, times
        good.works()


class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
                ("status", ctypes.c_int), ("rest", ctypes.c_long * 40)]


def adjtimex():
    timex = Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    assert state >= 0, ctypes.get_errno()
    is_synchronized = state != 5 and not timex.status & 0x40  # TIME_ERROR, STA_UNSYNC
    return is_synchronized, timex.maxerror * 1000, timex.esterror * 1000


def realtime_error(bench):
    """realtime comes with what adjtimex says, and only then"""
    before = adjtimex()
    error = bench.once("--clocks", "mono,realtime")["realtime-error"]
    after = adjtimex()
    if before[0] == after[0]:
        assert error["synchronized"] == before[0], (before, error)
    if after[1] >= before[1]:  # else the clock was steered meanwhile
        assert before[1] <= error["max-error-ns"] <= after[1], (before, error, after)
    if before[2] == after[2]:
        assert error["estimated-error-ns"] == before[2], (before, error)
    assert "realtime-error" not in bench.once("--clocks", "mono,tai")
    assert "realtime-error" in bench.once()


def ptp_names():
    for path in glob.glob("/sys/class/ptp/*/clock_name"):
        with open(path, encoding="ascii") as f:
            yield f.read().strip()


def ptp_kvm(bench):
    """ptp-kvm is read, or refused with a reason, only if it is asked for"""
    reply = bench.once()
    listed = {r["clock"] for r in reply["readings"]} | {u["clock"] for u in reply["unavailable"]}
    assert "ptp-kvm" not in listed, listed
    reply = bench.once("--clocks", "ptp-kvm,mono")
    if reply["unavailable"]:
        reason = reply["unavailable"][0]["reason"]
        if "KVM virtual PTP" not in ptp_names():
            assert "modprobe ptp_kvm" in reason, reason
        assert [r["clock"] for r in reply["readings"]] == ["mono"], reply
    else:
        assert [r["clock"] for r in reply["readings"]] == ["ptp-kvm", "mono"], reply
        assert reply["readings"][0]["via"] == "ptp", reply


def not_once(bench):
    """--once has no transport and so no probe, and says what it can"""
    said = bench.once("--probe", status=2)
    assert "--probe" in said, said
    done = subprocess.run([bench.agent, "--help"], capture_output=True, text=True, check=True)
    assert PROBE in done.stdout, done.stdout


if __name__ == "__main__":
    sys.exit(run([in_order, any_cpu, pipelined, late_tail, affinity_kept, cannot_move,
                  chased_about, bad_arguments, noise, turns, fair, realtime_error, ptp_kvm,
                  not_once], sys.argv))
