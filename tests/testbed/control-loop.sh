#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The far end of channel.Shell: runs scripts that arrive on a character device, one at a time.
# Request: "ID SECONDS SCRIPT-LENGTH INPUT-LENGTH\n", the script, its standard input.
# Answer:  "ID STATUS OUT-LENGTH ERR-LENGTH\n", standard output, standard error.
# Lengths instead of quoting: any bytes pass, and nothing is read one character at a time.

mkdir -p /run/control
cd /run/control || exit 1
exec 3<>"$1"
echo ready >&3
while read -r id seconds script_length input_length <&3; do
    # dd takes exactly this much; head may read ahead, which does no harm at the end.
    dd bs="$script_length" count=1 iflag=fullblock <&3 >script 2>/dev/null
    head -c "$input_length" <&3 >input
    # A child left in the background must not hold the device open: 3>&-
    (cd / && exec timeout -s KILL "$seconds" sh /run/control/script) <input >out 2>err 3>&-
    echo "$id $? $(stat -c %s out) $(stat -c %s err)" >&3
    cat out err >&3
done
