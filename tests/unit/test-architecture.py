#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which folder may use which, and that every source file names its licence.

The arrows of docs/architecture.md as a table. The checker is itself tried on a
small tree with known faults, so that it cannot pass by not looking.
"""

import os
import re
import sys
import tempfile

# A folder may include its own headers and those of the folders listed here.
MAY_USE = {
    'clocksync': set(),
    'clockread': {'clocksync'},
    'formats': {'clocksync'},
    'qemu-plugin': {'clocksync', 'clockread'},
    'guest-agent': {'clocksync', 'clockread'},
    'plot': set(),
    'collector': {'formats', 'plot', 'clocksync', 'clockread'},
}
MAY_USE['tests'] = set(MAY_USE)

# No I/O, no "now", no locale: what is left of the C library.
PURE = {'assert.h', 'errno.h', 'limits.h', 'stdbool.h', 'stddef.h', 'stdint.h',
        'stdlib.h', 'string.h'}
# More of the C library and the kernel's interface, but no other library.
LIBC = PURE | {'cpuid.h', 'dirent.h', 'fcntl.h', 'inttypes.h', 'pthread.h',
               'sched.h', 'signal.h', 'stdarg.h', 'stdio.h', 'time.h',
               'unistd.h', 'x86intrin.h'}
LIBC_FOLDERS = ('asm/', 'linux/', 'sys/')

# Other libraries, by how their headers begin, and the folders that may use
# them; tests may use all.
LIBRARIES = {
    'GLib': (('glib', 'gio/', 'gmodule', 'gobject/'),
             {'qemu-plugin', 'guest-agent', 'collector', 'plot'}),
    'cairo': (('cairo',), {'plot'}),
    'json-c': (('json-c/', 'json.h'), {'guest-agent', 'collector'}),
    'libvirt': (('libvirt/',), {'collector'}),
    'libtracefs': (('tracefs', 'kbuffer', 'event-parse', 'traceevent/',
                    'trace-cmd'),
                   {'clockread', 'collector', 'formats'}),
}
# The one file of clockread that needs more than libc: a library of its own, so
# that QEMU's component, which uses the rest, does not load libtracefs.
WITH_TRACEFS = ('clockread/marker-clock.c', ('tracefs.h', 'kbuffer.h'))

GENERATED = {'config.h'}
SPDX = 'SPDX-License-Identifier: GPL-2.0-or-later'
NAMES_WITH_SPDX = {'meson.build', 'meson_options.txt', 'Makefile'}
SUFFIXES_WITH_SPDX = ('.c', '.h', '.py', '.sh')
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def source_files(root):
    """Paths relative to root; no hidden folders, no build folders."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders
            if not name.startswith('.') and name not in ('__pycache__',
                                                         'subprojects')
            and not os.path.exists(os.path.join(folder, name, 'meson-private'))
        )
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.startswith('.') and not os.path.islink(path):
                yield os.path.relpath(path, root)


def read_lines(root, path):
    with open(os.path.join(root, path), encoding='utf-8',
              errors='replace') as file:
        return file.read().splitlines()


def include_target(root, path, name):
    """The folder a header belongs to; None where it is not in this tree."""
    for base in (os.path.dirname(path), ''):
        target = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, target)):
            return target.split(os.sep)[0] if os.sep in target else ''
    first = os.path.normpath(name).split('/')[0]
    # A header that is yet to be generated, or a folder by its name.
    return first if first in MAY_USE and '/' in name else None


def include_fault(root, folder, path, quote, name):
    if name in GENERATED:
        return 'generated headers are not for it' if folder == 'clocksync' \
            else None
    target = include_target(root, path, name)
    if target == '':
        return 'headers do not live at the top'
    if target is not None:
        if target == folder or target in MAY_USE[folder]:
            return None
        return f'{folder} may not use {target}'
    if folder == 'clocksync' and (quote == '"' or name not in PURE):
        return 'clocksync is pure: libc without I/O and time, and itself'
    if folder == 'clockread' and (quote == '"' or not (
            name in LIBC or name.startswith(LIBC_FOLDERS) or
            (path == WITH_TRACEFS[0] and name in WITH_TRACEFS[1]))):
        return 'clockread uses libc, clocksync and itself'
    for library, (prefixes, folders) in LIBRARIES.items():
        if name.startswith(prefixes) and folder not in folders | {'tests'}:
            return f'{folder} may not use {library}'
    return None


def include_faults(root):
    for path in source_files(root):
        if not path.endswith(('.c', '.h')):
            continue
        folder = path.split(os.sep)[0] if os.sep in path else ''
        if folder not in MAY_USE:
            yield f'{path}: no rule says what {folder or "the top"} may use'
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            fault = include_fault(root, folder, path, *match.groups())
            if fault:
                yield f'{path}:{number}: {match.group(2)}: {fault}'


def is_source(root, path):
    name = os.path.basename(path)
    if name in NAMES_WITH_SPDX or name.endswith(SUFFIXES_WITH_SPDX):
        return True
    if path.split(os.sep)[0] == 'qapi' and name.endswith('.json'):
        return True
    with open(os.path.join(root, path), 'rb') as file:
        return file.read(2) == b'#!'


def licence_faults(root):
    for path in source_files(root):
        # The first line; or just below "#!" and an editor's mode lines.
        if is_source(root, path) and not any(
                SPDX in line for line in read_lines(root, path)[:3]):
            yield f'{path}: no SPDX line at its start'


