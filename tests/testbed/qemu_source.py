# SPDX-License-Identifier: GPL-2.0-or-later
# Gets Debian's source package of QEMU, of this release or another. It knows nothing of what is
# built from it.
import stock

SOURCE_PACKAGE = "qemu"
BINARY_PACKAGE = "qemu-system-x86"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Debian's Python, as Debian's Meson takes, whatever else there is.
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}


def upstream(version):
    """"7.2.22" of a package's version."""
    return version.rpartition(":")[2]


def version_here():
    """The version of the source of the QEMU that apt would install here."""
    # "qemu (VERSION)" where the binary was rebuilt and has a version of its own, else "qemu".
    try:
        named = stock.package_field(BINARY_PACKAGE, "Source").partition("(")[2]
    except stock.Unavailable:
        named = ""
    return named.rstrip(")") or stock.package_field(BINARY_PACKAGE, "Version")


class Archive:
    """Apt with lists of its own, because a machine's sources often lack deb-src, and an ordinary
    user cannot add it. Apt checks the signatures as always. That an index may be past its date,
    as on a mirror kept at one date, does no harm: versions are taken by name.

    release: None for what this machine has from Debian, else such as "trixie".
    """

    def __init__(self, directory, release=None):
        self.directory, self.release = directory, release
        (directory / "lists/partial").mkdir(parents=True)
        (directory / "archives/partial").mkdir(parents=True)
        (directory / "sources.list").write_text("".join(self._lines()))
        self._apt = ["-q", "-o", f"Dir::Etc::sourcelist={directory}/sources.list",
                     "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={directory}/lists",
                     "-o", f"Dir::Cache={directory}", "-o", "Acquire::Check-Valid-Until=false",
                     "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20",
                     # As root apt would first try to read and write as its own user, who may not
                     # enter here.
                     "-o", "APT::Sandbox::User=root", "-o", "APT::Update::Error-Mode=any"]
        self._get(["update"], "fetching the lists of Debian's sources")

    def _get(self, words, what):
        return stock.run(["apt-get", *self._apt, *words], what, cwd=self.directory)

    def _lines(self):
        """Lines for apt, from what this machine's own apt has from Debian."""
        found = stock.run(["apt-get", "indextargets", "--format",
                           "$(ORIGIN)|$(REPO_URI) $(RELEASE) $(COMPONENT)",
                           "Created-By: Packages"], "asking apt where packages come from")
        places = sorted({line.partition("|")[2] for line in found.splitlines()
                         if line.startswith("Debian|")})
        if self.release:
            # The same mirror has the other releases, under the place of the plain one.
            places = [f"{uri} {self.release} {component}" for uri, suite, component in
                      (p.split() for p in places) if "-" not in suite]
        if not places:
            raise stock.Unavailable("apt here has no package lists of Debian.\n"
                                    "Run 'apt-get update' as root, then try again.")
        kinds = ("deb-src", "deb") if self.release else ("deb-src",)
        return [f"{kind} [signed-by={KEYRING}] {p}\n" for kind in kinds for p in places]

    def newest_source(self):
        """The newest version of QEMU's source there."""
        out = stock.run(["apt-cache", *self._apt[1:], "showsrc", "--only-source", SOURCE_PACKAGE],
                        "looking up QEMU's source")
        versions = [line.split()[1] for line in out.splitlines() if line.startswith("Version: ")]
        for best in versions:
            if all(self._is_newer_or_same(best, other) for other in versions):
                return best
        raise stock.Unavailable(f"no source of QEMU in {self.release or 'the lists here'}")

    @staticmethod
    def _is_newer_or_same(left, right):
        try:
            stock.run(["dpkg", "--compare-versions", left, "ge", right], "comparing versions")
        except stock.Unavailable:
            return False
        return True

    def source(self, version):
        """Downloads and unpacks QEMU's source; returns the directory."""
        self._get(["source", "--only-source", f"{SOURCE_PACKAGE}={version}"],
                  f"fetching the source of QEMU {version} (if apt's lists are old, run "
                  "'apt-get update' as root)")
        return next(p for p in self.directory.glob(f"{SOURCE_PACKAGE}-*") if p.is_dir())

    def unpack(self, package, into):
        """Downloads a binary package and unpacks it, without installing anything."""
        self._get(["download", package], f"fetching {package} of Debian {self.release}")
        file = next(self.directory.glob(f"{package}_*.deb"))
        stock.run(["dpkg-deb", "-x", str(file), str(into)], f"unpacking {file.name}")
