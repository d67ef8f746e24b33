# SPDX-License-Identifier: GPL-2.0-or-later
# Packs initramfs images: cpio archives of named files, of programs with the libraries they load,
# and of kernel modules. It knows nothing of what runs in them.
# The kernel unpacks any number of archives one after the other, so an image is a row of layers:
# the big ones come out of the cache, the small one with our own programs is made for each run.
import stat
import subprocess
import zlib
from pathlib import Path

import cache

HERE = Path(__file__).parent
LOADER = "/lib64/ld-linux-x86-64.so.2"
# pthread_exit loads it at run time, so no ELF header mentions it.
LOADED_LATE = "libgcc_s.so.1"


def libraries(program, loader=(LOADER,)):
    """Paths of the shared libraries that the dynamic linker gives this program."""
    done = subprocess.run([*loader, "--list", str(program)], capture_output=True, text=True,
                          timeout=60)
    if "statically linked" in done.stdout + done.stderr or "not a dynamic" in done.stderr:
        return []
    if done.returncode != 0 or "not found" in done.stdout:
        raise RuntimeError(f"libraries of {program}: {done.stdout}{done.stderr}")
    found = [Path(line.split("=>")[1].split(" (")[0].strip())
             for line in done.stdout.splitlines() if "=>" in line and "linux-vdso" not in line]
    libc = next((p for p in found if p.name == "libc.so.6"), None)
    if libc and (libc.parent / LOADED_LATE).exists():
        found.append(libc.parent / LOADED_LATE)
    return found


class Layer:
    def __init__(self):
        self._files = {}  # path without leading slash -> (mode, bytes or Path)

    def add(self, target, content, mode=0o755):
        self._files[str(target).lstrip("/")] = (stat.S_IFREG | mode, content)

    def link(self, target, to):
        self._files[str(target).lstrip("/")] = (stat.S_IFLNK | 0o777, to.encode())

    def directory(self, target):
        self._files[str(target).lstrip("/")] = (stat.S_IFDIR | 0o755, b"")

    def add_program(self, source, target=None):
        """A program or shared object of this machine, with its libraries at their own paths."""
        self.add(target or source, Path(source))
        for lib in libraries(source):
            self.add(lib, lib)
        self.add(LOADER, Path(LOADER))

    def add_modules(self, kernel, names):
        """Kernel modules, and the list by which init loads them in this order."""
        order = []
        for file in kernel.module_files(names):
            target = f"lib/modules/{file.name}"
            self.add(target, file, 0o644)
            order.append("/" + target)
        self.add("lib/modules/order", ("\n".join(order) + "\n").encode(), 0o644)

    def _entries(self):
        """All files sorted, each directory before what it holds."""
        names = dict(self._files)
        for path in self._files:
            for parent in Path(path).parents:
                if str(parent) != ".":
                    names.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
        return sorted(names.items())

    def key(self):
        parts = []
        for path, (mode, content) in self._entries():
            parts += [path, mode, content]
        return cache.digest(*parts)

    def write(self, path, packed=False):
        """The same files give the same bytes: no time stamps, owners or inode numbers of ours.

        packed: compressed. To unpack takes an emulated machine longer than to be given more.
        """
        pack = zlib.compressobj(1, zlib.DEFLATED, 31)  # 31: a gzip header, without a time
        with open(path, "wb") as out:
            entries = self._entries() + [("TRAILER!!!", (0, b""))]
            for inode, (name, (mode, content)) in enumerate(entries, 1):
                data = content.read_bytes() if isinstance(content, Path) else content
                encoded = name.encode() + b"\0"
                # newc: magic, then 13 fields of 8 hex digits.
                fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
                head = b"070701" + b"".join(b"%08X" % f for f in fields) + encoded
                for part in (head, data):
                    part += bytes(-len(part) % 4)
                    out.write(pack.compress(part) if packed else part)
            if packed:
                out.write(pack.flush())

    def cached(self, kind, packed=False):
        return cache.entry(kind, self.key() + (".cpio.gz" if packed else ".cpio"),
                           lambda path: self.write(path, packed))


def join(path, layers):
    with open(path, "wb") as out:
        for layer in layers:
            out.write(Path(layer).read_bytes())
            out.write(bytes(-out.tell() % 4))  # the kernel wants each archive aligned
    return path


def base_layer(kernel, modules, busybox="/bin/busybox"):
    """What both L1 and L2 start from: busybox, init, the control loop, kernel modules."""
    layer = Layer()
    layer.add("bin/busybox", Path(busybox))
    layer.link("bin/sh", "busybox")
    layer.add("init", HERE / "init.sh")
    layer.add("bin/control-loop", HERE / "control-loop.sh")
    for d in ("dev", "proc", "sys", "run", "tmp", "var", "root"):
        layer.directory(d)
    layer.add_modules(kernel, modules)
    return layer


def add_qemu(layer, qemu, root):
    """A QEMU, its libraries and the firmware a q35 machine needs, with its tree at root."""
    def place(path):
        inside = path.is_relative_to(qemu.root)
        return f"{root}/{path.relative_to(qemu.root)}" if inside else path

    program = qemu.root / "usr/bin/qemu-system-x86_64"
    layer.add(place(program), program)
    loader = qemu.loader() or [LOADER]
    for lib in libraries(program, loader):
        layer.add(place(lib), lib)
    layer.add(place(Path(loader[0])), Path(loader[0]))
    for name in ("seabios/bios-256k.bin", "qemu/kvmvapic.bin", "qemu/linuxboot_dma.bin"):
        file = qemu.root / "usr/share" / name
        layer.add(place(file), file, 0o644)


def add_tools(layer, tree):
    """chronyd, chronyc and trace-cmd out of a tree (stock.tools()), where a system has them."""
    def place(path):
        return f"/{path.relative_to(tree)}" if path.is_relative_to(tree) else path

    loader = [LOADER, "--library-path", str(tree / "usr/lib/x86_64-linux-gnu")]
    for name in ("usr/sbin/chronyd", "usr/bin/chronyc", "usr/bin/trace-cmd"):
        layer.add(name, tree / name)
        for lib in libraries(tree / name, loader):
            layer.add(place(lib), lib)
    layer.add(LOADER, Path(LOADER))
    # chronyd looks up the user it shall become.
    layer.add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)


# libvirtd loads its driver for QEMU, and has QEMU load its emulator, to find out what it can do.
LIBVIRT = (Path("/usr/sbin/libvirtd"), Path("/usr/bin/virsh"),
           Path("/usr/lib/libvirt/libvirt_iohelper"),
           Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"),
           Path("/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"))
LIBVIRT_USERS = {"passwd": "root:x:0:0:root:/root:/bin/sh\n"
                           "libvirt-qemu:x:64055:64055::/:/bin/false\n",
                 "group": "root:x:0:\nlibvirt-qemu:x:64055:\nkvm:x:64056:\n"}


def add_libvirt(layer):
    """This machine's libvirtd for QEMU, with virsh; it is not configured."""
    for program in LIBVIRT:
        layer.add_program(program)
    for file in sorted(Path("/usr/share/libvirt/cpu_map").glob("*.xml")):
        layer.add(file, file, 0o644)
    for name, text in LIBVIRT_USERS.items():
        layer.add(f"etc/{name}", text.encode(), 0o644)
