#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian packages: built in a clean Debian of nothing but Build-Depends, checked by lintian,
# installed in another clean one, and used there against a VM. And README's `make`, `make install` and the
# way back, in the first. Prints TAP.
#   check_deb.py
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/testbed"), str(ROOT / "tests")]

import cache  # noqa: E402
import documents  # noqa: E402
import stock  # noqa: E402

RELEASE = "bookworm"
SECONDS = 900
NAMES = ("trace-clock-sync", "qemu-plugin-trace-clock-sync", "trace-clock-agent")
# The project has no mail address that packages could name.
KNOWN = "bogus-mail-host,bogus-mail-host-in-debian-changelog"
SYSTEMD_ANALYZE = "/usr/bin/systemd-analyze"


class Failed(Exception):
    pass


def run(words, seconds=SECONDS, **options):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                          check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{words[0]} ended with {done.returncode}:\n"
                     + "\n".join(done.stdout.splitlines()[-30:]))
    return done.stdout


def build_depends():
    text = (ROOT / "debian/control").read_text(encoding="utf-8")
    field = text.split("Build-Depends:")[1].split("\nStandards-Version")[0]
    names = [part.split("(")[0].split(":")[0].strip() for part in field.split(",")]
    return [name for name in names if name != "debhelper-compat"] + ["debhelper"]


def system(include, what):
    """A tree of Debian's essential packages and those; from the cache."""
    def make(part):
        stock.run(["mmdebstrap", "--variant=minbase", "--quiet", "--include=" + ",".join(include),
                   RELEASE, str(part)], f"making a clean Debian to {what}")

    return cache.entry("debian", f"{what.split()[0]}-{cache.digest(RELEASE, *include)}", make)


