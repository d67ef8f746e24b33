# SPDX-License-Identifier: GPL-2.0-or-later
# Our private ftrace instances in a machine, and the helper process that removes them.
#
# Both vanish while one looks, an instance under emulation a second after the other. So a look never takes an error for
# "there is none": what `ls` and `grep` say of a name that has just gone is a failure as well. It is the output that tells.
from channel import Failure
from measure import wait_for

DIRECTORY = "/sys/kernel/tracing/instances"
HELPERS = "grep -l ^trace-clock-tid /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3"


def _list(pid=None):
    return f"ls {DIRECTORY} 2>/dev/null | grep '^trace-clock-sync[.]{pid or '[0-9]*'}[.]'"


def instances(machine):
    return set(machine.check(f"{_list()} || true").split())


def instances_gone(machine, pid=None, seconds=20):
    """Returns when no instance is left: of the process, or of any."""
    _wait(machine, f"! {_list(pid)}", seconds)


def helpers(machine):
    """Their pids, as text."""
    return machine.check(HELPERS).split()


def helpers_gone(machine):
    _wait(machine, f'[ -z "$({HELPERS})" ]', 20)


def _wait(machine, condition, seconds):
    """wait_for, whose failure says what is left, and where in the kernel those are who should remove it."""
    try:
        wait_for(machine, condition, seconds)
    except Failure as e:
        left = machine.run(f"ls {DIRECTORY}; "
                           "for c in $(grep -l ^trace-clock /proc/[0-9]*/comm 2>/dev/null); do "
                           "p=${c%/comm}; cat $p/comm $p/stat $p/stack; done; dmesg | tail -n 5")
        raise Failure(f"{e}\nleft are:\n{left.out}{left.err}") from e
