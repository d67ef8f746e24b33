# SPDX-License-Identifier: GPL-2.0-or-later
# A thin front for Meson and for the scripts that set everything up.
BUILD ?= build
# By full path: it brings the Python that its packages are for, whatever is first in PATH.
MESON ?= /usr/bin/meson

.PHONY: all demo check check-tree check-deb check-arch bench measure soak install clean
all:
	scripts/install-packages
	test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD)
	$(MESON) compile -C $(BUILD)

demo:
	scripts/demo

check:
	scripts/check

# QEMU itself, with our sources in its tree: some 24 minutes of CPU time the first time.
check-tree:
	scripts/check-tree

# Debian packages, built and installed in clean systems.
check-deb:
	scripts/install-packages
	/usr/bin/python3 -B -u tests/packages/check_deb.py

# Real KVM of arm64, ppc64 and riscv64: 12 to 20 minutes, and some 4 more the first time, with 2 GB to unpack.
check-arch:
	scripts/check-arch

bench: all
	/usr/bin/python3 -B scripts/bench.py $(BUILD)

measure:
	scripts/measure

# 100,000 queries of one QEMU: half an hour on a busy machine.
soak: all
	SOAK_QUERIES=100000 /usr/bin/python3 tests/testbed/run.py --build $(BUILD) soak

install: all
	$(MESON) install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-sanitize build-fuzz
