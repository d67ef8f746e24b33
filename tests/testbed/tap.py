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

    def keep(self, thing):
        """Has something closed when the scenario ends."""
        self._local.append(thing)
        return thing

    def note(self, text):
        for line in str(text).splitlines():
            print("# " + line, flush=True)

    def skip(self, reason):
        raise Skip(reason)

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


def run(scenario, build, keep_logs=None):
    """True if no check failed."""
    checks = _checks(scenario)
    print(f"1..{len(checks)}", flush=True)
    good = True
    context = workshop = unavailable = None
    try:
        try:
            workshop = Workshop(build, keep_logs)
            missing = [b for b in getattr(scenario, "NEEDS", ()) if not workshop.has(b)]
            if missing:
                unavailable = f"not built: {', '.join(missing)}"
            context = Context(workshop, getattr(scenario, "HOST", {}))
        except stock.Unavailable as e:
            unavailable = str(e)
        for number, check in enumerate(checks, 1):
            name = inspect.getdoc(check).splitlines()[0].rstrip(".").replace("#", "")
            start = time.monotonic()
            try:
                reason = unavailable or context.unavailable
                if reason:
                    raise Skip(reason)
                check(context)
                line = f"ok {number} - {name}"
            except (Skip, stock.Unavailable) as e:
                line = f"ok {number} - {name} # SKIP {' '.join(str(e).split())}"
            except Exception as e:  # pylint: disable=broad-except  # a check may fail in any way
                good = False
                line = f"not ok {number} - {name}"
                context.note(_explain(e))
            print(line, flush=True)
            context and context.note(f"{time.monotonic() - start:.1f} s")
    finally:
        if context:
            context.close()
        if workshop:
            workshop.close()
    return good
