# SPDX-License-Identifier: GPL-2.0-or-later
# Gets the stock parts the testbed is made of, none of which is installed on this machine:
# Debian's kernel package, and QEMU with qemu-ga out of other Debian releases.
import os
import re
import shutil
import subprocess
from pathlib import Path

import cache

KERNEL_METAPACKAGE = "linux-image-cloud-amd64"
MULTIARCH = "usr/lib/x86_64-linux-gnu"
# What remains of an unpacked release. The rest is documentation and other targets' firmware.
RELEASE_KEEPS = ("usr/bin/qemu-system-x86_64", "usr/sbin/qemu-ga", MULTIARCH, "usr/lib64",
                 "usr/share/seabios", "usr/share/qemu/kvmvapic.bin", "usr/share/qemu/pvh.bin",
                 "usr/share/qemu/linuxboot_dma.bin", "usr/share/qemu/efi-virtio.rom")


# What `measure` and scenarios run in the machines: real NTP, and trace-cmd. Only unpacked, because an
# installed chrony starts to steer this machine's clock. The other libraries they load come with QEMU.
TOOLS = ("chrony", "libedit2", "libbsd0", "libmd0", "trace-cmd")


class Unavailable(Exception):
    """A part cannot be had here; the message says why and what to do."""


def run(args, what, timeout=600, environment=None, **kwargs):
    """Standard output of a program that must succeed; raises Unavailable, saying what failed."""
    # depmod lives in sbin, which an ordinary user's PATH may lack.
    env = dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    env.update(environment or {})
    try:
        done = subprocess.run(args, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, **kwargs)
    except (FileNotFoundError, subprocess.TimeoutExpired) as e:
        raise Unavailable(f"{what}: {e}") from e
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise Unavailable(f"{what}: {args[0]} failed with status {done.returncode}: {tail}")
    return done.stdout


def installed(path):
    """The path, where there is such a file on this machine."""
    if not Path(path).exists():
        raise Unavailable(f"{path} is not installed: run scripts/install-packages")
    return Path(path)


def package_fields(packages, field):
    """{package: one field of what apt would install here}; asked once, because apt-cache takes its time."""
    shown = run(["apt-cache", "show", "--no-all-versions", *packages], f"looking up {' '.join(packages)}")
    found = {}
    for paragraph in shown.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[\w-]+: ", line))
        if field in lines:
            found[lines["Package"]] = lines[field]
    for package in packages:
        if package not in found:
            raise Unavailable(f"{package} has no {field}")
    return found


def package_field(package, field):
    return package_fields([package], field)[package]


class Kernel:
    """A kernel unpacked in the cache."""

    def __init__(self, tree):
        self.tree = tree
        # Compressed or not: ppc64's is vmlinux.
        self.image = next((tree / "boot").glob("vmlinu[xz]-*"))
        self.version = self.image.name.partition("-")[2]
        self.modules = tree / "lib/modules" / self.version
        self._needs = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            file, _, needs = line.partition(":")
            self._needs[file] = needs.split()
        self._builtin = {Path(line).name.split(".")[0].replace("-", "_") for line in
                         (self.modules / "modules.builtin").read_text().splitlines()}

    def module_files(self, names):
        """The files of the modules that are not built in, each after those it depends on."""
        wanted = {n.replace("-", "_") for n in names} - self._builtin
        order = []
        for file, needs in self._needs.items():
            if Path(file).name.split(".")[0].replace("-", "_") in wanted:
                wanted.discard(Path(file).name.split(".")[0].replace("-", "_"))
                # modules.dep lists the nearest dependency first: load from the far end.
                for f in list(reversed(needs)) + [file]:
                    if f not in order:
                        order.append(f)
        if wanted:
            raise Unavailable(f"kernel {self.version} has no module {', '.join(sorted(wanted))}")
        return [self.modules / f for f in order]


def unpack_packages(packages, part):
    """Downloads packages of this machine's apt into a new directory; nothing is installed."""
    download = part.with_name(part.name + "-deb")
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir()
    # As root apt would first try to write as its own user, who may not enter here.
    run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages],
        f"downloading {' '.join(packages)}", cwd=download)
    for file in download.glob("*.deb"):
        run(["dpkg-deb", "-x", str(file), str(part)], f"unpacking {file.name}")
    shutil.rmtree(download)


