# SPDX-License-Identifier: GPL-2.0-or-later
# The QEMU that L1 runs in: Debian's source package with two patches (a scaled TSC, and faults of the
# emulated SVM), with no more devices than L1 uses. Fetched and built once (some 10 minutes of
# two cores), then kept in the cache. It knows nothing of machines and scenarios.
import shutil
from pathlib import Path

import cache
import qemu_source
import stock

HERE = Path(__file__).parent
PATCHES = (HERE / "tsc-scaling.patch", HERE / "svm-faults.patch")
DEVICES = HERE / "devices.mak"
# The release whose QEMU that is (machines.py says why), and the version it has.
RELEASE, WRITTEN_FOR = "trixie", "10.0"
PROGRAM = "qemu-system-x86_64"
BUILD_SECONDS = 4000
CONFIGURE = ("--target-list=x86_64-softmmu", "--without-default-features",
             "--without-default-devices", f"--with-devices-x86_64={DEVICES.stem}", "--enable-tcg",
             "--enable-pie", "--disable-install-blobs", "--disable-debug-info",
             "--disable-werror", "--disable-docs")


def build(archive, directory):
    """Fetches, patches, configures and compiles; returns the program's path."""
    def run(words, what, cwd=directory):
        stock.run(words, f"{what} QEMU for the testbed", BUILD_SECONDS, environment, cwd=cwd)

    version = archive.newest_source()
    if not qemu_source.upstream(version).startswith(WRITTEN_FOR + "."):
        raise stock.Unavailable(f"the testbed's L1 needs the source of QEMU {WRITTEN_FOR}, for "
                                f"which its patches are written; Debian {RELEASE} has QEMU "
                                f"{qemu_source.upstream(version)}")
    source = archive.source(version)
    # Debian takes the Meson that QEMU brings along out of its source package, and this release's
    # own is too old.
    archive.unpack("meson", archive.directory / "meson")
    environment = dict(qemu_source.ENVIRONMENT,
                       PYTHONPATH=archive.directory / "meson/usr/lib/python3/dist-packages")
    for patch in PATCHES:
        run(["patch", "-p1", "--batch", "--forward", "--fuzz=0", "-i", str(patch)], "patching",
            cwd=source)
    shutil.copy(DEVICES, source / "configs/devices/x86_64-softmmu" / DEVICES.name)
    directory.mkdir()
    run([str(source / "configure"), *CONFIGURE], "configuring")
    run(["ninja", PROGRAM], "compiling")
    run(["strip", PROGRAM], "stripping")
    return directory / PROGRAM


def qemu():
    """A stock.Qemu whose TCG can scale the TSC; raises stock.Unavailable where it cannot be had."""
    def make(part):
        work = part.with_name(part.name + "-work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        print(f"# building QEMU {WRITTEN_FOR} for the testbed; this happens once", flush=True)
        try:
            program = build(qemu_source.Archive(work, RELEASE), work / "build")
            (part / "usr/bin").mkdir(parents=True)
            program.rename(part / "usr/bin" / PROGRAM)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        # Firmware does not change with the patches.
        (part / "usr/share").symlink_to(stock.qemu(RELEASE).root / "usr/share")

    return stock.Qemu(cache.entry("l0-qemu", cache.digest(*PATCHES, DEVICES, CONFIGURE), make))


def qemu_or_stock():
    """As qemu(); where it cannot be had the release's own, aloud, as only a scaled TSC needs ours."""
    try:
        return qemu()
    except stock.Unavailable as e:
        print(f"# L1 runs in an unmodified QEMU, in which guests of several vCPUs may be reset: {e}", flush=True)
        return stock.qemu(RELEASE)
