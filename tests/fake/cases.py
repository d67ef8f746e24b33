# SPDX-License-Identifier: GPL-2.0-or-later
# Runs a module's functions test_… in their order and prints TAP. The first line of a function's
# docstring is its name in the output. Nothing here knows what is tested.
import inspect
import signal
import sys
import time
import traceback

import leaks  # noqa: F401  pylint: disable=unused-import  # sets what programs with sanitizers are told


class Skip(Exception):
    pass


def skip(reason):
    raise Skip(reason)


def _hear_signals():
    """nohup and a shell's & leave signals ignored, and programs that tests start would inherit it:
    tests that send them must find what a terminal gives."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(names):
    """names: the module's globals(). Exits with 1 if a test failed."""
    _hear_signals()
    tests = [f for name, f in names.items() if name.startswith("test_") and inspect.isfunction(f)]
    print(f"1..{len(tests)}", flush=True)
    failed = False
    for number, test in enumerate(tests, 1):
        title = inspect.getdoc(test).splitlines()[0].rstrip(".").replace("#", "")
        start = time.monotonic()
        try:
            test()
            print(f"ok {number} - {title}", flush=True)
        except Skip as e:
            print(f"ok {number} - {title} # SKIP {e}", flush=True)
        except Exception:  # pylint: disable=broad-except  # a test may fail in any way
            failed = True
            print(f"not ok {number} - {title}", flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
        print(f"# {time.monotonic() - start:.2f} s", flush=True)
    sys.exit(failed)