# Path, text, and what must be said of it ('' for nothing).
TRIALS = [
    ('clocksync/span.h', '#include <stdint.h>\n', ''),
    ('clocksync/span.c', '#include "span.h"\n', ''),
    ('clocksync/now.c', '#include <time.h>\n', 'clocksync is pure'),
    ('clocksync/print.c', '# include <stdio.h>\n', 'clocksync is pure'),
    ('clocksync/json.c', '#include <json-c/json.h>\n', 'clocksync is pure'),
    ('clocksync/up.c', '#include "clockread/counter.h"\n',
     'clocksync may not use clockread'),
    ('clocksync/up2.c', '#include "../clockread/counter.h"\n',
     'clocksync may not use clockread'),
    ('clocksync/config.c', '#include "config.h"\n', 'generated'),
    ('clockread/counter.h', '#include <time.h>\n', ''),
    ('clockread/page.c', '#include <linux/perf_event.h>\n', ''),
    ('clockread/glib.c', '#include <glib.h>\n', 'clockread uses libc'),
    ('clockread/marker-clock.c', '#include <tracefs.h>\n', ''),
    ('clockread/marker-tidy.c', '#include <tracefs.h>\n',
     'clockread uses libc'),
    ('guest-agent/trace.c', '#include <tracefs.h>\n',
     'guest-agent may not use libtracefs'),
    ('formats/perf.h', '#include "clocksync/span.h"\n', ''),
    ('formats/read.c', '#include "clockread/counter.h"\n',
     'formats may not use clockread'),
    ('qemu-plugin/plugin.c', '#include "config.h"\n#include <qemu-plugin.h>\n'
     '#include "clocksync/span.h"\n#include "clockread/counter.h"\n', ''),
    ('qemu-plugin/peek.c', '#include <collector/session.h>\n',
     'qemu-plugin may not use collector'),
    ('guest-agent/peek.c', '#include "collector/session.h"\n',
     'guest-agent may not use collector'),
    ('guest-agent/agent.c', '#include "formats/perf.h"\n',
     'guest-agent may not use formats'),
    ('qemu-plugin/json.c', '#include <json-c/json.h>\n',
     'qemu-plugin may not use json-c'),
    ('formats/glib.c', '#include <gio/gio.h>\n', 'formats may not use GLib'),
    ('guest-agent/json.c', '#include <json-c/json.h>\n#include <glib.h>\n',
     ''),
    ('collector/session.h', '#include "formats/perf.h"\n', ''),
    ('collector/agent.c', '#include "guest-agent/agent.h"\n',
     'collector may not use guest-agent'),
    ('tests/unit/all.c', '#include "collector/session.h"\n', ''),
    ('library/new.c', '', 'no rule says what library may use'),
    ('build/generated.c', '', ''),
]


def try_includes():
    """The faults found in a tree where they are known, minus the known."""
    with tempfile.TemporaryDirectory() as root:
        for path, text, _ in TRIALS:
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as file:
                file.write(text)
        os.mkdir(os.path.join(root, 'build', 'meson-private'))
        found = {}
        for fault in include_faults(root):
            found.setdefault(fault.split(':')[0], []).append(fault)
    for path, _, wanted in TRIALS:
        actual = found.pop(path, [])
        if len(actual) != bool(wanted) or wanted not in ''.join(actual):
            yield f'{path}: wanted "{wanted}", got {actual}'
    yield from (f'{path}: {faults}' for path, faults in found.items())


def try_licence():
    texts = {
        'good.c': f'/* {SPDX} */\n',
        'good.py': f'#!/usr/bin/env python3\n# {SPDX}\n',
        'script': f'#!/bin/sh\n# {SPDX}\n',
        'notes.txt': 'Only text.\n',
        'bad.c': 'int x;\n',
        'bad-script': '#!/bin/sh\n',
        'meson.build': 'project()\n',
        'late.h': f'int x;\nint y;\nint z;\n/* {SPDX} */\n',
        'other.c': '/* SPDX-License-Identifier: MIT */\n',
    }
    wanted = {'bad.c', 'bad-script', 'meson.build', 'late.h', 'other.c'}
    with tempfile.TemporaryDirectory() as root:
        for name, text in texts.items():
            with open(os.path.join(root, name), 'w', encoding='utf-8') as file:
                file.write(text)
        found = {fault.split(':')[0] for fault in licence_faults(root)}
    yield from sorted(found ^ wanted)


def main():
    root = sys.argv[1]
    looked_at = sum(path.endswith(('.c', '.h')) for path in source_files(root))
    tests = [
        ('includes: known faults are found', try_includes()),
        ('licence: known faults are found', try_licence()),
        ('includes follow the arrows', include_faults(root)),
        ('every source file has an SPDX line', licence_faults(root)),
        ('the source tree was found',
         [] if looked_at > 10 else [f'{looked_at} C files in {root}']),
    ]
    print(f'1..{len(tests)}')
    is_good = True
    for number, (name, faults) in enumerate(tests, 1):
        faults = list(faults)
        for fault in faults:
            print(f'# {fault}')
        print(f'{"not ok" if faults else "ok"} {number} - {name}')
        is_good = is_good and not faults
    return 0 if is_good else 1


if __name__ == '__main__':
    sys.exit(main())
