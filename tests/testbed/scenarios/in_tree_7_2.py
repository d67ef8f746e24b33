# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU 7.2 with trace-clock-sync compiled in its tree, on real KVM and against the plugin."""
from in_tree import (NEEDS, check_collector, check_event, check_hmp,  # noqa: F401
                     check_kvm, check_libvirt, check_plugin_beside, check_same_as_plugin, check_schema)

HOST = {"tree": "7.2", "libvirt": True}
