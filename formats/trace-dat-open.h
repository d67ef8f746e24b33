/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens a trace.dat with libtracecmd, which dies of some damaged ones: of
 * 3.1.6's tracecmd_open() it was seen where the header does not parse.
 */
#ifndef FORMATS_TRACE_DAT_OPEN_H
#define FORMATS_TRACE_DAT_OPEN_H

struct tracecmd_input;

/*
 * NULL where the file cannot be read. Tried in a child process first. The
 * caller closes it with tracecmd_close().
 */
struct tracecmd_input *tcs_trace_dat_open(const char *path);

#endif
