# SPDX-License-Identifier: GPL-2.0-or-later
# The devices of the in-tree build's other target: a machine with vCPUs, and what the emulation of
# its CPUs does not link without.
CONFIG_ARM_VIRT=y
CONFIG_ARM_V7M=y
