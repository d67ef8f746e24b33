# SPDX-License-Identifier: GPL-2.0-or-later
# The testbed's cache of what is slow to make: kernels, other releases' QEMU, images.
# An entry is a file or directory named by everything it depends on, so it is never refreshed,
# only replaced by one of another name. It knows nothing of what an entry holds.
import fcntl
import hashlib
import os
import shutil
import time
from pathlib import Path

KEEP_UNUSED_DAYS = 14


def directory():
    base = os.environ.get("TCS_CACHE")
    if not base:
        xdg = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        base = Path(xdg) / "trace-clock-sync"
    path = Path(base).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(*parts):
    """A short name for the contents of all parts: bytes, or a Path whose file is read."""
    h = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            part = part.read_bytes()
        elif not isinstance(part, bytes):
            part = str(part).encode()
        h.update(len(part).to_bytes(8, "little"))
        h.update(part)
    return h.hexdigest()[:20]


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def entry(kind, key, make):
    """The path of entry kind-key; make(temporary path) creates it if it is not there.

    Two runs at once: the second waits for the first. A killed run leaves only a temporary
    name behind, which the next one throws away.
    """
    base = directory()
    path = base / f"{kind}-{key}"
    if not path.exists():
        with open(base / f".lock-{kind}", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                part = base / f".part-{kind}"
                _remove(part)
                make(part)
                os.utime(part)  # an unpacked package has its packager's time, which is old
                part.rename(path)
                _drop_old(base, kind)
    os.utime(path)
    return path


def _drop_old(base, kind):
    """Called with the kind's lock held: forgets entries that no run has used for long."""
    limit = time.time() - KEEP_UNUSED_DAYS * 86400
    for path in base.glob(f"{kind}-*"):
        if path.stat().st_mtime < limit:
            _remove(path)


def newest(kind):
    entries = list(directory().glob(f"{kind}-*"))
    return max(entries, key=lambda p: p.stat().st_mtime) if entries else None
