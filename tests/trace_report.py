# SPDX-License-Identifier: GPL-2.0-or-later
# A referee of its own: what `trace-cmd report` prints of a host's and a guest's trace, and which of
# the guest's events it shows while their vCPU's thread was outside of the guest.
import bisect
import re
import shutil
import subprocess
from collections import namedtuple

TRACE_CMD = shutil.which("trace-cmd", path="/usr/bin:/usr/local/bin:/bin")
CROSSINGS = ("kvm_entry", "kvm_exit", "kvm_guest_enter", "kvm_guest_exit")
Row = namedtuple("Row", "file pid cpu stamp event fields")
# With several files each line begins with its file's name.
# Releases since 3.3 may print a "-0x0" of no meaning before the time.
LINE = re.compile(r" *(?:(\S+): +)?.*-(\d+) +\[(\d+)\] *(?:-0x0)? *([\d.]+): +(\w+):(.*)")


def read(*paths, program=(TRACE_CMD,)):
    """Rows in the order in which trace-cmd shows them."""
    words = [w for path in paths for w in ("-i", str(path))]
    done = subprocess.run([*program, "report", "-t", "-R", *words], capture_output=True,
                          text=True, errors="replace", timeout=240, check=True)
    rows = []
    for match in map(LINE.match, done.stdout.splitlines()):
        if match:
            name, pid, cpu, stamp, event, fields = match.groups()
            rows.append(Row(name, int(pid), int(cpu), int(stamp.replace(".", "")), event, fields))
    return rows


def judge(rows, guest_file, threads):
    """(judged, of those outside, not judged). threads: the thread of each of the guest's CPUs."""
    crossings = {thread: [] for thread in threads.values()}
    for row in rows:
        if row.file != guest_file and row.event in CROSSINGS and row.pid in crossings:
            crossings[row.pid].append((row.stamp, row.event.endswith("_exit")))
    judged = outside = unknown = 0
    for row in rows:
        if row.file != guest_file:
            continue
        of_thread = crossings[threads[row.cpu]]
        # After all crossings of its time but exits: at an exit it is still inside.
        i = bisect.bisect_left(of_thread, (row.stamp, True))
        if i in (0, len(of_thread)) or of_thread[i - 1][1] == of_thread[i][1]:
            unknown += 1
        else:
            judged += 1
            outside += of_thread[i - 1][1]
    return judged, outside, unknown
