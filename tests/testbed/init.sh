#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# First process of the testbed's machines, L1 and L2 alike. It prepares what a distribution's
# start-up would, then obeys the control channel. Whatever else runs is started through that.

/bin/busybox --install -s /bin
export PATH=/usr/bin:/usr/sbin:/bin HOME=/root

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
ln -s /run /var/run
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
# Absent when the scenario says debugfs=off.
mount -t debugfs debug /sys/kernel/debug 2>/dev/null

while read -r module; do
    insmod "$module" || echo "init: insmod $module failed"
done </lib/modules/order
ip link set lo up

link_ports() {
    for port in /sys/class/virtio-ports/*; do
        [ -s "$port/name" ] && ln -sf "/dev/${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"
    done
}

# Ports get their names one by one, in the order of QEMU's command line; the control port is the last.
mkdir -p /dev/virtio-ports
tries=0
until [ -e /dev/virtio-ports/tcs.control ]; do
    tries=$((tries + 1))
    [ $tries -lt 500 ] || { echo "init: no control port appeared"; poweroff -f; }
    usleep 20000
    link_ports
done
# Others may have got theirs after they were looked at, and before the control port was.
link_ports

# A system that has one of its own goes on with it; that starts the control loop, too.
[ -x /lib/systemd/systemd ] && exec /lib/systemd/systemd

/bin/control-loop /dev/virtio-ports/tcs.control
echo "init: the control loop ended"
poweroff -f
