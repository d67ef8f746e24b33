# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU built from Debian's source with trace-clock-sync in its tree: fetched once into the cache, then
# kept up to date there by scripts/prepare-qemu-tree and by ninja, which compile what has changed here.
# Scenarios only take what is built of the present contents, so that they never wait for a compiler.
# It knows nothing of machines and scenarios.
import fcntl
import os
import shutil
from pathlib import Path

import cache
import qemu_source
import stock

ROOT = Path(__file__).resolve().parents[2]
# Under configs/devices: which of our files go there.
DEVICES = {"x86_64-softmmu/devices.mak": ROOT / "tests/testbed/l0_qemu/devices.mak",
           "aarch64-softmmu/minimal.mak": ROOT / "tests/tree/aarch64.mak"}
BUILD_SECONDS = 5400
# Name of the release -> Debian release whose source it is (None: this machine's), options,
# targets of its own, and whether this machine's Meson is too old for it.
RELEASES = {
    "7.2": (None, ("--meson=/usr/bin/meson", "--enable-libtracefs"), ("accel-tcg-x86_64.so",),
            False),
    # Without libtracefs, so that this builds, too.
    "10.0": ("trixie", (), (), True),
}
CONFIGURE = ("--target-list=x86_64-softmmu,aarch64-softmmu", "--without-default-features",
             "--without-default-devices", "--with-devices-x86_64=devices",
             "--with-devices-aarch64=minimal", "--enable-tcg", "--enable-kvm",
             "--enable-fdt=system", "--enable-guest-agent", "--enable-pie",
             # As Debian has it: the plugin can be loaded, and must leave the command alone.
             "--enable-modules", "--enable-plugins",
             "--disable-install-blobs", "--disable-debug-info", "--extra-cflags=-O1")
PROGRAMS = ("qemu-system-x86_64", "qga/qemu-ga")
TARGETS = (*PROGRAMS, "qemu-system-aarch64", "accel-qtest-x86_64.so", "accel-qtest-aarch64.so",
           "tests/qtest/qmp-cmd-test", "tests/qtest/test-hmp",
           "tests/unit/test-qga")
# What prepare-qemu-tree copies, and the patches.
INPUTS = ("clocksync/*.[ch]", "clockread/*.[ch]", "qemu-plugin/*.[ch]", "guest-agent/*.[ch]",
          "qemu-plugin/in-tree/**/*", "guest-agent/in-tree/**/*", "qapi/*.json")
KIND = "qemu-tree"  # of the cache's entries
BUILT = "built"     # in an entry: the digest of what it was last built of
# Where QEMU looks for firmware: beside the other releases' in a stock.Qemu.
FIRMWARE = "/usr/share"


class Tree(stock.Qemu):
    """One release: `source` and `build` are its directories; and how to run it, as a stock.Qemu."""

    def __init__(self, release, directory):
        super().__init__(directory / "run")
        self.release = release
        self.source, self.build = directory / "source", directory / "build"
        self.qemu_ga = self.build / "qga/qemu-ga"
        self.has_libtracefs = "--enable-libtracefs" in RELEASES[release][1]

    def environment(self, root=None):
        """TCG is a module. In a machine that has KVM it is neither there nor needed."""
        return {"QEMU_MODULE_DIR": str(self.build)} if root is None else {}


def _environment(directory):
    meson = directory / "meson/usr/lib/python3/dist-packages"
    return dict(qemu_source.ENVIRONMENT, **({"PYTHONPATH": str(meson)} if meson.exists() else {}))


def _name(release):
    debian, options, _, _ = RELEASES[release]
    return f"{KIND}-{release}-{cache.digest(debian, CONFIGURE, options)}"


def _fetch(release):
    debian, _, _, needs_meson = RELEASES[release]

    def make(part):
        part.mkdir()
        print(f"# fetching the source of QEMU {release}; this happens once", flush=True)
        work = part / "archive"
        work.mkdir()
        archive = qemu_source.Archive(work, debian)
        version = archive.newest_source() if debian else qemu_source.version_here()
        if not qemu_source.upstream(version).startswith((release + ".", release + "+")):
            raise stock.Unavailable(f"QEMU {release} was expected, but apt has {version}")
        archive.source(version).rename(part / "source")
        if needs_meson:
            archive.unpack("meson", part / "meson")
        shutil.rmtree(work)

    path = cache.entry(KIND, _name(release).removeprefix(f"{KIND}-"), make)
    _drop_others(release, path)
    return path


def _drop_others(release, kept):
    """Forgets trees of this release configured otherwise: each is half a gigabyte.

    One that another checkout is building just now stays until the next time.
    """
    for path in cache.directory().glob(f"{KIND}-{release}-*"):
        if path == kept:
            continue
        with open(path / ".lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)


def _contents(release):
    """A digest of all that goes into a build of a release beside QEMU's own source."""
    inputs = [ROOT / "scripts/prepare-qemu-tree", *DEVICES.values()]
    for pattern in INPUTS:
        inputs += sorted(p for p in ROOT.glob(pattern) if p.is_file())
    return cache.digest(RELEASES[release], CONFIGURE, TARGETS,
                        *(part for p in inputs for part in (str(p.relative_to(ROOT)), p)))


def tree(release):
    """The Tree that build() made of what this repository holds now; compiles nothing.

    Raises stock.Unavailable where there is none.
    """
    directory = cache.directory() / _name(release)
    built = directory / BUILT
    if not built.exists():
        raise stock.Unavailable(f"QEMU {release} with trace-clock-sync in its tree is not in the "
                                "cache; 'make check-tree' builds it")
    if built.read_text(encoding="ascii") != _contents(release):
        raise stock.Unavailable(f"QEMU {release} in the cache has trace-clock-sync as it was "
                                "before; 'make check-tree' brings it up to date")
    os.utime(directory)
    return Tree(release, directory)


def build(release):
    """Makes the Tree, or brings it up to date; raises stock.Unavailable where it cannot be."""
    _, options, targets, _ = RELEASES[release]
    contents = _contents(release)
    directory = _fetch(release)
    result = Tree(release, directory)
    environment = _environment(directory)
    # Two at once: the second waits, and finds everything done.
    with open(directory / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def run(words, what, cwd=result.build):
            stock.run([str(word) for word in words], f"{what} QEMU {release} in its tree",
                      BUILD_SECONDS, environment, cwd=cwd)

        (directory / BUILT).unlink(missing_ok=True)
        run([ROOT / "scripts/prepare-qemu-tree", result.source], "preparing", cwd=directory)
        for name, ours in DEVICES.items():
            theirs = result.source / "configs/devices" / name
            if not theirs.exists() or theirs.read_bytes() != ours.read_bytes():
                shutil.copyfile(ours, theirs)
        result.build.mkdir(exist_ok=True)
        if not (result.build / "build.ninja").exists():
            run([result.source / "configure", *CONFIGURE, *options], "configuring")
        run(["ninja", "-j", os.cpu_count() or 1, *TARGETS, *targets], "compiling")
        _lay_out(result)
        (directory / BUILT).write_text(contents, encoding="ascii")
    return result


def _lay_out(result):
    """A directory as stock.Qemu wants it, with the programs as they were last built."""
    for program, place in zip(PROGRAMS, ("usr/bin", "usr/sbin")):
        link = result.root / place / Path(program).name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(result.build / program)
    share = result.root / "usr/share"
    if not share.is_symlink():
        share.symlink_to(FIRMWARE)