class Chroot:
    """A throw-away copy of a tree."""

    def __init__(self, tree, directory):
        self.path = Path(directory)
        run(["cp", "-a", f"{tree}/.", self.path])

    def run(self, *words, seconds=SECONDS):
        return run(["chroot", self.path, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                    "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *words], seconds)


class Check:
    def __init__(self, work):
        self.work, self.debs = work, work / "debs"
        self.vm = None
        self.by_make, self.by_uninstall = documents.blocks("README.md", 2, "Use it on a VM of yours")
        self.by_systemd, = documents.blocks("README.md", 1, "The agent as a service")

    def build(self):
        """the packages are built where there is nothing but Build-Depends"""
        self.builder = Chroot(system([*build_depends(), "build-essential", "git"], "build packages"),
                              self.work / "builder")
        run(["git", "clone", "-q", ROOT, self.builder.path / "source"])
        self.builder.run("/source/scripts/build-deb", "/debs")
        shutil.copytree(self.builder.path / "debs", self.debs)
        found = {p.name.split("_")[0] for p in self.debs.glob("*.deb")}
        assert set(NAMES) <= found, found

    def make(self):
        """README's make and make install put there what documents name; uninstalled, nothing is left of it"""
        # Most of make's packages are for tests; building takes no others than the packages do.
        (self.builder.path / "source/scripts/packages.txt").write_text("\n".join(build_depends()))
        self.builder.run("env", "DESTDIR=/made", "sh", "-e", "-c", f"cd /source\n{self.by_make}")
        made = self.builder.path / "made"
        named = {name for file in (ROOT / "README.md", *ROOT.glob("docs/*.md"))
                 for name in re.findall(r"/usr/local/[\w./-]+[\w-]", file.read_text(encoding="utf-8"))}
        named |= {f"/usr/local/{name}" for name in
                  ("bin/trace-clock-sync", "share/man/man1/trace-clock-sync.1",
                   "share/bash-completion/completions/trace-clock-sync",
                   "lib/systemd/system/trace-clock-agent.service")}
        missing = [name for name in named if not (made / name[1:]).exists()]
        assert not missing, missing
        assert self.builder.run("/made/usr/local/bin/trace-clock-sync", "--version").startswith("trace-clock-sync ")
        self.builder.run("sh", "-e", "-c", f"cd /source\n{self.by_uninstall}")
        left = [p for p in made.rglob("*") if p.is_symlink() or not p.is_dir()]
        assert not left, left

    def lintian(self):
        """lintian has no errors and no warnings"""
        changes, = self.debs.glob("*.changes")
        # It fails with status 2 where it has any.
        run(["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", KNOWN,
             changes])

    def install(self):
        """they install in a clean Debian, with their dependencies"""
        self.chroot = Chroot(system(["ca-certificates", "libcairo2", "libglib2.0-0", "libjson-c5",
                                     "libtracecmd1", "libtracefs1", "libvirt0", "man-db", "systemd"],
                                    "install packages"), self.work / "clean")
        for name in NAMES:
            shutil.copy(next(self.debs.glob(f"{name}_*.deb")), self.chroot.path / "tmp")
        self.chroot.run("sh", "-c", "dpkg -i /tmp/*.deb")
        version = self.chroot.run("trace-clock-sync", "--version")
        assert version.startswith("trace-clock-sync "), version

    def show(self):
        """show, installed there, asks a VM that runs the installed plugin"""
        plugin, = self.chroot.path.glob("usr/lib/*/qemu/trace-clock-sync.so")
        socket = self.chroot.path / "run/vm.qmp"
        self.vm = subprocess.Popen(
            ["/usr/bin/qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "64", "-nodefaults",
             "-display", "none", "-plugin", str(plugin), "-name", "packaged",
             "-qmp", f"unix:{socket},server=on,wait=off"], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not socket.exists():
            assert time.monotonic() < deadline and self.vm.poll() is None, "QEMU does not listen"
            time.sleep(0.1)
        document = json.loads(self.chroot.run("trace-clock-sync", "show", "--json", "--qmp",
                                              "/run/vm.qmp", seconds=60))
        rows = [row for row in document["clocks"] if row["guest"] == "x86-tsc"]
        assert len(rows) == 2 and all(row["bound"] >= 0 for row in rows), document
        table = self.chroot.run("trace-clock-sync", "show", "--qmp", "/run/vm.qmp", seconds=60)
        print("\n".join("# " + line for line in table.splitlines()))

    def agent(self):
        """the agent reads clocks there, and its service listens nowhere by itself"""
        reply = json.loads(self.chroot.run("trace-clock-agent", "--once", "--clocks", "mono"))
        assert reply["readings"], reply
        assert not (self.chroot.path / "etc/default/trace-clock-agent").exists()
        wants = list(self.chroot.path.glob("etc/systemd/system/*.wants/trace-clock-agent*"))
        assert not wants, wants

    def enable(self):
        """README's commands let the service start with the guest"""
        # No systemd runs there that could start it now.
        self.chroot.run("sh", "-e", "-c", self.by_systemd.replace(" --now", ""))
        wants = self.chroot.path / "etc/systemd/system/multi-user.target.wants/trace-clock-agent.service"
        assert wants.is_symlink(), list(wants.parent.iterdir())
        self.chroot.run("systemctl", "disable", "trace-clock-agent")
        (self.chroot.path / "etc/default/trace-clock-agent").unlink()

    def service(self):
        """systemd takes the service's file as it is, and finds it confined"""
        if not Path(SYSTEMD_ANALYZE).exists():
            raise stock.Unavailable("systemd is not on this machine")
        unit = next(self.chroot.path.glob("usr/lib/systemd/system/trace-clock-agent.service"),
                    None) or self.chroot.path / "lib/systemd/system/trace-clock-agent.service"
        said = run([SYSTEMD_ANALYZE, "verify", "--man=no", f"--root={self.chroot.path}", unit.name])
        ours = [line for line in said.splitlines() if "trace-clock-agent" in line]
        assert not ours, ours
        # 10 is unconfined; its own word for less than 5 is OK.
        run([SYSTEMD_ANALYZE, "security", "--offline=yes", "--threshold=45",
             f"--root={self.chroot.path}", unit.name])

    def documents(self):
        """every link in the installed documents leads to a file"""
        where, seen = self.chroot.path / "usr/share/doc/trace-clock-sync", 0
        for document in where.rglob("*.md"):
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
                seen += 1
                assert (document.parent / link).is_file(), f"{document.name}: {link}"
        assert seen > 20, list(where.rglob("*"))
        for name in ("trace-clock-sync/examples/apparmor-libvirt-qemu",
                     "trace-clock-agent/examples/qemu-guest-agent.conf"):
            assert (where.parent / name).is_file(), name

    def pages(self):
        """man shows every page"""
        for page in self.chroot.path.glob("usr/share/man/man*/*trace-clock*"):
            name = page.name.split(".")[0]
            text = self.chroot.run("man", "-P", "cat", name)
            assert "NAME" in text and name in text, (name, text[:300])

    def remove(self):
        """purged, they leave nothing"""
        self.chroot.run("dpkg", "--purge", *NAMES)
        left = [p for p in self.chroot.path.rglob("*trace-clock*")
                if "var/log" not in str(p) and "tmp/" not in str(p)]
        assert not left, left

    def close(self):
        if self.vm:
            self.vm.kill()
            self.vm.wait()


def main():
    work = Path(tempfile.mkdtemp(prefix="tcs-deb-"))
    check = Check(work)
    steps = (check.build, check.make, check.lintian, check.install, check.show, check.agent, check.enable,
             check.service, check.documents, check.pages, check.remove)
    failed = 0
    print(f"1..{len(steps)}", flush=True)
    try:
        for number, step in enumerate(steps, 1):
            start = time.monotonic()
            name = f"packages: {step.__doc__}"
            if failed:
                print(f"not ok {number} - {name} (an earlier step failed)", flush=True)
                failed += 1
                continue
            try:
                step()
            except stock.Unavailable as e:
                print(f"ok {number} - {name} # SKIP {' '.join(str(e).split())}", flush=True)
                if step == check.build:
                    break
            except Exception as e:  # pylint: disable=broad-except  # a step may fail in any way
                print("\n".join("# " + line for line in f"{type(e).__name__}: {e}".splitlines()))
                print(f"not ok {number} - {name}", flush=True)
                failed += 1
            else:
                print(f"ok {number} - {name}\n# {time.monotonic() - start:.1f} s", flush=True)
    finally:
        check.close()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
