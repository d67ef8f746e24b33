#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds what is installed for another architecture: cross.py ARCH BUILD-DIR.
# The libraries are those of the unpacked system that the testbed's machines are made of.
import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent)]

import arch_parts  # noqa: E402
import stock  # noqa: E402

# The exit status where the foreign system cannot be had, as Automake's and Meson's tests skip.
UNAVAILABLE = 77
MESON = "/usr/bin/meson"
# What is installed. Tests of this machine's do not run there.
TARGETS = ("collector/trace-clock-sync", "guest-agent/trace-clock-agent",
           "guest-agent/qga-extension", "qemu-plugin/trace-clock-sync")


def main():
    parser = argparse.ArgumentParser(description="Build for another architecture.")
    parser.add_argument("architecture", choices=sorted(arch_parts.ARCHITECTURES))
    parser.add_argument("build", type=Path)
    options = parser.parse_args()
    try:
        system = arch_parts.system(options.architecture)
    except stock.Unavailable as e:
        print(f"cross.py: {e}", file=sys.stderr)
        sys.exit(UNAVAILABLE)
    # Two files: the one in the tree takes the constant from the one that is made here.
    constants = options.build / "sysroot.ini"
    text = f"[constants]\nsysroot = '{system.root}'\n"
    is_stale = not constants.exists() or constants.read_text() != text
    if is_stale or not (options.build / "build.ninja").exists():
        # --wipe takes what it needs from an earlier setup, which a stale one has wrong.
        shutil.rmtree(options.build, ignore_errors=True)
        options.build.mkdir(parents=True)
        constants.write_text(text)
        subprocess.run([MESON, "setup", str(options.build), str(ROOT),
                        "--cross-file", str(constants),
                        "--cross-file", str(ROOT / "cross" / f"{options.architecture}.ini")],
                       check=True)
    subprocess.run([MESON, "compile", "-C", str(options.build), *TARGETS], check=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as e:
        sys.exit(f"cross.py: {e}")
