#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs testbed scenarios and prints TAP: run.py --build DIR [--keep-logs DIR] SCENARIO…
# A scenario is a file of scenarios/, named with or without its directory and .py.
import argparse
import importlib.util
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
# tests/ holds qapi_schema, which the scenarios check replies with.
sys.path[:0] = [str(HERE), str(HERE.parent)]

import tap  # noqa: E402


def load(name):
    path = HERE / "scenarios" / (Path(name).stem + ".py")
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.py")))
        sys.exit(f"run.py: no scenario {name}; there are: {known}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    parser = argparse.ArgumentParser(description="Run testbed scenarios; prints TAP.")
    parser.add_argument("--build", required=True, help="Meson's build directory")
    parser.add_argument("--keep-logs", metavar="DIR", help="keep the machines' consoles there")
    parser.add_argument("scenario", nargs="+")
    options = parser.parse_args()
    # Meson ends a test that takes too long with SIGTERM: leave no QEMU behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = [tap.run(load(name), options.build, options.keep_logs)
               for name in options.scenario]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
