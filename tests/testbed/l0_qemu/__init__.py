# SPDX-License-Identifier: GPL-2.0-or-later
# The QEMU that L1 runs in where its guests shall have a scaled TSC: Debian's source package with
# tsc-scaling.patch, with no more devices than L1 uses. Fetched and built once (some 6 minutes of
# two cores), then kept in the cache. It knows nothing of machines and scenarios.
import shutil
from pathlib import Path

import cache
import qemu_source
import stock

HERE = Path(__file__).parent
PATCH = HERE / "tsc-scaling.patch"
DEVICES = HERE / "devices.mak"
WRITTEN_FOR = "7.2"
PROGRAM = "qemu-system-x86_64"
BUILD_SECONDS = 3000
# Debian takes the Meson that QEMU brings along out of its source package.
CONFIGURE = ("--target-list=x86_64-softmmu", "--without-default-features",
             "--without-default-devices", f"--with-devices-x86_64={DEVICES.stem}", "--enable-tcg",
             "--enable-pie", "--disable-install-blobs", "--disable-debug-info",
             "--disable-werror", "--meson=/usr/bin/meson")


def source_version():
    """The version of the source of the QEMU that apt would install here."""
    version = qemu_source.version_here()
    if not qemu_source.upstream(version).startswith(WRITTEN_FOR):
        raise stock.Unavailable(f"TSC scaling in L1 needs the source of QEMU {WRITTEN_FOR}, for "
                                f"which its patch is written; apt here has QEMU "
                                f"{qemu_source.upstream(version)}")
    return version


def build(source, directory):
    """Patches, configures and compiles; returns the program's path."""
    def run(words, what, cwd=directory):
        stock.run(words, f"{what} QEMU for TSC scaling", BUILD_SECONDS, qemu_source.ENVIRONMENT,
                  cwd=cwd)

    run(["patch", "-p1", "--batch", "--forward", "--fuzz=0", "-i", str(PATCH)], "patching",
        cwd=source)
    shutil.copy(DEVICES, source / "configs/devices/x86_64-softmmu" / DEVICES.name)
    directory.mkdir()
    run([str(source / "configure"), *CONFIGURE], "configuring")
    run(["ninja", PROGRAM], "compiling")
    run(["strip", PROGRAM], "stripping")
    return directory / PROGRAM


def qemu():
    """A stock.Qemu whose TCG can scale the TSC; raises stock.Unavailable where it cannot be had."""
    recipe = cache.digest(PATCH, DEVICES, CONFIGURE)

    def make(part):
        work = part.with_name(part.name + "-work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        print(f"# building QEMU {version} with TSC scaling; this happens once", flush=True)
        try:
            program = build(qemu_source.Archive(work).source(version), work / "build")
            (part / "usr/bin").mkdir(parents=True)
            program.rename(part / "usr/bin" / PROGRAM)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        # Its firmware is that of the QEMU installed here.
        (part / "usr/share").symlink_to("/usr/share")

    try:
        version = source_version()
        key = f"{recipe}-{version}".replace(":", "%")
        return stock.Qemu(cache.entry("l0-qemu", key, make))
    except stock.Unavailable:
        # One that was built the same way from an older source serves as well.
        older = cache.newest(f"l0-qemu-{recipe}")
        if older:
            return stock.Qemu(older)
        raise
