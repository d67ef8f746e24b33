# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's parts for machines of other architectures, unpacked in the cache and never installed: a
# whole foreign system (its libraries to build with, its kernel, QEMU and tools to run), and a QEMU
# for this machine that emulates such a host. It knows nothing of machines and scenarios.
import re
import shutil
from collections import namedtuple
from pathlib import Path

import cache
import stock

# releases: Debian's, of the foreign system, the first that can be had; gnu: its name in GCC's and the
# libraries' names; loader: the dynamic linker's path.
Architecture = namedtuple("Architecture", "name releases gnu qemu package kernel loader")
ARCHITECTURES = {a.name: a for a in (
    Architecture("arm64", ("bookworm",), "aarch64-linux-gnu", "qemu-system-aarch64",
                 "qemu-system-arm", "linux-image-cloud-arm64", "lib/ld-linux-aarch64.so.1"),
    Architecture("ppc64el", ("bookworm",), "powerpc64le-linux-gnu", "qemu-system-ppc64",
                 "qemu-system-ppc", "linux-image-powerpc64le", "lib64/ld64.so.2"),
    # Not in bookworm. By either name, as one was seen with a Release file newer than its index.
    Architecture("riscv64", ("trixie", "stable"), "riscv64-linux-gnu", "qemu-system-riscv64",
                 "qemu-system-misc", "linux-image-riscv64", "lib/ld-linux-riscv64-lp64d.so.1"))}
# What programs are linked with, and what runs in the machines.
SYSTEM_PACKAGES = ("libglib2.0-dev", "libjson-c-dev", "libtracefs-dev", "libtraceevent-dev",
                   "libtracecmd-dev", "libcairo2-dev", "libvirt-dev", "trace-cmd",
                   "busybox-static")
# Newer than what is tested in it: its emulation of these hosts has fewer faults.
EMULATOR_RELEASE = "trixie"
EMULATOR_FIRMWARE = ("opensbi",)  # those that QEMU's packages do not bring
EMULATOR_KEEPS = ("usr/bin/qemu-system-aarch64", "usr/bin/qemu-system-ppc64",
                  "usr/bin/qemu-system-riscv64", stock.MULTIARCH, "usr/lib64",
                  "usr/share/qemu/skiboot.lid",
                  # A link, and what it points into.
                  "usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
                  "usr/lib/riscv64-linux-gnu/opensbi")
UNPACK = ["mmdebstrap", "--mode=chrootless", "--variant=extract", "--quiet",
          '--aptopt=Acquire::Check-Valid-Until "false"']
# A mirror that is kept at one date may lack these archives' index of an architecture.
RELEASE_ALONE = "--setup-hook=sed -i '/security\\|updates/d' \"$1\"/etc/apt/sources.list"


class System:
    """A foreign system in the cache."""

    def __init__(self, arch, root):
        self.arch, self.root = arch, root
        self.kernel = stock.Kernel(root)
        self.qemu = root / "usr/bin" / arch.qemu
        base = [root / "lib" / arch.gnu, root / "usr/lib" / arch.gnu]
        # Beside them those that a RUNPATH would name.
        self._directories = base + [d for top in base for d in sorted(top.iterdir()) if d.is_dir()]

    def _find(self, name):
        found = next((d / name for d in self._directories if (d / name).exists()), None)
        if not found:
            raise RuntimeError(f"{self.root} has no {name}")
        return found

    def libraries(self, program):
        """{path in the system: file here} of what the program loads, and the dynamic linker."""
        # Not by its path: that may be a link out of this tree.
        loader = Path(self.arch.loader).name
        found, todo = {}, [Path(program)]
        while todo:
            out = stock.run(["readelf", "-d", str(todo.pop())], f"reading what {program} loads")
            for name in re.findall(r"\(NEEDED\).*\[(.*)\]", out):
                if not name.startswith(loader) and name not in found:
                    found[name] = self._find(name)
                    todo.append(found[name])
        if not found:
            return {}
        # pthread_exit loads it at run time.
        found["libgcc_s.so.1"] = self._find("libgcc_s.so.1")
        files = {"/" + str(p.relative_to(self.root)): p for p in found.values()}
        files["/" + self.arch.loader] = self._find(loader)
        return files

    def add_program(self, layer, source, target=None):
        layer.add(target or "/" + str(Path(source).relative_to(self.root)), Path(source))
        for path, file in self.libraries(source).items():
            layer.add(path, file)


def system(name):
    """The System of an architecture; raises stock.Unavailable where it cannot be had."""
    arch = ARCHITECTURES[name]
    packages = SYSTEM_PACKAGES + (arch.package, arch.kernel)

    def unpack_release(part, release):
        shutil.rmtree(part, ignore_errors=True)
        stock.run([*UNPACK, RELEASE_ALONE, f"--architectures={name}",
                   f"--include={','.join(packages)}", release, str(part)],
                  f"unpacking Debian {release} for {name}", 1200)

    def unpack(part):
        *others, last = arch.releases
        for release in others:
            try:
                unpack_release(part, release)
                break
            except stock.Unavailable as e:
                print("#", *str(e).split(), flush=True)
        else:
            unpack_release(part, last)
        # Of a release whose packages have all below usr, but for the links of one that is not here.
        for link in ("bin", "lib"):
            if not (part / link).exists():
                (part / link).symlink_to(f"usr/{link}")
        for version in (part / "lib/modules").iterdir():
            stock.run(["depmod", "-b", str(part), version.name], "indexing the kernel's modules")

    return System(arch, cache.entry("system", f"{name}-{cache.digest(*packages)}", unpack))


class Emulator:
    """A QEMU of this machine that runs hosts of an architecture."""

    def __init__(self, arch, tree):
        self._qemu = stock.Qemu(tree, stock.library_dirs(tree))
        self._words = [str(tree / "usr/bin" / arch.qemu), "-L", str(tree / "usr/share/qemu")]

    def command(self):
        return self._qemu.loader() + self._words

    def environment(self):
        return self._qemu.environment()


def emulator(name):
    packages = ",".join([a.package for a in ARCHITECTURES.values()] + list(EMULATOR_FIRMWARE))

    def unpack(part):
        whole = part.with_name(part.name + "-whole")
        shutil.rmtree(whole, ignore_errors=True)
        stock.run([*UNPACK, f"--include={packages}", EMULATOR_RELEASE, str(whole)],
                  f"unpacking QEMU of Debian {EMULATOR_RELEASE}", 1200)
        stock.keep(whole, part, EMULATOR_KEEPS)

    key = f"{EMULATOR_RELEASE}-{cache.digest(packages, EMULATOR_KEEPS)}"
    return Emulator(ARCHITECTURES[name], cache.entry("emulator", key, unpack))
