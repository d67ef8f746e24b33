# SPDX-License-Identifier: GPL-2.0-or-later
# The QEMU that L1 runs in where its guests shall have a scaled TSC: Debian's source package with
# tsc-scaling.patch, with no more devices than L1 uses. Fetched and built once (some 6 minutes of
# two cores), then kept in the cache. It knows nothing of machines and scenarios.
import os
import shutil
from pathlib import Path

import cache
import stock

HERE = Path(__file__).parent
PATCH = HERE / "tsc-scaling.patch"
DEVICES = HERE / "devices.mak"
WRITTEN_FOR = "7.2"
BINARY_PACKAGE, SOURCE_PACKAGE = "qemu-system-x86", "qemu"
PROGRAM = "qemu-system-x86_64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILD_SECONDS = 3000
# Debian takes the Meson that QEMU brings along out of its source package.
CONFIGURE = ("--target-list=x86_64-softmmu", "--without-default-features",
             "--without-default-devices", f"--with-devices-x86_64={DEVICES.stem}", "--enable-tcg",
             "--enable-pie", "--disable-install-blobs", "--disable-debug-info",
             "--disable-werror", "--meson=/usr/bin/meson")
# Debian's Python, as Debian's Meson takes, whatever else there is.
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}


def source_version():
    """The version of the source of the QEMU that apt would install here."""
    # "qemu (VERSION)" where the binary was rebuilt and has a version of its own, else "qemu".
    try:
        named = stock.package_field(BINARY_PACKAGE, "Source").partition("(")[2]
    except stock.Unavailable:
        named = ""
    version = named.rstrip(")") or stock.package_field(BINARY_PACKAGE, "Version")
    upstream = version.rpartition(":")[2]
    if not upstream.startswith(WRITTEN_FOR):
        raise stock.Unavailable(f"TSC scaling in L1 needs the source of QEMU {WRITTEN_FOR}, for "
                                f"which its patch is written; apt here has QEMU {upstream}")
    return version


def source_lists():
    """Lines for apt: the sources of what this machine's own apt has from Debian."""
    found = stock.run(["apt-get", "indextargets", "--format",
                       "$(ORIGIN)|$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
                      "asking apt where packages come from")
    places = sorted({line.partition("|")[2] for line in found.splitlines()
                     if line.startswith("Debian|")})
    if not places:
        raise stock.Unavailable("apt here has no package lists of Debian.\n"
                                "Run 'apt-get update' as root, then try again.")
    return "".join(f"deb-src [signed-by={KEYRING}] {place}\n" for place in places)


def fetch(version, directory):
    """Downloads and unpacks the source package; returns the directory of the source.

    With lists of our own, because a machine's sources often lack deb-src, and an ordinary user
    cannot add it. Apt checks the signatures as always. That an index may be past its date, as on
    a mirror kept at one date, does no harm: only this one version is taken.
    """
    (directory / "lists/partial").mkdir(parents=True)
    (directory / "archives/partial").mkdir(parents=True)
    (directory / "sources.list").write_text(source_lists())
    apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={directory}/sources.list",
           "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={directory}/lists",
           "-o", f"Dir::Cache={directory}", "-o", "Acquire::Check-Valid-Until=false",
           "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20",
           # As root apt would first try to read and write as its own user, who may not enter here.
           "-o", "APT::Sandbox::User=root", "-o", "APT::Update::Error-Mode=any"]
    stock.run([*apt, "update"], "fetching the lists of Debian's sources")
    stock.run([*apt, "source", "--only-source", f"{SOURCE_PACKAGE}={version}"],
              f"fetching the source of QEMU {version} (if apt's lists are old, run "
              "'apt-get update' as root)", cwd=directory)
    return next(p for p in directory.glob(f"{SOURCE_PACKAGE}-*") if p.is_dir())


def build(source, directory):
    """Patches, configures and compiles; returns the program's path."""
    def run(words, what, cwd=directory):
        stock.run(words, f"{what} QEMU for TSC scaling", BUILD_SECONDS, ENVIRONMENT, cwd=cwd)

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
            program = build(fetch(version, work), work / "build")
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