def unpacked(name, packages):
    """The directory into which packages of this machine's release are unpacked, and not installed."""
    found = package_fields(packages, "Version")
    versions = [f"{p}_{found[p]}" for p in packages]
    return cache.entry(name, cache.digest(*versions), lambda part: unpack_packages(packages, part))


def tools():
    return unpacked("tools", TOOLS)


def kernel():
    """Debian's current cloud kernel: downloaded and unpacked, not installed."""
    def unpack(part):
        unpack_packages([package], part)
        version = next((part / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        run(["depmod", "-b", str(part), version], f"indexing the modules of {package}")

    try:
        depends = package_field(KERNEL_METAPACKAGE, "Depends")
        package = depends.split(",")[0].split()[0]
        key = f"{package}_{package_field(package, 'Version')}".replace(":", "%")
        return Kernel(cache.entry("kernel", key, unpack))
    except Unavailable as e:
        # An older one from the cache serves as well where the network or apt's lists do not.
        older = cache.newest("kernel")
        if older:
            return Kernel(older)
        raise Unavailable(f"{e}\nRun 'apt-get update' as root, then try again.") from e


class Qemu:
    """How to run one stock QEMU (and qemu-ga): this machine's, or an unpacked release's.

    A release's programs run through its own dynamic linker, so nothing needs chroot or root.
    """

    qemu_ga = Path("/usr/sbin/qemu-ga")  # the agent that goes into guests: this machine's

    def __init__(self, root, libraries=None):
        self.root = Path(root)
        self.own_libraries = libraries

    def loader(self, root=None):
        """The words to put before a program's path, with the tree at root."""
        if not self.own_libraries:
            return []
        root = Path(root or self.root)
        paths = ":".join(str(root / d) for d in self.own_libraries)
        return [str(root / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", paths]

    def command(self, root=None):
        root = Path(root or self.root)
        words = self.loader(root) + [str(root / "usr/bin/qemu-system-x86_64")]
        for share in ("usr/share/seabios", "usr/share/qemu"):
            words += ["-L", str(root / share)]
        return words

    def environment(self, root=None):
        """QEMU looks for its modules at a built-in path: another version's, for a release."""
        root = Path(root or self.root)
        return {"QEMU_MODULE_DIR": str(root / MULTIARCH / "qemu")} if self.own_libraries else {}

    def version(self):
        out = run(self.command() + ["--version"], "asking QEMU's version")
        return out.split("version ")[1].split()[0]


def library_dirs(tree):
    """Where libraries are: the main directory, and those beside it that RUNPATH would name."""
    top = tree / MULTIARCH
    dirs = [MULTIARCH]
    for sub in sorted(p for p in top.iterdir() if p.is_dir() and p.name != "qemu"):
        if any(sub.glob("lib*.so*")):
            dirs.append(f"{MULTIARCH}/{sub.name}")
    return dirs


def keep(whole, part, names):
    """Moves those files and directories out of an unpacked tree, and removes the rest of it."""
    for name in names:
        if (whole / name).exists():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (whole / name).rename(part / name)
    shutil.rmtree(whole)


def qemu(release=None):
    """This machine's QEMU, or that of a Debian release such as "trixie" or "sid"."""
    if release is None:
        installed("/usr/bin/qemu-system-x86_64")
        return Qemu("/")

    def unpack(part):
        whole = part.with_name(part.name + "-whole")
        shutil.rmtree(whole, ignore_errors=True)
        # Unpacking needs neither chroot nor root, hence this mode. sid's index on a mirror that
        # is kept at one date is always past its Valid-Until.
        run(["mmdebstrap", "--mode=chrootless", "--variant=extract", "--quiet",
             "--include=qemu-system-x86,qemu-guest-agent",
             '--aptopt=Acquire::Check-Valid-Until "false"', release, str(whole)],
            f"unpacking QEMU of Debian {release}")
        keep(whole, part, RELEASE_KEEPS)

    # When this file changes what it does, the tree is made anew; otherwise it stays as it is.
    key = f"{release}-{cache.digest(RELEASE_KEEPS)}"
    tree = cache.entry("release", key, unpack)
    return Qemu(tree, library_dirs(tree))
