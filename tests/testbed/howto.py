# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the commands of docs/howto-trace-cmd.md as they stand there, in the testbed's machines. Each
# block begins with a comment that says where it runs; what a block needs besides is made here.
import re
from pathlib import Path

import traces
from measure import wait_for

TEXT = (Path(__file__).resolve().parents[2] / "docs/howto-trace-cmd.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
HOST, GUEST, TOGETHER, AGENT, WITH_AGENT = range(5)


def blocks():
    """The document's blocks, in its order; KernelShark has no display here."""
    found = ["\n".join(line for line in block.splitlines() if not line.startswith("kernelshark "))
             for block in BLOCK.findall(TEXT)]
    assert len(found) == 5, found
    return found


def end(host):
    """Ctrl-C, as the text says, to the recording of the clocks."""
    host.check("kill -INT $(pidof trace-clock-sync)")
    wait_for(host, "! pidof trace-clock-sync", 60)


def run(host, guest):
    """Both ways of recording, from the first command to the last; returns what they said."""
    block = blocks()
    assert guest.cid == 3 and "vsock:3" in block[HOST], block[HOST]
    host.check(f"mkdir -p /run/vm /run/one /run/two && ln -sf {guest.qmp_path} /run/vm/qmp.sock")

    host.check(f"cd /run/one && (\n{block[HOST]}\n) </dev/null >said 2>&1 &")
    wait_for(host, f"[ $(cat {traces.KVM_ENABLED}) = 1 ]", 60)
    guest.check(f"mkdir -p /run/one && cd /run/one && {block[GUEST]}", 240)
    wait_for(host, "! pidof trace-cmd", 120)
    end(host)
    host.put("/run/one/packed", guest.check("gzip -1 </run/one/guest.dat | base64", 240).encode())
    host.check("cd /run/one && base64 -d packed | gzip -d >guest.dat")
    said = [together(host, "/run/one", block[TOGETHER])]

    guest.check(f"mkdir -p /run/two; cd /run/two; {block[AGENT].strip()} </dev/null >said 2>&1 &")
    host.check("cd /run/two && (\n" + block[WITH_AGENT].replace("g1", guest.name) +
               "\n) </dev/null >said 2>&1", 240)
    end(host)
    guest.run("killall trace-cmd")
    said.append(together(host, "/run/two",
                         block[TOGETHER].replace("guest.dat", f"host-{guest.name}.dat")))
    return "\n".join(said)


def together(host, directory, commands):
    """What the last block prints, its beginning; both files are in what report shows."""
    host.check(f"cd {directory} && ( set -e\n{commands}\n) </dev/null >together 2>&1 || "
               "{ tail -n 5 together >&2; exit 1; }", 240)
    shown = host.check(f"cd {directory} && grep -c '^ *host.dat: .*kvm_e' together && "
                       "grep '^ *[^ ]*: .*-' together | grep -vc '^ *host.dat: '").split()
    assert min(map(int, shown)) > 100, shown
    return host.check(f"head -n 9 {directory}/together | cut -c1-150")
