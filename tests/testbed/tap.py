# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the checks of one scenario and prints TAP for Meson. A scenario is a module: a docstring, the
# names of its needs, and functions check_… in the order they run; the docstring's first line of
# each is its name in the output. They share one Context, and so one L1.
import inspect
import time
import traceback

import stock
from channel import Failure
from machines import BOOT_ATTEMPTS, Host, LocalGuest, Workshop


# In which Linux has told of a CPU that takes no interrupt: RCU's 21 s, and the time of its report under emulation.
STALL_SECONDS = 40


class Skip(Exception):
    pass


class Context:
    """What a check gets: the workshop, L1 (booted at its first use), and attributes that
    checks leave for later ones."""

    def __init__(self, workshop, host_options):
        self.workshop = workshop
        self.host_options = host_options
        self._host = None
        self._no_host = None
        self.unavailable = None  # why L1 cannot be had here; the checks that follow are skipped
        self._local = []

    @property
    def host(self):
        if self._no_host:
            raise Failure(f"L1 did not boot: {self._no_host}")  # do not wait for it again
        if self._host is None:
            try:
                self._host = self._boot()
            except stock.Unavailable as e:
                self.unavailable = str(e)
                raise
            except Exception as e:
                self._no_host = str(e).splitlines()[0]
                raise
        return self._host

    def _boot(self):
        """As of L2, only boots are repeated, and that is said aloud."""
        for _ in range(BOOT_ATTEMPTS - 1):
            try:
                return Host(self.workshop, **self.host_options)
            except Failure as e:
                self.note(f"L1 did not boot, trying again: {e}")
        return Host(self.workshop, **self.host_options)

    def local_guest(self, name, **options):
        return self.closing(LocalGuest(self.workshop, name, **options))

    def closing(self, thing):
        """What is to be closed when the checks are over."""
        self._local.append(thing)
        return thing

    def note(self, text):
        for line in str(text).splitlines():
            print("# " + line, flush=True)

    def skip(self, reason):
        raise Skip(reason)

    def emulator_fault(self):
        """As of L1 or the first guest in it that has one; a kernel says so only after a while."""
        fault = self._host and self._host.emulator_fault()
        if fault:
            return fault
        guests = self._host.guests if self._host else []
        deadline = time.monotonic() + STALL_SECONDS
        try:
            while guests:
                faults = [fault for fault in (guest.emulator_fault() for guest in guests) if fault]
                if faults or time.monotonic() > deadline:
                    return faults[0] if faults else None
                time.sleep(2)
        except Failure as e:
            fault = self._host.emulator_fault()  # it may have been told of while we asked
            if fault:
                return fault
            self.note(f"whether the emulator is to blame cannot be seen: {e}")
        return None

    def close(self):
        for guest in self._local:
            guest.close()
        if self._host:
            self._host.close()


def _checks(scenario):
    found = [f for name, f in inspect.getmembers(scenario, inspect.isfunction)
             if name.startswith("check_")]
    return sorted(found, key=lambda f: f.__code__.co_firstlineno)


def _explain(error):
    if isinstance(error, Failure):
        return str(error)
    # For an assertion the place says more than the message.
    frames = traceback.extract_tb(error.__traceback__)
    place = "\n".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}: {f.line}" for f in frames[1:])
    return f"{type(error).__name__}: {error}\n{place}"


class Run:
    """One scenario's checks in order, each on what the earlier ones left in the Context.

    Where the first check that fails does so beside a fault of the emulated processor (emulator_fault of Host and Guest), all checks so far run
    again on a new L1, once; that is said aloud, and what fails then has failed.
    """

    def __init__(self, scenario, workshop):
        self.checks = _checks(scenario)
        self._options = getattr(scenario, "HOST", {})
        self._workshop = workshop
        self._may_begin_anew = True
        self.context = Context(workshop, self._options)

    def _outcome(self, check):
        """What TAP says of one check: ("ok" or "not ok", the reason of a skip or None)."""
        try:
            if self.context.unavailable:
                return "ok", self.context.unavailable
            check(self.context)
            return "ok", None
        except (Skip, stock.Unavailable) as e:
            return "ok", str(e)
        except Exception as e:  # pylint: disable=broad-except  # a check may fail in any way
            self.context.note(_explain(e))
            return "not ok", None

    def result(self, number):
        """As _outcome, of the check of this number, counted from 1."""
        outcome = self._outcome(self.checks[number - 1])
        if outcome[0] == "ok" or not self._may_begin_anew:
            return outcome
        self._may_begin_anew = False  # what fails later may be the first failure's doing
        fault = self.context.emulator_fault()
        if not fault:
            return outcome
        self.context.note(f"{fault}, which is the emulator's doing: the checks run again from the first, on another L1")
        self.context.close()
        self.context = Context(self._workshop, self._options)
        for earlier in self.checks[:number - 1]:
            if self._outcome(earlier)[0] != "ok":
                self.context.note(f"{_name(earlier)}: failed this time")
                return "not ok", None
        return self._outcome(self.checks[number - 1])


def _name(check):
    return inspect.getdoc(check).splitlines()[0].rstrip(".").replace("#", "")


def run(scenario, build, keep_logs=None):
    """True if no check failed."""
    checks = _checks(scenario)
    print(f"1..{len(checks)}", flush=True)
    good = True
    its_run = workshop = unavailable = None
    try:
        try:
            workshop = Workshop(build, keep_logs)
            missing = [b for b in getattr(scenario, "NEEDS", ()) if not workshop.has(b)]
            if missing:
                unavailable = f"not built: {', '.join(missing)}"
            its_run = Run(scenario, workshop)
        except stock.Unavailable as e:
            unavailable = str(e)
        for number, check in enumerate(checks, 1):
            start = time.monotonic()
            status, skipped = ("ok", unavailable) if unavailable else its_run.result(number)
            good = good and status == "ok"
            reason = f" # SKIP {' '.join(skipped.split())}" if skipped else ""
            print(f"{status} {number} - {_name(check)}{reason}", flush=True)
            print(f"# {time.monotonic() - start:.1f} s", flush=True)
    finally:
        if its_run:
            its_run.context.close()
        if workshop:
            workshop.close()
    return good
