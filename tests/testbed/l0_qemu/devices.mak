# SPDX-License-Identifier: GPL-2.0-or-later
# The devices of the QEMU that L1 runs in, beside what a q35 machine brings along.
CONFIG_ISAPC=n
CONFIG_I440FX=n
CONFIG_MICROVM=n
CONFIG_Q35=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
