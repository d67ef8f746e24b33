#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""trace-clock-agent against clients that want to keep others from it: places taken and not used,
requests without end, requests that take long. Lines that are no requests, and clients that do not
read, are in test_agent.py.

Argument: the build directory.
"""
import sys
import threading
import time

from test_agent import CLIENTS_MAX, cpu_seconds, rss_kib
from test_agent_common import COMMAND, Agent, Client, run

QUIET_S = 10  # --help says so
SECONDS = 10  # in which unlimited requests would take twice of what is allowed
BURST_S = 1   # after a quiet time
HEAVY = b'{"execute":"%s","arguments":{"samples":1000,"clocks":["mono","boot","realtime"]}}\n' % \
    COMMAND.encode()


def quiet_clients(bench):
    """Clients that ask nothing whole lose their places to others, the quietest first"""
    path = bench.path("s")
    with Agent(bench, "unix:" + path) as agent:
        worker, *idle = [Client.unix(path) for _ in range(CLIENTS_MAX)]
        for n, client in enumerate(idle):
            client.send(b'{"execute":' + b" " * 60000 if n % 2 else b"{")
        with Client.unix(path) as early:
            assert "error" in early.reply() and early.ended()
        ends = time.monotonic() + QUIET_S + 1
        while time.monotonic() < ends:
            worker.works()
            for client in idle:  # bytes are no requests
                client.send(b" ")
            time.sleep(0.2)
        # Each newcomer asks at once, so that it is not the quietest itself.
        newcomers = []
        for _ in idle:
            newcomers.append(Client.unix(path))
            newcomers[-1].works()
        for client in idle:
            assert client.ended()
        worker.works()
        assert rss_kib(agent.pid) < 64 * 1024, rss_kib(agent.pid)
        for client in worker, *idle, *newcomers:
            client.close()


def request_rate(bench):
    """Requests without end take half of a CPU, and others are answered meanwhile"""
    path = bench.path("s")
    stop = threading.Event()

    def flood():
        with Client.unix(path) as client:
            def drain():
                try:
                    while client.stream.recv(1 << 20):
                        pass
                except OSError:
                    pass
            client.stream.settimeout(60)
            reader = threading.Thread(target=drain, daemon=True)
            reader.start()
            while not stop.is_set():
                client.send(HEAVY * 100)
            client.stream.shutdown(2)
            reader.join()

    begin = time.monotonic()
    with Agent(bench, "unix:" + path) as agent, Client.unix(path) as good:
        floods = [threading.Thread(target=flood, daemon=True) for _ in range(2)]
        for thread in floods:
            thread.start()
        answered = 0
        while time.monotonic() < begin + SECONDS:
            good.works()
            answered += 1
        used, seconds = cpu_seconds(agent.pid), time.monotonic() - begin
        stop.set()
        for thread in floods:
            thread.join(30)
        print(f"# {used:.2f} s of a CPU in {seconds:.2f} s, {answered} answers to another client")
        # However slow the machine is. Its start, and waking up, no request pays for.
        assert used < BURST_S + 0.55 * seconds, (used, seconds)
        assert answered >= 1, answered
        good.stream.settimeout(30)
        good.works()


if __name__ == "__main__":
    sys.exit(run([quiet_clients, request_rate], sys.argv))
