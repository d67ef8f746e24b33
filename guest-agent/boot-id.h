/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which boot of the kernel this is. Knows nothing else.
 */
#ifndef GUEST_AGENT_BOOT_ID_H
#define GUEST_AGENT_BOOT_ID_H

/* The kernel's boot id, read once; "unknown" where it cannot be read. */
const char *tga_boot_id(void);

#endif
