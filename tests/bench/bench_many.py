#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sample costs `record`, in processor time of its own: of one VM alone, of each of fifty in one run,
and of one with 64 vCPUs. The VMs are scripted (no QEMU), so that fifty fit on any machine. Argument: the
build directory."""
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import targets

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "fake"), str(HERE.parent)]

from test_record_many import PROGRAM, Vm, samples  # noqa: E402
from test_show_world import Vcpu  # noqa: E402

MANY_VMS, MANY_VCPUS, SHARE_MAX = 50, 64, 2.0
# A second run, so much longer, tells what a sample costs without what a run costs; which differs by some samples'
# worth from run to run.
SHORT_S, LONG_S = 2, 40


def run(vms, vcpus, seconds):
    """(processor time of record, samples in its logs)"""
    with tempfile.TemporaryDirectory(prefix="tcs-bench-") as folder, contextlib.ExitStack() as stack:
        output = os.path.join(folder, "runs")
        options = [Vm(stack, f"vm{n}", vcpus=[Vcpu(v, offset=-5000) for v in range(vcpus)]).option
                   for n in range(vms)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*PROGRAM, "record", "-o", output, "--interval", "1", "--timeout", "30", *options,
                               "--", "sleep", str(seconds)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        count = sum(len(samples(log)) for log in Path(output).iterdir())
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, count


def cost(vms, vcpus):
    """Processor time of one more sample of one VM, in seconds."""
    short, few = run(vms, vcpus, SHORT_S)
    long, more = run(vms, vcpus, LONG_S)
    each = (long - short) / (more - few)
    print(f"record of {vms} VM(s) with {vcpus} vCPU(s): {short * 1000:.0f} ms of processor time for {few} samples, "
          f"{long * 1000:.0f} ms for {more}: {each * 1e6:.0f} us for each further one", flush=True)
    assert more > few and each > 0, (few, short, more, long)
    return each


def main():
    alone, shared, large = cost(1, 1), cost(MANY_VMS, 1), cost(1, MANY_VCPUS)
    good = targets.tell(f"record: a sample of each of {MANY_VMS} VMs in one run",
                        f"at most {SHARE_MAX:.0f} times that of one VM alone",
                        f"{shared * 1e6:.0f} µs against {alone * 1e6:.0f} µs: {shared / alone:.2f} times",
                        shared <= SHARE_MAX * alone)
    targets.tell("record: each further vCPU of a sample", "-",
                 f"{(large - alone) / (MANY_VCPUS - 1) * 1e6:.0f} µs of processor time", None)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
