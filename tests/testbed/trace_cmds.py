# SPDX-License-Identifier: GPL-2.0-or-later
# trace-cmd of other Debian releases: unpacked, not installed, and run by their own dynamic linker.
import shutil

import cache
import stock

KEEPS = ("usr/bin/trace-cmd", stock.MULTIARCH, "usr/lib64")


def command(release=None):
    """The words that run this machine's trace-cmd, or that of a release such as "sid"."""
    if release is None:
        program = shutil.which("trace-cmd", path="/usr/bin:/usr/local/bin")
        if not program:
            raise stock.Unavailable("trace-cmd is not installed: run scripts/install-packages")
        return (program,)

    def unpack(part):
        whole = part.with_name(part.name + "-whole")
        shutil.rmtree(whole, ignore_errors=True)
        stock.run(["mmdebstrap", "--mode=chrootless", "--variant=extract", "--quiet",
                   "--include=trace-cmd", '--aptopt=Acquire::Check-Valid-Until "false"', release,
                   str(whole)], f"unpacking trace-cmd of Debian {release}")
        for keep in KEEPS:
            if (whole / keep).exists():
                (part / keep).parent.mkdir(parents=True, exist_ok=True)
                (whole / keep).rename(part / keep)
        shutil.rmtree(whole)

    tree = cache.entry("trace-cmd", f"{release}-{cache.digest(KEEPS)}", unpack)
    return (str(tree / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path",
            str(tree / stock.MULTIARCH), str(tree / "usr/bin/trace-cmd"))
