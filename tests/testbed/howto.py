# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the commands of docs/howto-trace-cmd.md, and those of README.md for a VM without libvirt, as they
# stand there, in the testbed's machines. What a block needs besides is made here.
import re
import shlex

import documents
import traces
from measure import wait_for, wait_with_log

HOST, GUEST, TOGETHER, AGENT, WITH_AGENT = range(5)


def blocks():
    """The document's blocks, in its order; KernelShark has no display here."""
    return ["\n".join(line for line in block.splitlines() if not line.startswith("kernelshark "))
            for block in documents.blocks("docs/howto-trace-cmd.md", 5)]


def run_all(machine, directory, commands, said):
    """Every command has to end with 0; returns what they said. Of a failure the last lines tell why."""
    machine.check(f"cd {directory} && sh -e -c {shlex.quote(commands)} </dev/null >{said} 2>&1 || "
                  f"{{ tail -n 5 {said} >&2; exit 1; }}", 240)
    return machine.get(f"{directory}/{said}")


def run(host, guest):
    """Both ways of recording, from the first command to the last; returns what they said."""
    block = blocks()
    assert guest.cid == 3 and "vsock:3" in block[HOST], block[HOST]
    host.check(f"mkdir -p /run/vm /run/one /run/two && ln -sf {guest.qmp_path} /run/vm/qmp.sock")

    # Until the guest has done, however slow it is.
    on_host = block[HOST].replace("sleep 10", "sh -c 'until [ -e done ]; do usleep 100000; done'")
    assert on_host != block[HOST]
    host.check(f"cd /run/one && (\n{on_host}\n) </dev/null >said 2>&1 &")
    wait_with_log(host, f"[ $(cat {traces.KVM_ENABLED}) = 1 ]", "/run/one/said", 60)
    guest.check(f"mkdir -p /run/one && cd /run/one && {block[GUEST]}", 240)
    host.check("touch /run/one/done")
    wait_with_log(host, "! pidof trace-clock-sync trace-cmd", "/run/one/said", 120)
    host.put("/run/one/packed", guest.check("gzip -1 </run/one/guest.dat | base64", 240).encode())
    host.check("cd /run/one && base64 -d packed | gzip -d >guest.dat")
    said = [together(host, "/run/one", block[TOGETHER])]

    guest.check(f"mkdir -p /run/two; cd /run/two; {block[AGENT].strip()} </dev/null >said 2>&1 &")
    host.check("cd /run/two && (\n" + block[WITH_AGENT].replace("g1", guest.name) +
               "\n) </dev/null >said 2>&1", 240)
    guest.run("killall trace-cmd")
    said.append(together(host, "/run/two",
                         block[TOGETHER].replace("guest.dat", f"host-{guest.name}.dat")))
    return "\n".join(said)


def together(host, directory, commands):
    """What the last block prints, its beginning; both files are in what report shows."""
    run_all(host, directory, commands, "together")
    shown = host.check(f"cd {directory} && grep -c '^ *host.dat: .*kvm_e' together && "
                       "grep '^ *[^ ]*: .*-' together | grep -vc '^ *host.dat: '").split()
    assert min(map(int, shown)) > 100, shown
    return host.check(f"head -n 9 {directory}/together | cut -c1-150")


def readme(host, guest):
    """README's section "Without libvirt", and the examples of --help for a VM without it; returns what they said."""
    ask, compare = documents.blocks("README.md", 2, "Without libvirt")
    assert guest.cid == 3 and ask.count("vsock:3") == 2, ask
    host.check(f"mkdir -p /run/vm /run/readme && ln -sf {guest.qmp_path} /run/vm/qmp.sock")

    said = run_all(host, "/run/readme", ask, "said")
    assert re.search(r"^x86-tsc +0 +-?\d+ ticks +0 ticks ", said, re.MULTILINE), said
    events = int(host.check("cd /run/readme && trace-cmd report trace.dat 2>&1 | grep -c 'kvm_e'", 240))
    clocks = host.check("cd /run/readme && trace-clock-sync map --list run.tcs")
    assert events > 100 and "guest:mono" in clocks, (events, clocks)
    compared = run_all(host, "/run/readme", compare, "compared")
    assert "hypervisor" in compared and "exchange" in compared, compared
    return "\n".join([said, compared,
                      *(run_all(host, "/run/readme", example, "example")
                        for example in of_help(host, documents.lines(ask + compare)))])


def of_help(host, known):
    """The examples of show, record and compare for a VM of that socket, without those that README has."""
    found = [line for verb in ("show", "record", "compare")
             for line in documents.examples(host.check(f"trace-clock-sync {verb} --help")) if "--qmp" in line]
    assert len(found) == 5 and all("/run/vm/qmp.sock --agent vsock:3" in line for line in found), found
    show, record = (line for line in found if line not in known)
    assert " show " in show and " -- " not in record, (show, record)
    # A log is never overwritten; without a command it ends by Ctrl-C.
    return [show, f"rm run.tcs\n{record} & until grep -qs qmp-after run.tcs; do sleep 1; done\n"
                  "kill -INT $!; wait $!\ngrep -c qmp-after run.tcs"]
