# SPDX-License-Identifier: GPL-2.0-or-later
# Of programs with sanitizers that tests start: which leaks are libraries' own. libtracecmd 3.1 does not free the offsets of a
# file that trace-cmd corrected, nor libtracefs the path of a tracefs that is mounted and may not be used.
import os

os.environ.setdefault("LSAN_OPTIONS", f"suppressions={os.path.dirname(os.path.abspath(__file__))}/leaks-of-libraries.txt:"
                      "print_suppressions=0")
