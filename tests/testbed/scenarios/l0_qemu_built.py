# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes minutes to make, once, is made before scenarios that need it run side by side."""
import l0_qemu


def check_built(t):
    """the QEMU that emulates the hosts is there"""
    t.note(l0_qemu.qemu().command()[0])
